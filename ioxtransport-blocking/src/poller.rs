//! The poller: waits for sockets, an instant, or a wake-up from elsewhere.

use std::io;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use tracing::warn;

use super::seam::{Mio, SOCKET};

const WOKEN: Token = Token(SOCKET.0 + 1);

/// The one place where a driver sleeps.
#[derive(Debug)]
pub(crate) struct Poller {
    poll: Poll,
    events: Events,
    waker: Waker,
    #[cfg(test)]
    pub(crate) wake_ups: u32,
}

#[derive(Debug)]
struct Unblock(mio::Waker);

impl Wake for Unblock {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Err(error) = self.0.wake() {
            warn!(%error, "the operating system does not let the stream be woken");
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
            wake_ups: 0,
        })
    }

    /// Ends a sleep, from any thread; also the next one, if there is none now.
    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// The seam for sockets that end this poller's sleep.
    pub(crate) fn seam(&self) -> io::Result<Mio> {
        self.poll.registry().try_clone().map(Mio::new)
    }

    /// Sleeps until a socket is ready, a wake-up, or this instant. `false` if it was the instant.
    pub(crate) fn sleep(&mut self, until: Option<Instant>) -> bool {
        #[cfg(test)]
        {
            self.wake_ups += 1;
        }
        let patience = until.map(|until| until.saturating_duration_since(Instant::now()));
        match self.poll.poll(&mut self.events, patience) {
            Ok(()) => !self.events.is_empty(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
            Err(error) => {
                // It does not happen; were it to, the stream would go on looking, slowly.
                warn!(%error, "the operating system does not let the stream wait");
                std::thread::sleep(Duration::from_millis(100));
                true
            }
        }
    }
}
