//! The methods of a handle that wait: as futures, or by blocking the calling thread.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use ioxproto::Status;
use ioxproto::rest::{Call, CallError};

use super::handle::{Async, Blocking};
use super::{EndError, Handle, WaitError};

impl Handle<Async> {
    /// Stops the stream and waits until it has ended. If the future is dropped, the stop continues.
    pub async fn stop(&self) {
        self.request_stop();
        self.end().await;
    }

    /// Waits until the stream has ended: `Ok` if it was stopped. After a loop over the
    /// notifications has ended, [`outcome`](Self::outcome) returns the same result.
    ///
    /// # Errors
    ///
    /// [`EndError`] if it ended without being stopped.
    pub async fn closed(&self) -> Result<(), EndError> {
        self.end().await;
        self.outcome().unwrap_or(Ok(()))
    }

    async fn end(&self) {
        while let Some(change) = self.shared.listen_unless(|| self.has_ended()) {
            change.await;
        }
    }

    /// Waits for a status, at most this long. It may miss a status that lasts only a short time;
    /// the notifications report every status.
    ///
    /// # Errors
    ///
    /// [`WaitError`] if the wait times out, or the stream ends with another status.
    pub async fn wait_for(&self, status: Status, timeout: Duration) -> Result<(), WaitError> {
        self.wait_until(|handle| handle.status() == status, timeout)
            .await
    }

    /// Waits until a condition is met, at most this long. The condition is evaluated whenever the
    /// driver updates its handles, so it should depend on this handle.
    ///
    /// # Errors
    ///
    /// [`WaitError`] if the wait times out, or the stream ends before the condition is met.
    pub async fn wait_until(
        &self,
        condition: impl Fn(&Self) -> bool,
        timeout: Duration,
    ) -> Result<(), WaitError> {
        let deadline = Instant::now().checked_add(timeout);
        let mut alarm = deadline.and_then(|deadline| self.shared.sleep_until(deadline));
        let mut held = false;
        while let Some(mut change) = self.shared.listen_unless(|| {
            held = condition(self);
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
        self.wait_result(held || condition(self), timeout)
    }

    /// Makes a call to the controller's REST interface, alongside the stream and with its account,
    /// and waits for the answer.
    ///
    /// While the stream connects or reconnects, the call waits for it, within 60 s in all
    /// ([`Timing::call`](ioxproto::Timing::call)). While calls are pending, the driver reads up to
    /// 4,096 notifications past a full queue, so that a consumer may wait for a call between two
    /// notifications.
    ///
    /// Dropping the future does not cancel the call: a command may still be carried out. To cancel
    /// a call, use [`submit`](Self::submit) and [`Ticket::cancel`](super::Ticket::cancel).
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
    /// [`CallError`] says why there is no answer, and whether a command may have been carried out.
    pub async fn call<A>(&self, call: impl Into<Call<A>>) -> Result<A, CallError> {
        self.submit(call).await
    }
}

/// These methods block the calling thread, which drives the stream if no other thread does. Do not
/// call them on the only thread of an async runtime. In a callback of the same stream they return
/// immediately, because the driver cannot proceed before the callback returns.
impl Handle<Blocking> {
    /// Stops the stream and waits until it has ended.
    pub fn stop(&self) {
        self.request_stop();
        self.shared.wait_blocking(|| self.has_ended(), None);
        if let Some(drive) = self.shared.drive() {
            drive.join();
        }
    }

    /// Waits until the stream has ended: `Ok` if it was stopped. After a loop over the
    /// notifications has ended, [`outcome`](Self::outcome) returns the same result.
    ///
    /// # Errors
    ///
    /// [`EndError`] if it ended without being stopped.
    pub fn closed(&self) -> Result<(), EndError> {
        self.shared.wait_blocking(|| self.has_ended(), None);
        self.outcome().unwrap_or(Ok(()))
    }

    /// Waits for a status, at most this long. It may miss a status that lasts only a short time;
    /// the notifications report every status.
    ///
    /// # Errors
    ///
    /// [`WaitError`] if the wait times out, or the stream ends with another status.
    pub fn wait_for(&self, status: Status, timeout: Duration) -> Result<(), WaitError> {
        self.wait_until(|handle| handle.status() == status, timeout)
    }

    /// Waits until a condition is met, at most this long. The condition is evaluated whenever the
    /// driver updates its handles, so it should depend on this handle.
    ///
    /// # Errors
    ///
    /// [`WaitError`] if the wait times out, or the stream ends before the condition is met.
    pub fn wait_until(
        &self,
        condition: impl Fn(&Self) -> bool,
        timeout: Duration,
    ) -> Result<(), WaitError> {
        let deadline = Instant::now().checked_add(timeout);
        let mut held = false;
        let enough = || {
            held = condition(self);
            held || self.has_ended()
        };
        self.shared.wait_blocking(enough, deadline);
        self.wait_result(held || condition(self), timeout)
    }

    /// Makes a call to the controller's REST interface, alongside the stream and with its account,
    /// and waits for the answer.
    ///
    /// While the stream connects or reconnects, the call waits for it, within 60 s in all
    /// ([`Timing::call`](ioxproto::Timing::call)). While calls are pending, the driver reads up to
    /// 4,096 notifications past a full queue, so that a consumer may wait for a call between two
    /// notifications. In a callback of the same stream the call is not made; use
    /// [`submit`](Self::submit), which does not wait.
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
    /// [`CallError`] says why there is no answer, and whether a command may have been carried out;
    /// [`InCallback`](ioxproto::rest::CallProblem::InCallback) in a callback.
    pub fn call<A>(&self, call: impl Into<Call<A>>) -> Result<A, CallError> {
        if self.shared.is_in_callback() {
            let mut error = CallError::in_callback();
            error.may_have_been_carried_out = false;
            return Err(error);
        }
        self.submit(call).wait()
    }
}
