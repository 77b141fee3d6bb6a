//! One program as it is kept.

use crate::view::{ControllerTime, Evaluation, ProgramStatus, RunState};

/// What is known of a program; `None` is what was never said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Program {
    /// Its status: what its condition last came to, true or false.
    pub status: Option<bool>,
    /// Whether it is enabled.
    pub enabled: Option<bool>,
    /// Whether it runs when the controller starts.
    pub run_at_reboot: Option<bool>,
    /// What it is doing; `None` also while it is not loaded.
    pub run_state: Option<RunState>,
    /// What the last frame that said so called its evaluation, unknown and not loaded too.
    pub evaluation: Option<Evaluation>,
    /// When it last started.
    pub last_run: Option<ControllerTime>,
    /// When it last finished.
    pub last_finish: Option<ControllerTime>,
    /// When it runs next by its schedule.
    pub next_run: Option<ControllerTime>,
}

impl Program {
    /// What the frame does not carry stays; an unknown evaluation leaves the status.
    pub(super) fn updated(mut self, frame: &ProgramStatus) -> Self {
        self.status = frame.status().or(self.status);
        self.enabled = frame.enabled.or(self.enabled);
        self.run_at_reboot = frame.run_at_reboot.or(self.run_at_reboot);
        if frame.evaluation.is_some() {
            self.evaluation = frame.evaluation;
            self.run_state = frame.run_state;
        }
        self.last_run = frame.last_run.or(self.last_run);
        self.last_finish = frame.last_finish.or(self.last_finish);
        self.next_run = frame.next_run.or(self.next_run);
        self
    }
}
