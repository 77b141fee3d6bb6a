//! One notification as one JSON object: the lines of `iox watch --format json`.
//!
//! The names and the order of the members are a contract: members are only ever added. Texts are
//! never null. Behind the feature `serde`.
//!
//! | `type` | members |
//! |---|---|
//! | `status` | `status`, `reason` (the reason's code, or null) |
//! | `event` | `live`, `seqnum`, `sid`, `timestamp`, `control`, `action`, `node_address`, `formatted_action`, `formatted_name`, `uom`, `precision` (or null), `event_info`, `kind`, and the members of that kind |
//! | `gap` | `expected`, `got` |
//! | `malformed` | `error` |
//! | `ignored` | `reason` |
//! | `dropped` | `count` |
//!
//! An [`Event`] alone serialises as the members of its line, without `type`, and a [`StatusChange`]
//! likewise.
//!
//! ```
//! use ioxproto::line::Line;
//! use ioxproto::{Notification, Status, StatusChange};
//!
//! let told = Notification::Status(StatusChange::new(Status::Connected));
//! let line = Line::of(&told).map(|line| serde_json::to_string(&line));
//! let expected = r#"{"type":"status","status":"connected","reason":null}"#;
//! assert_eq!(line.transpose()?.as_deref(), Some(expected));
//! # Ok::<(), serde_json::Error>(())
//! ```

mod kind;

use serde::{Serialize, Serializer};

use self::kind::Kind;
use crate::{Event, Gap, Notification, Reason, Status, StatusChange};

/// A notification, or what stands in the place of one, as a JSON line.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Line<'a>(Members<'a>);

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Members<'a> {
    Status(&'a StatusChange),
    Event(&'a Event),
    Gap { expected: i64, got: i64 },
    Malformed { error: &'a str },
    Ignored { reason: String },
    Dropped { count: u64 },
}

impl<'a> Line<'a> {
    /// The line of a notification; `None` for one that asks something of the caller.
    #[must_use]
    pub fn of(notification: &'a Notification) -> Option<Self> {
        Some(Self(match notification {
            Notification::Status(change) => Members::Status(change),
            Notification::Event(event) => Members::Event(event),
            Notification::Gap(Gap { expected, got, .. }) => Members::Gap {
                expected: *expected,
                got: *got,
            },
            Notification::Malformed(malformed) => return Some(Self::malformed(&malformed.cause)),
            Notification::Ignored(ignored) => return Some(Self::ignored(ignored.kind.to_string())),
            Notification::Dropped(count) => Members::Dropped { count: *count },
            Notification::TokenWanted { .. } => return None,
        }))
    }

    /// The line of a message that is no event, with what it is instead.
    pub fn ignored(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self(Members::Ignored { reason })
    }

    /// The line of a text that is not what it should be.
    #[must_use]
    pub fn malformed(error: &'a str) -> Self {
        Self(Members::Malformed { error })
    }
}

#[derive(Serialize)]
struct EventMembers<'a> {
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

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let members = EventMembers {
            live: self.live(),
            seqnum: self.seqnum(),
            sid: self.sid(),
            timestamp: self.timestamp(),
            control: self.control(),
            action: self.action(),
            node_address: self.node(),
            formatted_action: self.fmt_act(),
            formatted_name: self.fmt_name(),
            uom: self.uom(),
            precision: self.prec(),
            event_info: self.event_info(),
            kind: Kind::of(self),
        };
        members.serialize(serializer)
    }
}

#[derive(Serialize)]
struct StatusMembers<'a> {
    status: Status,
    reason: Option<&'a Reason>,
}

impl Serialize for StatusChange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let members = StatusMembers {
            status: self.status,
            reason: self.reason.as_ref(),
        };
        members.serialize(serializer)
    }
}

/// As its text, such as `lost_connection`.
impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// As its code, such as `closed_by_controller`.
impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Frame, FrameReader};

    fn shown(notification: &Notification) -> String {
        serde_json::to_string(&Line::of(notification).unwrap()).unwrap() + "\n"
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
        let lines = [
            Line::ignored("a binary message"),
            Line::malformed("cut \"short\""),
        ];
        assert_eq!(
            lines
                .map(|line| serde_json::to_string(&line).unwrap() + "\n")
                .concat(),
            "{\"type\":\"ignored\",\"reason\":\"a binary message\"}\n{\"type\":\"malformed\",\"error\":\"cut \\\"short\\\"\"}\n"
        );
    }
}
