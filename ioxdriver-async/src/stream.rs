//! The consumer's end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use ioxdriver::{Delivery, Handle, Prepared, Shared, Sleep};
use ioxproto::Notification;

use crate::Runtime;
use crate::driver::Driver;

/// A running stream: what happens on it, in order.
///
/// It ends (`None`) after the stream was stopped or has failed for good; [`Handle::outcome`] then says why. After a
/// [`Handle::start`] it goes on.
/// Dropping it leaves the stream running as long as there are [`Handle`]s; what it would have delivered is discarded.
#[derive(Debug)]
pub struct EventStream {
    delivery: Arc<Delivery>,
    handle: Handle,
}

/// Starts a stream on a runtime.
#[must_use]
pub fn launch<R: Runtime>(runtime: R, prepared: Prepared) -> EventStream {
    let delivery = Arc::new(Delivery::new(prepared.queue, prepared.overflow));
    let sleeper = runtime.clone();
    let sleep: Sleep = Box::new(move |at| Box::pin(sleeper.sleep_until(at)));
    let shared = Arc::new(Shared::new(prepared.config.clone(), Some(sleep)));
    let handle = Handle::new(Arc::clone(&shared));
    Driver::new(runtime, prepared, Arc::clone(&delivery), shared).spawn();
    EventStream { delivery, handle }
}

impl EventStream {
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

impl Stream for EventStream {
    type Item = Notification;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Notification>> {
        self.delivery.poll_next(context)
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.delivery.abandon();
    }
}
