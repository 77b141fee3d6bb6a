//! The names of the house, as the stream has read them, updated by its events.

use std::sync::Arc;

use ioxproto::names::{self, Found, NamedKind, NamesPart, NamesRead};
use ioxproto::rest::{CallError, CallProblem};
use ioxproto::view::{ProgramId, VariableId};
use ioxproto::vocabulary::SystemControl;
use ioxproto::{Event, ReadNames};

use crate::exit_error::ExitError;
use crate::similar::similar_names;

/// Returns the option that makes a stream read the names.
pub(crate) fn read_option(wanted: bool) -> ReadNames {
    match wanted {
        true => ReadNames::BeforeSubscribing,
        false => ReadNames::Never,
    }
}

/// The names of nodes, scenes, programs and variables. A thing without a name is shown by its
/// address or number.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: Arc<names::Names>,
    /// Why the programs or variables are unknown.
    missing: Option<CallError>,
}

impl Names {
    /// Creates an empty set of names.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// Creates the names that a stream has read.
    pub(crate) fn of(read: &NamesRead) -> Self {
        let mut missing = read.missing.iter().rev();
        let missing = missing.find(|missing| is_failure(&missing.error));
        Self {
            known: Arc::clone(&read.names),
            missing: missing.map(|missing| missing.error.clone()),
        }
    }

    /// Whether the nodes were read.
    pub(crate) fn are_known(&self) -> bool {
        self.known.has(NamesPart::Nodes)
    }

    /// Applies a rename, move or removal. Ignores replayed events, because the names are newer.
    pub(crate) fn update(&mut self, event: &Event) {
        let is_lifecycle = event.control() == SystemControl::NodeLifecycle.code();
        if event.is_live() && is_lifecycle && self.are_known() {
            Arc::make_mut(&mut self.known).update(event);
        }
    }

    pub(crate) fn known(&self) -> &names::Names {
        &self.known
    }

    /// Fails if the programs or variables could not be read.
    pub(crate) fn check_complete(&self) -> Result<(), ExitError> {
        match &self.missing {
            Some(error) => Err(ExitError::other(format!(
                "the programs and variables: {error}"
            ))),
            None => Ok(()),
        }
    }

    /// The name of a node or scene, else its address.
    pub(crate) fn of_node<'a>(&'a self, address: &'a str) -> &'a str {
        match self.known.node(address) {
            Some(entry) if !entry.name.is_empty() => &entry.name,
            _ => address,
        }
    }

    /// The name of a program, else its id.
    pub(crate) fn of_program(&self, id: ProgramId) -> String {
        let name = self.known.program(id);
        name.map_or_else(|| id.to_string(), str::to_owned)
    }

    /// The name of a variable, else its number.
    pub(crate) fn of_variable(&self, id: VariableId) -> String {
        let name = self.known.variable(id);
        name.map_or_else(|| id.number.to_string(), str::to_owned)
    }

    /// Resolves the name or address of a node or scene. Fails if it is ambiguous or unknown.
    pub(crate) fn node(&self, written: &str) -> Result<&str, ExitError> {
        let path = |address: &&str| {
            let entry = self.known.node(address);
            let path = entry.map_or_else(String::new, |entry| self.known.path(entry));
            format!("{path} ({address})")
        };
        match self.known.find(written) {
            Found::One(address) => Ok(address),
            Found::Several(all) => Err(ambiguous("node", BY_PATH, written, all.iter().map(path))),
            Found::None => {
                let entries = self.known.entries();
                let names = entries
                    .filter(|entry| entry.kind != NamedKind::Folder)
                    .map(|entry| &*entry.name);
                Err(not_found("node or scene", written, names))
            }
        }
    }

    /// Resolves the name or id of a program. Fails if it is ambiguous or unknown.
    pub(crate) fn program(&self, written: &str) -> Result<ProgramId, ExitError> {
        let shown = |id: &ProgramId| format!("{} ({id})", self.of_program(*id));
        match self.known.find_program(written) {
            Found::One(id) => Ok(id),
            Found::Several(all) => Err(ambiguous(
                "program",
                "an id",
                written,
                all.iter().map(shown),
            )),
            Found::None => {
                self.check_complete()?;
                let names = self.known.programs().map(|(_, name)| name);
                Err(not_found("program", written, names))
            }
        }
    }

    /// Resolves the name or number of a variable. Fails if it is ambiguous or unknown.
    pub(crate) fn variable(&self, written: &str) -> Result<VariableId, ExitError> {
        let shown = |id: &VariableId| format!("{} ({id})", self.of_variable(*id));
        match self.known.find_variable(written) {
            Found::One(id) => Ok(id),
            Found::Several(all) => Err(ambiguous(
                "variable",
                "type/number",
                written,
                all.iter().map(shown),
            )),
            Found::None => {
                self.check_complete()?;
                let names = self.known.variables().map(|(_, name)| name);
                Err(not_found("variable", written, names))
            }
        }
    }
}

/// Whether an error means that the names could not be read. If the controller answered with an
/// error, it has no programs or variables.
fn is_failure(error: &CallError) -> bool {
    !matches!(
        error.problem,
        CallProblem::Refused {
            status: 400..500,
            ..
        } | CallProblem::Answer(_)
    )
}

/// How to distinguish nodes with the same name.
const BY_PATH: &str = "folder/name or an address";

fn ambiguous(
    what: &str,
    hint: &str,
    written: &str,
    all: impl Iterator<Item = String>,
) -> ExitError {
    let all: Vec<_> = all.collect();
    ExitError::other(format!(
        "{written:?} is the name of more than one {what}, and nothing was sent; use {hint} instead: {}",
        all.join(", ")
    ))
}

fn not_found<'a>(what: &str, written: &str, known: impl Iterator<Item = &'a str>) -> ExitError {
    let similar = match &*similar_names(written, known) {
        [] => String::new(),
        similar => format!("; similar: {}", similar.join(", ")),
    };
    ExitError::other(format!(
        "there is no {what} {written:?}, and nothing was sent{similar}"
    ))
}
