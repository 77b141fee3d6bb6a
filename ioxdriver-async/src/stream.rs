//! The consumer's end.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use ioxdriver::{
    BuildError, Builder, Delivery, Handle, Launch, LaunchWith, Listener, Prepared, Shared, Sleep,
};
use ioxproto::Notification;

use crate::Runtime;
use crate::driver::Driver;

/// A running stream: what happens on it, in order.
///
/// It ends (`None`) after the stream was stopped or has failed for good; [`Handle::outcome`] then says why. After a
/// [`Handle::start`] it goes on. Dropping it leaves the stream running as long as there are [`Handle`]s; what it would
/// have delivered is discarded.
pub struct EventStream<R> {
    delivery: Arc<Delivery>,
    handle: Handle,
    runtime: PhantomData<fn() -> R>,
}

impl<R: Runtime> EventStream<R> {
    /// A stream of the controller at this URL, such as `https://eisy.local:8443`.
    pub fn builder(url: impl Into<String>) -> Builder<Self> {
        Builder::new(url)
    }

    /// The next notification; `None` at the end. Cancellation-safe: a dropped future has taken nothing.
    pub async fn next(&mut self) -> Option<Notification> {
        std::future::poll_fn(|context| self.delivery.poll_next(context)).await
    }

    /// A handle on the stream.
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

impl<R: Runtime> Launch for EventStream<R> {
    type Stream = Self;

    fn launch(prepared: Prepared) -> Result<Self, BuildError> {
        let (delivery, handle) = spawn::<R>(prepared, None)?;
        Ok(Self {
            delivery,
            handle,
            runtime: PhantomData,
        })
    }
}

impl<R: Runtime> LaunchWith for EventStream<R> {
    type Handle = Handle;

    fn launch_with(prepared: Prepared, listener: Listener) -> Result<Handle, BuildError> {
        let (_, handle) = spawn::<R>(prepared, Some(listener))?;
        Ok(handle)
    }
}

fn spawn<R: Runtime>(
    prepared: Prepared,
    listener: Option<Listener>,
) -> Result<(Arc<Delivery>, Handle), BuildError> {
    let runtime = R::current()?;
    let timer = runtime.clone();
    let sleep: Sleep = Box::new(move |at| Box::pin(timer.sleep_until(at)));
    let delivery = Arc::new(Delivery::new(prepared.queue, prepared.overflow));
    let shared = Arc::new(Shared::new(prepared.config.clone(), Some(sleep)));
    let handle = Handle::new(Arc::clone(&shared));
    Driver::new(runtime, prepared, Arc::clone(&delivery), listener, shared).spawn();
    Ok((delivery, handle))
}
