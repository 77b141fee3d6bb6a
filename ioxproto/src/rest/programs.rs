//! Programs and their folders (`/rest/programs`, `/api/programs`).

use super::AnswerError;
use super::body::{Entry, Shape, keep};
use super::document::{Element, Scalar};
use crate::view::{ControllerTime, ProgramId, RunState};

const SHAPE: Shape = Shape {
    roots: &["programs"],
    path: &["data"],
    item: "program",
};

/// All programs: the answer of `/rest/programs?subfolders=true` and `/api/programs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Programs {
    /// The programs and their folders, in the controller's order.
    pub programs: Vec<ProgramEntry>,
}

/// A program, or a folder of programs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProgramEntry {
    /// Its id.
    pub id: ProgramId,
    /// Its folder; `None` for the root folder.
    pub parent: Option<ProgramId>,
    /// Its name; empty if the controller gives none.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// The last result of its condition.
    pub status: Option<bool>,
    /// Whether it is enabled; `None` for a folder.
    pub enabled: Option<bool>,
    /// Whether it runs when the controller starts.
    pub run_at_startup: Option<bool>,
    /// What it is doing; `None` for a folder.
    pub running: Option<RunState>,
    /// When it last started.
    pub last_run: Option<ControllerTime>,
    /// When it last finished.
    pub last_finish: Option<ControllerTime>,
    /// When it runs next, according to its schedule.
    pub next_run: Option<ControllerTime>,
}

impl Programs {
    /// Reads the body of an answer, XML or JSON.
    ///
    /// # Errors
    ///
    /// [`AnswerError`] names what is wrong or missing.
    pub fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        SHAPE.read(body, |programs: &mut Self, element| {
            if element.name != "program" {
                return Ok(());
            }
            let name = format!("program {}", programs.programs.len() + 1);
            let program = ProgramEntry::read(Entry {
                element: &element,
                name: &name,
            })?;
            keep(&mut programs.programs, program)
        })
    }
}

impl ProgramEntry {
    fn read(entry: Entry<'_>) -> Result<Self, AnswerError> {
        let element = entry.element;
        entry.required("id")?;
        let id = program_id(element, "id").ok_or_else(|| {
            let text = entry.text("id");
            entry.invalid("id", &text, "a hexadecimal or decimal number")
        })?;
        let time = |part: &str| element.field(part).and_then(ControllerTime::in_answer);
        Ok(Self {
            id,
            parent: program_id(element, "parentId"),
            name: entry.text("name"),
            is_folder: entry.boolean("folder").unwrap_or(false),
            status: entry.boolean("status"),
            enabled: entry.boolean("enabled"),
            run_at_startup: entry.boolean("runAtStartup"),
            running: element.field("running").and_then(run_state),
            last_run: time("lastRunTime"),
            last_finish: time("lastFinishTime"),
            next_run: time("nextScheduledRunTime"),
        })
    }
}

/// Reads the id of a program: four hexadecimal digits in XML and in the JSON of older firmware, a
/// decimal number in the JSON of newer firmware.
fn program_id(element: &Element, part: &str) -> Option<ProgramId> {
    match element.attribute_as_written(part) {
        Some((text, Scalar::Number)) => text.parse().ok().map(ProgramId::new),
        _ => element.field(part)?.parse().ok(),
    }
}

fn run_state(text: &str) -> Option<RunState> {
    match text {
        "idle" => Some(RunState::Idle),
        "running then" => Some(RunState::RunningThen),
        "running else" => Some(RunState::RunningElse),
        _ => None,
    }
}
