//! Serializes the state as JSON, in the format that the [module documentation](super) shows.

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeStruct, Serializer};

use super::{ControllerState, Heard, Program, Property, Variable};
use crate::line::Utc;
use crate::names::{Named, NamedKind};
use crate::view::{ControllerTime, Decimal, Evaluation, RunState, Timestamp, VariableType};

/// Serializes a value as its display text, or as null.
struct TextOrNull<T>(Option<T>);

impl<T: std::fmt::Display> Serialize for TextOrNull<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_none(),
        }
    }
}

/// Serializes as a number: an integer if it is whole and fits into 64 bits, otherwise the nearest
/// floating-point number.
impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.to_i64() {
            Some(whole) => serializer.serialize_i64(whole),
            None => serializer.serialize_f64(self.to_f64()),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for ControllerTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Property {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Property", 9)?;
        let shown = self.shown();
        object.serialize_field("raw", self.raw())?;
        object.serialize_field("value", &shown.number)?;
        object.serialize_field("unit", shown.unit)?;
        object.serialize_field("text", &shown.text)?;
        object.serialize_field("uom", self.uom())?;
        object.serialize_field("precision", &self.prec())?;
        object.serialize_field("formatted", self.formatted())?;
        object.serialize_field("name", self.name())?;
        object.serialize_field("time", &self.time())?;
        object.end()
    }
}

impl Serialize for Program {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Program", 8)?;
        object.serialize_field("status", &self.status)?;
        object.serialize_field("enabled", &self.enabled)?;
        object.serialize_field("run_at_reboot", &self.run_at_reboot)?;
        object.serialize_field(
            "run_state",
            &TextOrNull(self.run_state.map(RunState::label)),
        )?;
        object.serialize_field(
            "evaluation",
            &TextOrNull(self.evaluation.map(Evaluation::label)),
        )?;
        object.serialize_field("last_run", &self.last_run)?;
        object.serialize_field("last_finish", &self.last_finish)?;
        object.serialize_field("next_run", &self.next_run)?;
        object.end()
    }
}

impl Serialize for Variable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Variable", 3)?;
        object.serialize_field("value", &self.value)?;
        object.serialize_field("init", &self.init)?;
        object.serialize_field("time", &self.time)?;
        object.end()
    }
}

/// A JSON object whose members are created during serialization.
struct Object<F>(F);

impl<F, I, K, V> Serialize for Object<F>
where
    F: Fn() -> I,
    I: Iterator<Item = (K, V)>,
    K: Serialize,
    V: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map((self.0)())
    }
}

/// A program or variable with its name.
#[derive(Serialize)]
struct WithName<'a, T> {
    name: Option<&'a str>,
    #[serde(flatten)]
    what: &'a T,
}

/// A property with the time of its last report.
#[derive(Serialize)]
struct WithHeard<'a> {
    #[serde(flatten)]
    property: &'a Property,
    heard_at: Option<Utc>,
}

/// The time of the last report, if it is known.
fn heard_at(heard: Option<Heard>) -> Option<Utc> {
    match heard {
        Some(Heard::At(time)) => Utc::of(time),
        _ => None,
    }
}

/// A node, scene or folder with its folder path.
struct NamedEntry<'a>(&'a Named, &'a ControllerState);

impl Serialize for NamedEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(entry, state) = *self;
        let kind = match entry.kind {
            NamedKind::Node => "node",
            NamedKind::Scene => "scene",
            NamedKind::Folder => "folder",
        };
        let heard_at = heard_at(state.node_heard(&entry.address));
        let mut object = serializer.serialize_struct("Named", 10)?;
        object.serialize_field("kind", kind)?;
        object.serialize_field("name", &entry.name)?;
        object.serialize_field("folder", &state.names().folder(&entry.address))?;
        object.serialize_field("enabled", &entry.is_enabled)?;
        object.serialize_field("comm_error", &state.has_comm_error(&entry.address))?;
        object.serialize_field("heard_at", &heard_at)?;
        object.serialize_field("node_def_id", &entry.node_def_id)?;
        object.serialize_field("device_type", &entry.device_type)?;
        object.serialize_field("family", &entry.family.id)?;
        object.serialize_field("primary", &entry.primary)?;
        object.end()
    }
}

/// The variables of one type.
struct OfType<'a>(&'a ControllerState, VariableType);

impl Serialize for OfType<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let of_type = self.0.variables().filter(|(id, _)| id.kind == self.1);
        serializer.collect_map(of_type.map(|(id, variable)| {
            let name = self.0.names().variable(id);
            (
                id.number,
                WithName {
                    name,
                    what: variable,
                },
            )
        }))
    }
}

impl Serialize for ControllerState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nodes = Object(|| {
            let of_node = |node| {
                self.properties(node).map(move |(control, property)| {
                    let heard_at = heard_at(self.heard(node, control));
                    (control, WithHeard { property, heard_at })
                })
            };
            self.nodes()
                .map(move |node| (node, Object(move || of_node(node))))
        });
        let programs = Object(|| {
            self.programs().map(|(id, what)| {
                let name = self.names().program(id);
                (id.to_string(), WithName { name, what })
            })
        });
        let mut types: Vec<VariableType> = self.variables.keys().map(|id| id.kind).collect();
        types.dedup();
        let variables = Object(|| {
            types
                .iter()
                .map(|kind| (kind.to_string(), OfType(self, *kind)))
        });
        let scenes = Object(|| {
            self.scenes()
                .map(|scene| (scene, self.members(scene).collect::<Vec<_>>()))
        });
        let names = Object(|| {
            let entries = self.names().entries();
            entries.map(|entry| (&*entry.address, NamedEntry(entry, self)))
        });
        let mut object = serializer.serialize_map(Some(6))?;
        object.serialize_entry("complete", &self.is_complete())?;
        object.serialize_entry("nodes", &nodes)?;
        object.serialize_entry("programs", &programs)?;
        object.serialize_entry("variables", &variables)?;
        object.serialize_entry("scenes", &scenes)?;
        object.serialize_entry("names", &names)?;
        object.end()
    }
}
