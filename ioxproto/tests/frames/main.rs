//! Frames: each kind and quirk that controllers send, and hostile ones.

mod fields;
mod hostile;
mod kinds;
mod properties;
mod recovery;
mod several;
mod straight;

use ioxproto::{Event, Frame, FrameReader};

/// The event in a frame. Panics if the frame is of another kind.
fn event(text: &str) -> Event {
    match FrameReader::new().read(text) {
        Frame::Event(event) => event,
        other => panic!("no event but {}", shown(&other)),
    }
}

/// Why a frame is malformed. Panics if the frame is of another kind.
fn malformed(text: &str) -> String {
    match FrameReader::new().read(text) {
        Frame::Malformed(malformed) => malformed.cause,
        other => panic!("not malformed but {}", shown(&other)),
    }
}

/// What a frame is ignored as. Panics if the frame is of another kind.
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

/// The beginning of a frame's `Debug` output, for a panic.
fn shown(frame: &Frame) -> String {
    format!("{frame:?}").chars().take(500).collect()
}
