//! What events mean: words, views, the state of the house, listeners. One test for each rule.

mod freshness;
mod house;
mod listeners;
mod model;
mod named;
mod programs;
mod shown;
mod silence;
mod variables;
mod views;
mod words;

use ioxproto::{Event, Frame, FrameReader};

/// Reads a frame that is an event.
fn event(text: &str) -> Event {
    match FrameReader::new().read(text) {
        Frame::Event(event) => event,
        other => panic!("{text}: {other:?}"),
    }
}

/// A node's property.
fn property(node: &str, control: &str, raw: &str) -> Event {
    event(&format!(
        r#"<Event seqnum="9" sid="uuid:1" timestamp="2026-05-06T14:30:36.236101-07:00"><control>{control}</control><action uom="100" prec="0">{raw}</action><node>{node}</node><fmtAct>{raw}%</fmtAct><fmtName>Status</fmtName></Event>"#
    ))
}

/// A node's property that changed just now.
fn live(node: &str, control: &str, raw: &str) -> Event {
    property(node, control, raw).with_live(true)
}

/// A system event.
fn system(control: &str, action: &str, node: &str, info: &str) -> Event {
    event(&format!(
        r#"<Event seqnum="9" sid="uuid:1" timestamp="2026-05-06T14:30:36.236101-07:00"><control>{control}</control><action>{action}</action><node>{node}</node><eventInfo>{info}</eventInfo></Event>"#
    ))
}
