//! One line of the page as JSON: a node, scene, program, variable or controller.

use std::time::{Duration, SystemTime};

use ioxproto::view::{ProgramId, VariableId};
use ioxproto::words::neutralised;
use ioxproto::{Status, StatusChange};
use serde::Serialize;

use crate::BrokerStats;
use crate::topics::variable;

/// Identifies an entry of a controller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// A node or scene, by its address.
    Node(String),
    Program(ProgramId),
    Variable(VariableId),
}

impl Key {
    /// Formats the key so that it is unique among all controllers.
    pub(super) fn to_text(&self, controller: &str) -> String {
        match self {
            Self::Node(address) => format!("{controller}/node/{address}"),
            Self::Program(id) => format!("{controller}/program/{id}"),
            Self::Variable(id) => format!("{controller}/variable/{id}"),
        }
    }

    /// Parses a key that [`to_text`](Self::to_text) formatted. Returns it with the controller's
    /// name, which must not contain a slash.
    pub(crate) fn parse(written: &str) -> Option<(&str, Self)> {
        let (controller, rest) = written.split_once('/')?;
        let (kind, id) = rest.split_once('/')?;
        let key = match kind {
            "node" => Self::Node(id.to_owned()),
            "program" => Self::Program(id.parse().ok()?),
            "variable" => {
                let (kind, number) = id.split_once(' ')?;
                Self::Variable(variable(kind, number)?)
            }
            _ => return None,
        };
        Some((controller, key))
    }
}

/// The kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Node,
    Scene,
    Program,
    Variable,
}

/// The displayed data of an entry.
#[derive(Clone, Debug)]
pub(crate) struct ShownEntry {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// The folders that it is in, outermost first.
    pub(crate) folders: Vec<String>,
    /// The main value, with its unit.
    pub(crate) value: String,
    /// Whether it is on; `None` if that is unknown or does not apply.
    pub(crate) is_on: Option<bool>,
    /// When a value was last received.
    pub(crate) heard: Option<SystemTime>,
    pub(crate) is_disabled: bool,
    pub(crate) has_comm_error: bool,
    /// The payloads of the commands that it accepts, such as `ON`; `LEVEL` stands for all levels.
    pub(crate) commands: Vec<&'static str>,
    pub(crate) properties: Vec<ShownProperty>,
    /// Other facts, each with its name.
    pub(crate) facts: Vec<(&'static str, String)>,
}

/// The displayed data of a property.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ShownProperty {
    pub(crate) control: String,
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) raw: String,
    pub(crate) uom: String,
    /// When the value was last received, in milliseconds since 1970.
    pub(crate) at: Option<u64>,
}

/// A displayed object, as JSON.
#[derive(Serialize)]
struct Line<'a> {
    key: String,
    controller: &'a str,
    kind: Kind,
    id: String,
    name: String,
    folders: Vec<String>,
    value: String,
    on: Option<bool>,
    at: Option<u64>,
    disabled: bool,
    no_answer: bool,
    commands: &'a [&'static str],
    properties: &'a [ShownProperty],
    facts: Vec<(&'static str, String)>,
}

impl ShownEntry {
    pub(crate) fn new(kind: Kind, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            folders: Vec::new(),
            value: String::new(),
            is_on: None,
            heard: None,
            is_disabled: false,
            has_comm_error: false,
            commands: Vec::new(),
            properties: Vec::new(),
            facts: Vec::new(),
        }
    }

    pub(super) fn render(&self, controller: &str, key: &Key) -> String {
        let id = match key {
            Key::Node(address) => address.clone(),
            Key::Program(id) => id.to_string(),
            Key::Variable(id) => id.to_string(),
        };
        let id = neutralise(&id);
        let name = neutralise(&self.name);
        json(&Line {
            key: key.to_text(controller),
            controller,
            kind: self.kind,
            name: if name.trim().is_empty() {
                id.clone()
            } else {
                name
            },
            id,
            folders: self
                .folders
                .iter()
                .map(|folder| neutralise(folder))
                .collect(),
            value: neutralise(&self.value),
            on: self.is_on,
            at: self.heard.map(millis),
            disabled: self.is_disabled,
            no_answer: self.has_comm_error,
            commands: &self.commands,
            properties: &self.properties,
            facts: (self.facts.iter())
                .map(|(name, fact)| (*name, neutralise(fact)))
                .collect(),
        })
    }
}

impl ShownProperty {
    pub(crate) fn new(control: &str, property: &ioxproto::state::Property) -> Self {
        Self {
            control: neutralise(control),
            name: neutralise(property.name().trim()),
            text: neutralise(&property.shown().to_string()),
            raw: neutralise(property.raw()),
            uom: neutralise(property.uom()),
            at: None,
        }
    }

    pub(crate) fn heard(mut self, at: Option<SystemTime>) -> Self {
        self.at = at.map(millis);
        self
    }
}

/// The displayed data of a controller, apart from its status.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShownController {
    pub(crate) uuid: Option<String>,
    pub(crate) firmware: String,
    pub(crate) reconnects: u64,
    pub(crate) drift: u64,
}

/// A controller, as JSON.
#[derive(Serialize)]
struct ControllerLine<'a> {
    name: &'a str,
    status: &'static str,
    connected: bool,
    since: u64,
    reason: Option<String>,
    retry_at: Option<u64>,
    last_loss: Option<(u64, String)>,
    uuid: Option<String>,
    firmware: String,
    reconnects: u64,
    drift: u64,
    /// The number of live events in each of the last minutes, the current one last.
    per_minute: &'a [u64],
    /// The current minute.
    minute: u64,
}

impl ShownController {
    pub(super) fn render(
        &self,
        name: &str,
        status: &StatusChange,
        since: SystemTime,
        last_loss: Option<&(SystemTime, String)>,
        (minute, per_minute): &(u64, Vec<u64>),
    ) -> String {
        json(&ControllerLine {
            name,
            status: status.status.as_str(),
            connected: status.status == Status::Connected,
            since: millis(since),
            reason: status
                .reason
                .as_ref()
                .map(|why| neutralise(&why.to_string())),
            retry_at: status.retry_in.map(|wait| millis(since + wait)),
            last_loss: last_loss.map(|(at, why)| (millis(*at), neutralise(why))),
            uuid: self.uuid.as_deref().map(neutralise),
            firmware: neutralise(&self.firmware),
            reconnects: self.reconnects,
            drift: self.drift,
            per_minute,
            minute: *minute,
        })
    }
}

/// Renders the state of the broker; `null` if there is no broker.
pub(super) fn broker(broker: Option<&BrokerStats>) -> String {
    #[derive(Serialize)]
    struct Line {
        connected: bool,
        waiting: usize,
        dropped_events: u64,
        refused: u64,
    }
    json(&broker.map(|broker| Line {
        connected: broker.is_connected,
        waiting: broker.waiting,
        dropped_events: broker.dropped_events,
        refused: broker.refused,
    }))
}

/// Returns a string from a controller in a form that is safe to display.
pub(super) fn neutralise(text: &str) -> String {
    neutralised(text).to_string()
}

/// Returns the milliseconds since 1970.
pub(super) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let millis = since.unwrap_or(Duration::ZERO).as_millis();
    u64::try_from(millis).unwrap_or(u64::MAX)
}

pub(super) fn json(value: &impl Serialize) -> String {
    // Serialisation fails only for maps whose keys are not strings.
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}
