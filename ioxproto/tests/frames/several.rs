//! Several documents in one message.

use ioxproto::{Frame, FrameReader};

use super::shown;

fn document(seqnum: u32) -> String {
    format!(
        "<Event seqnum=\"{seqnum}\" sid=\"uuid:1\"><control>ST</control><action>1</action><node>n</node><eventInfo></eventInfo></Event>"
    )
}

/// The sequence numbers of the events in a message; `None` for a malformed one.
fn frames(text: &str) -> Vec<Option<i64>> {
    let mut found: Option<Vec<Option<i64>>> = None;
    for mut reader in [FrameReader::new(), FrameReader::general()] {
        let envelope = serde_json::json!({"type": "event", "data": text}).to_string();
        for text in [text, &envelope] {
            let mut frames = vec![reader.read(text)];
            while let Some(frame) = reader.next_document() {
                frames.push(frame);
            }
            let kinds: Vec<_> = frames
                .iter()
                .map(|frame| match frame {
                    Frame::Event(event) => event.known_seqnum(),
                    Frame::Malformed(_) => None,
                    Frame::Ignored(_) => panic!("{}", shown(frame)),
                })
                .collect();
            // Plain or in an envelope, with the fast path or the general one: the same.
            assert_eq!(found.get_or_insert_with(|| kinds.clone()), &kinds, "{text}");
        }
    }
    found.unwrap_or_default()
}

#[test]
fn several_documents_are_several_events_in_order() {
    let (one, two, three) = (document(1), document(2), document(3));
    let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    for between in [
        "",
        "\r\n",
        "\u{feff}",
        declaration,
        "\n<?xml version='1.0'?>\n",
    ] {
        let text = format!("{declaration}{one}{between}{two}{between}{three}\n");
        assert_eq!(frames(&text), [Some(1), Some(2), Some(3)], "{between:?}");
    }
}

#[test]
fn complete_documents_are_delivered_before_a_truncated_one() {
    let (one, two) = (document(1), document(2));
    for length in 1..two.len() {
        let text = format!("{one}{}", &two[..length]);
        assert_eq!(frames(&text), [Some(1), None], "{text}");
    }
}

#[test]
fn each_document_is_repaired_separately() {
    let odd = document(2).replace("<action>1", "<action>a & b\u{1}");
    let text = format!("{}{odd}{}", document(1), document(3));
    assert_eq!(frames(&text), [Some(1), Some(2), Some(3)]);
    let broken = document(2).replace("</action>", "");
    let text = format!("{}{broken}{}", document(1), document(3));
    assert_eq!(frames(&text), [Some(1), None, Some(3)]);
}

#[test]
fn an_end_tag_in_text_does_not_end_a_document() {
    let text =
        "<Event seqnum=\"1\"><eventInfo><![CDATA[</Event><Event>]]> a & b</eventInfo></Event>";
    assert_eq!(frames(text), [Some(1)]);
    let whole = "<Event seqnum=\"1\"><eventInfo><Event></Event><Event></Event></eventInfo></Event>";
    assert_eq!(frames(whole), [Some(1)]);
}

#[test]
fn after_64_documents_the_rest_is_malformed_once() {
    let documents = |count: u32| (1..=count).map(document).collect::<String>();
    assert_eq!(frames(&documents(64)).len(), 64);
    for count in [65, 66, 1000] {
        let found = frames(&documents(count));
        assert_eq!(found.len(), 65);
        assert_eq!((found[63], found[64]), (Some(64), None));
    }
}

#[test]
fn the_next_message_drops_documents_that_were_not_taken() {
    let mut reader = FrameReader::new();
    reader.read(&format!("{}{}", document(1), document(2)));
    reader.read(&document(3));
    assert!(reader.next_document().is_none());
}
