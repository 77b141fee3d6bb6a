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
use ioxdriver::{failure, resolve, tls};
use ioxproto::{Address, Exchange, ExchangeError, Failure, Phase, Progress};

use crate::Runtime;
use crate::socket::Connection;

/// The next address is tried after this time, while the last goes on (RFC 8305 section 5): a route that swallows
/// packets costs a quarter of a second.
const STAGGER: Duration = Duration::from_millis(250);

/// The answer of an exchange.
pub(crate) type Answer = Result<http::Response<Vec<u8>>, ExchangeError>;

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

/// Opens a connection of its own and runs the exchange on it. Gives the answer, the connection, and the bytes that
/// came after the answer.
pub(crate) async fn exchange<R: Runtime>(
    runtime: R,
    tls: Option<Arc<ClientConfig>>,
    address: Address,
    exchange: Exchange,
    progress: Progressed,
) -> Result<(Answer, Connection<R::Socket>, Vec<u8>), Failure> {
    let place = address.authority();
    let found = resolve::lookup(address.host(), address.port()).await;
    let addresses = found.map_err(|error| failure::unresolved(address.host(), &error))?;
    progress.reached(Phase::Connecting);
    let socket = connect(&runtime, addresses)
        .await
        .map_err(|error| failure::unconnected(&error, &place))?;
    let mut connection = match tls {
        None => Connection::Plain(socket),
        Some(config) => {
            progress.reached(Phase::Securing);
            let secured = TlsConnector::from(config)
                .connect(tls::server_name(address.host()), socket)
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

/// Connects to the first address that answers.
async fn connect<R: Runtime>(runtime: &R, addresses: Vec<SocketAddr>) -> io::Result<R::Socket> {
    let mut waiting = interleaved(addresses).into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        match waiting.next() {
            Some(address) => attempts.push(runtime.connect(address)),
            None if attempts.is_empty() => return Err(last),
            None => {}
        }
        let more = waiting.len() > 0;
        loop {
            let stagger = pin!(runtime.sleep_until(Instant::now() + STAGGER));
            match select(attempts.next(), stagger).await {
                Either::Left((Some(Ok(socket)), _)) => return Ok(socket),
                Either::Left((Some(Err(error)), _)) => {
                    last = error;
                    break;
                }
                Either::Left((None, _)) => break,
                Either::Right(_) if more => break,
                Either::Right(_) => {}
            }
        }
    }
}

/// Both families in turn, in the order that the system prefers.
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let mut other = other.into_iter();
    let mut order = Vec::new();
    for address in preferred {
        order.push(address);
        order.extend(other.next());
    }
    order.extend(other);
    order
}

async fn run<S>(
    connection: &mut Connection<S>,
    mut exchange: Exchange,
) -> io::Result<(Answer, Vec<u8>)>
where
    S: futures_io::AsyncRead + futures_io::AsyncWrite + Unpin,
{
    connection.write_all(exchange.request()).await?;
    connection.flush().await?;
    let mut buffer = [0; 4096];
    loop {
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
    use super::*;

    #[test]
    fn both_families_are_tried_in_turn() {
        let addresses = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"];
        let parsed = addresses
            .iter()
            .map(|address| address.parse().unwrap())
            .collect();
        let order: Vec<_> = interleaved(parsed)
            .iter()
            .map(SocketAddr::to_string)
            .collect();
        assert_eq!(
            order,
            ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]
        );
    }
}
