//! The rules about TLS identity: a refused identity is reported and ends the connection, finally if
//! only a person can resolve it.

use ioxproto::{Failure, IdentityProblem, Reason, Status};

use super::Checker;

impl Checker {
    /// The driver is about to report that it refuses the peer's identity.
    pub(crate) fn note_refused_identity(&mut self, problem: IdentityProblem) {
        self.refused_identity = Some(problem);
    }

    /// The report was passed to the core, and its actions were performed: checks the status.
    pub(crate) fn check_refused_identity(&mut self) {
        let Some(problem) = self.refused_identity.take() else {
            return;
        };
        let is_final = !problem.is_about_dates_only() && !self.keep_trying;
        let left = match self.status {
            Status::ReconnectFailed => is_final,
            Status::LostConnection => !is_final,
            // While the stream stops, a refusal does not matter.
            _ => self.stop_asked.is_some() || self.status == Status::Disconnected,
        };
        self.check(left, "a refused identity leads to the wrong status");
    }

    /// An identity was refused in a call, or in a renewal for one: the stream is not affected.
    pub(crate) fn note_identity_refused_to_call(&mut self, is_call: bool) {
        let is_streams = self.status == Status::StreamInitializing || self.stop_asked.is_some();
        if is_call || !is_streams {
            self.refused_identity = None;
        }
    }

    /// Checks a refused identity that is the reason of a status change.
    pub(super) fn check_identity_reason(&mut self, reason: &Reason) {
        if let Reason::Failed(Failure::Identity { problem, .. }) = reason {
            self.check(
                self.refused_identity == Some(*problem),
                "an identity is reported as refused but was not",
            );
        }
    }
}

/// Whether only a person can fix the failure.
pub(super) fn needs_a_person(reason: &Reason) -> bool {
    match reason {
        Reason::CredentialsRefused { .. } | Reason::LoginRefused { .. } => true,
        Reason::Failed(Failure::Identity { problem, .. }) => !problem.is_about_dates_only(),
        _ => false,
    }
}
