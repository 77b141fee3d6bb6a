//! The two ways in which a handle waits: in futures, and on the thread that calls.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use ioxproto::Status;
use ioxproto::rest::{Call, CallError};

use super::handle::{Async, Blocking};
use super::{EndError, Handle, WaitError};

impl Handle<Async> {
    /// Stops and waits until it is done. Dropping the future leaves the stop under way.
    pub async fn stop(&self) {
        self.request_stop();
        self.end().await;
    }

    /// Waits until the stream has ended: `Ok` if it was stopped. It says what
    /// [`outcome`](Self::outcome) says at the end of a loop over the notifications.
    ///
    /// # Errors
    ///
    /// [`EndError`] when it ended without being stopped.
    pub async fn closed(&self) -> Result<(), EndError> {
        self.end().await;
        self.outcome().unwrap_or(Ok(()))
    }

    async fn end(&self) {
        while let Some(change) = self.shared.unless(|| self.has_ended()) {
            change.await;
        }
    }

    /// Waits for a status, at most this long. A status that comes and goes meanwhile may be
    /// missed; all of them are among the notifications.
    ///
    /// # Errors
    ///
    /// [`WaitError`] when the time is over, or the stream ends without it.
    pub async fn wait_for(&self, status: Status, timeout: Duration) -> Result<(), WaitError> {
        self.wait_until(|handle| handle.status() == status, timeout)
            .await
    }

    /// Waits until something holds, at most this long. It is looked at whenever the driver has
    /// news, so it should ask this handle.
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
            held || self.has_ended()
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

    /// Makes a call to the controller's REST interface, beside the stream and with its account, and
    /// waits for the answer.
    ///
    /// While the stream connects or reconnects, the call waits for it, within 60 s in all
    /// ([`Timing::call`](ioxproto::Timing::call)). While calls are pending, the driver reads up to
    /// 4,096 notifications past a full queue, so that a consumer may wait for a call between two
    /// notifications.
    ///
    /// Dropping the future does not cancel the call: a command may be carried out.
    /// [`Ticket::cancel`](super::Ticket::cancel) cancels it, as far as that is possible.
    ///
    /// ```no_run
    /// use ioxdriver::{Async, Handle};
    /// use ioxproto::rest::{self, Command};
    ///
    /// async fn lamps_out(handle: &Handle<Async>) -> Result<(), Box<dyn std::error::Error>> {
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
}

/// On this thread, which drives the stream if no other does: not on the only thread of an async
/// runtime. Within a callback of the same stream nothing can happen before the callback returns:
/// there these methods return at once.
impl Handle<Blocking> {
    /// Stops and waits until it is done.
    pub fn stop(&self) {
        self.request_stop();
        self.shared.wait_blocking(|| self.has_ended(), None);
        if let Some(drive) = self.shared.drive() {
            drive.join();
        }
    }

    /// Waits until the stream has ended: `Ok` if it was stopped. It says what
    /// [`outcome`](Self::outcome) says at the end of a loop over the notifications.
    ///
    /// # Errors
    ///
    /// [`EndError`] when it ended without being stopped.
    pub fn closed(&self) -> Result<(), EndError> {
        self.shared.wait_blocking(|| self.has_ended(), None);
        self.outcome().unwrap_or(Ok(()))
    }

    /// Waits for a status, at most this long. A status that comes and goes meanwhile may be
    /// missed; all of them are among the notifications.
    ///
    /// # Errors
    ///
    /// [`WaitError`] when the time is over, or the stream ends without it.
    pub fn wait_for(&self, status: Status, timeout: Duration) -> Result<(), WaitError> {
        self.wait_until(|handle| handle.status() == status, timeout)
    }

    /// Waits until something holds, at most this long. It is looked at whenever the driver has
    /// news, so it should ask this handle.
    ///
    /// # Errors
    ///
    /// [`WaitError`] when the time is over, or the stream ends and it still does not hold.
    pub fn wait_until(
        &self,
        holds: impl Fn(&Self) -> bool,
        timeout: Duration,
    ) -> Result<(), WaitError> {
        let over = Instant::now().checked_add(timeout);
        let mut held = false;
        let enough = || {
            held = holds(self);
            held || self.has_ended()
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
    /// notifications. Within a callback of the same stream the call is not made:
    /// [`submit`](Self::submit) makes it without waiting.
    ///
    /// ```no_run
    /// use ioxdriver::{Blocking, Handle};
    /// use ioxproto::rest::Command;
    ///
    /// fn lamp_out(handle: &Handle<Blocking>) -> Result<(), Box<dyn std::error::Error>> {
    ///     handle.call(Command::off("1A 2B 3C 1")?)?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`CallError`] says why there is no answer, and if a command may have been carried out;
    /// [`InCallback`](ioxproto::rest::CallProblem::InCallback) within a callback.
    pub fn call<A>(&self, call: impl Into<Call<A>>) -> Result<A, CallError> {
        if self.shared.is_calling_back() {
            let mut error = CallError::in_callback();
            error.may_have_been_carried_out = false;
            return Err(error);
        }
        self.submit(call).wait()
    }
}
