//! The names of the house: asked for once, kept fresh by the events.

use std::time::Duration;

use ioxdriver::Handle;
use ioxproto::names::Found;
use ioxproto::rest::{self, CallError, CallProblem};
use ioxproto::view::{ProgramId, VariableId, VariableType};
use ioxproto::{Event, names};
use tokio::time::{Instant, sleep_until};

use crate::trouble::Trouble;

/// How long the first event waits for the names.
const PATIENCE: Duration = Duration::from_secs(10);

/// Completes when an event that came at this time has waited long enough for the names.
pub(crate) async fn waited_enough(since: Option<Instant>) {
    match since {
        Some(since) => sleep_until(since + PATIENCE).await,
        None => std::future::pending().await,
    }
}

/// What to say of names that did not come in time.
pub(crate) fn too_late() -> String {
    format!(
        "the controller has not told them within {} s",
        PATIENCE.as_secs()
    )
}

/// What has a name; what has none is shown by its address or number.
#[derive(Debug, Default)]
pub(crate) struct Names(names::Names);

impl Names {
    /// Nothing has a name.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// Asks the controller, as soon as it is connected.
    pub(crate) async fn load(handle: &Handle) -> Result<Self, CallError> {
        let mut known = names::Names::default();
        // The first call waits for the connection, however long that takes.
        let nodes = loop {
            match handle.call(rest::nodes()).await {
                Err(error) if waits_for_connection(&error) && !handle.ended() => {}
                answer => break answer?,
            }
        };
        known.take_nodes(&nodes);
        // Not every controller has programs and variables.
        if let Ok(programs) = handle.call(rest::programs()).await {
            known.take_programs(&programs);
        }
        for kind in [VariableType::Integer, VariableType::State] {
            if let Ok(variables) = handle.call(rest::variable_definitions(kind)).await {
                known.take_variables(&variables);
            }
        }
        Ok(Self(known))
    }

    pub(crate) fn update(&mut self, event: &Event) {
        self.0.update(event);
    }

    pub(crate) fn known(&self) -> &names::Names {
        &self.0
    }

    /// The name of a node or scene, else its address.
    pub(crate) fn of_node<'a>(&'a self, address: &'a str) -> &'a str {
        match self.0.node(address) {
            Some(thing) if !thing.name.is_empty() => &thing.name,
            _ => address,
        }
    }

    /// The name of a program, else its id.
    pub(crate) fn of_program(&self, id: ProgramId) -> String {
        let name = self.0.program(id);
        name.map_or_else(|| id.to_string(), str::to_owned)
    }

    /// The name of a variable, else its number.
    pub(crate) fn of_variable(&self, id: VariableId) -> String {
        let name = self.0.variable(id);
        name.map_or_else(|| id.number.to_string(), str::to_owned)
    }

    /// The one node or scene that somebody means.
    pub(crate) fn node(&self, written: &str) -> Result<&str, Trouble> {
        let path = |address: &&str| {
            let thing = self.0.node(address);
            let path = thing.map_or_else(String::new, |thing| self.0.path(thing));
            format!("{path} ({address})")
        };
        match self.0.find(written) {
            Found::One(address) => Ok(address),
            Found::Several(all) => Err(several("node", written, all.iter().map(path))),
            Found::None => {
                let names = self.0.things().map(|thing| &*thing.name);
                Err(none("node or scene", written, names))
            }
        }
    }

    /// The one program that somebody means.
    pub(crate) fn program(&self, written: &str) -> Result<ProgramId, Trouble> {
        let shown = |id: &ProgramId| format!("{} ({id})", self.of_program(*id));
        match self.0.find_program(written) {
            Found::One(id) => Ok(id),
            Found::Several(all) => Err(several("program", written, all.iter().map(shown))),
            Found::None => {
                let names = self.0.programs().map(|(_, name)| name);
                Err(none("program", written, names))
            }
        }
    }

    /// The one variable that somebody means.
    pub(crate) fn variable(&self, written: &str) -> Result<VariableId, Trouble> {
        let shown = |id: &VariableId| format!("{} ({id})", self.of_variable(*id));
        match self.0.find_variable(written) {
            Found::One(id) => Ok(id),
            Found::Several(all) => Err(several("variable", written, all.iter().map(shown))),
            Found::None => {
                let names = self.0.variables().map(|(_, name)| name);
                Err(none("variable", written, names))
            }
        }
    }
}

/// Whether the call timed out before the stream was connected.
fn waits_for_connection(error: &CallError) -> bool {
    matches!(error.problem, CallProblem::TimedOut { phase: None, .. })
}

fn several(what: &str, written: &str, all: impl Iterator<Item = String>) -> Trouble {
    let all: Vec<_> = all.collect();
    Trouble::other(format!(
        "{written:?} is the name of more than one {what}, and nothing was sent; say which, by folder or address: {}",
        all.join(", ")
    ))
}

fn none<'a>(what: &str, written: &str, known: impl Iterator<Item = &'a str>) -> Trouble {
    let near = match &*near(written, known) {
        [] => String::new(),
        near => format!("; near it: {}", near.join(", ")),
    };
    Trouble::other(format!(
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
