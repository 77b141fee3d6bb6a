//! From an address to an answered HTTP exchange: name, TCP, TLS, request, answer.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use futures_rustls::TlsConnector;
use futures_rustls::rustls::ClientConfig;
use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use futures_util::{AsyncReadExt as _, AsyncWriteExt as _};
use ioxdriver::{Connector, Resolver, failure, tls};
use ioxproto::{Address, Exchange, ExchangeError, Failure, Phase, Progress};

use crate::Runtime;
use crate::driver::yield_now;
use crate::socket::{Connection, Io, Recorded};

/// The next address is tried after this time, while the last goes on (RFC 8305 section 5): a route that swallows
/// packets costs a quarter of a second.
const STAGGER: Duration = Duration::from_millis(250);

/// After so many reads, commands and deadlines have their turn, whatever else a controller has to say: not every runtime sees to
/// that.
const READS: u32 = 64;

/// The answer of an exchange.
pub(crate) type Answer = Result<http::Response<Vec<u8>>, ExchangeError>;

/// How to get to the controller.
#[derive(Clone, Debug)]
pub(crate) struct Route<R> {
    pub(crate) runtime: R,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) resolver: Option<Resolver>,
    pub(crate) connector: Option<Connector>,
}

/// How far an attempt has come, told across tasks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progressed(Arc<AtomicU8>);

impl Progressed {
    const PHASES: [Phase; 4] = [
        Phase::Resolving,
        Phase::Connecting,
        Phase::Securing,
        Phase::Upgrading,
    ];

    fn reached(&self, phase: Phase) {
        let at = Self::PHASES
            .iter()
            .position(|known| *known == phase)
            .unwrap_or_default();
        self.0
            .store(u8::try_from(at).unwrap_or_default(), Ordering::Relaxed);
    }

    pub(crate) fn phase(&self) -> Phase {
        Self::PHASES[usize::from(self.0.load(Ordering::Relaxed)) % Self::PHASES.len()]
    }
}

impl<R: Runtime> Route<R> {
    /// Opens a connection of its own and runs the exchange on it. Gives the answer, the connection, and the bytes that
    /// came after the answer.
    pub(crate) async fn exchange(
        self,
        address: Address,
        exchange: Exchange,
        progress: Progressed,
    ) -> Result<(Answer, Connection, Vec<u8>), Failure> {
        let place = address.authority();
        let socket = self.socket(&address, &place, &progress).await?;
        let mut connection = match self.tls {
            None => Connection::Plain(socket),
            Some(config) => {
                progress.reached(Phase::Securing);
                let secured = TlsConnector::from(config)
                    .connect(tls::server_name(address.host()), Recorded::new(socket))
                    .await;
                Connection::Tls(Box::new(
                    secured.map_err(|error| tls::handshake_failure(&error, &place))?,
                ))
            }
        };
        progress.reached(Phase::Upgrading);
        let broken = |error: io::Error| failure::broken(&error, &place, "before the answer came");
        let (answer, early) = run(&mut connection, exchange).await.map_err(broken)?;
        Ok((answer, connection, early))
    }

    async fn socket(
        &self,
        address: &Address,
        place: &str,
        progress: &Progressed,
    ) -> Result<Io, Failure> {
        let unconnected = |error: io::Error| failure::unconnected(&error, place);
        if let Some(connector) = &self.connector {
            progress.reached(Phase::Connecting);
            let socket = connector.connect(address).await.map_err(unconnected)?;
            return self.runtime.adopt(socket).map_err(unconnected);
        }
        let (host, port) = (address.host(), address.port());
        let found = ioxdriver::addresses(self.resolver.as_ref(), host, port).await;
        let addresses = found.map_err(|error| failure::unresolved(host, &error))?;
        progress.reached(Phase::Connecting);
        self.connect(addresses).await.map_err(unconnected)
    }

    /// Connects to the first address that answers.
    async fn connect(&self, addresses: Vec<SocketAddr>) -> io::Result<Io> {
        let mut waiting = addresses.into_iter();
        let mut attempts = FuturesUnordered::new();
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        loop {
            match waiting.next() {
                Some(address) => attempts.push(self.runtime.connect(address)),
                None if attempts.is_empty() => return Err(last),
                None => {}
            }
            let attempt = if waiting.len() == 0 {
                attempts.next().await
            } else {
                let stagger = pin!(self.runtime.sleep_until(Instant::now() + STAGGER));
                match select(attempts.next(), stagger).await {
                    Either::Left((attempt, _)) => attempt,
                    Either::Right(_) => None,
                }
            };
            match attempt {
                Some(Ok(socket)) => return Ok(socket),
                Some(Err(error)) => last = error,
                None => {}
            }
        }
    }
}

async fn run(connection: &mut Connection, mut exchange: Exchange) -> io::Result<(Answer, Vec<u8>)> {
    connection.write_all(exchange.request()).await?;
    connection.flush().await?;
    let mut buffer = [0; 4096];
    for read in 1u32.. {
        if read.is_multiple_of(READS) {
            yield_now().await;
        }
        let length = match connection.read(&mut buffer).await {
            // TLS that ends without a goodbye is an end all the same; whether the answer is whole, its length says.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            read => read?,
        };
        if length == 0 {
            exchange.end_of_input();
            break;
        }
        if exchange.receive(&buffer[..length]) == Progress::Done {
            break;
        }
    }
    Ok(exchange.into_answer())
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::atomic::AtomicU32;
    use std::task::{Context, Poll, Waker};
    use std::time::SystemTime;

    use futures_io::{AsyncRead, AsyncWrite};
    use ioxproto::{Action, Config, EventStream, Now};

    use super::*;

    /// A head that goes on and on, a byte at a time, and how often it was read from.
    struct Talkative(Arc<AtomicU32>);

    impl AsyncRead for Talkative {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            let piece: &[u8] = match self.0.fetch_add(1, Ordering::Relaxed) {
                0 => b"HTTP/1.1 101 Switching Protocols\r\nServer: ",
                _ => b"x",
            };
            buffer[..piece.len()].copy_from_slice(piece);
            Poll::Ready(Ok(piece.len()))
        }
    }

    impl AsyncWrite for Talkative {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn a_controller_that_talks_on_leaves_commands_and_deadlines_their_turn() {
        let config = Config::builder("http://127.0.0.1".parse().unwrap())
            .local_account("admin", "x")
            .build();
        let mut core = EventStream::new(config.unwrap());
        core.start(Now {
            monotonic: Instant::now(),
            utc: SystemTime::now(),
        });
        let exchange = loop {
            if let Action::Connect { upgrade, .. } = core.poll_action().unwrap() {
                break upgrade;
            }
        };
        let reads = Arc::new(AtomicU32::new(0));
        let mut connection = Connection::Plain(Box::new(Talkative(Arc::clone(&reads))));
        let mut running = pin!(run(&mut connection, exchange));
        let mut context = Context::from_waker(Waker::noop());
        for turn in 1..4 {
            assert!(running.as_mut().poll(&mut context).is_pending());
            assert_eq!(reads.load(Ordering::Relaxed), turn * READS - 1);
        }
    }
}
