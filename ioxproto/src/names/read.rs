//! The result of reading the names of a house.

use std::fmt;
use std::sync::Arc;

use super::Names;
use crate::rest::CallError;
use crate::view::VariableType;

/// A part of the names of a house, which one call reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum NamesPart {
    /// Nodes, scenes and folders.
    Nodes,
    /// Programs.
    Programs,
    /// The variables of a type.
    Variables(VariableType),
}

/// `nodes`, `programs`, `integer variables`.
impl fmt::Display for NamesPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nodes => f.write_str("nodes"),
            Self::Programs => f.write_str("programs"),
            Self::Variables(kind) => write!(f, "{kind} variables"),
        }
    }
}

/// The names of the house that a stream has read, and the parts that it could not read.
///
/// `Debug` shows counts, since a house may have thousands of names.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamesRead {
    /// All known names. If a part could not be read, it has the names of an earlier reading. All
    /// lifecycle events that were delivered before this are applied.
    pub names: Arc<Names>,
    /// The parts that could not be read this time.
    pub missing: Vec<Missing>,
}

/// A part that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// The part.
    pub part: NamesPart,
    /// Why it could not be read.
    pub error: CallError,
}

impl NamesRead {
    /// Creates a complete reading, for a caller that has read the names itself.
    #[must_use]
    pub fn new(names: Arc<Names>) -> Self {
        Self {
            names,
            missing: Vec::new(),
        }
    }

    /// Whether every part was read.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// Why this part could not be read; `None` if it was.
    #[must_use]
    pub fn error(&self, part: NamesPart) -> Option<&CallError> {
        let missing = self.missing.iter().find(|missing| missing.part == part);
        missing.map(|missing| &missing.error)
    }
}

impl fmt::Debug for NamesRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamesRead")
            .field("entries", &self.names.entries().count())
            .field("programs", &self.names.programs().count())
            .field("variables", &self.names.variables().count())
            .field("missing", &self.missing)
            .finish()
    }
}
