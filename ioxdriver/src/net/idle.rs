//! HTTP keep-alive: connections kept after an exchange for the next one.
//!
//! The rules:
//!
//! * **A connection is idle for as long as the core allows it** ([`Exchange::keep_alive`]). This is
//!   less than the controller's own limit, so that the controller rarely closes it while a request
//!   is being sent.
//! * **No bytes are expected on it.** If bytes or the end of the connection arrive, it is closed.
//! * **Each request takes one idle connection**, to use it or to close it. So the number of
//!   connections, idle and in use, never exceeds the limit of concurrent calls.
//! * **A connection is only used for the address that it was opened to, with the same TLS policy.**
//!   Neither changes while a stream runs. When the stream stops or fails permanently, all are
//!   closed.
//!
//! [`Exchange::keep_alive`]: ioxproto::Exchange::keep_alive

use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use ioxproto::Address;
use tracing::debug;

use super::Connection;
use crate::driver::{PollIo, Timer};

/// The idle connections of a stream.
pub(crate) struct IdleConnections<S, T> {
    idle: Vec<Idle<S>>,
    /// Exists while a connection is idle.
    timer: Option<T>,
}

/// An idle connection, and until when it is kept.
struct Idle<S> {
    connection: Connection<S>,
    address: Address,
    /// When the connection is closed.
    until: Instant,
}

impl<S, T> Default for IdleConnections<S, T> {
    fn default() -> Self {
        Self {
            idle: Vec::new(),
            timer: None,
        }
    }
}

impl<S: PollIo, T: Timer> IdleConnections<S, T> {
    /// Keeps a connection to this address for this long.
    pub(crate) fn keep(
        &mut self,
        now: Instant,
        address: Address,
        connection: Connection<S>,
        keep_alive: Duration,
    ) {
        self.idle.push(Idle {
            connection,
            address,
            until: now + keep_alive,
        });
    }

    /// Takes the most recently used connection for a request to this address. Closes it if it
    /// cannot be used.
    pub(crate) fn take(
        &mut self,
        now: Instant,
        address: &Address,
        may_reuse: bool,
    ) -> Option<Connection<S>> {
        let last = self.idle.pop()?;
        if may_reuse && last.until > now && last.address == *address {
            return Some(last.connection);
        }
        debug!("closing an idle connection: this request needs a new one");
        last.connection.close();
        None
    }

    /// Closes connections whose time has expired, and those that have received something. Cheap if
    /// there are none.
    pub(crate) fn poll(&mut self, new_timer: impl FnOnce() -> T, context: &mut Context<'_>) {
        if self.idle.is_empty() {
            self.timer = None;
            return;
        }
        close_if(&mut self.idle, |idle| {
            poll_disturbance(&mut idle.connection, context).is_ready()
        });
        let timer = self.timer.get_or_insert_with(new_timer);
        while let Some(until) = self.idle.iter().map(|idle| idle.until).min() {
            if timer.poll(until, context).is_pending() {
                return;
            }
            debug!("closing an idle connection: it has expired");
            close_if(&mut self.idle, |idle| idle.until <= until);
        }
        self.timer = None;
    }

    /// Closes all connections.
    pub(crate) fn clear(&mut self) {
        close_if(&mut self.idle, |_| true);
        self.timer = None;
    }
}

fn close_if<S: PollIo>(idle: &mut Vec<Idle<S>>, is_over: impl FnMut(&mut Idle<S>) -> bool) {
    for closed in idle.extract_if(.., is_over) {
        closed.connection.close();
    }
}

/// Ready once an idle connection receives bytes or ends.
pub(super) fn poll_disturbance<S: PollIo>(
    connection: &mut Connection<S>,
    context: &mut Context<'_>,
) -> Poll<()> {
    match ready!(connection.poll_read(context, &mut [0; 64])) {
        Ok(1..) => {
            debug!("closing an idle connection: the controller sent unexpected bytes");
        }
        Ok(0) => debug!("closing an idle connection: the controller has ended it"),
        Err(error) => debug!(%error, "closing an idle connection: it failed"),
    }
    Poll::Ready(())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};
    use std::task::Waker;

    use super::*;

    /// What a socket has received: nothing, the end, or a byte.
    #[derive(Clone, Copy)]
    enum SocketInput {
        Nothing,
        End,
        Byte,
    }

    /// A socket that the test can observe while it is open.
    struct Socket(Arc<Mutex<SocketInput>>);

    impl PollIo for Socket {
        fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
            match *self.0.lock().unwrap() {
                SocketInput::Nothing => Poll::Pending,
                SocketInput::End => Poll::Ready(Ok(0)),
                SocketInput::Byte => Poll::Ready(Ok(1)),
            }
        }

        fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }
    }

    /// A fake clock in seconds.
    #[derive(Clone)]
    struct Clock(Instant, Arc<AtomicU64>);

    impl Clock {
        fn now(&self) -> Instant {
            self.0 + Duration::from_secs(self.1.load(Ordering::Relaxed))
        }
    }

    impl Timer for Clock {
        fn poll(&mut self, at: Instant, _: &mut Context<'_>) -> Poll<()> {
            match self.now() >= at {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }
    }

    struct Idling {
        idle: IdleConnections<Socket, Clock>,
        clock: Clock,
        sockets: Vec<Arc<Mutex<SocketInput>>>,
    }

    impl Idling {
        fn new() -> Self {
            Self {
                idle: IdleConnections::default(),
                clock: Clock(Instant::now(), Arc::default()),
                sockets: Vec::new(),
            }
        }

        fn keep(&mut self, seconds: u64) {
            let input = Arc::new(Mutex::new(SocketInput::Nothing));
            self.sockets.push(Arc::clone(&input));
            let connection = Connection::Plain(Socket(input));
            let time = Duration::from_secs(seconds);
            let now = self.clock.now();
            self.idle.keep(now, address("a.test"), connection, time);
        }

        fn pass(&mut self, seconds: u64) {
            self.clock.1.fetch_add(seconds, Ordering::Relaxed);
        }

        fn poll(&mut self) {
            let clock = self.clock.clone();
            let mut context = Context::from_waker(Waker::noop());
            self.idle.poll(|| clock, &mut context);
        }

        /// The connection that a request gets.
        fn take(&mut self, host: &str, may_reuse: bool) -> Option<usize> {
            let now = self.clock.now();
            let taken = self.idle.take(now, &address(host), may_reuse)?;
            let Connection::Plain(Socket(input)) = taken else {
                unreachable!()
            };
            let mut sockets = self.sockets.iter();
            sockets.position(|socket| Arc::ptr_eq(socket, &input))
        }

        /// Whether each socket is open.
        fn open(&self) -> Vec<bool> {
            let count = |socket| Arc::strong_count(socket) > 1;
            self.sockets.iter().map(count).collect()
        }
    }

    fn address(host: &str) -> Address {
        format!("http://{host}").parse().unwrap()
    }

    #[test]
    fn each_connection_is_closed_when_its_time_expires() {
        let mut idling = Idling::new();
        idling.poll();
        idling.keep(4);
        idling.pass(1);
        idling.keep(4);
        idling.keep(1);
        for (open, timer) in [
            ([true, true, true], true),
            ([true, true, false], true),
            ([true, true, false], true),
            ([false, true, false], true),
            ([false, false, false], false),
        ] {
            idling.poll();
            assert_eq!(idling.open(), open);
            assert_eq!(idling.idle.timer.is_some(), timer);
            idling.pass(1);
        }
    }

    #[test]
    fn a_disturbed_connection_is_closed_and_the_others_are_kept() {
        let mut idling = Idling::new();
        (0..3).for_each(|_| idling.keep(4));
        *idling.sockets[0].lock().unwrap() = SocketInput::End;
        *idling.sockets[2].lock().unwrap() = SocketInput::Byte;
        idling.poll();
        assert_eq!(idling.open(), [false, true, false]);
    }

    #[test]
    fn the_most_recently_used_is_taken_first() {
        let mut idling = Idling::new();
        idling.keep(4);
        idling.keep(4);
        assert_eq!(idling.take("a.test", true), Some(1));
        assert_eq!(idling.take("a.test", true), Some(0));
        assert_eq!(idling.take("a.test", true), None);
    }

    #[test]
    fn a_connection_that_a_request_cannot_use_is_closed() {
        let mut idling = Idling::new();
        (0..4).for_each(|_| idling.keep(4));
        assert_eq!(idling.take("a.test", false), None);
        assert_eq!(idling.open(), [true, true, true, false]);
        assert_eq!(idling.take("b.test", true), None);
        assert_eq!(idling.open(), [true, true, false, false]);
        idling.pass(4);
        assert_eq!(idling.take("a.test", true), None, "its time is over");
        assert_eq!(idling.open(), [true, false, false, false]);
        idling.idle.clear();
        assert_eq!(idling.open(), [false; 4]);
    }
}
