//! A stream that its consumer drives.

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

/// A stream without a task of its own: taking the next notification drives it.
///
/// An event wakes one task and, on a runtime with several threads, one thread, where an
/// [`EventStream`](crate::EventStream) on async-std and smol wakes two. In return, nothing happens
/// while nobody polls it: a consumer that is busy for minutes answers no pings and misses the time
/// limits of calls, and a [`Handle`]'s methods that wait need somebody who polls the stream
/// meanwhile. For a consumer with slow work of its own, an [`EventStream`](crate::EventStream) is
/// better.
///
/// It ends (`None`) after the stream was stopped or has failed for good; [`Handle::closed`] then
/// says why. After a [`Handle::start`] it can be polled again. Dropping it ends the stream.
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
    pub async fn next_live_event(&mut self) -> Option<Event> {
        next_live_event(self).await
    }

    /// Returns a handle on the stream.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Notification>> {
        // This look needs no waker: if the queue is empty, the driver fills it, or the look at the
        // end leaves one.
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
                    // In this order: who finds the queue open again finds the task.
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
            // A start may have come from another thread meanwhile.
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
