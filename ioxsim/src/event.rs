//! An event before it is stamped and numbered, and the text of its frame.

use std::fmt::Write as _;

/// An event of the controller, which is numbered and stamped for each subscriber.
///
/// ```
/// use ioxsim::Event;
///
/// let on = Event::new("ST", "255")
///     .node("42 92 8C 1")
///     .uom("100", "0")
///     .shown("On")
///     .name("Status");
/// let heartbeat = Event::new("_0", "90");
/// # let _ = (on, heartbeat);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    control: String,
    action: String,
    node: String,
    uom: Option<(String, String)>,
    formatted_action: Option<String>,
    formatted_name: Option<String>,
    info: String,
}

impl Event {
    /// Creates an event with this control and raw action, and without a node.
    pub fn new(control: impl Into<String>, action: impl Into<String>) -> Self {
        Self {
            control: control.into(),
            action: action.into(),
            ..Self::default()
        }
    }

    /// Sets the address of the node.
    #[must_use]
    pub fn node(mut self, address: impl Into<String>) -> Self {
        self.node = address.into();
        self
    }

    /// Sets the unit of measure and the decimal places of the action.
    #[must_use]
    pub fn uom(mut self, uom: impl Into<String>, precision: impl Into<String>) -> Self {
        self.uom = Some((uom.into(), precision.into()));
        self
    }

    /// Sets the display text of the value (`fmtAct`).
    #[must_use]
    pub fn shown(mut self, text: impl Into<String>) -> Self {
        self.formatted_action = Some(text.into());
        self
    }

    /// Sets the display name of the property (`fmtName`).
    #[must_use]
    pub fn name(mut self, text: impl Into<String>) -> Self {
        self.formatted_name = Some(text.into());
        self
    }

    /// Sets the payload: XML that goes into `eventInfo` unescaped.
    #[must_use]
    pub fn info(mut self, xml: impl Into<String>) -> Self {
        self.info = xml.into();
        self
    }

    /// Returns the control.
    #[must_use]
    pub fn control(&self) -> &str {
        &self.control
    }

    /// Returns the raw action.
    #[must_use]
    pub fn action(&self) -> &str {
        &self.action
    }

    /// Returns the address of the node; empty for a system event.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.node
    }

    /// Returns its unit of measure and decimal places; empty if it has none.
    pub(crate) fn unit(&self) -> (&str, &str) {
        match &self.uom {
            Some((uom, precision)) => (uom, precision),
            None => ("", ""),
        }
    }

    /// Returns the display text of the value; may be empty.
    pub(crate) fn displayed(&self) -> &str {
        self.formatted_action.as_deref().unwrap_or_default()
    }

    /// Whether it has the value of a property, in contrast to a command.
    pub(crate) fn has_value(&self) -> bool {
        self.uom.is_some()
    }

    /// Whether it is about a property or command of a node. The replay repeats such events.
    pub(crate) fn of_node(&self) -> bool {
        !self.node.is_empty() && !self.control.starts_with('_')
    }
}

/// The attributes that each subscriber's frame adds to the event.
pub(crate) struct Stamp<'a> {
    pub(crate) seqnum: u64,
    pub(crate) sid: &'a str,
    /// Absent on an ISY-994, which has no `fmtName` either.
    pub(crate) timestamp: Option<&'a str>,
}

/// Returns the text of the frame, including the XML prolog.
pub(crate) fn text(event: &Event, stamp: &Stamp<'_>) -> String {
    let mut text = String::with_capacity(320 + event.info.len());
    text.push_str(r#"<?xml version="1.0" encoding="UTF-8"?><Event"#);
    attribute(&mut text, "seqnum", &stamp.seqnum.to_string());
    attribute(&mut text, "sid", stamp.sid);
    if let Some(timestamp) = stamp.timestamp {
        attribute(&mut text, "timestamp", timestamp);
    }
    text.push_str("><control>");
    escaped(&mut text, &event.control);
    text.push_str("</control><action");
    if let Some((uom, precision)) = &event.uom {
        attribute(&mut text, "uom", uom);
        attribute(&mut text, "prec", precision);
    }
    text.push('>');
    escaped(&mut text, &event.action);
    text.push_str("</action><node>");
    escaped(&mut text, &event.node);
    text.push_str("</node><eventInfo>");
    text.push_str(&event.info);
    text.push_str("</eventInfo>");
    if let Some(shown) = &event.formatted_action {
        element(&mut text, "fmtAct", shown);
    }
    if let (Some(name), Some(_)) = (&event.formatted_name, stamp.timestamp) {
        element(&mut text, "fmtName", name);
    }
    text.push_str("</Event>");
    text
}

/// Returns the frame's text in the envelope of `/api/events/subscribe`.
pub(crate) fn enveloped(text: &str) -> String {
    format!(
        r#"{{"type":"event","data":{}}}"#,
        serde_json::Value::from(text)
    )
}

fn attribute(text: &mut String, name: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = write!(text, " {name}=\"");
    escaped(text, value);
    text.push('"');
}

fn element(text: &mut String, name: &str, content: &str) {
    let _ = write!(text, "<{name}>");
    escaped(text, content);
    let _ = write!(text, "</{name}>");
}

/// Appends text, escaped for content and attributes.
pub(crate) fn escaped(text: &mut String, raw: &str) {
    for character in raw.chars() {
        match character {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp<'_> = Stamp {
        seqnum: 16,
        sid: "uuid:1",
        timestamp: Some("2026-05-05T18:52:41.875777-07:00"),
    };

    #[test]
    fn a_property_is_written_as_a_controller_writes_it() {
        let event = Event::new("ST", "0")
            .node("42 92 8C 1")
            .uom("100", "0")
            .shown("Off")
            .name("Status");
        assert_eq!(
            text(&event, &STAMP),
            concat!(
                r#"<?xml version="1.0" encoding="UTF-8"?>"#,
                r#"<Event seqnum="16" sid="uuid:1" timestamp="2026-05-05T18:52:41.875777-07:00">"#,
                r#"<control>ST</control><action uom="100" prec="0">0</action><node>42 92 8C 1</node>"#,
                "<eventInfo></eventInfo><fmtAct>Off</fmtAct><fmtName>Status</fmtName></Event>",
            )
        );
    }

    #[test]
    fn a_system_event_has_an_empty_node_and_no_display_texts() {
        assert!(text(&Event::new("_0", "90"), &STAMP).ends_with(
            "<control>_0</control><action>90</action><node></node><eventInfo></eventInfo></Event>"
        ));
    }

    #[test]
    fn texts_are_escaped_and_the_payload_is_kept() {
        let event = Event::new("GV1", "1")
            .node("n001_a&b")
            .shown("\"<5\"")
            .info("<var id=\"1\"/>");
        let text = text(&event, &STAMP);
        assert!(text.contains("<node>n001_a&amp;b</node>"));
        assert!(text.contains("<fmtAct>&quot;&lt;5&quot;</fmtAct>"));
        assert!(text.contains("<eventInfo><var id=\"1\"/></eventInfo>"));
    }

    #[test]
    fn an_isy_994_sends_neither_timestamp_nor_name() {
        let event = Event::new("ST", "0")
            .node("1 1 1 1")
            .shown("Off")
            .name("Status");
        let stamp = Stamp {
            timestamp: None,
            ..STAMP
        };
        let text = text(&event, &stamp);
        assert!(!text.contains("timestamp") && !text.contains("fmtName"));
        assert!(text.contains("fmtAct"));
    }
}
