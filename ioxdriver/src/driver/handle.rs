//! The handle on a running stream, for any thread or task. The methods that wait are in `waiting`.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ioxproto::rest::Call;
use ioxproto::{Account, ConfigError, Reason, Secret, Stats, Status};
use thiserror::Error;

use super::{Shared, Ticket};
use crate::Trust;
use crate::sync::Ordering;

/// A handle on a running stream, cheap to clone. When the last one is dropped, the stream stops.
///
/// `M` is the way it waits: [`Async`] or [`Blocking`]. The methods that wait have the same names in
/// both. A driver crate re-exports the kind that fits its streams as its own `Handle`. The futures
/// work on any runtime. They may be dropped at any time without an effect on the stream.
pub struct Handle<M> {
    pub(super) shared: Arc<Shared>,
    mode: PhantomData<fn() -> M>,
}

/// Marks handles and tickets that wait asynchronously.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a marker has no values")]
pub enum Async {}

/// Marks handles and tickets that block the calling thread.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a marker has no values")]
pub enum Blocking {}

/// Converts a handle to one that waits in another way, for programs that watch streams of both
/// kinds. A future on a blocking stream only completes if something drives the stream, such as a
/// background thread.
#[must_use]
pub fn convert_handle<M, N>(handle: &Handle<M>) -> Handle<N> {
    Handle::new(Arc::clone(&handle.shared))
}

/// Why a wait for a status failed.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The wait timed out.
    #[error("the stream is still {status} after {after:?}{}", because(.reason.as_ref()))]
    TimedOut {
        /// The status at the end of the wait.
        status: Status,
        /// The timeout.
        after: Duration,
        /// The reason for the status, if there is one.
        reason: Option<Reason>,
    },
    /// The stream ended during the wait. It can be started again.
    #[error("the stream has ended as {status}{}", because(.reason.as_ref()))]
    Ended {
        /// The status at the end.
        status: Status,
        /// Why the stream ended.
        reason: Option<Reason>,
    },
}

/// Why a stream ended without being stopped.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EndError {
    /// It failed permanently: a person must fix the cause.
    #[error("the stream has given up: {0}")]
    Failed(Reason),
    /// The driver is gone: the stream was dropped while only its consumer drove it, its runtime was
    /// shut down, or a callback panicked.
    #[error(
        "the stream's driver is gone: the stream was dropped while only its consumer drove it, its runtime was shut down, or it panicked"
    )]
    DriverGone,
}

ioxproto::debug_is_display! { WaitError, EndError }

fn because(reason: Option<&Reason>) -> String {
    reason.map_or_else(String::new, |reason| format!(": {reason}"))
}

impl<M> Handle<M> {
    /// Creates a handle from the state that a driver shares.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        shared.handles.fetch_add(1, Ordering::Relaxed);
        Self {
            shared,
            mode: PhantomData,
        }
    }

    /// The current status.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.snapshot().status
    }

    /// Whether the stream is live: true only in [`Status::Connected`].
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.status() == Status::Connected
    }

    /// When the last text frame of any kind arrived.
    #[must_use]
    pub fn last_event_at(&self) -> Option<SystemTime> {
        self.shared.snapshot().last_event_at
    }

    /// The id of the subscription; empty before the first event of the connection.
    #[must_use]
    pub fn sid(&self) -> Arc<str> {
        Arc::clone(&self.shared.snapshot().sid)
    }

    /// The stream's statistics so far. The driver updates them when it waits, so they may lag
    /// slightly while the stream is busy.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let snapshot = self.shared.snapshot();
        let since = snapshot.taken.filter(|_| !snapshot.has_ended());
        let passed = since.map(|taken| taken.elapsed()).unwrap_or_default();
        snapshot.stats.and_in(snapshot.status, passed)
    }

    /// Whether a full queue prevents the driver from reading: the consumer is too slow, or has
    /// stopped taking notifications.
    #[must_use]
    pub fn is_waiting_for_consumer(&self) -> bool {
        self.shared.snapshot().is_waiting_for_consumer
    }

    /// The reason for the last change of status, if it had one. After the end, the reason for the
    /// end.
    #[must_use]
    pub fn last_reason(&self) -> Option<Reason> {
        self.shared.snapshot().last_reason.clone()
    }

    /// Whether the stream has ended: it was stopped, or has failed permanently.
    /// [`start`](Self::start) starts it again.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.shared.snapshot().has_ended()
    }

    /// How the stream ended: `None` while it runs, `Ok` if it was stopped.
    ///
    /// # Errors
    ///
    /// [`EndError`] if it ended without being stopped.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<(), EndError>> {
        self.shared.snapshot().outcome()
    }

    /// Starts the stream again after a stop or a failure, with the same queue and the same
    /// listeners. Does nothing while the stream runs. If the stream is stopping, it starts again
    /// once it has stopped.
    pub fn start(&self) {
        self.shared.start();
    }

    /// Replaces the account from the next [`start`](Self::start) on.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the account does not fit the other settings; the old one is kept.
    pub fn replace_account(&self, account: Account) -> Result<(), ConfigError> {
        self.shared.replace_account(account)
    }

    /// Replaces the policy for the controller's certificate, for example with another pin, from the
    /// next [`start`](Self::start) on.
    pub fn replace_trust(&self, trust: Trust) {
        self.shared.replace_trust(trust);
    }

    /// Asks the stream to stop. It sends a close frame and logs out, which takes at most 1.5 s.
    /// Returns immediately; a second call has no effect.
    pub fn request_stop(&self) {
        self.shared.request_stop();
    }

    /// Makes a call without waiting for the answer, from any thread and in callbacks. Use the
    /// ticket to wait for the answer.
    pub fn submit<A>(&self, call: impl Into<Call<A>>) -> Ticket<A, M> {
        let call = call.into();
        let slot = self.shared.make_call(call.request().clone());
        Ticket::new(call, slot, Arc::clone(&self.shared))
    }

    /// Answers [`Notification::TokenWanted`](ioxproto::Notification::TokenWanted) with an access
    /// token. With `None`, the stream asks again later.
    pub fn provide_token(&self, token: Option<Secret>) {
        self.shared.provide_token(token);
    }

    /// The result of a wait. `held` is whether the condition was met, even if it no longer is.
    pub(super) fn wait_result(&self, held: bool, after: Duration) -> Result<(), WaitError> {
        if held {
            return Ok(());
        }
        let snapshot = self.shared.snapshot();
        let (status, reason) = (snapshot.status, snapshot.last_reason.clone());
        Err(if snapshot.has_ended() {
            WaitError::Ended { status, reason }
        } else {
            WaitError::TimedOut {
                status,
                after,
                reason,
            }
        })
    }
}

impl<M> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

impl<M> Drop for Handle<M> {
    fn drop(&mut self) {
        if self.shared.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.abandon();
        }
    }
}

impl<M> fmt::Debug for Handle<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
