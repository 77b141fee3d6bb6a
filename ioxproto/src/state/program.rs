//! The state of one program.

use crate::view::{ControllerTime, Evaluation, ProgramStatus, RunState};

/// The state of a program. A field is `None` if the controller has not reported it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Program {
    /// The last result of its condition.
    pub status: Option<bool>,
    /// Whether it is enabled.
    pub enabled: Option<bool>,
    /// Whether it runs when the controller starts.
    pub run_at_reboot: Option<bool>,
    /// Which part of it is running; also `None` while it is not loaded.
    pub run_state: Option<RunState>,
    /// The last reported evaluation, including unknown and not loaded.
    pub evaluation: Option<Evaluation>,
    /// When it last started.
    pub last_run: Option<ControllerTime>,
    /// When it last finished.
    pub last_finish: Option<ControllerTime>,
    /// When it runs next according to its schedule.
    pub next_run: Option<ControllerTime>,
}

impl Program {
    /// Applies a frame. Fields that the frame does not have are kept. An unknown evaluation does
    /// not change the status.
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
