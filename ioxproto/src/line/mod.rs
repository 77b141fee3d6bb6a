//! Writes one notification as one JSON object, as in the lines of `iox watch --format json`.
//!
//! The names and the order of the members are stable: later versions only add members. Texts are
//! never null. Requires the feature `serde`.
//!
//! Every line has `type` and `time`, the time of receipt in UTC (`2026-05-06T01:52:41.901Z`; null
//! if it is not known). If one output has lines of several controllers, every line also has
//! `controller`.
//!
//! | `type` | members |
//! |---|---|
//! | `status` | `status`, `reason` (the reason's code, or null), `close_code`, `http_status`, `retry_in` (seconds), `message` (a sentence for people); a member that does not apply is null |
//! | `event` | `live`, `seqnum`, `sid`, `timestamp`, `control`, `action`, `node_address`, `formatted_action`, `formatted_name`, `uom`, `precision` (or null), `event_info`, `kind`, and the members of that kind |
//! | `gap` | `expected`, `got` |
//! | `malformed` | `error` |
//! | `ignored` | `reason` |
//! | `dropped` | `count` |
//!
//! An event also has `node_name` and `node_folder`, `program_name` or `variable_name`, if the names
//! are known ([`Line::named`]).
//!
//! The members of an event by its `kind`:
//!
//! | `kind` | members |
//! |---|---|
//! | `node_property` | `value`, `unit`, `text`: the [shown value](crate::unit::ShownValue); `value` is null if it is not a number |
//! | `command` | `command` (`on`, `fast_on`, …), `value` and `unit` of its parameter, `text` |
//! | `heartbeat` | `promised_seconds` |
//! | `node_lifecycle` | `verb`, `requires_reload`, and those of `name`, `node`, `parent` and `enabled` that it has |
//! | `program_status` | `program`, `status`, `enabled`, `run_at_reboot`, `run_state`, `evaluation`, `last_run`, `last_finish`, `next_run` |
//! | `variable_value`, `variable_init` | `variable_type`, `variable_id`, `raw`, `value`, `changed_at` |
//! | `variable_table` | `variable_type` |
//! | `climate` | `reading`, `value`, `unit`, `text` |
//! | `elk` | `subject` (`area`, `zone`), `number`, `field`, `raw`, `text` |
//! | `energy_monitoring` | `readings`, `text` |
//! | `progress` | `progress`, `text` |
//! | `device_write` | `message` |
//! | `device_memory` | `memory`, `cmd1`, `cmd2`, `value` |
//! | `system_status` | `system_status` |
//! | `system_config` | `setting`, `on` |
//! | `internet_access` | `internet_access`, `url` |
//! | `portal_status` | `connected`, `registered` |
//! | `other` | `description` |
//! | `unreadable` | `description`, `error` |
//!
//! Serialized on its own, an [`Event`], [`StatusChange`], [`Gap`], [`Malformed`] or [`Ignored`] has
//! the members of its line, without `type` and `time`.
//!
//! ```
//! use ioxproto::line::Line;
//! use ioxproto::{Notification, Status, StatusChange};
//! use std::time::{Duration, SystemTime};
//!
//! let notification = Notification::Status(StatusChange::new(Status::Connected));
//! let received = SystemTime::UNIX_EPOCH + Duration::from_millis(1_778_032_361_901);
//! let line = Line::of(&notification).map(|line| line.received(received));
//! let text = line.map(|line| serde_json::to_string(&line)).transpose()?;
//! assert!(text.is_some_and(|text| text.starts_with(
//!     r#"{"type":"status","time":"2026-05-06T01:52:41.901Z","status":"connected","reason":null"#
//! )));
//! # Ok::<(), serde_json::Error>(())
//! ```

mod kind;
mod utc;

use std::time::SystemTime;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use self::kind::Kind;
pub(crate) use self::utc::Utc;
use crate::names::Names;
use crate::view::View;
use crate::{Event, Gap, Ignored, Malformed, Notification, Reason, Status, StatusChange};

/// A notification, or an ignored or malformed text, as a JSON line.
#[derive(Clone, Debug, Serialize)]
pub struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    time: Option<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    controller: Option<&'a str>,
    #[serde(flatten)]
    members: Members<'a>,
    #[serde(flatten)]
    names: KnownNames<'a>,
}

/// The names of the node, program or variable of an event. Absent names are omitted.
#[derive(Clone, Debug, Default, Serialize)]
struct KnownNames<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    node_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_folder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    program_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variable_name: Option<&'a str>,
}

/// The members of a line, by the kind of its notification.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Members<'a> {
    Status(&'a StatusChange),
    Event(&'a Event),
    Gap(&'a Gap),
    Malformed { error: &'a str },
    Ignored { reason: String },
    Dropped { count: u64 },
}

impl<'a> Line<'a> {
    /// Creates the line of a notification. `None` for a notification that has no line: a request
    /// for a token, names, or a drift.
    #[must_use]
    pub fn of(notification: &'a Notification) -> Option<Self> {
        Some(match notification {
            Notification::Status(change) => Self::new("status", Members::Status(change)),
            Notification::Event(event) => Self::new("event", Members::Event(event)),
            Notification::Gap(gap) => Self::new("gap", Members::Gap(gap)),
            Notification::Malformed(malformed) => Self::malformed(&malformed.cause),
            Notification::Ignored(ignored) => Self::ignored(ignored.kind.to_string()),
            Notification::Dropped(count) => {
                Self::new("dropped", Members::Dropped { count: *count })
            }
            Notification::TokenWanted { .. } | Notification::Names(_) | Notification::Drift(_) => {
                return None;
            }
        })
    }

    /// Creates the line of a message that is not an event; `reason` says what it is.
    pub fn ignored(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::new("ignored", Members::Ignored { reason })
    }

    /// Creates the line of a malformed text.
    #[must_use]
    pub fn malformed(error: &'a str) -> Self {
        Self::new("malformed", Members::Malformed { error })
    }

    /// Sets the time of receipt. `time` is null without it, and for times before 1970.
    #[must_use]
    pub fn received(mut self, time: SystemTime) -> Self {
        self.time = Utc::of(time);
        self
    }

    /// Sets the name of the controller.
    #[must_use]
    pub fn from_controller(mut self, controller: &'a str) -> Self {
        self.controller = Some(controller);
        self
    }

    /// Sets the known names of the node, program or variable.
    #[must_use]
    pub fn named(mut self, names: &'a Names) -> Self {
        let Members::Event(event) = &self.members else {
            return self;
        };
        if let Some(thing) = names.node(event.node()) {
            self.names.node_name = Some(&thing.name);
            let folder = names.folder(event.node());
            self.names.node_folder = Some(folder).filter(|folder| !folder.is_empty());
        }
        match event.view() {
            Ok(View::Program(program)) => self.names.program_name = names.program(program.id),
            Ok(View::Variable(variable)) => self.names.variable_name = names.variable(variable.id),
            _ => {}
        }
        self
    }

    fn new(kind: &'static str, members: Members<'a>) -> Self {
        Self {
            kind,
            time: None,
            controller: None,
            members,
            names: KnownNames::default(),
        }
    }
}

/// The members of an event, in the order of the contract.
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
            live: self.is_live(),
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

/// The members of a status change, in the order of the contract.
#[derive(Serialize)]
struct StatusMembers<'a> {
    status: Status,
    reason: Option<&'a Reason>,
    close_code: Option<u16>,
    http_status: Option<u16>,
    retry_in: Option<f64>,
    message: Option<String>,
}

impl Serialize for StatusChange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let reason = self.reason.as_ref();
        let members = StatusMembers {
            status: self.status,
            reason,
            close_code: reason.and_then(Reason::close_code),
            http_status: reason.and_then(Reason::http_status),
            retry_in: self.retry_in.map(|wait| wait.as_secs_f64()),
            message: reason.map(Reason::to_string),
        };
        members.serialize(serializer)
    }
}

impl Serialize for Gap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Gap", 2)?;
        object.serialize_field("expected", &self.expected)?;
        object.serialize_field("got", &self.got)?;
        object.end()
    }
}

/// Serializes as `error`.
impl Serialize for Malformed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Malformed", 1)?;
        object.serialize_field("error", &self.cause)?;
        object.end()
    }
}

/// Serializes as `reason`.
impl Serialize for Ignored {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Ignored", 1)?;
        object.serialize_field("reason", &self.kind.to_string())?;
        object.end()
    }
}

/// Serializes as its text, such as `lost_connection`.
impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Serializes as its code, such as `closed_by_controller`.
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
                r#"{"type":"event","time":null,"live":false,"seqnum":16,"sid":"uuid:1","timestamp":"2026-05-05T18:52:41.875777-07:00","#,
                r#""control":"ST","action":"0","node_address":"42 92 8C 1","formatted_action":"Off \"°\"","#,
                r#""formatted_name":"Status","uom":"100","precision":0,"event_info":"","kind":"node_property","value":0,"unit":"","text":"Off \"°\""}"#,
                "\n"
            )
        );
    }

    #[test]
    fn missing_parts_of_an_event_are_empty_and_only_the_precision_is_null() {
        assert_eq!(
            shown(&event("<Event/>")),
            concat!(
                r#"{"type":"event","time":null,"live":false,"seqnum":0,"sid":"","timestamp":"","control":"","action":"","#,
                r#""node_address":"","formatted_action":"","formatted_name":"","uom":"","precision":null,"event_info":"","kind":"other","description":" = "}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_status_has_its_reason_with_codes_wait_and_sentence() {
        let mut change = StatusChange::new(Status::StreamSyncing);
        assert_eq!(
            shown(&Notification::Status(change.clone())),
            concat!(
                r#"{"type":"status","time":null,"status":"stream_syncing","reason":null,"close_code":null,"#,
                r#""http_status":null,"retry_in":null,"message":null}"#,
                "\n"
            )
        );
        change.status = Status::ReconnectFailed;
        change.reason = Some(Reason::CredentialsRefused { status: 401 });
        let line = shown(&Notification::Status(change.clone()));
        assert!(line.contains(
            r#""status":"reconnect_failed","reason":"credentials_refused","close_code":null,"http_status":401,"retry_in":null,"message":"the controller refused"#
        ));
        change.status = Status::LostConnection;
        change.reason = Some(Reason::closed(Some(1001), "bye"));
        change.retry_in = Some(std::time::Duration::from_millis(2500));
        let line = shown(&Notification::Status(change));
        assert!(line.contains(
            r#""reason":"closed_by_controller","close_code":1001,"http_status":null,"retry_in":2.5,"message":"the controller closed the connection (code 1001; \"bye\")"}"#
        ), "{line}");
    }

    #[test]
    fn every_line_has_the_time_of_receipt_and_the_controller_if_asked() {
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_500);
        let line = Line::malformed("x").received(time).from_controller("home");
        assert_eq!(
            serde_json::to_string(&line).unwrap(),
            r#"{"type":"malformed","time":"1970-01-01T00:00:01.500Z","controller":"home","error":"x"}"#
        );
    }

    #[test]
    fn the_content_of_a_line_serialises_on_its_own() {
        let Notification::Event(event) =
            event("<Event><control>_0</control><action>90</action><node></node></Event>")
        else {
            panic!()
        };
        assert_eq!(
            serde_json::to_string(&event.view().unwrap()).unwrap(),
            r#"{"kind":"heartbeat","promised_seconds":90}"#
        );
        let Frame::Ignored(ignored) = FrameReader::new().read("null") else {
            panic!()
        };
        let json = serde_json::to_string(&ignored).unwrap();
        assert!(json.starts_with(r#"{"reason":""#), "{json}");
        let Frame::Malformed(malformed) = FrameReader::new().read("<Event") else {
            panic!()
        };
        let json = serde_json::to_string(&malformed).unwrap();
        assert!(json.starts_with(r#"{"error":""#), "{json}");
    }

    #[test]
    fn frames_that_are_not_events_have_a_reason() {
        let lines = [
            Line::ignored("a binary message"),
            Line::malformed("cut \"short\""),
        ];
        assert_eq!(
            lines
                .map(|line| serde_json::to_string(&line).unwrap() + "\n")
                .concat(),
            "{\"type\":\"ignored\",\"time\":null,\"reason\":\"a binary message\"}\n{\"type\":\"malformed\",\"time\":null,\"error\":\"cut \\\"short\\\"\"}\n"
        );
    }
}
