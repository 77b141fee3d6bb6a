//! What an application knows of a running stream and can ask of it, from anywhere.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use ioxproto::rest::{Call, CallError};
use ioxproto::{Account, ConfigError, Reason, Secret, Stats, Status};
use thiserror::Error;

use super::{Shared, Ticket};
use crate::Trust;
use crate::sync::Ordering;

/// A cheap handle on a running stream; clones are equal. When the last one is dropped, the stream stops.
///
/// The methods that wait exist twice: for tasks, as futures of any runtime, and for threads, with `_blocking` at the
/// end of their names. A future may be dropped at any time; the stream does not notice.
pub struct Handle {
    shared: Arc<Shared>,
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
    /// The driver is gone: the stream was dropped where only its consumer drove it, its runtime was shut down, or what it called
    /// back has panicked.
    #[error(
        "the stream's driver is gone: the stream was dropped while only its consumer drove it, its runtime was shut down, or it panicked"
    )]
    DriverGone,
}

ioxproto::debug_is_display! { WaitError, EndError }

fn because(reason: Option<&Reason>) -> String {
    reason.map_or_else(String::new, |reason| format!(": {reason}"))
}

impl Handle {
    /// The first handle on what a driver shares.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        shared.handles.fetch_add(1, Ordering::Relaxed);
        Self { shared }
    }

    /// The status now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.snapshot().status
    }

    /// Whether the stream is live: true in [`Status::Connected`] alone.
    #[must_use]
    pub fn connected(&self) -> bool {
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

    /// What the stream has seen so far; a copy. Told by the driver whenever it waits, so that it may lag a little
    /// while the stream is busy.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let snapshot = self.shared.snapshot();
        let since = snapshot.taken.filter(|_| !snapshot.ended());
        let passed = since.map(|taken| taken.elapsed()).unwrap_or_default();
        snapshot.stats.and_in(snapshot.status, passed)
    }

    /// Whether a full queue keeps the driver from reading: the consumer is too slow, or does not take anything.
    #[must_use]
    pub fn waits_for_consumer(&self) -> bool {
        self.shared.snapshot().waits_for_consumer
    }

    /// Why the status is what it is, where the last change had a reason: after the end, why it ended.
    #[must_use]
    pub fn last_reason(&self) -> Option<Reason> {
        self.shared.snapshot().last_reason.clone()
    }

    /// Whether the stream has come to its end: stopped, or failed for good. A [`start`](Self::start) begins anew.
    #[must_use]
    pub fn ended(&self) -> bool {
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

    /// Begins anew after a stop or a failure, with the same queue and the same listeners. Does nothing while the
    /// stream runs; while it is stopping, it begins anew once it has stopped.
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

    /// Other rules for the controller's certificate, another pin say, from the next [`start`](Self::start) on.
    pub fn exchange_trust(&self, trust: Trust) {
        self.shared.exchange_trust(trust);
    }

    /// Asks the stream to stop: a close frame and a logout, 1.5 s for both at most. Returns at once; harmless twice.
    pub fn request_stop(&self) {
        self.shared.request_stop();
    }

    /// Stops and waits until it is done. Dropping the future leaves the stop under way.
    pub async fn stop(&self) {
        self.request_stop();
        while let Some(change) = self.shared.unless(|| self.ended()) {
            change.await;
        }
    }

    /// Stops and waits, on this thread, until it is done.
    pub fn stop_blocking(&self) {
        self.request_stop();
        self.shared.wait_blocking(|| self.ended(), None);
        if let Some(drive) = self.shared.drive() {
            drive.join();
        }
    }

    /// Waits for a status, for so long at most. A status that comes and goes meanwhile may be missed; all of them are
    /// among the notifications.
    ///
    /// # Errors
    ///
    /// [`WaitError`] when the time is over, or the stream ends without it.
    pub async fn wait_for(&self, status: Status, timeout: Duration) -> Result<(), WaitError> {
        self.wait_until(|handle| handle.status() == status, timeout)
            .await
    }

    /// [`wait_for`](Self::wait_for), on this thread.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn wait_for_blocking(&self, status: Status, timeout: Duration) -> Result<(), WaitError> {
        self.wait_until_blocking(|handle| handle.status() == status, timeout)
    }

    /// Waits until something holds, for so long at most. It is looked at whenever the driver has news, so it should
    /// ask this handle.
    ///
    /// # Errors
    ///
    /// [`WaitError`] when the time is over, or the stream ends and it still does not hold.
    pub async fn wait_until(
        &self,
        holds: impl Fn(&Self) -> bool,
        timeout: Duration,
    ) -> Result<(), WaitError> {
        let over = Instant::now().checked_add(timeout);
        let mut alarm = over.and_then(|over| self.shared.sleep_until(over));
        let mut held = false;
        while let Some(mut change) = self.shared.unless(|| {
            held = holds(self);
            held || self.ended()
        }) {
            let timed_out = poll_fn(|context| {
                if Pin::new(&mut change).poll(context).is_ready() {
                    return Poll::Ready(false);
                }
                match &mut alarm {
                    Some(alarm) => alarm.as_mut().poll(context).map(|()| true),
                    None => Poll::Pending,
                }
            });
            if timed_out.await {
                break;
            }
        }
        self.waited(held || holds(self), timeout)
    }

    /// [`wait_until`](Self::wait_until), on this thread.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn wait_until_blocking(
        &self,
        holds: impl Fn(&Self) -> bool,
        timeout: Duration,
    ) -> Result<(), WaitError> {
        let over = Instant::now().checked_add(timeout);
        let mut held = false;
        let enough = || {
            held = holds(self);
            held || self.ended()
        };
        self.shared.wait_blocking(enough, over);
        self.waited(held || holds(self), timeout)
    }

    /// Makes a call to the controller's REST interface, beside the stream and with its account, and
    /// waits for the answer.
    ///
    /// While the stream connects or reconnects, the call waits for it, within 60 s in all
    /// ([`Timing::call`](ioxproto::Timing::call)). While calls are pending, the driver reads up to
    /// 4,096 notifications past a full queue, so that a consumer may wait for a call between two
    /// notifications.
    ///
    /// Dropping the future does not cancel the call: a command may be carried out.
    /// [`Ticket::cancel`] cancels it, as far as that is possible.
    ///
    /// ```no_run
    /// use ioxdriver::Handle;
    /// use ioxproto::rest::{self, Command};
    ///
    /// async fn lamps_out(handle: &Handle) -> Result<(), Box<dyn std::error::Error>> {
    ///     let nodes = handle.call(rest::nodes()).await?;
    ///     for node in nodes.nodes.iter().filter(|node| node.name.contains("lamp")) {
    ///         handle.call(Command::off(&node.address)?).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`CallError`] says why there is no answer, and if a command may have been carried out.
    pub async fn call<A>(&self, call: impl Into<Call<A>>) -> Result<A, CallError> {
        self.submit(call).await
    }

    /// [`call`](Self::call), on this thread: not on the only thread of an async runtime. Within a
    /// callback of the same stream nothing can happen before the callback returns: there the call
    /// is not made.
    ///
    /// # Errors
    ///
    /// The same, and [`InCallback`](ioxproto::rest::CallProblem::InCallback).
    pub fn call_blocking<A>(&self, call: impl Into<Call<A>>) -> Result<A, CallError> {
        if self.shared.is_calling_back() {
            let mut error = CallError::in_callback();
            error.may_have_been_carried_out = false;
            return Err(error);
        }
        self.submit(call).wait_blocking()
    }

    /// Makes a call without waiting, from any thread, also within callbacks. The ticket is a future
    /// of the answer; a thread can wait for it too.
    pub fn submit<A>(&self, call: impl Into<Call<A>>) -> Ticket<A> {
        let call = call.into();
        let slot = self.shared.make_call(call.request().clone());
        Ticket::new(call, slot, Arc::clone(&self.shared))
    }

    /// Answers [`Notification::TokenWanted`](ioxproto::Notification::TokenWanted): an access token, or none at
    /// present (then the stream asks again later).
    pub fn provide_token(&self, token: Option<Secret>) {
        self.shared.provide_token(token);
    }

    /// What a wait came to. What held once need not hold any more.
    fn waited(&self, held: bool, after: Duration) -> Result<(), WaitError> {
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

impl Clone for Handle {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.shared.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.deserted();
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
