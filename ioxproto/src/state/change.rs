//! What changed in the picture, and on what occasion.

use std::fmt;
use std::sync::Arc;

use super::{Program, Property, Variable};
use crate::names::NameChange;
use crate::view::{ProgramId, VariableField, VariableId, VariableType};
use crate::vocabulary::Lifecycle;

/// When a change came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Occasion {
    /// It happened just now.
    Live,
    /// The replay set it; no news by itself.
    Replay,
    /// It happened during an outage; told once, when the replay after it has ended.
    WhileAway,
    /// It was found by reading the names again.
    Reading,
    /// It was found by the stream's self-audit: no event has told it.
    Drift,
}

impl Occasion {
    /// `live`, `replay`, `while_away`, `reading`, `drift`.
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
    /// When it came to be known.
    pub occasion: Occasion,
    /// What changed.
    pub kind: ChangeKind,
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ChangeKind {
    /// A node's property took another value, or was heard of for the first time.
    Property(PropertyChange),
    /// A member's property changed, so the scene's aggregate state may have; follows the member's
    /// own change.
    Scene {
        /// The scene.
        scene: Arc<str>,
        /// The node.
        node: Arc<str>,
        /// The node's property.
        control: Arc<str>,
    },
    /// Something of a program changed.
    Program(ProgramChange),
    /// A variable's value or value at start-up changed.
    Variable(VariableChanged),
    /// Something was renamed, moved, added, removed, enabled or disabled: by a live event, or found
    /// by reading the names again. A first reading changes nothing.
    Name(NameChange),
    /// A node does not answer the controller, or answers again.
    CommError {
        /// The node.
        node: Arc<str>,
        /// Whether it does not answer.
        has_error: bool,
    },
    /// A table of variables changed: the caller should load its names again.
    VariableTable(VariableType),
    /// Cached structure is no longer right: the caller should load it again.
    Structure {
        /// What happened.
        verb: Lifecycle,
        /// The address that it happened to.
        address: Arc<str>,
        /// What is to be loaded again.
        invalidates: Invalidated,
    },
}

/// A property's change.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PropertyChange {
    /// The node.
    pub node: Arc<str>,
    /// The property.
    pub control: Arc<str>,
    /// What it was; `None` where it was not known.
    pub before: Option<Property>,
    /// What it is.
    pub after: Property,
}

/// A program's change.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProgramChange {
    /// The program.
    pub id: ProgramId,
    /// What it was; `None` where it was not known.
    pub before: Option<Program>,
    /// What it is.
    pub after: Program,
}

/// A variable's change.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VariableChanged {
    /// The variable.
    pub id: VariableId,
    /// Which of its values; of what happened while away: the value, unless it stayed the same.
    pub field: VariableField,
    /// What it was; `None` where it was not known.
    pub before: Option<Variable>,
    /// What it is.
    pub after: Variable,
}

/// What is to be loaded again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Invalidated {
    /// Nodes: which there are, their names, their properties.
    Nodes,
    /// Folders.
    Folders,
    /// Scenes: which there are, their names, their members.
    Scenes,
}

/// `42 92 8C 1 ST: 0 -> 255`, for a log.
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
