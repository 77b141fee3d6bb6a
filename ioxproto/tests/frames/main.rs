//! Frames: each row and quirk of what controllers send, and what nobody should send.

mod fields;
mod hostile;
mod kinds;
mod properties;
mod recovery;
mod several;
mod straight;

use ioxproto::{Event, Frame, FrameReader};

/// The event in a text, or a panic that shows what it is instead.
fn event(text: &str) -> Event {
    match FrameReader::new().read(text) {
        Frame::Event(event) => event,
        other => panic!("no event but {}", shown(&other)),
    }
}

/// Why a text is malformed, or a panic that shows what it is instead.
fn malformed(text: &str) -> String {
    match FrameReader::new().read(text) {
        Frame::Malformed(malformed) => malformed.cause,
        other => panic!("not malformed but {}", shown(&other)),
    }
}

/// What a text is ignored as, or a panic that shows what it is instead.
fn ignored(text: &str) -> String {
    match FrameReader::new().read(text) {
        Frame::Ignored(ignored) => ignored.kind.to_string(),
        other => panic!("not ignored but {}", shown(&other)),
    }
}

/// An event with this payload.
fn with_info(info: &str) -> String {
    format!(
        "<Event seqnum=\"1\" sid=\"uuid:1\"><control>_7</control><action>1</action><node></node><eventInfo>{info}</eventInfo></Event>"
    )
}

/// The beginning of what a frame is, for a panic.
fn shown(frame: &Frame) -> String {
    format!("{frame:?}").chars().take(500).collect()
}
