//! Replaces the poller of the blocking driver: no socket becomes ready and no deadline passes.

use std::io;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Instant;

use shuttle::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::seam::Mio;

/// Sleeps until it is woken.
pub(crate) struct Poller {
    /// Required by the seam to register sockets. A model opens none.
    poll: mio::Poll,
    unblock: Arc<Unblock>,
}

/// A waker that ends the wait of the poller.
#[derive(Default)]
struct Unblock {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Unblock {
    fn woken(&self) -> MutexGuard<'_, bool> {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Unblock {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.woken() = true;
        self.changed.notify_all();
    }
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            poll: mio::Poll::new()?,
            unblock: Arc::default(),
        })
    }

    pub(crate) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.unblock))
    }

    pub(crate) fn seam(&self) -> io::Result<Mio> {
        self.poll.registry().try_clone().map(Mio::new)
    }

    /// Waits for a wake-up. Like the real poller, remembers one that came before the sleep.
    pub(crate) fn sleep(&mut self, _: Option<Instant>) -> bool {
        let mut woken = self.unblock.woken();
        while !*woken {
            woken = self
                .unblock
                .changed
                .wait(woken)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *woken = false;
        true
    }
}
