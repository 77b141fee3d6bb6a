//! Parses the JSON lines of `iox watch`.

use ioxproto::view::Timestamp;
use ioxproto::{Event, Frame, FrameReader, Status};
use serde::Deserialize;

/// The content of a line.
#[derive(Debug, PartialEq)]
pub(crate) enum WatchContent {
    Event(Event),
    Status {
        status: Status,
        message: String,
        retry_in: Option<f64>,
    },
    Gap {
        expected: i64,
        got: i64,
    },
    Malformed(String),
    Ignored(String),
    Dropped(u64),
}

/// A line, with the time of receipt of its notification.
#[derive(Debug, PartialEq)]
pub(crate) struct WatchLine {
    pub(crate) content: WatchContent,
    /// In seconds since the epoch.
    time: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Members {
    r#type: String,
    time: Option<String>,
    data: Option<serde::de::IgnoredAny>,
    live: bool,
    seqnum: i64,
    sid: String,
    timestamp: String,
    control: Option<String>,
    action: String,
    node_address: String,
    formatted_action: String,
    formatted_name: String,
    uom: String,
    precision: Option<i32>,
    event_info: String,
    status: Option<serde_json::Value>,
    message: Option<String>,
    reason: Option<String>,
    retry_in: Option<f64>,
    expected: Option<i64>,
    got: Option<i64>,
    error: Option<String>,
    count: Option<u64>,
}

impl WatchLine {
    /// Parses a line; `None` if it is not from `iox watch`.
    pub(super) fn parse(line: &str) -> Option<Self> {
        if !line.starts_with("{\"type\"") && !line.starts_with("{ \"type\"") {
            return None;
        }
        let members: Members = serde_json::from_str(line).ok()?;
        if members.data.is_some() {
            return None;
        }
        let time = members.time.as_deref().and_then(Timestamp::parse);
        Some(Self {
            time: time.map(|time| time.unix_micros() as f64 / 1e6),
            content: members.into_content()?,
        })
    }

    pub(super) fn time(&self) -> Option<f64> {
        self.time
    }
}

impl Members {
    fn into_content(self) -> Option<WatchContent> {
        Some(match &*self.r#type {
            "event" => WatchContent::Event(self.event()?),
            "status" => WatchContent::Status {
                status: self.status?.as_str()?.parse().ok()?,
                message: self.message.or(self.reason).unwrap_or_default(),
                retry_in: self.retry_in,
            },
            "gap" => WatchContent::Gap {
                expected: self.expected?,
                got: self.got?,
            },
            "malformed" => WatchContent::Malformed(self.error?),
            "ignored" => WatchContent::Ignored(self.reason?),
            "dropped" => WatchContent::Dropped(self.count?),
            _ => return None,
        })
    }

    /// Rebuilds the event: writes its frame and parses that.
    fn event(&self) -> Option<Event> {
        let control = self.control.as_deref()?;
        let prec = self.precision.map(|prec| format!(" prec=\"{prec}\""));
        let frame = |info: &str| {
            format!(
                "<Event seqnum=\"{}\" sid=\"{}\" timestamp=\"{}\"><control>{}</control>\
                 <action uom=\"{}\"{}>{}</action><node>{}</node><eventInfo>{info}</eventInfo>\
                 <fmtAct>{}</fmtAct><fmtName>{}</fmtName></Event>",
                self.seqnum,
                escaped(&self.sid),
                escaped(&self.timestamp),
                escaped(control),
                escaped(&self.uom),
                prec.as_deref().unwrap_or_default(),
                escaped(&self.action),
                escaped(&self.node_address),
                escaped(&self.formatted_action),
                escaped(&self.formatted_name),
            )
        };
        // A payload is either inner XML or text: try both.
        let infos = [self.event_info.clone(), escaped(&self.event_info)];
        infos.iter().find_map(|info| {
            let mut reader = FrameReader::new();
            match reader.read(&frame(info)) {
                Frame::Event(event) if event.event_info() == self.event_info => {
                    Some(event.with_live(self.live))
                }
                _ => None,
            }
        })
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push_str(&format!("&#{};", u32::from(character))),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use ioxproto::Notification;
    use ioxproto::line::Line;

    use super::*;

    #[test]
    fn an_event_survives_the_way_through_its_line() {
        for frame in [
            r#"<Event seqnum="16" sid="uuid:1" timestamp="2026-05-05T18:52:41.875777-07:00"><control>ST</control><action uom="100" prec="0">0</action><node>42 92 8C 1</node><eventInfo></eventInfo><fmtAct>Off "&amp;" &lt;</fmtAct><fmtName>Status</fmtName></Event>"#,
            r#"<Event><control>_1</control><action>0</action><eventInfo><id>8D</id><on /><s>22</s></eventInfo></Event>"#,
            "<Event><control>_7</control><action>1</action><eventInfo><![CDATA[a <NULL> & b\nc]]></eventInfo></Event>",
            "<Event><control>ST</control><action>&#9;x</action><node>n</node></Event>",
        ] {
            let Frame::Event(event) = FrameReader::new().read(frame) else {
                panic!("{frame}")
            };
            let event = event.with_live(true);
            let notification = Notification::Event(event.clone());
            let line = serde_json::to_string(&Line::of(&notification).unwrap()).unwrap();
            let Some(WatchLine {
                content: WatchContent::Event(again),
                ..
            }) = WatchLine::parse(&line)
            else {
                panic!("{line}")
            };
            assert_eq!((again.is_live(), again.seqnum()), (true, event.seqnum()));
            assert_eq!(again.with_live(true).event_info(), event.event_info());
            assert_eq!(
                format!("{:?}", event.view()),
                format!("{:?}", again_of(&line).view())
            );
        }
    }

    fn again_of(line: &str) -> Event {
        match WatchLine::parse(line) {
            Some(WatchLine {
                content: WatchContent::Event(event),
                ..
            }) => event,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn other_lines_are_not_parsed() {
        for line in [
            r#"{"type":"event","data":"<Event/>"}"#,
            r#"{"type":"spolisy"}"#,
            r#"{"type":"status"}"#,
            r#"{"type":"status","status":7}"#,
            r#"{"type":"event"}"#,
            r#"{"type":"gap","expected":"x"}"#,
            "{",
        ] {
            assert_eq!(WatchLine::parse(line), None, "{line}");
        }
    }
}
