//! Parses any bytes as a frame. The reader must not panic, and parsing the document of an event
//! again must give the same event.

use ioxproto::{Event, Frame, FrameReader};

/// Parses the bytes as one frame.
pub fn run(data: &[u8]) {
    let mut reader = FrameReader::new();
    let (frame, replaced) = reader.read_bytes(data);
    assert_eq!(replaced, std::str::from_utf8(data).is_err());
    let mut documents = 1;
    while let Some(frame) = reader.next_document() {
        documents += 1;
        if let Frame::Event(event) = &frame {
            check(event);
        }
    }
    assert!(documents <= 65);
    if let Frame::Event(event) = &frame {
        check(event);
        let Frame::Event(again) = reader.read(&event.document()) else {
            panic!("an event's document is not an event")
        };
        assert_eq!(again, *event);
        let envelope = serde_json::json!({"type": "event", "data": event.document()}).to_string();
        let Frame::Event(enveloped) = reader.read(&envelope) else {
            panic!("an event's document is not an event in an envelope")
        };
        assert_eq!(enveloped, *event);
    }
    // Neither the reader's earlier frames nor the straight scan affect the result.
    for mut reader in [FrameReader::new(), FrameReader::general()] {
        let (fresh, _) = reader.read_bytes(data);
        assert_eq!(format!("{fresh:?}"), format!("{frame:?}"));
        if let (Frame::Event(fresh), Frame::Event(event)) = (&fresh, &frame) {
            assert_eq!(fresh.document(), event.document());
        }
    }
}

/// Checks what holds for every event.
fn check(event: &Event) {
    assert_eq!(event.known_seqnum().unwrap_or(0), event.seqnum());
    assert_eq!(event.event_info().trim(), event.event_info());
    assert!(!event.is_live());
    let parts = [
        event.sid(),
        event.timestamp(),
        event.control(),
        event.action(),
        event.uom(),
        event.node(),
    ];
    let displayed = [event.fmt_act(), event.fmt_name(), event.event_info()];
    let longest = event.document().len();
    assert!(
        parts
            .iter()
            .chain(&displayed)
            .all(|part| part.len() <= longest)
    );
}
