//! For programs: one JSON object a line. Names and order of the members are a contract; texts are never null.

use ioxproto::{Event, Gap, Notification, StatusChange};
use serde::Serialize;

use super::kind::Kind;

/// Writes JSON lines.
#[derive(Debug)]
pub(crate) struct Json;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "made for a line and written at once"
)]
enum Line<'a> {
    Status {
        status: &'a str,
        reason: Option<&'a str>,
    },
    Event(EventLine<'a>),
    Gap {
        expected: i64,
        got: i64,
    },
    Malformed {
        error: &'a str,
    },
    Ignored {
        reason: &'a str,
    },
    Dropped {
        count: u64,
    },
}

#[derive(Serialize)]
struct EventLine<'a> {
    live: bool,
    seqnum: i64,
    sid: &'a str,
    timestamp: &'a str,
    control: &'a str,
    action: &'a str,
    node_address: &'a str,
    formatted_action: &'a str,
    formatted_name: &'a str,
    uom: &'a str,
    precision: Option<i32>,
    event_info: &'a str,
    #[serde(flatten)]
    kind: Kind<'a>,
}

impl<'a> EventLine<'a> {
    fn new(event: &'a Event) -> Self {
        Self {
            live: event.live(),
            seqnum: event.seqnum(),
            sid: event.sid(),
            timestamp: event.timestamp(),
            control: event.control(),
            action: event.action(),
            node_address: event.node(),
            formatted_action: event.fmt_act(),
            formatted_name: event.fmt_name(),
            uom: event.uom(),
            precision: event.prec(),
            event_info: event.event_info(),
            kind: Kind::of(event),
        }
    }
}

impl Json {
    pub(crate) fn show(&self, notification: &Notification, out: &mut Vec<u8>) {
        match notification {
            Notification::Status(change) => self.status(change, out),
            Notification::Event(event) => write(&Line::Event(EventLine::new(event)), out),
            Notification::Gap(Gap { expected, got, .. }) => {
                let (expected, got) = (*expected, *got);
                write(&Line::Gap { expected, got }, out);
            }
            Notification::Malformed(malformed) => {
                let error = &malformed.cause;
                write(&Line::Malformed { error }, out);
            }
            Notification::Ignored(ignored) => self.ignored(&ignored.kind.to_string(), out),
            Notification::Dropped(count) => write(&Line::Dropped { count: *count }, out),
            _ => {}
        }
    }

    /// A message that is no event, with what it is instead.
    pub(crate) fn ignored(&self, reason: &str, out: &mut Vec<u8>) {
        write(&Line::Ignored { reason }, out);
    }

    /// A line that is not what it should be.
    pub(crate) fn malformed(&self, error: &str, out: &mut Vec<u8>) {
        write(&Line::Malformed { error }, out);
    }

    fn status(&self, change: &StatusChange, out: &mut Vec<u8>) {
        let line = Line::Status {
            status: change.status.as_str(),
            reason: change.reason.as_ref().map(|reason| reason.code()),
        };
        write(&line, out);
    }
}

/// Members that are added later come after those of the contract.
fn write(line: &Line<'_>, out: &mut Vec<u8>) {
    // Texts and numbers always serialise, and a vector takes everything.
    let _ = serde_json::to_writer(&mut *out, line);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use ioxproto::{Frame, FrameReader, Reason, Status};

    use super::*;

    fn shown(notification: &Notification) -> String {
        let mut out = Vec::new();
        Json.show(notification, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn event(text: &str) -> Notification {
        match FrameReader::new().read(text) {
            Frame::Event(event) => Notification::Event(event),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_event_has_the_members_of_the_contract_in_its_order() {
        let full = event(
            r#"<Event seqnum="16" sid="uuid:1" timestamp="2026-05-05T18:52:41.875777-07:00"><control>ST</control><action uom="100" prec="0">0</action><node>42 92 8C 1</node><eventInfo></eventInfo><fmtAct>Off "°"</fmtAct><fmtName>Status</fmtName></Event>"#,
        );
        assert_eq!(
            shown(&full),
            concat!(
                r#"{"type":"event","live":false,"seqnum":16,"sid":"uuid:1","timestamp":"2026-05-05T18:52:41.875777-07:00","#,
                r#""control":"ST","action":"0","node_address":"42 92 8C 1","formatted_action":"Off \"°\"","#,
                r#""formatted_name":"Status","uom":"100","precision":0,"event_info":"","kind":"node_property","value":0}"#,
                "\n"
            )
        );
    }

    #[test]
    fn what_an_event_lacks_is_empty_and_only_the_precision_is_null() {
        assert_eq!(
            shown(&event("<Event/>")),
            concat!(
                r#"{"type":"event","live":false,"seqnum":0,"sid":"","timestamp":"","control":"","action":"","#,
                r#""node_address":"","formatted_action":"","formatted_name":"","uom":"","precision":null,"event_info":"","kind":"other","description":" = "}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_status_has_the_code_of_its_reason_or_null() {
        let mut change = StatusChange::new(Status::StreamSyncing);
        assert_eq!(
            shown(&Notification::Status(change.clone())),
            "{\"type\":\"status\",\"status\":\"stream_syncing\",\"reason\":null}\n"
        );
        change.status = Status::ReconnectFailed;
        change.reason = Some(Reason::CredentialsRefused { status: 401 });
        assert_eq!(
            shown(&Notification::Status(change)),
            "{\"type\":\"status\",\"status\":\"reconnect_failed\",\"reason\":\"credentials_refused\"}\n"
        );
    }

    #[test]
    fn frames_that_are_no_events_say_why() {
        let mut out = Vec::new();
        Json.ignored("a binary message", &mut out);
        Json.malformed("cut \"short\"", &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"type\":\"ignored\",\"reason\":\"a binary message\"}\n{\"type\":\"malformed\",\"error\":\"cut \\\"short\\\"\"}\n"
        );
    }
}
