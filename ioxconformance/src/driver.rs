//! What a driver under test must offer, in the manner of a thread that waits.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use ioxdriver::driver::waiting_otherwise;
use ioxdriver::{Async, Blocking, EndError, Options, WaitError};
use ioxproto::Notification;
use ioxproto::rest::{Call, CallError, RawAnswer, Request};

use crate::LIMIT;

/// What the suite looks at and commands, whichever way the driver's own handles wait.
pub type Handle = ioxdriver::Handle<Blocking>;

/// A driver under test.
pub trait Driver: Sync {
    /// Starts a stream.
    fn start(&self, options: Options) -> Box<dyn Running>;

    /// Starts a stream that calls back. `None` if the driver cannot.
    fn start_with(
        &self,
        options: Options,
        listener: Box<dyn FnMut(&Notification) + Send>,
    ) -> Option<Box<dyn StreamHandle>>;
}

/// A stream under test.
pub trait Running: Send {
    /// The next notification, if it comes within this time.
    fn next(&mut self, within: Duration) -> Next;

    /// A handle on it.
    fn handle(&self) -> Box<dyn StreamHandle>;
}

/// What waiting for a notification gave.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth outcome")]
pub enum Next {
    /// A notification.
    Told(Notification),
    /// The stream has ended.
    End,
    /// Nothing came in the time given.
    Nothing,
}

/// A handle of a driver under test.
pub trait StreamHandle: Send {
    /// What all drivers share, to look at and to command.
    fn shared(&self) -> &Handle;

    /// Waits on this thread until something holds.
    ///
    /// # Errors
    ///
    /// When the time is over or the stream ends first.
    fn wait_until(
        &self,
        holds: &dyn Fn(&Handle) -> bool,
        within: Duration,
    ) -> Result<(), WaitError>;

    /// Stops and waits on this thread until it is done.
    fn stop(&self);

    /// Waits on this thread until the stream has ended.
    ///
    /// # Errors
    ///
    /// Why it ended, if nobody stopped it.
    fn closed(&self) -> Result<(), EndError>;

    /// Makes a call, and waits on this thread for the answer.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    fn call_raw(&self, request: Request) -> Result<RawAnswer, CallError>;
}

/// By its own methods, which block.
impl StreamHandle for Handle {
    fn shared(&self) -> &Handle {
        self
    }

    fn wait_until(
        &self,
        holds: &dyn Fn(&Handle) -> bool,
        within: Duration,
    ) -> Result<(), WaitError> {
        self.wait_until(holds, within)
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

/// A handle whose own methods are futures of no particular runtime, for the thread of a test.
#[derive(Debug)]
pub struct Awaited {
    own: ioxdriver::Handle<Async>,
    shared: Handle,
}

impl Awaited {
    /// Of a handle.
    #[must_use]
    pub fn new(own: ioxdriver::Handle<Async>) -> Self {
        let shared = waiting_otherwise(&own);
        Self { own, shared }
    }
}

/// By the handle's own futures.
impl StreamHandle for Awaited {
    fn shared(&self) -> &Handle {
        &self.shared
    }

    fn wait_until(
        &self,
        holds: &dyn Fn(&Handle) -> bool,
        within: Duration,
    ) -> Result<(), WaitError> {
        let waited = self.own.wait_until(|_| holds(&self.shared), within);
        done(block_on(waited, within + LIMIT))
    }

    fn stop(&self) {
        done(block_on(self.own.stop(), LIMIT));
    }

    fn closed(&self) -> Result<(), EndError> {
        done(block_on(self.own.closed(), LIMIT))
    }

    fn call_raw(&self, request: Request) -> Result<RawAnswer, CallError> {
        done(block_on(self.own.call(request), 2 * LIMIT))
    }
}

/// What a future has given.
#[expect(clippy::panic, reason = "made for tests, which end by a panic")]
fn done<T>(given: Option<T>) -> T {
    match given {
        Some(given) => given,
        None => panic!("a future that is never ready"),
    }
}

impl dyn StreamHandle {
    /// Makes a call, and waits on this thread for the answer, in the handle's own way.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    pub fn call<A>(&self, call: impl Into<Call<A>>) -> Result<A, CallError> {
        let call = call.into();
        call.outcome(self.call_raw(call.request().clone()))
    }
}

/// [`Running::next`] of a driver whose own `next` is a future of no particular runtime.
pub fn next_of(next: impl Future<Output = Option<Notification>>, within: Duration) -> Next {
    match block_on(next, within) {
        Some(Some(told)) => Next::Told(told),
        Some(None) => Next::End,
        None => Next::Nothing,
    }
}

/// What a future of no particular runtime gives, if it gives it within this time.
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
