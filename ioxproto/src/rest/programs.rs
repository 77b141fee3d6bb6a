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

/// All programs: what `/rest/programs?subfolders=true` and `/api/programs` answer.
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
    /// The folder that it is in; `None` for the root folder.
    pub parent: Option<ProgramId>,
    /// Its name; empty where the controller gives none.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// What its condition last came to.
    pub status: Option<bool>,
    /// Whether it is enabled; a folder does not say.
    pub enabled: Option<bool>,
    /// Whether it runs when the controller starts.
    pub run_at_startup: Option<bool>,
    /// What it is doing; a folder does not say.
    pub running: Option<RunState>,
    /// When it last started.
    pub last_run: Option<ControllerTime>,
    /// When it last finished.
    pub last_finish: Option<ControllerTime>,
    /// When it runs next by its schedule.
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
        entry.needed("id")?;
        let id = program_id(element, "id").ok_or_else(|| {
            let text = entry.text("id");
            entry.invalid("id", &text, "a hexadecimal or decimal number")
        })?;
        let time = |part: &str| element.field(part).and_then(ControllerTime::in_answer);
        Ok(Self {
            id,
            parent: program_id(element, "parentId"),
            name: entry.text("name"),
            is_folder: entry.truth("folder").unwrap_or(false),
            status: entry.truth("status"),
            enabled: entry.truth("enabled"),
            run_at_startup: entry.truth("runAtStartup"),
            running: element.field("running").and_then(run_state),
            last_run: time("lastRunTime"),
            last_finish: time("lastFinishTime"),
            next_run: time("nextScheduledRunTime"),
        })
    }
}

/// In XML, and in the JSON of older firmware, an id is text of four hexadecimal digits; newer
/// firmware writes a decimal number.
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
