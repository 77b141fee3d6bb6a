//! What a text frame is: an event, ignored, or malformed.

use ioxproto::{Frame, FrameReader};

use super::{event, ignored, malformed};

const EVENT: &str = "<Event seqnum=\"3\"><control>_0</control><action>90</action></Event>";

fn enveloped(document: &str) -> String {
    serde_json::json!({"type": "event", "data": document}).to_string()
}

#[test]
fn a_json_envelope_holds_the_event() {
    assert_eq!(event(&enveloped(EVENT)), event(EVENT));
    assert_eq!(event(&format!(" {} \n", enveloped(EVENT))).seqnum(), 3);
    let odd =
        "{\"data\":\"<Event><node>\\u20ac\\n\\\"</node></Event>\",\"x\":[{}],\"type\":\"event\"}";
    assert_eq!(event(odd).node(), "€\n\"");
}

#[test]
fn byte_order_marks_before_a_document_are_skipped_in_an_envelope_too() {
    let document =
        "<Event seqnum=\"3\" sid=\"uuid:1\"><control>ST</control><action>255</action></Event>";
    for before in ["\u{feff}", " \u{feff}", "\u{feff}\u{feff} "] {
        let marked = format!("{before}{document}");
        assert_eq!(event(&marked), event(document), "{before:?}");
        assert_eq!(event(&enveloped(&marked)), event(document), "{before:?}");
    }
    // Found by fuzzing: each mark is three bytes long, which the envelope must account for.
    assert!(!malformed(&enveloped("\u{feff}:")).is_empty());
}

#[test]
fn other_json_is_ignored_by_its_kind() {
    assert_eq!(
        ignored("{\"type\":\"spolisy\",\"data\":\"{\\\"status\\\":\\\"inactive\\\"}\"}"),
        "a message of type spolisy"
    );
    assert_eq!(
        ignored("{\"type\":\"spolisy\",\"data\":{\"a\":[1,2]}}"),
        "a message of type spolisy"
    );
    assert_eq!(ignored("{}"), "a message without a type");
    assert_eq!(ignored("{\"type\":5}"), "a message without a type");
    for text in [
        "null",
        "[]",
        "[1,{\"a\":2}]",
        "5",
        "-1.5e3",
        "\"text\"",
        "true",
        "{\"type\":\"event\"}",
        "{\"type\":\"event\",\"data\":7}",
        "{\"type\":\"event\",\"data\":null}",
        "{\"type\":\"event\",\"data\":{\"type\":\"event\"}}",
    ] {
        assert_eq!(ignored(text), "JSON that contains no event", "{text}");
    }
}

#[test]
fn empty_text_is_ignored() {
    for text in ["", " ", "\r\n", "\u{feff}"] {
        assert_eq!(ignored(text), "an empty frame");
    }
}

#[test]
fn xml_with_another_root_is_ignored_and_takes_no_number() {
    let response =
        "<SubscriptionResponse><SID>uuid:75</SID><duration>0</duration></SubscriptionResponse>";
    assert_eq!(ignored(response), "an XML document SubscriptionResponse");
    assert_eq!(
        ignored("<s:Envelope xmlns:s='x'><s:Body/></s:Envelope>"),
        "an XML document s:Envelope"
    );
    assert_eq!(
        ignored(&enveloped(response)),
        "an XML document SubscriptionResponse"
    );
    assert_eq!(ignored("<event/>"), "an XML document event");
    let Frame::Ignored(frame) = FrameReader::new().read(response) else {
        panic!()
    };
    assert!(!frame.kind.may_take_number());
    assert_eq!(&*frame.text, response);
}

#[test]
fn text_that_is_not_well_formed_is_malformed() {
    for text in [
        "hello",
        "{",
        "{\"type\":\"event\",\"data\":\"<Event>\"",
        "{\"type\":\"event\"} junk",
        "[1,",
        "nul",
        "<",
        "<>",
        "<Event",
        "<Event>",
        "</Event>",
        "<Event></event>",
        "<Event><control>ST</action></Event>",
        "<Event><control>ST</Event>",
        "<Event/>junk",
        "<Event/><Event/>",
        "<Event/>&amp;",
        "junk<Event/>",
        "<Event a='1' a='2'/>",
        "<Event a=1/>",
        "<Event a/>",
        "<Event a='1'b='2'/>",
        "<Event a='<'/>",
        "<1Event/>",
        "<Event><?xml version='1.0'?></Event>",
        "<Event/><?xml version='1.0'?>",
        "<Event><![CDATA[</Event>",
        "<Event><!-- </Event>",
        "<!DOCTYPE Event><Event/>",
        "<?xml version='1.0'?>",
        "<!-- nothing -->",
    ] {
        assert!(!malformed(text).is_empty(), "{text}");
    }
}

#[test]
fn a_frame_cut_off_anywhere_is_malformed() {
    let whole = "<?xml version=\"1.0\"?><Event seqnum=\"1\" sid=\"uuid:1\"><control>_7</control><action uom='1'>1</action><node>a &amp; b</node><eventInfo>x <b>y</b><![CDATA[<z>]]></eventInfo></Event>";
    for text in [whole.to_owned(), enveloped(whole)] {
        for length in (1..text.len()).filter(|length| text.is_char_boundary(*length)) {
            malformed(&text[..length]);
        }
        event(&text);
    }
}

#[test]
fn invalid_utf_8_is_replaced_and_reported() {
    let mut reader = FrameReader::new();
    let mut bytes = EVENT.as_bytes().to_vec();
    assert!(!reader.read_bytes(&bytes).1);
    let at = EVENT.find("90").unwrap();
    bytes[at] = 0xc3;
    let (frame, replaced) = reader.read_bytes(&bytes);
    let Frame::Event(event) = frame else {
        panic!("{frame:?}")
    };
    assert!(replaced);
    assert_eq!(event.action(), "\u{fffd}0");
    let enveloped = enveloped("<Event><node>NAME</node></Event>")
        .replace("NAME", "\u{1}")
        .into_bytes();
    let enveloped: Vec<u8> = enveloped
        .into_iter()
        .map(|byte| if byte == 1 { 0xff } else { byte })
        .collect();
    let (frame, replaced) = reader.read_bytes(&enveloped);
    let Frame::Event(event) = frame else {
        panic!("{frame:?}")
    };
    assert!(replaced);
    assert_eq!(event.node(), "\u{fffd}");
}

#[test]
fn a_bad_frame_does_not_affect_later_frames() {
    let mut reader = FrameReader::new();
    for text in [
        "<Event><control>&lt;",
        "{\"type\"",
        EVENT,
        "<Event><control>a & b</control></Event>",
        EVENT,
    ] {
        reader.read(text);
    }
    let Frame::Event(again) = reader.read(EVENT) else {
        panic!()
    };
    assert_eq!(again, event(EVENT));
}
