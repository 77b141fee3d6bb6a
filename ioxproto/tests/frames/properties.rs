//! Every valid frame returns what was written into it, and no input makes the reader panic.

use ioxproto::{Event, Frame, FrameReader};
use proptest::prelude::*;

use super::event;

/// How a piece of text is written.
#[derive(Clone, Debug)]
enum Written {
    Escaped(String),
    Numbered(String),
    Cdata(String),
}

impl Written {
    fn text(&self) -> &str {
        match self {
            Self::Escaped(text) | Self::Numbered(text) | Self::Cdata(text) => text,
        }
    }

    fn xml(&self) -> String {
        match self {
            Self::Escaped(text) => escaped(text),
            Self::Numbered(text) => text
                .chars()
                .map(|character| format!("&#{};", u32::from(character)))
                .collect(),
            Self::Cdata(text) => format!("<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>")),
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&apos;")
}

fn text() -> impl Strategy<Value = String> {
    "[ -~\u{a0}-\u{17f}€\t]{0,24}"
}

fn pieces() -> impl Strategy<Value = Vec<Written>> {
    let piece = prop_oneof![
        text().prop_map(Written::Escaped),
        text().prop_map(Written::Numbered),
        text().prop_map(Written::Cdata),
    ];
    proptest::collection::vec(piece, 0..4)
}

fn whole(pieces: &[Written]) -> String {
    pieces.iter().map(Written::text).collect()
}

fn xml(pieces: &[Written]) -> String {
    pieces.iter().map(Written::xml).collect()
}

fn read_bytes(bytes: &[u8]) -> Frame {
    FrameReader::new().read_bytes(bytes).0
}

/// Checks that an event read again from its own document is equal.
fn stable(event: &Event) {
    let Frame::Event(again) = FrameReader::new().read(&event.document()) else {
        panic!("{event:?}")
    };
    assert_eq!(&again, event);
}

proptest! {
    #[test]
    fn a_valid_frame_returns_its_parts(
        seqnum in any::<i64>(),
        attributes in (text(), text(), text()),
        prec in any::<i32>(),
        control in pieces(),
        action in pieces(),
        node in pieces(),
        info in pieces(),
        display in (pieces(), pieces()),
        quote in prop_oneof![Just('"'), Just('\'')],
        blank in "[ \n\t]{0,3}",
    ) {
        let attribute = |name: &str, value: &str| format!(" {blank}{name}{blank}={blank}{quote}{}{quote}", escaped(value));
        let (sid, timestamp, uom) = &attributes;
        let document = format!(
            "<?xml version=\"1.0\"?>{blank}<Event{}{}{}{blank}>{blank}<control>{}</control>{blank}<action{}{}>{}</action><node>{}</node>{blank}<eventInfo>{}</eventInfo><fmtAct>{}</fmtAct><fmtName>{}</fmtName>{blank}</Event>{blank}",
            attribute("seqnum", &seqnum.to_string()),
            attribute("sid", sid),
            attribute("timestamp", timestamp),
            xml(&control),
            attribute("uom", uom),
            attribute("prec", &prec.to_string()),
            xml(&action),
            xml(&node),
            xml(&info),
            xml(&display.0),
            xml(&display.1),
        );
        let envelope = serde_json::json!({"type": "event", "data": document}).to_string();
        for text in [document.as_str(), envelope.as_str()] {
            let event = event(text);
            prop_assert_eq!(event.known_seqnum(), Some(seqnum));
            let blanks = |value: &str| value.replace(['\t', '\n'], " ");
            prop_assert_eq!(event.sid(), blanks(sid));
            prop_assert_eq!(event.timestamp(), blanks(timestamp));
            prop_assert_eq!(event.uom(), blanks(uom));
            prop_assert_eq!(event.prec(), Some(prec));
            prop_assert_eq!(event.control(), whole(&control));
            prop_assert_eq!(event.action(), whole(&action));
            prop_assert_eq!(event.node(), whole(&node));
            let info = whole(&info);
            prop_assert_eq!(event.event_info(), info.trim());
            prop_assert_eq!(event.fmt_act(), whole(&display.0));
            prop_assert_eq!(event.fmt_name(), whole(&display.1));
            stable(&event);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read_bytes(&bytes);
    }

    #[test]
    fn no_mix_of_markup_makes_the_reader_panic(
        soup in proptest::collection::vec(
            prop_oneof![
                Just("<Event>"), Just("</Event>"), Just("<eventInfo>"), Just("</eventInfo>"), Just("<control>"),
                Just("</control>"), Just("<![CDATA["), Just("]]>"), Just("<!--"), Just("-->"), Just("&"), Just("&amp;"),
                Just("&#65;"), Just("<"), Just(">"), Just("\""), Just("é"), Just("<action uom='"), Just("'>"), Just(" "),
                Just("x"), Just("/>"), Just("<?xml?>"), Just("<?"), Just("?>"), Just("<node a=\"1\">"), Just("</node>"),
            ],
            0..40,
        )
    ) {
        let soup = soup.concat();
        for text in [soup.clone(), format!("<Event>{soup}</Event>"), format!("<Event><eventInfo>{soup}</eventInfo></Event>")] {
            if let Frame::Event(event) = read_bytes(text.as_bytes()) {
                stable(&event);
            }
        }
    }
}
