//! Parses any text as the data of an envelope, and as the envelope itself.

use ioxproto::{Frame, FrameReader};

/// Parses the text in both ways.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut reader = FrameReader::new();
    let plain = reader.read(text.trim_ascii());
    let envelope = serde_json::json!({"data": text, "type": "event"}).to_string();
    let enveloped = reader.read(&envelope);
    let general = FrameReader::general().read(&envelope);
    assert_eq!(format!("{general:?}"), format!("{enveloped:?}"));
    // A document is the same event with and without an envelope.
    if let Frame::Event(event) = &plain
        && text.trim_ascii().starts_with('<')
    {
        let Frame::Event(other) = &enveloped else {
            panic!("an event is not an event in an envelope")
        };
        assert_eq!(event, other);
    }
    let json = format!("{{\"type\":\"event\",\"data\":{text}}}");
    // Control characters that should have been escaped are replaced.
    let clean = json.replace(is_forbidden, "\u{fffd}");
    let is_json = [&json, &clean]
        .into_iter()
        .any(|json| serde_json::from_str::<serde_json::Value>(json).is_ok());
    let frame = reader.read(&json);
    assert!(
        is_json || !matches!(frame, Frame::Event(_)),
        "an event from what is not JSON"
    );
}

/// Whether XML forbids a character (section 2.2).
fn is_forbidden(character: char) -> bool {
    let is_control = character < ' ' && !matches!(character, '\t' | '\n' | '\r');
    is_control || matches!(character, '\u{fffe}' | '\u{ffff}')
}
