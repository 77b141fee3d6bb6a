//! The poller: waits for sockets, a deadline, or a wake-up from another thread.

use std::io;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use tracing::warn;

use super::seam::{Mio, SOCKET};

const WOKEN: Token = Token(SOCKET.0 + 1);

/// Waits for sockets, a deadline or a wake-up. The driver sleeps only here.
#[derive(Debug)]
pub(crate) struct Poller {
    poll: Poll,
    events: Events,
    waker: Waker,
    #[cfg(test)]
    pub(crate) sleeps: u32,
}

/// A waker that ends the wait of the poller.
#[derive(Debug)]
struct Unblock(mio::Waker);

impl Wake for Unblock {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Err(error) = self.0.wake() {
            warn!(%error, "cannot wake the stream");
        }
    }
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let unblock = Unblock(mio::Waker::new(poll.registry(), WOKEN)?);
        Ok(Self {
            poll,
            events: Events::with_capacity(8),
            waker: Waker::from(Arc::new(unblock)),
            #[cfg(test)]
            sleeps: 0,
        })
    }

    /// A waker that ends the sleep, from any thread. If the poller is not sleeping, it ends the
    /// next sleep.
    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Creates the seam whose sockets end the sleep of this poller.
    pub(crate) fn seam(&self) -> io::Result<Mio> {
        self.poll.registry().try_clone().map(Mio::new)
    }

    /// Sleeps until a socket is ready, a waker is called, or this instant has passed. Returns
    /// `false` in the last case.
    pub(crate) fn sleep(&mut self, until: Option<Instant>) -> bool {
        #[cfg(test)]
        {
            self.sleeps += 1;
        }
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => !self.events.is_empty(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
            Err(error) => {
                // Not expected. The stream continues by polling every 100 ms.
                warn!(%error, "cannot wait for sockets");
                std::thread::sleep(Duration::from_millis(100));
                true
            }
        }
    }
}
