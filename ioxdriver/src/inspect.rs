//! A look at a server's certificate before it is trusted.

use std::future::Future as _;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use ioxproto::{Address, Failure};
use rustls::ClientConnection;
use thiserror::Error;

use crate::{ServerCertificate, Trust, failure, resolve, tls};

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a certificate could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The address is a plain one.
    #[error("{place} is a plain http address: there is no certificate to look at")]
    Plain {
        /// The address.
        place: String,
    },
    /// It took too long.
    #[error("{place} did not show a certificate within {} s", .after.as_secs_f32())]
    TimedOut {
        /// Host and port.
        place: String,
        /// The limit that ran out.
        after: Duration,
    },
    /// The connection or the TLS handshake failed.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// What was shown is no certificate.
    #[error("what {place} shows as its certificate cannot be read")]
    Unreadable {
        /// Host and port.
        place: String,
    },
}

/// Connects, lets the server show its certificate and prove that it has the key, and leaves, without having sent a byte
/// of HTTP. Blocks, for `patience` at most. Whether the certificate is the right one is for a person to
/// say, who compares the fingerprint with what the controller itself shows, or knows that nobody can be in between.
///
/// ```no_run
/// let address = "https://eisy.local:8443".parse()?;
/// let certificate = ioxdriver::inspect(&address, std::time::Duration::from_secs(10))?;
/// println!("{} {}", certificate.subject, certificate.fingerprint);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`InspectError`] where there is none to look at, or none in time.
pub fn inspect(address: &Address, patience: Duration) -> Result<ServerCertificate, InspectError> {
    let place = address.authority();
    if !address.tls() {
        let place = address.to_string();
        return Err(InspectError::Plain { place });
    }
    let now = Instant::now();
    // Longer than a clock can tell is longer than anybody waits.
    let until = now.checked_add(patience).unwrap_or(now + A_DAY);
    let late = || InspectError::TimedOut {
        place: place.clone(),
        after: patience,
    };
    let found = lookup(address, until).ok_or_else(late)?;
    let addresses = found.map_err(|error| failure::unresolved(address.host(), &error))?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut tcp = None;
    for (index, socket) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = remaining(until).ok_or_else(late)? / left;
        match TcpStream::connect_timeout(socket, share) {
            Ok(connected) => {
                tcp = Some(connected);
                break;
            }
            Err(error) => last = error,
        }
    }
    let Some(tcp) = tcp else {
        return Err(match remaining(until) {
            Some(_) => failure::unconnected(&last, &place).into(),
            None => late(),
        });
    };
    let mut socket = Bounded { tcp, until };
    match handshake(&mut socket, address.host()) {
        Ok(der) => ServerCertificate::from_der(&der).ok_or(InspectError::Unreadable { place }),
        Err(_) if remaining(until).is_none() => Err(late()),
        Err(error) => Err(tls::handshake_failure(&error, &place).into()),
    }
}

/// The certificate that was shown, DER.
fn handshake(socket: &mut Bounded, host: &str) -> io::Result<Vec<u8>> {
    let config = tls::client_config(&Trust::Insecure);
    let mut connection =
        ClientConnection::new(config, tls::server_name(host)).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(socket)?;
    }
    let shown = connection.peer_certificates().and_then(<[_]>::first);
    let shown = shown.map(|certificate| certificate.to_vec());
    connection.send_close_notify();
    // A goodbye that does not get through changes nothing.
    let _ = connection.write_tls(socket);
    shown.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// `None` when the time is up.
fn remaining(until: Instant) -> Option<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    (!left.is_zero()).then_some(left)
}

fn lookup(address: &Address, until: Instant) -> Option<io::Result<Vec<std::net::SocketAddr>>> {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut lookup = pin!(resolve::lookup(address.host(), address.port()));
    loop {
        if let Poll::Ready(found) = lookup.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(found);
        }
        std::thread::park_timeout(remaining(until)?);
    }
}

/// A socket on which nothing takes longer than until then.
struct Bounded {
    tcp: TcpStream,
    until: Instant,
}

impl Bounded {
    fn left(&self) -> io::Result<Option<Duration>> {
        remaining(self.until)
            .map(Some)
            .ok_or_else(|| io::ErrorKind::TimedOut.into())
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tcp.set_read_timeout(self.left()?)?;
        self.tcp.read(buffer)
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tcp.set_write_timeout(self.left()?)?;
        self.tcp.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn patience_without_end_is_no_panic() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || drop(listener.accept().unwrap()));
        let inspected = inspect(&url.parse().unwrap(), Duration::MAX);
        assert!(
            matches!(inspected, Err(InspectError::Failed(_))),
            "{inspected:?}"
        );
        server.join().unwrap();
    }
}
