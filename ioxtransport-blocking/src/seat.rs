//! Who drives. There is one driver and no thread of its own: whoever waits for something drives
//! meanwhile, and who comes second waits for what the first one brings about. A background thread
//! is one that waits for the end.
//!
//! ```text
//!   nobody waits      the driver rests, nothing is read
//!   one waits         takes the seat: turn, look whether it has come, turn ...
//!   others wait       for the consumer's queue, a change of status, or the seat
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

/// So many more turns are taken once the time is over, to take what is there: none of them waits.
const LAST_TURNS: u32 = 256;

pub(crate) struct Seat {
    driver: Mutex<Driver>,
    driving: Mutex<Option<ThreadId>>,
    delivery: Arc<Delivery>,
    shared: Arc<Shared>,
    /// A start was asked for.
    wanted: Arc<AtomicBool>,
    /// The consumer is gone, and no thread is to go on without it.
    deserted: AtomicBool,
    driver_waker: Waker,
    background: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Seat {
    pub(crate) fn new(
        options: Options,
        listener: Option<Listener>,
    ) -> Result<Arc<Self>, BuildError> {
        let wanted = Arc::new(AtomicBool::new(true));
        let driver = Driver::new(options, listener, Arc::clone(&wanted))?;
        let delivery = Arc::clone(driver.body().delivery());
        let shared = Arc::clone(driver.body().shared());
        let driver_waker = driver.waker();
        let seat = Arc::new_cyclic(|seat| Self {
            driver: Mutex::new(driver.seated(seat.clone())),
            driving: Mutex::new(None),
            delivery,
            shared: Arc::clone(&shared),
            wanted,
            deserted: AtomicBool::new(false),
            driver_waker,
            background: AtomicBool::new(false),
            thread: Mutex::new(None),
        });
        let drive: Arc<dyn Drive> = Arc::<Self>::clone(&seat);
        shared.driven_by(Arc::downgrade(&drive));
        Ok(seat)
    }

    pub(crate) fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Waits until something is there, driving if nobody else does. `None` when the time is over,
    /// or when the stream has ended and it is not there.
    pub(crate) fn wait_until<T>(
        &self,
        until: Option<Instant>,
        mut ready: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        // Mostly it is there, and nobody need be woken.
        if let Poll::Ready(there) = ready(&mut Context::from_waker(Waker::noop())) {
            return Some(there);
        }
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Some(done) = self.try_wait(until, &mut ready, &mut context) {
                return done;
            }
            let mut change = self.shared.listen();
            // The seat may have become free before the listener was there.
            if let Some(done) = self.try_wait(until, &mut ready, &mut context) {
                return done;
            }
            if Pin::new(&mut change).poll(&mut context).is_pending() && !park(until) {
                return there(ready(&mut context));
            }
        }
    }

    /// `None` when another thread drives, and it is not there yet.
    fn try_wait<T>(
        &self,
        until: Option<Instant>,
        ready: &mut impl FnMut(&mut Context<'_>) -> Poll<T>,
        context: &mut Context<'_>,
    ) -> Option<Option<T>> {
        if let Poll::Ready(there) = ready(context) {
            return Some(Some(there));
        }
        if let Some(mut driving) = self.take() {
            return Some(driving.until(until, || ready(context)));
        }
        // From within a callback of the driver's nothing can happen before it returns.
        self.drives().then_some(None)
    }

    /// Lets a thread drive, to the end and after each start.
    pub(crate) fn drive_in_background(self: &Arc<Self>) -> io::Result<()> {
        // Before the thread is there: it may be at the end at once, and a start after that needs to
        // know.
        self.background.store(true, Ordering::Release);
        let seat = Arc::clone(self);
        let thread = thread::Builder::new()
            .name("iox-stream".into())
            .spawn(move || {
                // To the end, or until others have driven there.
                seat.wait_until(None, |_| Poll::<()>::Pending);
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

    pub(crate) fn in_background(&self) -> bool {
        self.background.load(Ordering::Acquire)
    }

    /// From rest.
    pub(crate) fn begin_anew(self: &Arc<Self>) {
        self.delivery.resume();
        self.wanted.store(true, Ordering::Release);
        self.shared.notify();
        if self.in_background()
            && let Err(error) = self.drive_in_background()
        {
            warn!(%error, "no thread for the stream: it goes on only while somebody waits on it");
        }
    }

    /// The consumer is gone: whoever leaves the seat last ends the stream.
    pub(crate) fn desert(&self) {
        self.deserted.store(true, Ordering::Release);
        self.driver_waker.wake_by_ref();
        drop(self.take());
    }

    /// While nobody drives.
    #[cfg(test)]
    pub(crate) fn wake_ups(&self) -> u32 {
        lock(&self.driver).wake_ups()
    }

    fn drives(&self) -> bool {
        *lock(&self.driving) == Some(thread::current().id())
    }

    fn take(&self) -> Option<Driving<'_>> {
        let driver = match self.driver.try_lock() {
            Ok(driver) => driver,
            // A callback of the driver's has panicked, and the stream was ended then.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        *lock(&self.driving) = Some(thread::current().id());
        Some(Driving {
            seat: self,
            driver: Some(driver),
        })
    }
}

impl Drive for Seat {
    fn wait(&self, until: Option<Instant>, holds: &mut dyn FnMut() -> bool) {
        self.wait_until(until, |_| match holds() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        });
    }

    fn join(&self) {
        if self.drives() {
            return;
        }
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            // If a callback of the driver's has panicked, the panic hook has shown it.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").finish_non_exhaustive()
    }
}

/// The seat, taken.
struct Driving<'a> {
    seat: &'a Seat,
    /// There until it is dropped.
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
            if let Poll::Ready(there) = ready() {
                return Some(there);
            }
            // A stop that is waited for has its time all the same.
            if self.seat.deserted.load(Ordering::Acquire) && !driver.body().is_stopping() {
                return None;
            }
            let mut turn = driver.turn();
            let over = until.is_some_and(|until| until <= Instant::now());
            if turn == Turn::Idle {
                // What the driver has told before it waits may be what is waited for.
                if let Poll::Ready(there) = ready() {
                    return Some(there);
                }
                turn = driver.wait(until);
            }
            match turn {
                Turn::Moved if !over => {}
                Turn::Moved if last_turns < LAST_TURNS => last_turns += 1,
                Turn::Idle if !over => {}
                Turn::Moved | Turn::Idle | Turn::Ended => return there(ready()),
            }
        }
    }
}

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        if let Some(driver) = &mut self.driver
            && (thread::panicking() || self.seat.deserted.load(Ordering::Acquire))
        {
            driver.leave();
        }
        *lock(&self.seat.driving) = None;
        self.driver = None;
        self.seat.shared.notify();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

fn there<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(there) => Some(there),
        Poll::Pending => None,
    }
}

/// Sleeps until woken; `false` when the time is over.
fn park(until: Option<Instant>) -> bool {
    match until {
        None => thread::park(),
        Some(until) => {
            let patience = until.saturating_duration_since(Instant::now());
            if patience.is_zero() {
                return false;
            }
            thread::park_timeout(patience);
        }
    }
    true
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
