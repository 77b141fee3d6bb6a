//! From an address to an answered HTTP exchange: name, TCP, TLS, request, answer, each as far as it goes at once.

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use ioxdriver::{Connector, Resolver, failure, tls};
use ioxproto::{Address, Exchange, ExchangeError, Failure, Phase, Progress};
use rustls::ClientConfig;

use crate::race::Race;
use crate::socket::{Connection, Secured, Socket};
use crate::waiting::Waiting;

/// After so many reads, commands and deadlines have their turn, whatever else a controller has to say.
const READS: u32 = 64;

/// The answer of an exchange.
pub(crate) type Answer = Result<http::Response<Vec<u8>>, ExchangeError>;

/// The answer, the connection that it came on, and the bytes that came after it.
pub(crate) type Exchanged = Result<Finished, Failure>;

type Boxed<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;
type Finished = (Answer, Connection, Vec<u8>);

/// How to get to the controller.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) resolver: Option<Resolver>,
    pub(crate) connector: Option<Connector>,
}

/// A connection of its own and the exchange on it.
pub(crate) struct Attempt {
    address: Address,
    tls: Option<Arc<ClientConfig>>,
    exchange: Option<Exchange>,
    /// How much of the request is written.
    written: usize,
    stage: Stage,
}

enum Stage {
    Resolving(Boxed<Vec<SocketAddr>>),
    Connecting(Race),
    /// By a connector of the caller's own.
    Calling(Boxed<ioxdriver::Socket>),
    Securing(Box<Secured>),
    Exchanging(Connection),
    Over,
}

impl Attempt {
    pub(crate) fn new(route: &Route, address: Address, exchange: Exchange) -> Self {
        let stage = match &route.connector {
            Some(connector) => Stage::Calling(connector.connect(&address)),
            None => {
                let (resolver, address) = (route.resolver.clone(), address.clone());
                Stage::Resolving(Box::pin(async move {
                    ioxdriver::addresses(resolver.as_ref(), address.host(), address.port()).await
                }))
            }
        };
        Self {
            address,
            tls: route.tls.clone(),
            exchange: Some(exchange),
            written: 0,
            stage,
        }
    }

    /// How far it has come.
    pub(crate) fn phase(&self) -> Phase {
        match self.stage {
            Stage::Resolving(_) => Phase::Resolving,
            Stage::Connecting(_) | Stage::Calling(_) => Phase::Connecting,
            Stage::Securing(_) => Phase::Securing,
            Stage::Exchanging(_) | Stage::Over => Phase::Upgrading,
        }
    }

    /// When to look at it again, whether the socket has news or not.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Connecting(race) => race.wake_at(),
            _ => None,
        }
    }

    /// Goes on as far as it goes without waiting. Once it is ready it is over.
    pub(crate) fn advance(
        &mut self,
        context: &mut Context<'_>,
        waiting: &Waiting,
        now: Instant,
    ) -> Poll<Exchanged> {
        loop {
            match self.step(context, waiting, now) {
                Poll::Ready(Ok(None)) => {}
                Poll::Ready(Ok(Some(exchanged))) => return Poll::Ready(Ok(exchanged)),
                Poll::Ready(Err(failure)) => {
                    self.stage = Stage::Over;
                    return Poll::Ready(Err(failure));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// From this stage to the next one: `None`, or what it all came to.
    fn step(
        &mut self,
        context: &mut Context<'_>,
        waiting: &Waiting,
        now: Instant,
    ) -> Poll<Result<Option<Finished>, Failure>> {
        let place = || self.address.authority();
        let next = match &mut self.stage {
            Stage::Resolving(lookup) => {
                let found = ready!(lookup.as_mut().poll(context));
                let found = found.map_err(|error| failure::unresolved(self.address.host(), &error));
                Stage::Connecting(Race::new(found?))
            }
            Stage::Connecting(race) => {
                let socket = ready!(pending(race.advance(waiting, now)));
                let socket = socket.map_err(|error| failure::unconnected(&error, &place()))?;
                self.connected(Socket::Tcp(socket))?
            }
            Stage::Calling(connected) => {
                let socket = ready!(connected.as_mut().poll(context)).and_then(|socket| {
                    let mut socket = Socket::adopt(socket)?;
                    waiting.watch(socket.source())?;
                    Ok(socket)
                });
                let socket = socket.map_err(|error| failure::unconnected(&error, &place()))?;
                self.connected(socket)?
            }
            Stage::Securing(secured) => {
                ready!(pending(secured.shake_hands()))
                    .map_err(|error| tls::handshake_failure(&error, &place()))?;
                let Stage::Securing(secured) = std::mem::replace(&mut self.stage, Stage::Over)
                else {
                    return Poll::Pending;
                };
                Stage::Exchanging(Connection::Tls(secured))
            }
            Stage::Exchanging(connection) => {
                let Some(exchange) = &mut self.exchange else {
                    return Poll::Pending;
                };
                ready!(pending(exchanged(
                    connection,
                    exchange,
                    &mut self.written,
                    context
                )))
                .map_err(|error| failure::broken(&error, &place(), "before the answer came"))?;
                let stage = std::mem::replace(&mut self.stage, Stage::Over);
                let (Stage::Exchanging(connection), Some(exchange)) = (stage, self.exchange.take())
                else {
                    return Poll::Pending;
                };
                let (answer, early) = exchange.into_answer();
                return Poll::Ready(Ok(Some((answer, connection, early))));
            }
            Stage::Over => return Poll::Pending,
        };
        self.stage = next;
        Poll::Ready(Ok(None))
    }
}

impl Attempt {
    fn connected(&self, socket: Socket) -> Result<Stage, Failure> {
        let Some(config) = &self.tls else {
            return Ok(Stage::Exchanging(Connection::Plain(socket)));
        };
        let name = tls::server_name(self.address.host());
        let secured = Secured::new(Arc::clone(config), name, socket)
            .map_err(|error| tls::handshake_failure(&error, &self.address.authority()))?;
        Ok(Stage::Securing(Box::new(secured)))
    }
}

/// Writes the request and reads until the answer is there.
fn exchanged(
    connection: &mut (impl Read + Write),
    exchange: &mut Exchange,
    written: &mut usize,
    context: &Context<'_>,
) -> io::Result<()> {
    while *written < exchange.request().len() {
        match connection.write(&exchange.request()[*written..])? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            length => *written += length,
        }
    }
    match connection.flush() {
        // It goes on with the next look; meanwhile an answer may come all the same.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        flushed => flushed?,
    }
    let mut buffer = [0; 4096];
    for _ in 0..READS {
        let length = match connection.read(&mut buffer) {
            // TLS that ends without a goodbye is an end all the same; whether the answer is whole, its length says.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            read => read?,
        };
        if length == 0 {
            exchange.end_of_input();
            return Ok(());
        }
        if exchange.receive(&buffer[..length]) == Progress::Done {
            return Ok(());
        }
    }
    context.waker().wake_by_ref();
    Err(io::ErrorKind::WouldBlock.into())
}

/// `WouldBlock` in the words of polling.
fn pending<T>(done: io::Result<T>) -> Poll<io::Result<T>> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        done => Poll::Ready(done),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{Wake, Waker};
    use std::time::SystemTime;

    use ioxproto::{Action, Config, EventStream, Now};

    use super::*;

    /// A long answer, and how often it was read from.
    #[derive(Default)]
    struct Talkative {
        reads: u32,
    }

    impl Read for Talkative {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.reads += 1;
            let piece: &[u8] = match self.reads {
                1 => b"HTTP/1.1 101 Switching Protocols\r\nServer: ",
                _ => b"x",
            };
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    impl Write for Talkative {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
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
        let config = Config::builder("http://127.0.0.1".parse().unwrap())
            .local_account("admin", "x")
            .build();
        let mut core = EventStream::new(config.unwrap());
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
        let context = Context::from_waker(&waker);
        let (mut peer, mut written) = (Talkative::default(), 0);
        for turn in 1..4 {
            let done = exchanged(&mut peer, &mut exchange, &mut written, &context);
            assert_eq!(done.unwrap_err().kind(), io::ErrorKind::WouldBlock);
            assert_eq!(peer.reads, turn * READS);
            assert_eq!(woken.0.load(Ordering::Relaxed), turn);
        }
    }
}
