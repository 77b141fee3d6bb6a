//! The stream that a consumer reads.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt as _};
use ioxdriver::driver::{Body, Delivery, Listener, Sleep};
use ioxdriver::{BuildError, Options, Start};
use ioxproto::{Event, Notification};

use crate::seam::AsyncSeam;
use crate::task::Task;
use crate::{Handle, Runtime};

/// A running stream, which delivers its notifications in order.
///
/// The stream ends (`None`) after it was stopped or has failed permanently; [`Handle::closed`] then
/// returns why. After a [`Handle::start`] it continues. If it is dropped, the driver continues to
/// run while there are [`Handle`]s, and discards the notifications.
pub struct EventStream<R> {
    delivery: Arc<Delivery>,
    handle: Handle,
    runtime: PhantomData<fn() -> R>,
}

impl<R: Runtime> EventStream<R> {
    /// Creates options for the controller at this URL, such as `https://eisy.local:8443`.
    pub fn builder(url: impl Into<String>) -> Options<Self> {
        Options::new(url).retarget()
    }

    /// Starts a stream with these options.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the first option that cannot be used, or the runtime that is missing.
    pub fn start(options: Options) -> Result<Self, BuildError> {
        let (delivery, handle) = spawn::<R>(options, None)?;
        Ok(Self {
            delivery,
            handle,
            runtime: PhantomData,
        })
    }

    /// Starts a stream that calls this function with each notification, on the driver's task; see
    /// [`Options::start_with`].
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the first option that cannot be used, or the runtime that is missing.
    pub fn start_with(
        options: Options,
        listener: impl FnMut(&Notification) + Send + 'static,
    ) -> Result<Handle, BuildError> {
        let (_, handle) = spawn::<R>(options, Some(Listener::new(listener)))?;
        Ok(handle)
    }

    /// Takes the next notification; `None` at the end. Cancellation-safe: a dropped future has
    /// taken nothing.
    pub async fn next(&mut self) -> Option<Notification> {
        std::future::poll_fn(|context| self.delivery.poll_next(context)).await
    }

    /// Takes the next live event and drops all other notifications before it; `None` at the end.
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
}

impl<R> Stream for EventStream<R> {
    type Item = Notification;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Notification>> {
        self.delivery.poll_next(context)
    }
}

impl<R> Drop for EventStream<R> {
    fn drop(&mut self) {
        self.delivery.abandon();
    }
}

impl<R> fmt::Debug for EventStream<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

impl<R: Runtime> Start for EventStream<R> {
    type Handle = Handle;

    fn start(options: Options) -> Result<Self, BuildError> {
        Self::start(options)
    }

    fn start_with(
        options: Options,
        listener: impl FnMut(&Notification) + Send + 'static,
    ) -> Result<Handle, BuildError> {
        Self::start_with(options, listener)
    }
}

/// Takes notifications up to the next live event; `None` at the end.
pub(crate) async fn next_live_event(
    stream: &mut (impl Stream<Item = Notification> + Unpin),
) -> Option<Event> {
    while let Some(notification) = stream.next().await {
        match notification {
            Notification::Event(event) if event.is_live() => return Some(event),
            _ => {}
        }
    }
    None
}

fn spawn<R: Runtime>(
    options: Options,
    listener: Option<Listener>,
) -> Result<(Arc<Delivery>, Handle), BuildError> {
    let task = build::<R>(options, listener)?;
    let delivery = Arc::clone(task.delivery());
    let handle = Handle::new(Arc::clone(task.shared()));
    task.spawn();
    Ok((delivery, handle))
}

/// Creates a task that has not been started.
pub(crate) fn build<R: Runtime>(
    options: Options,
    listener: Option<Listener>,
) -> Result<Task<R>, BuildError> {
    let runtime = R::current()?;
    let timer = runtime.clone();
    let sleep: Sleep = Box::new(move |at| Box::pin(timer.sleep_until(at)));
    let body = Body::new(AsyncSeam(runtime), options, listener, Some(sleep))?;
    Ok(Task::new(body))
}
