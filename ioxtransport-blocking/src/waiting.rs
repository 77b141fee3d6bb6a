//! Waiting for sockets, and being woken from elsewhere.

use std::io;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use mio::event::Source;
use mio::{Events, Interest, Poll, Token};
use tracing::warn;

/// Every socket is looked at after each wake-up, so that one token serves for all.
const SOCKET: Token = Token(0);
const WOKEN: Token = Token(1);

/// The one place where a driver sleeps.
#[derive(Debug)]
pub(crate) struct Waiting {
    poll: Poll,
    events: Events,
    waker: Waker,
    #[cfg(test)]
    pub(crate) wake_ups: u32,
}

#[derive(Debug)]
struct Alarm(mio::Waker);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Err(error) = self.0.wake() {
            warn!(%error, "the operating system does not let the stream be woken");
        }
    }
}

impl Waiting {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let alarm = Alarm(mio::Waker::new(poll.registry(), WOKEN)?);
        Ok(Self {
            poll,
            events: Events::with_capacity(8),
            waker: Waker::from(Arc::new(alarm)),
            #[cfg(test)]
            wake_ups: 0,
        })
    }

    /// Ends a sleep, from any thread; also the next one, if there is none now.
    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// News of this socket end a sleep from now on, until it is dropped: an edge for each, so that it must be read
    /// until it has no more before the next sleep.
    pub(crate) fn watch(&self, socket: &mut dyn Source) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(socket, SOCKET, both)
    }

    /// Sleeps until there are news of a socket, a wake-up, or this instant. `true` if it was not the instant.
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
