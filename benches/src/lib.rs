//! Frames for the benchmarks, in the forms that controllers send.

pub mod clients;
pub mod clock;
pub mod controller;
pub mod fleet;
pub mod frame_server;
pub mod histogram;
pub mod ratio;

/// An `ST` event of a node, the most frequent kind of frame.
pub const STATUS: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\"1016\" sid=\"uuid:17\" timestamp=\"2026-05-05T18:52:41.875777-07:00\"><control>ST</control><action uom=\"100\" prec=\"0\">128</action><node>1A 2B 3C 1</node><eventInfo></eventInfo><fmtAct>50%</fmtAct><fmtName>Status</fmtName></Event>";

/// A log line with entities in it.
pub const ENTITIES: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\"1017\" sid=\"uuid:17\" timestamp=\"2026-05-05T18:52:41.875777-07:00\"><control>_7</control><action>1</action><node></node><eventInfo>[n010 TEMP &amp; HUM] 21.5 &lt; 22.0 &#8211; ok</eventInfo></Event>";

/// A log line in a CDATA section.
pub const CDATA: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\"1018\" sid=\"uuid:17\" timestamp=\"2026-05-05T18:52:41.875777-07:00\"><control>_7</control><action>1</action><node></node><eventInfo><![CDATA[U7 Rest:  submitCmd([6536],[DOF],[<NULL>])]]></eventInfo></Event>";

/// A log line with a stray ampersand, which must be repaired.
pub const STRAY: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\"1019\" sid=\"uuid:17\" timestamp=\"2026-05-05T18:52:41.875777-07:00\"><control>_7</control><action>1</action><node></node><eventInfo>REST /n010/cmd/GV1?NUM.107=24&VAL.111=1</eventInfo></Event>";

/// A frame cut off in the middle.
pub const CUT: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\"1020\" sid=\"uuid:17\" timestamp=\"2026-05-05T18:52:41.875777-07:00\"><control>ST</control><action uom=\"100\" prec=\"0\">128</action><node>1A 2B";

/// Returns the event of an added node, with its full description of a few KB.
#[must_use]
pub fn node_added() -> String {
    let property = "<property id=\"GV1\" value=\"215\" formatted=\"21.5&#176;C\" uom=\"4\" prec=\"1\" name=\"Supply\"/>";
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\"1021\" sid=\"uuid:17\" timestamp=\"2026-05-05T18:52:41.875777-07:00\"><control>_3</control><action>ND</action><node>n010_pump</node><eventInfo><node flag=\"128\" nodeDefId=\"PUMP\"><address>n010_pump</address><name>Pump</name><family instance=\"10\">10</family><type>1.1.0.0</type><enabled>true</enabled>{}</node></eventInfo></Event>",
        property.repeat(32)
    )
}

/// Returns a document in the envelope of `/api/events/subscribe`.
#[must_use]
pub fn enveloped(document: &str) -> String {
    format!(
        "{{\"type\":\"event\",\"data\":\"{}\"}}",
        document.replace('\\', "\\\\").replace('"', "\\\"")
    )
}

/// Returns the replayed events of a house with this many nodes and three properties each.
#[must_use]
pub fn replay(nodes: usize) -> Vec<ioxproto::Event> {
    let mut reader = ioxproto::FrameReader::new();
    let mut events = Vec::new();
    for number in 0..nodes * 3 {
        let (node, kind) = (number / 3, number % 3);
        let (control, uom, value, shown, name) = [
            ("ST", "100", "128", "50%", "Status"),
            ("GV1", "17", "725", "72.5°F", "Temperature"),
            ("CLIHUM", "22", "41", "41%", "Humidity"),
        ][kind];
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\"{number}\" sid=\"uuid:17\" timestamp=\"2026-05-05T18:52:41.875777-07:00\"><control>{control}</control><action uom=\"{uom}\" prec=\"0\">{value}</action><node>n{node:03}_84dd4c2c24c3b7</node><eventInfo></eventInfo><fmtAct>{shown}</fmtAct><fmtName>{name}</fmtName></Event>"
        );
        if let ioxproto::Frame::Event(event) = reader.read(&text) {
            events.push(event);
        }
    }
    events
}
