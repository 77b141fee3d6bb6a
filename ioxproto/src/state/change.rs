//! The changes of a [`ControllerState`](super::ControllerState), and their occasions.

use std::fmt;
use std::sync::Arc;

use super::{Program, Property, Variable};
use crate::names::NameChange;
use crate::view::{ProgramId, VariableField, VariableId, VariableType};
use crate::vocabulary::Lifecycle;

/// How a change became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Occasion {
    /// A live event reported it.
    Live,
    /// A replayed event set a value that was not known, or differs. The value itself may be old.
    Replay,
    /// It happened while the stream was not connected. Reported once, when the replay ends, or at
    /// once if its event arrives after that.
    WhileAway,
    /// Reading the names again found it.
    Reading,
    /// The stream's self-audit found it; no event had reported it.
    Drift,
}

impl Occasion {
    /// The label: `live`, `replay`, `while_away`, `reading` or `drift`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Replay => "replay",
            Self::WhileAway => "while_away",
            Self::Reading => "reading",
            Self::Drift => "drift",
        }
    }
}

/// One change of a [`ControllerState`](super::ControllerState).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// How it became known.
    pub occasion: Occasion,
    /// What changed.
    pub kind: ChangeKind,
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ChangeKind {
    /// A node's property has another value, or is new. With change times, also: it has changed, and
    /// changed back.
    Property(PropertyChange),
    /// A member's property changed, so the aggregate state of the scene may have changed too.
    /// Follows the change of the member itself.
    Scene {
        /// The scene.
        scene: Arc<str>,
        /// The node.
        node: Arc<str>,
        /// The node's property.
        control: Arc<str>,
    },
    /// A program's status or one of its other fields changed.
    Program(ProgramChange),
    /// A variable's value or value at start-up changed.
    Variable(VariableChanged),
    /// An item was renamed, moved, added, removed, enabled or disabled. Reported by a live event or
    /// found by reading the names again. The first reading of the names reports no changes.
    Name(NameChange),
    /// A node stopped answering the controller, or answers again.
    CommError {
        /// The node.
        node: Arc<str>,
        /// Whether it does not answer.
        has_error: bool,
    },
    /// A table of variables changed. The caller should load the names of the variables again.
    VariableTable(VariableType),
    /// Cached structure is out of date. The caller should load it again.
    Structure {
        /// What happened.
        verb: Lifecycle,
        /// The address of the affected item.
        address: Arc<str>,
        /// What to load again.
        invalidates: Invalidated,
    },
}

/// The change of a property.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PropertyChange {
    /// The address of the node.
    pub node: Arc<str>,
    /// The id of the property.
    pub control: Arc<str>,
    /// The previous value; `None` if it was not known.
    pub before: Option<Property>,
    /// The new value.
    pub after: Property,
}

/// The change of a program.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProgramChange {
    /// The program.
    pub id: ProgramId,
    /// The previous state; `None` if it was not known.
    pub before: Option<Program>,
    /// The new state.
    pub after: Program,
}

/// The change of a variable.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VariableChanged {
    /// The variable.
    pub id: VariableId,
    /// Which field changed. For a change while away: the value, or the value at start-up if the
    /// value is the same as before.
    pub field: VariableField,
    /// The previous values; `None` if the variable was not known.
    pub before: Option<Variable>,
    /// The new values.
    pub after: Variable,
}

/// What to load again after a change of the structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Invalidated {
    /// The list of nodes, with their names and properties.
    Nodes,
    /// The list of folders.
    Folders,
    /// The list of scenes, with their names and members.
    Scenes,
}

/// A line for a log, such as `42 92 8C 1 ST: 0 -> 255`.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ChangeKind::Property(change) => {
                write!(f, "{} {}: ", change.node, change.control)?;
                if let Some(before) = &change.before {
                    write!(f, "{} -> ", before.raw())?;
                }
                f.write_str(change.after.raw())?;
            }
            ChangeKind::Scene { scene, node, .. } => {
                write!(f, "scene {scene}: member {node} changed")?;
            }
            ChangeKind::Program(change) => {
                write!(f, "program {}", change.id)?;
                match change.after.status {
                    Some(status) => write!(f, ": {status}")?,
                    None => f.write_str(" changed")?,
                }
            }
            ChangeKind::Variable(change) => {
                let (init, value) = match change.field {
                    VariableField::Value => ("", change.after.value),
                    VariableField::Init => (" init", change.after.init),
                };
                write!(f, "variable {}{init}", change.id)?;
                if let Some(value) = value {
                    write!(f, " = {value}")?;
                }
            }
            ChangeKind::Name(change) => change.fmt(f)?,
            ChangeKind::CommError { node, has_error } => {
                let words = if *has_error {
                    "does not answer"
                } else {
                    "answers again"
                };
                write!(f, "node {node}: {words}")?;
            }
            ChangeKind::VariableTable(kind) => {
                write!(f, "table of {kind} variables changed")?;
            }
            ChangeKind::Structure { verb, address, .. } => {
                write!(f, "{} {address}", verb.label().replace('_', " "))?;
            }
        }
        match self.occasion {
            Occasion::Live => Ok(()),
            Occasion::Replay => f.write_str(" (replay)"),
            Occasion::WhileAway => f.write_str(" (while away)"),
            Occasion::Reading => f.write_str(" (found by reading)"),
            Occasion::Drift => f.write_str(" (drift)"),
        }
    }
}
