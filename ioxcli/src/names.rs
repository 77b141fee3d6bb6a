//! The names of the house, as the stream has read them, kept fresh by its events.

use std::sync::Arc;

use ioxproto::names::{self, Found, NamedKind, NamesPart, NamesRead};
use ioxproto::rest::{CallError, CallProblem};
use ioxproto::view::{ProgramId, VariableId};
use ioxproto::vocabulary::SystemControl;
use ioxproto::{Event, ReadNames};

use crate::exit_error::ExitError;

/// What a stream is to be told.
pub(crate) fn read(wanted: bool) -> ReadNames {
    match wanted {
        true => ReadNames::BeforeSubscribing,
        false => ReadNames::Never,
    }
}

/// What has a name; what has none is shown by its address or number.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: Arc<names::Names>,
    /// Why the programs or variables are not known.
    missing: Option<CallError>,
}

impl Names {
    /// Nothing has a name.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// What a stream has read.
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

    /// Follows what is renamed, moved and removed. A replay repeats what was.
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
    pub(crate) fn complete(&self) -> Result<(), ExitError> {
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

    /// The one node or scene that somebody means.
    pub(crate) fn node(&self, written: &str) -> Result<&str, ExitError> {
        let path = |address: &&str| {
            let entry = self.known.node(address);
            let path = entry.map_or_else(String::new, |entry| self.known.path(entry));
            format!("{path} ({address})")
        };
        match self.known.find(written) {
            Found::One(address) => Ok(address),
            Found::Several(all) => Err(several("node", BY_PATH, written, all.iter().map(path))),
            Found::None => {
                let entries = self.known.entries();
                let names = entries
                    .filter(|entry| entry.kind != NamedKind::Folder)
                    .map(|entry| &*entry.name);
                Err(none("node or scene", written, names))
            }
        }
    }

    /// The one program that somebody means.
    pub(crate) fn program(&self, written: &str) -> Result<ProgramId, ExitError> {
        let shown = |id: &ProgramId| format!("{} ({id})", self.of_program(*id));
        match self.known.find_program(written) {
            Found::One(id) => Ok(id),
            Found::Several(all) => Err(several("program", "an id", written, all.iter().map(shown))),
            Found::None => {
                self.complete()?;
                let names = self.known.programs().map(|(_, name)| name);
                Err(none("program", written, names))
            }
        }
    }

    /// The one variable that somebody means.
    pub(crate) fn variable(&self, written: &str) -> Result<VariableId, ExitError> {
        let shown = |id: &VariableId| format!("{} ({id})", self.of_variable(*id));
        match self.known.find_variable(written) {
            Found::One(id) => Ok(id),
            Found::Several(all) => Err(several(
                "variable",
                "type/number",
                written,
                all.iter().map(shown),
            )),
            Found::None => {
                self.complete()?;
                let names = self.known.variables().map(|(_, name)| name);
                Err(none("variable", written, names))
            }
        }
    }
}

/// Not where the controller answered: not every controller has programs and variables.
fn is_failure(error: &CallError) -> bool {
    !matches!(
        error.problem,
        CallProblem::Refused {
            status: 400..500,
            ..
        } | CallProblem::Answer(_)
    )
}

/// What tells nodes of one name from each other.
const BY_PATH: &str = "folder/name or an address";

fn several(what: &str, hint: &str, written: &str, all: impl Iterator<Item = String>) -> ExitError {
    let all: Vec<_> = all.collect();
    ExitError::other(format!(
        "{written:?} is the name of more than one {what}, and nothing was sent; use {hint} instead: {}",
        all.join(", ")
    ))
}

fn none<'a>(what: &str, written: &str, known: impl Iterator<Item = &'a str>) -> ExitError {
    let near = match &*near(written, known) {
        [] => String::new(),
        near => format!("; similar: {}", near.join(", ")),
    };
    ExitError::other(format!(
        "there is no {what} {written:?}, and nothing was sent{near}"
    ))
}

/// How alike two names must be for one to be named, from 0 to 1.
const ALIKE: f64 = 0.75;

/// The three most similar names at most, in quotes.
pub(crate) fn near<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let written = written.to_lowercase();
    let mut near: Vec<_> = known
        .map(|name| (strsim::jaro_winkler(&written, &name.to_lowercase()), name))
        .filter(|(alike, _)| *alike >= ALIKE)
        .collect();
    near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    near.dedup();
    let near = near.iter().take(3);
    near.map(|(_, name)| format!("{name:?}")).collect()
}
