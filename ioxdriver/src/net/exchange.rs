//! An HTTP exchange on a connection of its own.

use std::io;
use std::task::{Context, Poll, ready};

use ioxproto::rest::CallPhase;
use ioxproto::{Address, Exchange, ExchangeError, Failure, Phase, Progress};

use super::{Connection, Opening, Route, failure};
use crate::driver::{PollIo, Seam};

/// The reads in one poll at most. Then commands and deadlines have their turn, however much a
/// controller sends.
const READS: u32 = 64;

/// The answer of an exchange.
pub(crate) type Answer = Result<http::Response<Vec<u8>>, ExchangeError>;

/// The answer, its connection, and the bytes behind it; or why there was no answer.
pub(crate) type Exchanged<S> = Result<(Answer, Connection<S>, Vec<u8>), Failure>;

/// An exchange under way.
pub(crate) struct Attempt<S: Seam> {
    opening: Opening<S>,
    connection: Option<Connection<S::Io>>,
    exchange: Option<Exchange>,
    way: Way,
}

/// How far an exchange has come on its connection.
#[derive(Debug, Default)]
struct Way {
    /// How much of the request is written.
    written: usize,
    /// Whether some of the answer has come.
    answering: bool,
}

impl<S: Seam> Attempt<S> {
    pub(crate) fn new(route: &Route<S>, address: Address, exchange: Exchange) -> Self {
        Self {
            opening: Opening::new(route, address),
            connection: None,
            exchange: Some(exchange),
            way: Way::default(),
        }
    }

    /// How far it has come.
    pub(crate) fn phase(&self) -> Phase {
        match self.connection {
            None => self.opening.phase(),
            Some(_) => Phase::Upgrading,
        }
    }

    /// The same for a call: whether the request has left, and an answer begun.
    pub(crate) fn call_phase(&self) -> CallPhase {
        match self.way {
            Way {
                answering: true, ..
            } => CallPhase::Answering,
            Way { written: 1.., .. } => CallPhase::Sent,
            Way { .. } => CallPhase::Opening,
        }
    }

    /// What it comes to, once.
    pub(crate) fn poll(
        &mut self,
        route: &Route<S>,
        context: &mut Context<'_>,
    ) -> Poll<Exchanged<S::Io>> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(ready!(self.opening.poll(route, context))?),
        };
        let Some(exchange) = &mut self.exchange else {
            return Poll::Pending;
        };
        ready!(poll_exchange(connection, exchange, &mut self.way, context)).map_err(|error| {
            let place = self.opening.address().authority();
            failure::broken(&error, &place, "before the answer came")
        })?;
        let (Some(connection), Some(exchange)) = (self.connection.take(), self.exchange.take())
        else {
            return Poll::Pending;
        };
        let (answer, early) = exchange.into_answer();
        Poll::Ready(Ok((answer, connection, early)))
    }
}

/// Writes the request and reads until the answer is complete.
fn poll_exchange<S: PollIo>(
    connection: &mut Connection<S>,
    exchange: &mut Exchange,
    way: &mut Way,
    context: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while way.written < exchange.request().len() {
        match ready!(connection.poll_write(context, &exchange.request()[way.written..]))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            length => way.written += length,
        }
    }
    // What is not flushed yet is flushed by the next poll; an answer may come all the same.
    if let Poll::Ready(flushed) = connection.poll_flush(context) {
        flushed?;
    }
    let mut buffer = [0; 4096];
    for _ in 0..READS {
        let length = match ready!(connection.poll_read(context, &mut buffer)) {
            // An end without a TLS goodbye; the answer's length says whether it is complete.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            read => read?,
        };
        if length == 0 {
            exchange.end_of_input();
            return Poll::Ready(Ok(()));
        }
        way.answering = true;
        if exchange.receive(&buffer[..length]) == Progress::Done {
            return Poll::Ready(Ok(()));
        }
    }
    context.waker().wake_by_ref();
    Poll::Pending
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{Wake, Waker};
    use std::time::{Instant, SystemTime};

    use ioxproto::{Action, Config, EventStream, Now};

    use super::*;

    /// A head that goes on and on, a byte at a time, and how often it was read from.
    #[derive(Default)]
    struct Talkative {
        reads: u32,
    }

    impl PollIo for Talkative {
        fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
            self.reads += 1;
            let piece: &[u8] = match self.reads {
                1 => b"HTTP/1.1 101 Switching Protocols\r\nServer: ",
                _ => b"x",
            };
            buffer[..piece.len()].copy_from_slice(piece);
            Poll::Ready(Ok(piece.len()))
        }

        fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }
    }

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_controller_that_talks_on_leaves_commands_and_deadlines_their_turn() {
        let config = Config::new("http://127.0.0.1").local_account("admin", "x");
        let mut core = EventStream::new(config).unwrap();
        core.start(Now {
            monotonic: Instant::now(),
            utc: SystemTime::now(),
        });
        let mut exchange = loop {
            if let Action::Connect { upgrade, .. } = core.poll_action().unwrap() {
                break upgrade;
            }
        };
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let mut connection = Connection::Plain(Talkative::default());
        let mut way = Way::default();
        for turn in 1..4 {
            let done = poll_exchange(&mut connection, &mut exchange, &mut way, &mut context);
            assert!(done.is_pending());
            let Connection::Plain(peer) = &connection else {
                unreachable!()
            };
            assert_eq!(peer.reads, turn * READS);
            assert_eq!(woken.0.load(Ordering::Relaxed), turn);
        }
    }
}
