//! A stream that its consumer polls.

use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::Stream;
use ioxdriver::driver::Delivery;
use ioxdriver::{BuildError, Options};
use ioxproto::{Event, Notification};

use crate::stream::{build, next_live_event};
use crate::task::{Session, Task};
use crate::{Handle, Runtime};

/// A stream without a task of its own: polling it for the next notification runs the driver.
///
/// An event wakes only one task and, on a runtime with several threads, one thread. An
/// [`EventStream`](crate::EventStream) on async-std and smol wakes two. In return, the driver only
/// runs while the stream is polled. If the consumer is busy for minutes, the stream answers no
/// pings and calls do not time out. The methods of a [`Handle`] that wait only complete if the
/// stream is polled at the same time. For a consumer that does slow work, use an
/// [`EventStream`](crate::EventStream).
///
/// The stream ends (`None`) after it was stopped or has failed permanently; [`Handle::closed`] then
/// returns why. After a [`Handle::start`] it can be polled again. Dropping it ends the stream.
pub struct PolledStream<R: Runtime> {
    delivery: Arc<Delivery>,
    handle: Handle,
    /// `None` at rest.
    running: Option<Task<R>>,
    parked: Arc<Parked<R>>,
}

/// The task of a stream that is about to start.
struct Parked<R: Runtime>(Mutex<Option<Task<R>>>);

impl<R: Runtime> Parked<R> {
    fn put(&self, task: Task<R>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    fn take(&self) -> Option<Task<R>> {
        let mut parked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parked.take()
    }
}

impl<R: Runtime> PolledStream<R> {
    /// Creates a stream with these options. It connects once it is polled.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the first option that cannot be used, or the runtime that is missing.
    pub fn start(options: Options) -> Result<Self, BuildError> {
        let task = build::<R>(options, None)?;
        let delivery = Arc::clone(task.delivery());
        let handle = Handle::new(Arc::clone(task.shared()));
        Ok(Self {
            delivery,
            handle,
            running: None,
            parked: Arc::new(Parked(Mutex::new(Some(task)))),
        })
    }

    /// Returns the next notification; `None` at the end. Cancellation-safe: a dropped future has
    /// taken nothing.
    pub async fn next(&mut self) -> Option<Notification> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// Returns the next live event and drops everything before it; `None` at the end.
    /// Cancellation-safe.
    ///
    /// Status changes are dropped, too: at the end, [`Handle::closed`] returns the reason.
    pub async fn next_live_event(&mut self) -> Option<Event> {
        next_live_event(self).await
    }

    /// Returns a handle on the stream.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Notification>> {
        // No waker is needed here: if the queue is empty, either the driver fills it below, or the
        // last `poll_next` registers one.
        let mut looking = Context::from_waker(Waker::noop());
        if let Poll::Ready(next) = self.delivery.poll_next(&mut looking)
            && next.is_some()
        {
            return Poll::Ready(next);
        }
        loop {
            if let Some(mut task) = self.parked.take() {
                task.start();
                self.running = Some(task);
            }
            if let Some(task) = &mut self.running
                && Pin::new(&mut Session(task)).poll(context).is_ready()
                && let Some(task) = self.running.take()
            {
                let parked = Arc::clone(&self.parked);
                let again = task.rest(move |task| {
                    // The task comes first: a consumer that finds the queue open must find it.
                    let delivery = Arc::clone(task.delivery());
                    parked.put(task);
                    delivery.resume();
                });
                if let Some(task) = again {
                    self.parked.put(task);
                    continue;
                }
            }
            let next = self.delivery.poll_next(context);
            // Another thread may have started the stream in the meantime.
            if self.running.is_some() || next.is_ready() {
                return next;
            }
        }
    }
}

impl<R: Runtime> Stream for PolledStream<R> {
    type Item = Notification;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Notification>> {
        self.poll(context)
    }
}

impl<R: Runtime> Unpin for PolledStream<R> {}

impl<R: Runtime> Drop for PolledStream<R> {
    fn drop(&mut self) {
        self.delivery.abandon();
        if let Some(mut task) = self.running.take() {
            task.hang_up();
        }
    }
}

impl<R: Runtime> fmt::Debug for PolledStream<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolledStream")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}
