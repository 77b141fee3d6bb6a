//! What a driver takes from libraries: a connection with an exchange on it, and WebSocket. No more
//! of RFC 6455 than a controller needs, and bytes stay bytes.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant, SystemTime};

use ioxproto::{Address, Deadline, Exchange, Now, Progress};

/// The answer, and the bytes that came after it.
pub(crate) type Answered = (
    Result<http::Response<Vec<u8>>, ioxproto::ExchangeError>,
    Vec<u8>,
);

/// Connects, writes the request and reads the answer; a timeout when the deadline comes first.
pub(crate) fn upgraded(
    to: &Address,
    mut upgrade: Exchange,
    limit: Option<Deadline>,
) -> io::Result<(TcpStream, Answered)> {
    if to.has_tls() {
        return Err(io::Error::other("this driver speaks http only"));
    }
    let mut connected = Err(io::ErrorKind::AddrNotAvailable.into());
    for address in (to.host(), to.port()).to_socket_addrs()? {
        connected =
            connected.or_else(|_: io::Error| TcpStream::connect_timeout(&address, until(limit)));
    }
    let (mut socket, mut bytes) = (connected?, [0; 4096]);
    socket.write_all(upgrade.request())?;
    loop {
        socket.set_read_timeout(Some(until(limit)))?;
        match socket.read(&mut bytes)? {
            0 => upgrade.end_of_input(),
            length if upgrade.receive(&bytes[..length]) == Progress::More => continue,
            _ => {}
        }
        return Ok((socket, upgrade.into_answer()));
    }
}

pub(crate) struct WebSocket {
    socket: TcpStream,
    /// Read, and not yet understood.
    unread: Vec<u8>,
    /// The opcode and the fragments so far of a message whose end has not come.
    fragments: Option<(Opcode, Vec<u8>)>,
    pub(crate) max_message_bytes: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
}

/// The next message is longer than it may be, or no message at all.
pub(crate) struct Refused(pub(crate) &'static str);

impl WebSocket {
    pub(crate) fn new(socket: TcpStream, unread: Vec<u8>) -> Self {
        Self {
            socket,
            unread,
            fragments: None,
            max_message_bytes: 0,
        }
    }

    /// Whether a message has begun to come and has not ended.
    pub(crate) fn mid_message(&self) -> bool {
        self.fragments.is_some() || !self.unread.is_empty()
    }

    /// A whole message or control frame, if one is there (section 5.2).
    pub(crate) fn next(&mut self) -> Result<Option<(Opcode, Vec<u8>)>, Refused> {
        while let Some((first, start, length)) = self.header() {
            let begun = self.fragments.as_ref().map_or(0, |(_, sofar)| sofar.len());
            if length > self.max_message_bytes.saturating_sub(begun) {
                return Err(Refused("a message over the limit"));
            }
            let Some(payload) = self.unread.get(start..start + length) else {
                break;
            };
            let payload = payload.to_vec();
            self.unread.drain(..start + length);
            let opcode = match (first & 0xF, &self.fragments) {
                (0x8, _) => return Ok(Some((Opcode::Close, payload))),
                (0x9, _) => return Ok(Some((Opcode::Ping, payload))),
                (0xA, _) => return Ok(Some((Opcode::Pong, payload))),
                (0x1, None) => Opcode::Text,
                (0x2, None) => Opcode::Binary,
                (0x0, Some((opcode, _))) => *opcode,
                _ => return Err(Refused("what is no WebSocket frame")),
            };
            let (_, message) = self.fragments.get_or_insert((opcode, Vec::new()));
            message.extend(payload);
            if first & 0x80 != 0 {
                return Ok(self.fragments.take());
            }
        }
        Ok(None)
    }

    /// The first byte of the next frame, where its payload begins, and how long that is.
    fn header(&self) -> Option<(u8, usize, usize)> {
        let (first, second) = (*self.unread.first()?, *self.unread.get(1)?);
        let (start, length) = match second {
            126 => (
                4,
                u16::from_be_bytes(*self.unread[2..].first_chunk()?).into(),
            ),
            127 => (10, u64::from_be_bytes(*self.unread[2..].first_chunk()?)),
            short => (2, u64::from(short)),
        };
        Some((first, start, usize::try_from(length).unwrap_or(usize::MAX)))
    }

    /// Waits for more bytes; says how many came, 0 at the end.
    pub(crate) fn read(&mut self, patience: Duration) -> io::Result<usize> {
        let mut bytes = [0; 4096];
        self.socket.set_read_timeout(Some(patience))?;
        let length = self.socket.read(&mut bytes)?;
        self.unread.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    /// Sends a control frame; an error shows when the socket is read. The mask is zero, where a
    /// real library draws one.
    pub(crate) fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        let payload = &payload[..payload.len().min(125)];
        let header = [0x80 | opcode as u8, 0x80 | payload.len() as u8, 0, 0, 0, 0];
        let _ = self.socket.write_all(&[&header, payload].concat());
    }
}

/// The time to the deadline; not zero, which sockets do not take.
pub(crate) fn until(deadline: Option<Deadline>) -> Duration {
    let patience = deadline.map(|due| due.at.saturating_duration_since(Instant::now()));
    patience.unwrap_or_default().max(Duration::from_millis(1))
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
