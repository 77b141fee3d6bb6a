//! The socket of the plain driver, an upgraded TCP connection with a WebSocket on it, and the
//! clocks.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant, SystemTime};

use ioxproto::{
    Address, Deadline, Exchange, ExchangeError, Failure, FailureKind, Now, Phase, Progress,
};

use super::websocket::{Opcode, ReadError, WebSocket};

/// A TCP connection that speaks WebSocket once its upgrade was accepted.
pub(crate) struct Connection {
    socket: TcpStream,
    pub(crate) websocket: WebSocket,
    /// The error of a write. The operating system reports a reset once: after a write has found it,
    /// a read only finds the end.
    write_error: Option<io::Error>,
}

/// The answer of an exchange.
pub(crate) type Answer = Result<http::Response<Vec<u8>>, ExchangeError>;

/// Connects, writes the request and reads the answer. Fails with a timeout at the deadline. Returns
/// the socket, the answer, and the bytes received after it. Calls `enter` before each phase.
pub(crate) fn exchange(
    to: &Address,
    mut exchange: Exchange,
    limit: Option<Deadline>,
    mut enter: impl FnMut(Phase),
) -> io::Result<(TcpStream, Answer, Vec<u8>)> {
    if to.has_tls() {
        return Err(io::Error::other("this driver speaks http only"));
    }
    enter(Phase::Resolving);
    // The name lookup of the standard library has no time limit.
    let addresses = (to.host(), to.port()).to_socket_addrs()?;
    enter(Phase::Connecting);
    let mut connected = Err(io::ErrorKind::AddrNotAvailable.into());
    for address in addresses {
        connected = connected.or_else(|_: io::Error| {
            TcpStream::connect_timeout(&address, until(limit))
                .map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))
        });
    }
    let mut socket = connected?;
    enter(Phase::Upgrading);
    socket.write_all(exchange.request())?;
    let mut bytes = [0; 4096];
    loop {
        socket.set_read_timeout(Some(until(limit)))?;
        match socket.read(&mut bytes)? {
            0 => exchange.end_of_input(),
            length if exchange.receive(&bytes[..length]) == Progress::More => continue,
            _ => {}
        }
        let (answer, early) = exchange.into_answer();
        return Ok((socket, answer, early));
    }
}

impl Connection {
    /// The socket of an accepted upgrade, and the bytes received after the answer.
    pub(crate) fn new(socket: TcpStream, early: &[u8]) -> Self {
        let mut websocket = WebSocket::default();
        websocket.receive(early);
        Self {
            socket,
            websocket,
            write_error: None,
        }
    }

    /// Waits for bytes. Returns how many were received; 0 at the end of the connection.
    pub(crate) fn read(&mut self, timeout: Duration) -> io::Result<usize> {
        let mut bytes = [0; 4096];
        self.socket.set_read_timeout(Some(timeout))?;
        let length = self.socket.read(&mut bytes)?;
        if length == 0
            && let Some(error) = self.write_error.take()
        {
            return Err(error);
        }
        self.websocket.receive(&bytes[..length]);
        Ok(length)
    }

    /// Sends a control frame. The read that finds the end of the connection reports an error.
    pub(crate) fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        let frame = WebSocket::control_frame(opcode, payload);
        if let Err(error) = self.socket.write_all(&frame)
            && error.kind() == io::ErrorKind::ConnectionReset
        {
            self.write_error = Some(error);
        }
    }
}

/// Converts an error of the socket to a failure of the machine.
pub(crate) fn io_failure(error: &io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::ConnectionRefused => FailureKind::ConnectionRefused,
        io::ErrorKind::ConnectionReset => FailureKind::ConnectionReset,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            FailureKind::Unreachable
        }
        io::ErrorKind::UnexpectedEof => FailureKind::UnexpectedEnd,
        _ => FailureKind::Other,
    };
    Failure::transport(kind, error.to_string())
}

/// Converts an error of the WebSocket to a failure of the machine.
pub(crate) fn websocket_failure(error: &ReadError) -> Failure {
    match error {
        ReadError::TooLarge => Failure::transport(FailureKind::MessageTooLarge, "over the limit"),
        ReadError::InvalidFrame => {
            Failure::transport(FailureKind::Protocol, "invalid WebSocket frame")
        }
    }
}

/// The time until the deadline, at least 1 ms: sockets refuse a timeout of 0.
pub(crate) fn until(deadline: Option<Deadline>) -> Duration {
    let timeout = deadline.map(|due| due.at.saturating_duration_since(Instant::now()));
    timeout.unwrap_or_default().max(Duration::from_millis(1))
}

pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// Both clocks.
pub(crate) fn now() -> Now {
    Now {
        monotonic: Instant::now(),
        utc: SystemTime::now(),
    }
}
