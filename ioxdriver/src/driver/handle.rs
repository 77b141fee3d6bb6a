//! What an application knows of a running stream and can ask of it, from anywhere. How it waits is
//! in `waiting`.

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

/// A cheap handle on a running stream; clones are equal. When the last one is dropped, the stream
/// stops.
///
/// `M` says how it waits: [`Async`] or [`Blocking`]. The methods that wait have the same names. A
/// driver crate shows the kind that is right for its streams as its own `Handle`. Futures belong to
/// no particular runtime, and may be dropped at any time; the stream does not notice.
pub struct Handle<M> {
    pub(super) shared: Arc<Shared>,
    mode: PhantomData<fn() -> M>,
}

/// Marks handles and tickets that wait in futures.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a marker has no values")]
pub enum Async {}

/// Marks handles and tickets that wait on the thread that calls them.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a marker has no values")]
pub enum Blocking {}

/// The same handle, which waits in another way. For programs that watch streams of both kinds: a
/// future on a blocking stream needs somebody who drives it, such as a thread in the background.
#[must_use]
pub fn waiting_otherwise<M, N>(handle: &Handle<M>) -> Handle<N> {
    Handle::new(Arc::clone(&handle.shared))
}

/// Why waiting for a status came to nothing.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The time was over first.
    #[error("the stream is still {status} after {after:?}{}", because(.reason.as_ref()))]
    TimedOut {
        /// The status at the end of the wait.
        status: Status,
        /// The time that was given.
        after: Duration,
        /// Why the status is what it is, where there is something to say.
        reason: Option<Reason>,
    },
    /// The stream ended first. It can be started again.
    #[error("the stream has ended as {status}{}", because(.reason.as_ref()))]
    Ended {
        /// The status at the end.
        status: Status,
        /// Why the stream ended.
        reason: Option<Reason>,
    },
}

/// Why a stream ended that nobody stopped.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EndError {
    /// It gave up: a person must act.
    #[error("the stream has given up: {0}")]
    Failed(Reason),
    /// The driver is gone: the stream was dropped where only its consumer drove it, its runtime was
    /// shut down, or what it called back has panicked.
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
    /// The first handle on what a driver shares.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        shared.handles.fetch_add(1, Ordering::Relaxed);
        Self {
            shared,
            mode: PhantomData,
        }
    }

    /// The status now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.snapshot().status
    }

    /// Whether the stream is live: true in [`Status::Connected`] alone.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.status() == Status::Connected
    }

    /// UTC of the last text frame of any kind.
    #[must_use]
    pub fn last_event_at(&self) -> Option<SystemTime> {
        self.shared.snapshot().last_event_at
    }

    /// The subscription's id; empty before the connection's first event.
    #[must_use]
    pub fn sid(&self) -> Arc<str> {
        Arc::clone(&self.shared.snapshot().sid)
    }

    /// What the stream has seen so far; a copy. Told by the driver whenever it waits, so that it
    /// may lag a little while the stream is busy.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let snapshot = self.shared.snapshot();
        let since = snapshot.taken.filter(|_| !snapshot.ended());
        let passed = since.map(|taken| taken.elapsed()).unwrap_or_default();
        snapshot.stats.and_in(snapshot.status, passed)
    }

    /// Whether a full queue keeps the driver from reading: the consumer is too slow, or does not
    /// take anything.
    #[must_use]
    pub fn is_waiting_for_consumer(&self) -> bool {
        self.shared.snapshot().waits_for_consumer
    }

    /// Why the status is what it is, where the last change had a reason: after the end, why it
    /// ended.
    #[must_use]
    pub fn last_reason(&self) -> Option<Reason> {
        self.shared.snapshot().last_reason.clone()
    }

    /// Whether the stream has come to its end: stopped, or failed for good. A
    /// [`start`](Self::start) starts it again.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.shared.snapshot().ended()
    }

    /// How the stream ended: `None` while it runs, `Ok` when it was stopped.
    ///
    /// # Errors
    ///
    /// [`EndError`] when it ended without being stopped.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<(), EndError>> {
        self.shared.snapshot().outcome()
    }

    /// Starts again after a stop or a failure, with the same queue and the same listeners. Does
    /// nothing while the stream runs; while it is stopping, it starts again once it has stopped.
    pub fn start(&self) {
        self.shared.start();
    }

    /// Another account from the next [`start`](Self::start) on.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when the account does not go with the other settings; the old one stays.
    pub fn exchange_account(&self, account: Account) -> Result<(), ConfigError> {
        self.shared.exchange_account(account)
    }

    /// Other rules for the controller's certificate, another pin say, from the next
    /// [`start`](Self::start) on.
    pub fn exchange_trust(&self, trust: Trust) {
        self.shared.exchange_trust(trust);
    }

    /// Asks the stream to stop: a close frame and a logout, 1.5 s for both at most. Returns at
    /// once; harmless twice.
    pub fn request_stop(&self) {
        self.shared.request_stop();
    }

    /// Makes a call without waiting, from any thread, also within callbacks. The ticket waits for
    /// the answer.
    pub fn submit<A>(&self, call: impl Into<Call<A>>) -> Ticket<A, M> {
        let call = call.into();
        let slot = self.shared.make_call(call.request().clone());
        Ticket::new(call, slot, Arc::clone(&self.shared))
    }

    /// Answers [`Notification::TokenWanted`](ioxproto::Notification::TokenWanted): an access token,
    /// or none at present (then the stream asks again later).
    pub fn provide_token(&self, token: Option<Secret>) {
        self.shared.provide_token(token);
    }

    /// What a wait came to. What held once need not hold any more.
    pub(super) fn waited(&self, held: bool, after: Duration) -> Result<(), WaitError> {
        if held {
            return Ok(());
        }
        let snapshot = self.shared.snapshot();
        let (status, reason) = (snapshot.status, snapshot.last_reason.clone());
        Err(if snapshot.ended() {
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
