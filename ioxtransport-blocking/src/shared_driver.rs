//! The driver, shared by the threads that wait for it. The stream has no thread of its own. The
//! first caller that waits runs the driver; later callers sleep until it makes progress. A
//! background thread is a caller that waits for the end.
//!
//! ```text
//!   no caller waits    the driver does not run, and nothing is read
//!   one caller waits   it locks the driver and takes turns until its condition is met
//!   others wait        for the consumer's queue, a change of status, or the lock
//! ```

use std::fmt;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use ioxdriver::driver::{Delivery, Drive, Listener, Shared};
use ioxdriver::{BuildError, Options};
use tracing::warn;

use super::driver::{Driver, Turn};
use super::sync::thread::{self, JoinHandle, Thread, ThreadId};
use super::sync::{AtomicBool, Mutex, MutexGuard, Ordering, PoisonError, TryLockError};

/// How many turns to take after the deadline, to deliver what has already arrived. None of them
/// waits.
const LAST_TURNS: u32 = 256;

/// A driver that is run by one of the threads that wait for it.
pub(crate) struct SharedDriver {
    driver: Mutex<Driver>,
    /// The thread that runs the driver.
    driving: Mutex<Option<ThreadId>>,
    delivery: Arc<Delivery>,
    shared: Arc<Shared>,
    /// Whether a start was requested.
    wanted: Arc<AtomicBool>,
    /// Whether the consumer was dropped. No thread continues without it.
    abandoned: AtomicBool,
    driver_waker: Waker,
    /// Whether a background thread runs the driver until its end.
    background: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl SharedDriver {
    pub(crate) fn new(
        options: Options,
        listener: Option<Listener>,
    ) -> Result<Arc<Self>, BuildError> {
        let wanted = Arc::new(AtomicBool::new(true));
        let driver = Driver::new(options, listener, Arc::clone(&wanted))?;
        let delivery = Arc::clone(driver.body().delivery());
        let shared = Arc::clone(driver.body().shared());
        let driver_waker = driver.waker();
        let this = Arc::new_cyclic(|this| Self {
            driver: Mutex::new(driver.shared_by(this.clone())),
            driving: Mutex::new(None),
            delivery,
            shared: Arc::clone(&shared),
            wanted,
            abandoned: AtomicBool::new(false),
            driver_waker,
            background: AtomicBool::new(false),
            thread: Mutex::new(None),
        });
        let drive: Arc<dyn Drive> = Arc::<Self>::clone(&this);
        shared.driven_by(Arc::downgrade(&drive));
        Ok(this)
    }

    pub(crate) fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Waits until `ready` returns a value, and runs the driver if no other thread does. `None` at
    /// the deadline, or when the stream has ended without a value.
    pub(crate) fn wait_until<T>(
        &self,
        until: Option<Instant>,
        mut ready: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        // The common case: a value is ready, and no waker is needed.
        if let Poll::Ready(value) = ready(&mut Context::from_waker(Waker::noop())) {
            return Some(value);
        }
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Some(done) = self.try_wait(until, &mut ready, &mut context) {
                return done;
            }
            let mut change = self.shared.listen();
            // The driver may have become free before the listener was registered.
            if let Some(done) = self.try_wait(until, &mut ready, &mut context) {
                return done;
            }
            if Pin::new(&mut change).poll(&mut context).is_pending() && !park(until) {
                return into_value(ready(&mut context));
            }
        }
    }

    /// `None` while another thread runs the driver and no value is ready.
    fn try_wait<T>(
        &self,
        until: Option<Instant>,
        ready: &mut impl FnMut(&mut Context<'_>) -> Poll<T>,
        context: &mut Context<'_>,
    ) -> Option<Option<T>> {
        if let Poll::Ready(value) = ready(context) {
            return Some(Some(value));
        }
        if let Some(mut driving) = self.take() {
            return Some(driving.until(until, || ready(context)));
        }
        // Inside a callback, the driver makes no progress before the callback returns.
        self.is_driving().then_some(None)
    }

    /// Runs the driver on a thread of its own, until the end and again after each start.
    pub(crate) fn drive_in_background(self: &Arc<Self>) -> io::Result<()> {
        // Set before the thread starts: it may end immediately, and a later start reads this flag.
        self.background.store(true, Ordering::Release);
        let this = Arc::clone(self);
        let thread = thread::Builder::new()
            .name("iox-stream".into())
            .spawn(move || {
                // Until the end, whichever thread runs the driver.
                this.wait_until(None, |_| Poll::<()>::Pending);
            });
        match thread {
            Ok(thread) => {
                *lock(&self.thread) = Some(thread);
                Ok(())
            }
            Err(error) => {
                self.background.store(false, Ordering::Release);
                Err(error)
            }
        }
    }

    pub(crate) fn is_in_background(&self) -> bool {
        self.background.load(Ordering::Acquire)
    }

    /// Starts a stream that is at rest.
    pub(crate) fn restart(self: &Arc<Self>) {
        self.delivery.resume();
        self.wanted.store(true, Ordering::Release);
        self.shared.notify();
        if self.is_in_background()
            && let Err(error) = self.drive_in_background()
        {
            warn!(%error, "cannot start a thread for the stream: it only runs while a caller waits on it");
        }
    }

    /// Ends the stream once no thread runs the driver, because the consumer was dropped.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
        self.driver_waker.wake_by_ref();
        drop(self.take());
    }

    /// How often the driver was woken. Only valid while no thread runs it.
    #[cfg(test)]
    pub(crate) fn sleeps(&self) -> u32 {
        lock(&self.driver).sleeps()
    }

    /// Whether this thread runs the driver.
    fn is_driving(&self) -> bool {
        *lock(&self.driving) == Some(thread::current().id())
    }

    /// Locks the driver for this thread; `None` while another thread has it.
    fn take(&self) -> Option<Driving<'_>> {
        let driver = match self.driver.try_lock() {
            Ok(driver) => driver,
            // A callback panicked while the driver was locked. `Driving::drop` ended the stream.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        *lock(&self.driving) = Some(thread::current().id());
        Some(Driving {
            shared: self,
            driver: Some(driver),
        })
    }
}

impl Drive for SharedDriver {
    fn wait(&self, until: Option<Instant>, condition: &mut dyn FnMut() -> bool) {
        self.wait_until(until, |_| match condition() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        });
    }

    fn join(&self) {
        if self.is_driving() {
            return;
        }
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            // If a callback panicked, the panic hook has shown it.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for SharedDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedDriver").finish_non_exhaustive()
    }
}

/// The driver, locked by this thread.
struct Driving<'a> {
    shared: &'a SharedDriver,
    /// `None` only while it is being dropped.
    driver: Option<MutexGuard<'a, Driver>>,
}

impl Driving<'_> {
    fn until<T>(
        &mut self,
        until: Option<Instant>,
        mut ready: impl FnMut() -> Poll<T>,
    ) -> Option<T> {
        let driver = self.driver.as_mut()?;
        let mut last_turns = 0;
        loop {
            if let Poll::Ready(value) = ready() {
                return Some(value);
            }
            // A stop in progress still has its time, even without a consumer.
            if self.shared.abandoned.load(Ordering::Acquire) && !driver.body().is_stopping() {
                return None;
            }
            let mut turn = driver.turn();
            let has_timed_out = until.is_some_and(|until| until <= Instant::now());
            if turn == Turn::Idle {
                // The turn may have produced the value.
                if let Poll::Ready(value) = ready() {
                    return Some(value);
                }
                turn = driver.wait(until);
            }
            match turn {
                Turn::Moved if !has_timed_out => {}
                Turn::Moved if last_turns < LAST_TURNS => last_turns += 1,
                Turn::Idle if !has_timed_out => {}
                Turn::Moved | Turn::Idle | Turn::Ended => return into_value(ready()),
            }
        }
    }
}

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        if let Some(driver) = &mut self.driver
            && (thread::panicking() || self.shared.abandoned.load(Ordering::Acquire))
        {
            driver.leave();
        }
        *lock(&self.shared.driving) = None;
        self.driver = None;
        self.shared.shared.notify();
    }
}

/// A waker that unparks a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

fn into_value<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Sleeps until woken; `false` if the deadline has passed.
fn park(until: Option<Instant>) -> bool {
    match until {
        None => thread::park(),
        Some(until) => {
            let remaining = until.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                return false;
            }
            thread::park_timeout(remaining);
        }
    }
    true
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
