//! TCP to the first address that answers.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;

use crate::waiting::Waiting;

/// The next address is tried after this time, while the last goes on (RFC 8305 section 5): a route that swallows
/// packets costs a quarter of a second.
const STAGGER: Duration = Duration::from_millis(250);

/// Connects under way to the addresses of one host.
#[derive(Debug)]
pub(crate) struct Race {
    waiting: std::vec::IntoIter<SocketAddr>,
    running: Vec<TcpStream>,
    next_at: Option<Instant>,
    last: io::Error,
}

impl Race {
    /// In this order.
    pub(crate) fn new(addresses: Vec<SocketAddr>) -> Self {
        Self {
            waiting: addresses.into_iter(),
            running: Vec::new(),
            next_at: None,
            last: io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
        }
    }

    /// When the next address is to be tried.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        self.next_at.filter(|_| self.waiting.len() > 0)
    }

    /// Looks how they stand: a connected socket, the last error if all have failed, or `WouldBlock`.
    pub(crate) fn advance(&mut self, waiting: &Waiting, now: Instant) -> io::Result<TcpStream> {
        loop {
            let mut at = 0;
            while at < self.running.len() {
                match connected(&self.running[at]) {
                    Ok(()) => return Ok(self.running.swap_remove(at)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => at += 1,
                    Err(error) => {
                        self.running.remove(at);
                        self.last = error;
                        self.next_at = None;
                    }
                }
            }
            let due = self.next_at.is_none_or(|next_at| next_at <= now);
            let next = if due { self.waiting.next() } else { None };
            match next {
                Some(address) => {
                    self.next_at = Some(now + STAGGER);
                    match begin(address, waiting) {
                        Ok(socket) => self.running.push(socket),
                        Err(error) => {
                            self.last = error;
                            self.next_at = None;
                        }
                    }
                }
                None if self.running.is_empty() => {
                    return Err(std::mem::replace(
                        &mut self.last,
                        io::ErrorKind::NotFound.into(),
                    ));
                }
                None => return Err(io::ErrorKind::WouldBlock.into()),
            }
        }
    }
}

fn begin(address: SocketAddr, waiting: &Waiting) -> io::Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    waiting.watch(&mut socket)?;
    Ok(socket)
}

/// Whether a connect is done.
fn connected(socket: &TcpStream) -> io::Result<()> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => socket.set_nodelay(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        Err(error) => Err(error),
    }
}
