//! An HTTP exchange on a connection: a new one, or one that was kept from an earlier exchange.
//!
//! ```text
//!            ┌─────────┐ connected  ┌──────┐ the answer is complete, or cannot become so
//!   new ───► │ Opening │ ─────────► │ Open │ ──────────────────────────────────────────► over
//!            └─────────┘            └──────┘ ◄─── kept
//!                 ▲                     │
//!                 └─────────────────────┘ a kept one ended before a byte of the answer arrived
//! ```
//!
//! A controller may close a kept connection at any time, even while a request is being sent. Then
//! the request is sent again on a new connection, once. Only requests that may be sent twice use
//! kept connections.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ioxproto::rest::CallPhase;
use ioxproto::{Address, Exchange, ExchangeError, Failure, Phase, Progress};
use tracing::debug;

use super::idle::poll_disturbance;
use super::{Connection, Opening, Route, failure};
use crate::driver::{PollIo, Seam};

/// The limit for reads in one poll, so that commands and deadlines are handled even if the
/// controller sends without a pause.
const READS: u32 = 64;

/// The answer of an exchange.
pub(crate) type Answer = Result<http::Response<Vec<u8>>, ExchangeError>;

/// The result of an exchange: the answer, or why there is none.
pub(crate) type Exchanged<S> = Result<CompletedExchange<S>, Failure>;

/// A completed exchange.
pub(crate) struct CompletedExchange<S> {
    pub(crate) answer: Answer,
    pub(crate) connection: Connection<S>,
    /// The bytes received after the answer.
    pub(crate) early: Vec<u8>,
    /// How long the connection may be kept for another exchange.
    pub(crate) keep_alive: Option<Duration>,
}

/// An exchange in progress.
pub(crate) struct Attempt<S: Seam> {
    address: Address,
    stage: Stage<S>,
    exchange: Option<Exchange>,
    progress: ExchangeProgress,
}

/// The connection of an exchange: still opening, or open.
enum Stage<S: Seam> {
    Opening(Opening<S>),
    Open {
        connection: Connection<S::Io>,
        /// Whether it was kept from an earlier exchange.
        is_kept: bool,
    },
}

/// Why reading an answer has ended.
enum End {
    /// The answer is complete or invalid.
    Done,
    /// The connection has ended.
    EndOfInput,
}

/// The progress of an exchange on its connection.
#[derive(Debug, Default)]
struct ExchangeProgress {
    /// How many bytes of the request have been written.
    written: usize,
    /// Whether part of it was written on an earlier connection that has ended.
    is_resending: bool,
    /// Whether part of the answer has been received.
    answering: bool,
}

impl<S: Seam> Attempt<S> {
    pub(crate) fn new(route: &Route<S>, address: Address, exchange: Exchange) -> Self {
        Self {
            stage: Stage::Opening(Opening::new(route, address.clone())),
            address,
            exchange: Some(exchange),
            progress: ExchangeProgress::default(),
        }
    }

    /// Starts an exchange on a kept connection, for a request that may be sent twice.
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
            progress: ExchangeProgress::default(),
        }
    }

    /// The address of the connection.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// The phase that it has reached.
    pub(crate) fn phase(&self) -> Phase {
        match &self.stage {
            Stage::Opening(opening) => opening.phase(),
            Stage::Open { .. } => Phase::Upgrading,
        }
    }

    /// The phase of a call: whether the request was sent, and whether the answer has begun.
    pub(crate) fn call_phase(&self) -> CallPhase {
        match self.progress {
            ExchangeProgress {
                answering: true, ..
            } => CallPhase::Answering,
            ExchangeProgress { written: 1.., .. }
            | ExchangeProgress {
                is_resending: true, ..
            } => CallPhase::Sent,
            ExchangeProgress { .. } => CallPhase::Opening,
        }
    }

    /// Advances the exchange. Returns its result once.
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
                && self.progress.written == 0
                && poll_disturbance(connection, context).is_ready();
            let end = match is_gone {
                true => Ok(End::EndOfInput),
                false => ready!(poll_exchange(
                    connection,
                    exchange,
                    &mut self.progress,
                    context
                )),
            };
            if is_kept && !self.progress.answering {
                debug!("the kept connection has ended; sending the request on a new one");
                self.progress.is_resending = self.progress.written > 0;
                self.progress.written = 0;
                self.stage = Stage::Opening(Opening::new(route, self.address.clone()));
                continue;
            }
            let end = end.map_err(|error| {
                let peer = self.address.authority();
                failure::connection_failure(&error, &peer, "before the answer arrived")
            })?;
            return self.finish(end);
        }
    }

    fn finish(&mut self, end: End) -> Poll<Exchanged<S::Io>> {
        let closed = Stage::Open {
            connection: Connection::Closed,
            is_kept: false,
        };
        let (Stage::Open { connection, .. }, Some(mut exchange)) = (
            std::mem::replace(&mut self.stage, closed),
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
        Poll::Ready(Ok(CompletedExchange {
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
    progress: &mut ExchangeProgress,
    context: &mut Context<'_>,
) -> Poll<io::Result<End>> {
    while progress.written < exchange.request().len() {
        match ready!(connection.poll_write(context, &exchange.request()[progress.written..]))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            length => progress.written += length,
        }
    }
    // The next poll flushes the rest. An answer may arrive before that.
    if let Poll::Ready(flushed) = connection.poll_flush(context) {
        flushed?;
    }
    let mut buffer = [0; 4096];
    for _ in 0..READS {
        let length = match ready!(connection.poll_read(context, &mut buffer)) {
            // The connection ended without a TLS close_notify. The answer's length tells whether it
            // is complete.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            read => read?,
        };
        if length == 0 {
            return Poll::Ready(Ok(End::EndOfInput));
        }
        progress.answering = true;
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

    use ioxproto::{Action, Config, Now, StreamMachine};

    use super::*;

    /// An endless head, delivered one byte at a time, and the number of reads.
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
    fn an_endless_answer_does_not_block_commands_and_deadlines() {
        let config = Config::new("http://127.0.0.1").local_account("admin", "x");
        let mut core = StreamMachine::new(config).unwrap();
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
        let mut progress = ExchangeProgress::default();
        for turn in 1..4 {
            let done = poll_exchange(&mut connection, &mut exchange, &mut progress, &mut context);
            assert!(done.is_pending());
            let Connection::Plain(peer) = &connection else {
                unreachable!()
            };
            assert_eq!(peer.reads, turn * READS);
            assert_eq!(woken.0.load(Ordering::Relaxed), turn);
        }
    }
}
