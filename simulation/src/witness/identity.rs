//! The rules about TLS identity: a stranger is told of and left, for good where only a person can
//! tell who it is.

use ioxproto::{Failure, IdentityProblem, Reason, Status};

use super::Witness;

impl Witness {
    /// The driver is about to report that it refuses who answered.
    pub(crate) fn sees_a_stranger(&mut self, problem: IdentityProblem) {
        self.stranger = Some(problem);
    }

    /// The report was handed in, and everything done that came of it.
    pub(crate) fn has_left_the_stranger(&mut self) {
        let Some(problem) = self.stranger.take() else {
            return;
        };
        let is_final = !problem.is_about_dates_only() && !self.keep_trying;
        let left = match self.status {
            Status::ReconnectFailed => is_final,
            Status::LostConnection => !is_final,
            // What is refused while the stream stops is of no more interest.
            _ => self.stop_asked.is_some() || self.status == Status::Disconnected,
        };
        self.check(left, "a refused identity is not taken for what it is");
    }

    /// A stranger answered a call, or a renewal for one: the stream stays as it is.
    pub(crate) fn call_met_a_stranger(&mut self, is_call: bool) {
        let is_streams = self.status == Status::StreamInitializing || self.stop_asked.is_some();
        if is_call || !is_streams {
            self.stranger = None;
        }
    }

    /// A refused identity as the reason of a change.
    pub(super) fn true_identity(&mut self, reason: &Reason) {
        if let Reason::Failed(Failure::Identity { problem, .. }) = reason {
            self.check(
                self.stranger == Some(*problem),
                "an identity is told to be refused that was not",
            );
        }
    }
}

/// Whether only a person can mend it.
pub(super) fn is_for_a_person(reason: &Reason) -> bool {
    match reason {
        Reason::CredentialsRefused { .. } | Reason::LoginRefused { .. } => true,
        Reason::Failed(Failure::Identity { problem, .. }) => !problem.is_about_dates_only(),
        _ => false,
    }
}
