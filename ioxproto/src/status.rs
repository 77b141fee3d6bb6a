//! The stream's status, in the words of existing tools.

use std::fmt;
use std::time::Duration;

use crate::Reason;

/// The status of a stream. The strings are stable and are those of existing tools.
///
/// ```
/// use ioxproto::Status;
/// assert_eq!(Status::StreamSyncing.as_str(), "stream_syncing");
/// assert_eq!("connected".parse(), Ok(Status::Connected));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the set is the field's own; a match over it should be complete"
)]
pub enum Status {
    /// Not started yet.
    NotStarted,
    /// An attempt to connect begins.
    StreamInitializing,
    /// The socket is open, and the controller sends the replay of its state.
    StreamSyncing,
    /// Live.
    Connected,
    /// The connection was lost or the attempt failed; another attempt follows after a wait.
    LostConnection,
    /// The wait is over, the next attempt begins.
    Reconnecting,
    /// The stream has failed permanently: a person must fix the cause.
    ReconnectFailed,
    /// Stopped by the caller.
    Disconnected,
}

impl Status {
    /// All statuses, in the order of their declaration.
    pub const ALL: [Self; 8] = [
        Self::NotStarted,
        Self::StreamInitializing,
        Self::StreamSyncing,
        Self::Connected,
        Self::LostConnection,
        Self::Reconnecting,
        Self::ReconnectFailed,
        Self::Disconnected,
    ];

    /// The status as existing tools write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::StreamInitializing => "stream_initializing",
            Self::StreamSyncing => "stream_syncing",
            Self::Connected => "connected",
            Self::LostConnection => "lost_connection",
            Self::Reconnecting => "reconnecting",
            Self::ReconnectFailed => "reconnect_failed",
            Self::Disconnected => "disconnected",
        }
    }

    /// Whether the stream is idle until the next start: not started, failed permanently, or
    /// stopped.
    #[must_use]
    pub fn is_at_rest(self) -> bool {
        matches!(
            self,
            Self::NotStarted | Self::ReconnectFailed | Self::Disconnected
        )
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(UnknownStatus)
    }
}

/// The text is not a status.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a stream status")]
#[non_exhaustive]
pub struct UnknownStatus;

crate::debug_is_display! { UnknownStatus }

/// One change of the stream's status, with its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusChange {
    /// The status from now on.
    pub status: Status,
    /// Why the connection was lost or the stream ended, or why `connected` has no complete replay.
    pub reason: Option<Reason>,
    /// After a lost connection: the wait until the next attempt.
    pub retry_in: Option<Duration>,
}

/// The status, its reason and the wait until the next attempt: `lost_connection: the controller
/// closed the connection; next attempt in 1 s`.
impl fmt::Display for StatusChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.status.as_str())?;
        if let Some(reason) = &self.reason {
            write!(f, ": {reason}")?;
        }
        match self.retry_in {
            None => Ok(()),
            Some(wait) if wait.subsec_millis() == 0 || wait >= Duration::from_secs(10) => {
                write!(f, "; next attempt in {} s", wait.as_secs())
            }
            Some(wait) => write!(f, "; next attempt in {:.1} s", wait.as_secs_f64()),
        }
    }
}

impl StatusChange {
    /// Creates a change without a reason.
    #[must_use]
    pub fn new(status: Status) -> Self {
        Self {
            status,
            reason: None,
            retry_in: None,
        }
    }

    /// Sets the reason.
    #[must_use]
    pub fn with_reason(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }
}
