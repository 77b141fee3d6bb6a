//! The meaning of an event as members of its JSON line: `kind`, and the members of that kind.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;

use serde::{Serialize, Serializer};

use crate::Event;
use crate::view::{
    ControllerTime, Decimal, LifecycleChange, LifecycleDetails, ProgramStatus, VariableChange, View,
};

/// The kinds have the labels of `crate::view::View`. What the event does not contain is null.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Kind<'a> {
    NodeProperty {
        value: Option<Decimal>,
        unit: &'static str,
        text: Cow<'a, str>,
    },
    Command {
        command: &'static str,
        value: Option<Decimal>,
        unit: &'static str,
        text: String,
    },
    Heartbeat {
        promised_seconds: u32,
    },
    NodeLifecycle(Lifecycle<'a>),
    ProgramStatus(Box<Program>),
    VariableValue(Variable<'a>),
    VariableInit(Variable<'a>),
    VariableTable {
        variable_type: Text<String>,
    },
    Progress {
        progress: &'a str,
        text: &'a str,
    },
    DeviceWrite {
        message: Cow<'a, str>,
    },
    DeviceMemory {
        memory: Cow<'a, str>,
        cmd1: Cow<'a, str>,
        cmd2: Cow<'a, str>,
        value: Cow<'a, str>,
    },
    SystemStatus {
        system_status: &'a str,
    },
    SystemConfig {
        setting: &'a str,
        on: Option<bool>,
    },
    InternetAccess {
        internet_access: &'a str,
        url: &'a str,
    },
    PortalStatus {
        connected: Option<bool>,
        registered: Option<bool>,
    },
    Climate {
        reading: Option<&'static str>,
        value: Option<Decimal>,
        unit: Cow<'a, str>,
        text: Cow<'a, str>,
    },
    EnergyMonitoring {
        readings: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
        text: &'a str,
    },
    Elk {
        subject: &'static str,
        number: Cow<'a, str>,
        field: Option<&'static str>,
        raw: Cow<'a, str>,
        text: Option<&'static str>,
    },
    /// A known or unknown control without a view of its own.
    Other {
        description: String,
    },
    /// The payload does not have the form that its kind requires.
    Unreadable {
        description: String,
        error: String,
    },
}

/// The members of a lifecycle event.
#[derive(Debug, Default, Serialize)]
pub(super) struct Lifecycle<'a> {
    verb: &'a str,
    requires_reload: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
}

/// The members of a program's status.
#[derive(Debug, Serialize)]
pub(super) struct Program {
    program: Text<crate::view::ProgramId>,
    status: Option<bool>,
    enabled: Option<bool>,
    run_at_reboot: Option<bool>,
    run_state: Option<&'static str>,
    evaluation: Option<&'static str>,
    last_run: Option<ControllerTime>,
    last_finish: Option<ControllerTime>,
    next_run: Option<ControllerTime>,
}

/// The members of a variable's change.
#[derive(Debug, Serialize)]
pub(super) struct Variable<'a> {
    variable_type: Text<String>,
    variable_id: u32,
    raw: Cow<'a, str>,
    value: Decimal,
    changed_at: Option<ControllerTime>,
}

/// Serialized as its `Display` text.
#[derive(Debug)]
pub(super) struct Text<T>(T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Serializes as `kind` and the members of that kind.
impl Serialize for View<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Kind::of_view(self.clone(), || self.to_string()).serialize(serializer)
    }
}

impl<'a> Kind<'a> {
    pub(super) fn of(event: &'a Event) -> Self {
        match event.view() {
            Ok(view) => Self::of_view(view, || event.describe()),
            Err(error) => Self::Unreadable {
                description: event.describe(),
                error: error.to_string(),
            },
        }
    }

    fn of_view(view: View<'a>, describe: impl FnOnce() -> String) -> Self {
        match view {
            View::Property(property) => {
                let shown = property.shown();
                Self::NodeProperty {
                    value: shown.number,
                    unit: shown.unit,
                    text: shown.text,
                }
            }
            View::Command(command) => {
                let parameter = command.parameter();
                Self::Command {
                    command: command.command.label(),
                    value: parameter.as_ref().and_then(|shown| shown.number),
                    unit: parameter.map_or("", |shown| shown.unit),
                    text: command.text(),
                }
            }
            View::Heartbeat(heartbeat) => Self::Heartbeat {
                promised_seconds: heartbeat.promised_seconds,
            },
            View::Lifecycle(change) => Self::NodeLifecycle(Lifecycle::of(&change)),
            View::Program(status) => Self::ProgramStatus(Box::new(Program::of(&status))),
            View::Variable(change) => match change.field {
                crate::view::VariableField::Init => Self::VariableInit(Variable::of(change)),
                _ => Self::VariableValue(Variable::of(change)),
            },
            View::VariableTable(table) => Self::VariableTable {
                variable_type: Text(table.kind.to_string()),
            },
            View::Progress(progress) => Self::Progress {
                progress: progress.action.label(),
                text: progress.text,
            },
            View::DeviceWrite(write) => Self::DeviceWrite {
                message: write.message,
            },
            View::DeviceMemory(memory) => Self::DeviceMemory {
                memory: memory.memory,
                cmd1: memory.cmd1,
                cmd2: memory.cmd2,
                value: memory.value,
            },
            View::SystemStatus(status) => Self::SystemStatus {
                system_status: status.status.label(),
            },
            View::SystemConfig(config) => Self::SystemConfig {
                setting: config.action.label(),
                on: config.on,
            },
            View::InternetAccess(access) => Self::InternetAccess {
                internet_access: access.action.label(),
                url: access.url,
            },
            View::Portal(portal) => Self::PortalStatus {
                connected: portal.connected,
                registered: portal.registered,
            },
            View::Climate(climate) => Self::Climate {
                reading: climate.reading,
                value: climate.value.parse().ok(),
                unit: climate.unit,
                text: climate.value,
            },
            View::Energy(energy) => Self::EnergyMonitoring {
                readings: energy.readings.into_iter().collect(),
                text: energy.text,
            },
            View::Elk(elk) => Self::Elk {
                subject: elk.subject.label(),
                number: elk.number,
                field: elk.field,
                raw: elk.raw,
                text: elk.word,
            },
            _ => Self::Other {
                description: describe(),
            },
        }
    }
}

impl<'a> Lifecycle<'a> {
    fn of(change: &LifecycleChange<'a>) -> Self {
        let plain = Self {
            verb: change.verb.label(),
            requires_reload: change.is_reload_needed(),
            ..Self::default()
        };
        // Without readable details, the line still has the verb.
        match change.details().unwrap_or(LifecycleDetails::Plain) {
            LifecycleDetails::NodeAdded { name, .. }
            | LifecycleDetails::SceneAdded { name, .. } => Self { name, ..plain },
            LifecycleDetails::Renamed { name } => Self {
                name: Some(name),
                ..plain
            },
            LifecycleDetails::MovedIntoScene { node, .. }
            | LifecycleDetails::RemovedFromScene { node } => Self {
                node: Some(node),
                ..plain
            },
            LifecycleDetails::ParentChanged { node, parent, .. } => Self {
                node,
                parent,
                ..plain
            },
            LifecycleDetails::Enabled(enabled) => Self {
                enabled: Some(enabled),
                ..plain
            },
            _ => plain,
        }
    }
}

impl Program {
    fn of(program: &ProgramStatus) -> Self {
        Self {
            program: Text(program.id),
            status: program.status(),
            enabled: program.enabled,
            run_at_reboot: program.run_at_reboot,
            run_state: program.run_state.map(crate::view::RunState::label),
            evaluation: program.evaluation.map(crate::view::Evaluation::label),
            last_run: program.last_run,
            last_finish: program.last_finish,
            next_run: program.next_run,
        }
    }
}

impl<'a> Variable<'a> {
    fn of(change: VariableChange<'a>) -> Self {
        Self {
            variable_type: Text(change.id.kind.to_string()),
            variable_id: change.id.number,
            raw: change.raw,
            value: change.number,
            changed_at: change.time,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{Frame, FrameReader};

    fn kind(text: &str) -> Value {
        match FrameReader::new().read(text) {
            Frame::Event(event) => serde_json::to_value(Kind::of(&event)).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_property_has_its_number() {
        assert_eq!(
            kind(
                r#"<Event><control>ST</control><action uom="17" prec="1">725</action><node>n1</node></Event>"#
            ),
            json!({"kind": "node_property", "value": 72.5, "unit": "°F", "text": "72.5°F"})
        );
        assert_eq!(
            kind("<Event><control>ST</control><action>on</action><node>n1</node></Event>"),
            json!({"kind": "node_property", "value": null, "unit": "", "text": "on"})
        );
    }

    #[test]
    fn a_command_is_not_a_property() {
        for (control, action, expected) in [
            (
                "DON",
                "<action>0</action>",
                json!({"kind": "command", "command": "on", "value": null, "unit": "", "text": "On"}),
            ),
            (
                "DON",
                r#"<action uom="100">128</action>"#,
                json!({"kind": "command", "command": "on", "value": 128, "unit": "", "text": "On 50%"}),
            ),
            (
                "DFON",
                "<action></action>",
                json!({"kind": "command", "command": "fast_on", "value": null, "unit": "", "text": "Fast On"}),
            ),
            (
                "FDSTOP",
                "<action>0</action>",
                json!({"kind": "command", "command": "fade_stop", "value": null, "unit": "", "text": "Fade Stop"}),
            ),
            (
                "BRT",
                "<action>0</action>",
                json!({"kind": "command", "command": "brighten", "value": null, "unit": "", "text": "Brighten"}),
            ),
        ] {
            let text =
                format!("<Event><control>{control}</control>{action}<node>n1</node></Event>");
            assert_eq!(kind(&text), expected);
        }
    }

    #[test]
    fn panels_weather_and_energy_have_words_and_members() {
        let of = |control: &str, action: &str, info: &str| {
            kind(&format!(
                "<Event><control>{control}</control><action>{action}</action><node></node><eventInfo>{info}</eventInfo></Event>"
            ))
        };
        assert_eq!(
            of("_19", "2", "<ae type='3' area='2' val='0'/>"),
            json!({"kind": "elk", "subject": "area", "number": "2", "field": "armed_state", "raw": "0", "text": "disarmed"})
        );
        assert_eq!(
            of("_19", "3", "<ze type='51' zone='7' val='2'/>"),
            json!({"kind": "elk", "subject": "zone", "number": "7", "field": "logical_state", "raw": "2", "text": "violated"})
        );
        assert_eq!(
            of("_11", "1", "<value>71.3</value><unit>F</unit>"),
            json!({"kind": "climate", "reading": "temperature", "value": 71.3, "unit": "F", "text": "71.3"})
        );
        assert_eq!(
            of(
                "_11",
                "100",
                "<value>2026/05/06 08:02:00</value><unit></unit>"
            ),
            json!({"kind": "climate", "reading": "time", "value": null, "unit": "", "text": "2026/05/06 08:02:00"})
        );
        assert_eq!(
            of("_13", "2", r#"<channel id="1"/><watts>120</watts>"#),
            json!({"kind": "energy_monitoring", "readings": {"id": "1", "watts": "120"}, "text": ""})
        );
        assert_eq!(
            of(
                "_23",
                "1",
                "<PortalStatus><isConnected>1</isConnected></PortalStatus>"
            ),
            json!({"kind": "portal_status", "connected": true, "registered": null})
        );
    }

    #[test]
    fn a_program_has_its_state() {
        assert_eq!(
            kind(
                r#"<Event timestamp="2026-05-06T14:30:36.1-07:00"><control>_1</control><action>0</action><eventInfo><id>8D</id><on /><nr /><r>260506 14:30:36 </r><f>260506 14:30:36 </f><s>22</s></eventInfo></Event>"#
            ),
            json!({"kind": "program_status", "program": "008D", "status": true, "enabled": true,
                "run_at_reboot": false, "run_state": "then_running", "evaluation": "true",
                "last_run": "2026-05-06T14:30:36-07:00", "last_finish": "2026-05-06T14:30:36-07:00",
                "next_run": null})
        );
    }

    #[test]
    fn a_variable_has_its_value() {
        assert_eq!(
            kind(
                r#"<Event><control>_1</control><action>6</action><eventInfo><var type="2" id="12"><prec>1</prec><val>51</val></var></eventInfo></Event>"#
            ),
            json!({"kind": "variable_value", "variable_type": "state", "variable_id": 12, "raw": "51",
                "value": 5.1, "changed_at": null})
        );
    }

    #[test]
    fn a_lifecycle_event_has_its_verb_and_details() {
        assert_eq!(
            kind(
                "<Event><control>_3</control><action>NN</action><node>n1</node><eventInfo><newName>Porch</newName></eventInfo></Event>"
            ),
            json!({"kind": "node_lifecycle", "verb": "node_renamed", "requires_reload": true, "name": "Porch"})
        );
    }

    #[test]
    fn an_event_without_a_view_is_described_and_an_unreadable_one_has_an_error() {
        assert_eq!(
            kind("<Event><control>_99</control><action>x</action></Event>"),
            json!({"kind": "other", "description": "_99 = x"})
        );
        let broken = kind("<Event><control>_0</control><action>soon</action></Event>");
        assert_eq!(broken["kind"], "unreadable");
        assert_eq!(broken["description"], "heartbeat = soon");
        assert!(broken["error"].is_string());
    }
}
