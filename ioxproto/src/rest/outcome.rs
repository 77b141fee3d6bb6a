//! The result of a call.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use super::AnswerError;
use crate::{ExchangeError, Failure, Reason};

/// The id of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub(crate) u64);

/// The phase of a call's exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CallPhase {
    /// The connection is being opened: nothing was sent.
    Opening,
    /// Some or all of the request was sent.
    Sent,
    /// The first byte of the answer has arrived.
    Answering,
}

/// Why a call failed.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallError {
    /// What went wrong.
    pub problem: CallProblem,
    /// Whether the call is a command that may have been carried out: it was sent and was not
    /// clearly refused.
    pub may_have_been_carried_out: bool,
}

/// What went wrong with a call.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CallProblem {
    /// The stream is not running.
    #[error("the stream is not running{}", because(.reason.as_ref()))]
    NotRunning {
        /// Why the stream ended, if it failed.
        reason: Option<Reason>,
    },
    /// The stream was stopped before the call ended.
    #[error("the stream was stopped before the call was done")]
    Stopped,
    /// The caller cancelled the call.
    #[error("the call was cancelled")]
    Cancelled,
    /// Too many calls are pending.
    #[error("{limit} calls are pending already: wait for some of them, or allow more (max_calls)")]
    QueueFull {
        /// The limit.
        limit: usize,
    },
    /// The call exceeded a time limit.
    #[error("no answer within {} s ({})", .after.as_secs_f32(), given_up(*.phase))]
    TimedOut {
        /// The phase of the exchange; `None` if it did not start, because the stream is not
        /// connected or other calls are ahead.
        phase: Option<CallPhase>,
        /// The limit that was exceeded.
        after: Duration,
    },
    /// The controller refused the account for this call: 401 or 403. The stream is not affected.
    #[error("the controller refused the account for this call (HTTP {status})")]
    CredentialsRefused {
        /// The HTTP status.
        status: u16,
    },
    /// The tokens could not be renewed.
    #[error("the call could not be sent: {0}")]
    NotSignedIn(Reason),
    /// The controller refused the request, or was still busy at the last repeat.
    #[error("{}", refused(*.status, .text, *.attempts))]
    Refused {
        /// The HTTP status, or the status in the body of the answer.
        status: u16,
        /// The text of the answer, on one line; may be empty.
        text: String,
        /// How many times the request was sent.
        attempts: u32,
    },
    /// The controller was busy, and a newer command to the same target replaced the repeat.
    #[error(
        "a newer command to the same target has replaced this one, which the controller had refused (HTTP {status})"
    )]
    Superseded {
        /// The status of the last refusal.
        status: u16,
    },
    /// The answer is not HTTP.
    #[error("{0}")]
    NotHttp(ExchangeError),
    /// The transport failed, or the TLS identity was refused.
    #[error("{0}")]
    Failed(Failure),
    /// The answer cannot be read.
    #[error("{0}")]
    Answer(AnswerError),
    /// The stream's driver is gone.
    #[error("the stream's driver is gone")]
    DriverGone,
    /// The caller waited for the call within a callback of the same stream, which makes no progress
    /// before the callback returns. The call continues.
    #[error("a call cannot be waited for within a callback of its stream: keep the ticket instead")]
    InCallback,
}

crate::debug_is_display! { CallProblem, CallError }

impl CallError {
    /// A request that was not sent or was clearly refused.
    #[must_use]
    pub fn without_effect(problem: CallProblem) -> Self {
        Self {
            problem,
            may_have_been_carried_out: false,
        }
    }

    /// The stream's driver ended before the call did.
    #[must_use]
    pub fn driver_gone() -> Self {
        Self {
            problem: CallProblem::DriverGone,
            may_have_been_carried_out: true,
        }
    }

    /// The caller waited for the call within a callback of its stream.
    #[must_use]
    pub fn in_callback() -> Self {
        Self {
            problem: CallProblem::InCallback,
            may_have_been_carried_out: true,
        }
    }

    /// The error's stable code, in `snake_case`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match &self.problem {
            CallProblem::NotRunning { .. } => "not_running",
            CallProblem::Stopped => "stopped",
            CallProblem::Cancelled => "cancelled",
            CallProblem::QueueFull { .. } => "queue_full",
            CallProblem::TimedOut { .. } => "timed_out",
            CallProblem::CredentialsRefused { .. } => "credentials_refused",
            CallProblem::NotSignedIn(_) => "not_signed_in",
            CallProblem::Refused { .. } => "refused",
            CallProblem::Superseded { .. } => "superseded",
            CallProblem::NotHttp(_) => "not_http",
            CallProblem::Failed(Failure::Transport { kind, .. }) => kind.code(),
            CallProblem::Failed(Failure::Identity { problem, .. }) => problem.code(),
            CallProblem::Answer(_) => "unreadable_answer",
            CallProblem::DriverGone => "driver_gone",
            CallProblem::InCallback => "in_callback",
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)?;
        match self.may_have_been_carried_out {
            true => f.write_str("; the command may have been carried out"),
            false => Ok(()),
        }
    }
}

impl std::error::Error for CallError {}

fn because(reason: Option<&Reason>) -> String {
    reason.map_or_else(String::new, |reason| format!(": {reason}"))
}

fn given_up(phase: Option<CallPhase>) -> &'static str {
    match phase {
        None => "it was not sent: the stream is not connected, or other calls are ahead of it",
        Some(CallPhase::Opening) => "given up while connecting, before it was sent",
        Some(CallPhase::Sent) => "it was sent",
        Some(CallPhase::Answering) => "given up in the middle of the answer",
    }
}

fn refused(status: u16, text: &str, attempts: u32) -> String {
    let times = match attempts {
        0 | 1 => String::new(),
        attempts => format!(", {attempts} times"),
    };
    let what = match status {
        300..=399 => "the controller answered with a redirect, which is not followed",
        404 => "the item does not exist or does not support this, or the controller was busy",
        503 => "the controller is busy",
        _ => "the controller refused the request",
    };
    let said = match text {
        "" => String::new(),
        text => format!("; it says {text:?}"),
    };
    format!("{what} (HTTP {status}{times}){said}")
}
