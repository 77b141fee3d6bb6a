//! An HTTP exchange on a connection: a new one, or one that was kept from an earlier exchange.
//!
//! ```text
//!            ┌─────────┐ connected  ┌──────┐ the answer is complete, or cannot become so
//!   new ───► │ Opening │ ─────────► │ Open │ ──────────────────────────────────────────► over
//!            └─────────┘            └──────┘ ◄─── kept
//!                 ▲                     │
//!                 └─────────────────────┘ a kept one ended before a byte of the answer came
//! ```
//!
//! A controller may close a kept connection at any moment, also just as a request is sent on it.
//! Then the request goes on a new one, once: only what may be sent twice goes on a kept connection.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ioxproto::rest::CallPhase;
use ioxproto::{Address, Exchange, ExchangeError, Failure, Phase, Progress};
use tracing::debug;

use super::idle::poll_disturbance;
use super::{Connection, Opening, Route, failure};
use crate::driver::{PollIo, Seam};

/// The reads in one poll at most. Then commands and deadlines have their turn, however much a
/// controller sends.
const READS: u32 = 64;

/// The answer of an exchange.
pub(crate) type Answer = Result<http::Response<Vec<u8>>, ExchangeError>;

/// What an exchange came to, or why there was no answer.
pub(crate) type Exchanged<S> = Result<Answered<S>, Failure>;

/// An exchange that is over.
pub(crate) struct Answered<S> {
    pub(crate) answer: Answer,
    pub(crate) connection: Connection<S>,
    /// The bytes behind the answer.
    pub(crate) early: Vec<u8>,
    /// For how long the connection may be kept for another exchange.
    pub(crate) keep_alive: Option<Duration>,
}

/// An exchange under way.
pub(crate) struct Attempt<S: Seam> {
    address: Address,
    stage: Stage<S>,
    exchange: Option<Exchange>,
    way: Way,
}

enum Stage<S: Seam> {
    Opening(Opening<S>),
    Open {
        connection: Connection<S::Io>,
        /// Whether it was kept from an earlier exchange.
        is_kept: bool,
    },
}

/// Why reading an answer is over.
enum End {
    /// The exchange wants no more.
    Done,
    /// The connection has ended.
    EndOfInput,
}

/// How far an exchange has come on its connection.
#[derive(Debug, Default)]
struct Way {
    /// How much of the request is written.
    written: usize,
    /// Whether some of it was written on a connection that is gone.
    sent_in_vain: bool,
    /// Whether some of the answer has come.
    answering: bool,
}

impl<S: Seam> Attempt<S> {
    pub(crate) fn new(route: &Route<S>, address: Address, exchange: Exchange) -> Self {
        Self {
            stage: Stage::Opening(Opening::new(route, address.clone())),
            address,
            exchange: Some(exchange),
            way: Way::default(),
        }
    }

    /// On a connection that was kept, for a request that may be sent twice.
    pub(crate) fn on_kept(
        connection: Connection<S::Io>,
        address: Address,
        exchange: Exchange,
    ) -> Self {
        Self {
            stage: Stage::Open {
                connection,
                is_kept: true,
            },
            address,
            exchange: Some(exchange),
            way: Way::default(),
        }
    }

    /// Where it leads to.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// How far it has come.
    pub(crate) fn phase(&self) -> Phase {
        match &self.stage {
            Stage::Opening(opening) => opening.phase(),
            Stage::Open { .. } => Phase::Upgrading,
        }
    }

    /// The same for a call: whether the request has left, and an answer begun.
    pub(crate) fn call_phase(&self) -> CallPhase {
        match self.way {
            Way {
                answering: true, ..
            } => CallPhase::Answering,
            Way { written: 1.., .. }
            | Way {
                sent_in_vain: true, ..
            } => CallPhase::Sent,
            Way { .. } => CallPhase::Opening,
        }
    }

    /// What it comes to, once.
    pub(crate) fn poll(
        &mut self,
        route: &Route<S>,
        context: &mut Context<'_>,
    ) -> Poll<Exchanged<S::Io>> {
        loop {
            let Some(exchange) = &mut self.exchange else {
                return Poll::Pending;
            };
            let (connection, is_kept) = match &mut self.stage {
                Stage::Opening(opening) => {
                    self.stage = Stage::Open {
                        connection: ready!(opening.poll(route, context))?,
                        is_kept: false,
                    };
                    continue;
                }
                Stage::Open {
                    connection,
                    is_kept,
                } => (connection, *is_kept),
            };
            let is_gone = is_kept
                && self.way.written == 0
                && poll_disturbance(connection, context).is_ready();
            let end = match is_gone {
                true => Ok(End::EndOfInput),
                false => ready!(poll_exchange(connection, exchange, &mut self.way, context)),
            };
            if is_kept && !self.way.answering {
                debug!("the kept connection is gone, the request goes on a new one");
                self.way.sent_in_vain = self.way.written > 0;
                self.way.written = 0;
                self.stage = Stage::Opening(Opening::new(route, self.address.clone()));
                continue;
            }
            let end = end.map_err(|error| {
                let place = self.address.authority();
                failure::broken(&error, &place, "before the answer came")
            })?;
            return self.finish(end);
        }
    }

    fn finish(&mut self, end: End) -> Poll<Exchanged<S::Io>> {
        let over = Stage::Open {
            connection: Connection::Closed,
            is_kept: false,
        };
        let (Stage::Open { connection, .. }, Some(mut exchange)) = (
            std::mem::replace(&mut self.stage, over),
            self.exchange.take(),
        ) else {
            return Poll::Pending;
        };
        if let End::EndOfInput = end {
            exchange.end_of_input();
        }
        let keep_alive = match end {
            End::Done => exchange.keep_alive(),
            End::EndOfInput => None,
        };
        let (answer, early) = exchange.into_answer();
        Poll::Ready(Ok(Answered {
            answer,
            connection,
            early,
            keep_alive,
        }))
    }
}

/// Writes the request and reads until the answer is complete.
fn poll_exchange<S: PollIo>(
    connection: &mut Connection<S>,
    exchange: &mut Exchange,
    way: &mut Way,
    context: &mut Context<'_>,
) -> Poll<io::Result<End>> {
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
            return Poll::Ready(Ok(End::EndOfInput));
        }
        way.answering = true;
        if exchange.receive(&buffer[..length]) == Progress::Done {
            return Poll::Ready(Ok(End::Done));
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
