//! The interface of a driver under test. All its methods that wait block the calling thread.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use ioxdriver::driver::convert_handle;
use ioxdriver::{Async, Blocking, EndError, Options, WaitError};
use ioxproto::Notification;
use ioxproto::rest::{Call, CallError, RawAnswer, Request};

use crate::LIMIT;

/// The handle that the suite uses. It blocks, even if the driver's own handles are async.
pub type Handle = ioxdriver::Handle<Blocking>;

/// A driver under test.
pub trait Driver: Sync {
    /// Starts a stream.
    fn start(&self, options: Options) -> Box<dyn Running>;

    /// Starts a stream that passes its notifications to a listener. Returns `None` if the driver
    /// has no callback mode.
    fn start_with(
        &self,
        options: Options,
        listener: Box<dyn FnMut(&Notification) + Send>,
    ) -> Option<Box<dyn StreamHandle>>;
}

/// A stream under test.
pub trait Running: Send {
    /// Waits for the next notification, at most this long.
    fn next(&mut self, within: Duration) -> Next;

    /// Returns a handle on the stream.
    fn handle(&self) -> Box<dyn StreamHandle>;
}

/// The result of waiting for a notification.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth outcome")]
pub enum Next {
    /// A notification.
    Notification(Notification),
    /// The stream has ended.
    End,
    /// The wait timed out.
    Nothing,
}

/// A handle of a driver under test.
pub trait StreamHandle: Send {
    /// The handle that all drivers share.
    fn shared(&self) -> &Handle;

    /// Blocks this thread until a condition is met.
    ///
    /// # Errors
    ///
    /// If the wait times out or the stream ends first.
    fn wait_until(
        &self,
        condition: &dyn Fn(&Handle) -> bool,
        within: Duration,
    ) -> Result<(), WaitError>;

    /// Stops the stream and blocks this thread until it has ended.
    fn stop(&self);

    /// Blocks this thread until the stream has ended.
    ///
    /// # Errors
    ///
    /// The reason why the stream ended, unless it was stopped.
    fn closed(&self) -> Result<(), EndError>;

    /// Makes a call and blocks this thread until the answer arrives.
    ///
    /// # Errors
    ///
    /// The reason why there is no answer.
    fn call_raw(&self, request: Request) -> Result<RawAnswer, CallError>;
}

/// Uses the handle's own methods, which block.
impl StreamHandle for Handle {
    fn shared(&self) -> &Handle {
        self
    }

    fn wait_until(
        &self,
        condition: &dyn Fn(&Handle) -> bool,
        within: Duration,
    ) -> Result<(), WaitError> {
        self.wait_until(condition, within)
    }

    fn stop(&self) {
        self.stop();
    }

    fn closed(&self) -> Result<(), EndError> {
        self.closed()
    }

    fn call_raw(&self, request: Request) -> Result<RawAnswer, CallError> {
        self.call(request)
    }
}

/// A handle whose own methods return futures. The methods here block the test's thread until the
/// future completes. The futures must work without a runtime.
#[derive(Debug)]
pub struct Awaited {
    own: ioxdriver::Handle<Async>,
    shared: Handle,
}

impl Awaited {
    /// Wraps a handle.
    #[must_use]
    pub fn new(own: ioxdriver::Handle<Async>) -> Self {
        let shared = convert_handle(&own);
        Self { own, shared }
    }
}

/// Uses the handle's own futures.
impl StreamHandle for Awaited {
    fn shared(&self) -> &Handle {
        &self.shared
    }

    fn wait_until(
        &self,
        condition: &dyn Fn(&Handle) -> bool,
        within: Duration,
    ) -> Result<(), WaitError> {
        let wait = self.own.wait_until(|_| condition(&self.shared), within);
        expect_done(block_on(wait, within + LIMIT))
    }

    fn stop(&self) {
        expect_done(block_on(self.own.stop(), LIMIT));
    }

    fn closed(&self) -> Result<(), EndError> {
        expect_done(block_on(self.own.closed(), LIMIT))
    }

    fn call_raw(&self, request: Request) -> Result<RawAnswer, CallError> {
        expect_done(block_on(self.own.call(request), 2 * LIMIT))
    }
}

/// The output of a future; panics if it did not complete in time.
#[expect(clippy::panic, reason = "for tests, which fail by panicking")]
fn expect_done<T>(output: Option<T>) -> T {
    match output {
        Some(output) => output,
        None => panic!("a future did not complete in time"),
    }
}

impl dyn StreamHandle {
    /// Makes a call with [`call_raw`](StreamHandle::call_raw) and blocks this thread until the
    /// answer arrives.
    ///
    /// # Errors
    ///
    /// The reason why there is no answer.
    pub fn call<A>(&self, call: impl Into<Call<A>>) -> Result<A, CallError> {
        let call = call.into();
        call.outcome(self.call_raw(call.request().clone()))
    }
}

/// Implements [`Running::next`] for a driver whose own `next` is a future that works without a
/// runtime.
pub fn next_of(next: impl Future<Output = Option<Notification>>, within: Duration) -> Next {
    match block_on(next, within) {
        Some(Some(notification)) => Next::Notification(notification),
        Some(None) => Next::End,
        None => Next::Nothing,
    }
}

/// Runs a future that works without a runtime. Returns `None` if it does not complete within this
/// time.
pub fn block_on<T>(future: impl Future<Output = T>, within: Duration) -> Option<T> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let until = Instant::now() + within;
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

impl std::ops::Deref for dyn StreamHandle {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        self.shared()
    }
}
