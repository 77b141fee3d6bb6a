//! The bytes of a connection: plain or TLS, and below the WebSocket library the opcode filter. Nothing here blocks:
//! what cannot be done now is [`WouldBlock`](io::ErrorKind::WouldBlock).

use std::io::{self, Read, Write};
use std::sync::Arc;

use ioxdriver::{Records, TextAsBinary};
use mio::event::Source;
use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// A connected socket.
pub(crate) enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(mio::net::UnixStream),
}

impl Socket {
    /// Takes over a socket that the caller has connected.
    pub(crate) fn adopt(socket: ioxdriver::Socket) -> io::Result<Self> {
        match socket {
            ioxdriver::Socket::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                Ok(Self::Tcp(TcpStream::from_std(socket)))
            }
            #[cfg(unix)]
            ioxdriver::Socket::Unix(socket) => {
                socket.set_nonblocking(true)?;
                Ok(Self::Unix(mio::net::UnixStream::from_std(socket)))
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(socket) => socket,
            #[cfg(unix)]
            Self::Unix(socket) => socket,
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        uninterrupted(|| match self {
            Self::Tcp(socket) => socket.read(buffer),
            #[cfg(unix)]
            Self::Unix(socket) => socket.read(buffer),
        })
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        uninterrupted(|| match self {
            Self::Tcp(socket) => socket.write(bytes),
            #[cfg(unix)]
            Self::Unix(socket) => socket.write(bytes),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection to a controller.
pub(crate) enum Connection {
    Plain(Socket),
    Tls(Box<Secured>),
    /// In the place of one that was moved.
    Closed,
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(secured) => secured.read(buffer),
            Self::Closed => Ok(0),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(secured) => secured.write(bytes),
            Self::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) | Self::Closed => Ok(()),
            Self::Tls(secured) => secured.send(),
        }
    }
}

/// TLS over a socket. rustls' own `Stream` does not read while it cannot write; this one does.
pub(crate) struct Secured {
    tls: ClientConnection,
    socket: Socket,
    records: Records,
}

impl Secured {
    pub(crate) fn new(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        socket: Socket,
    ) -> io::Result<Self> {
        let tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        let records = Records::default();
        Ok(Self {
            tls,
            socket,
            records,
        })
    }

    /// Goes on with the handshake, to its end.
    pub(crate) fn shake_hands(&mut self) -> io::Result<()> {
        loop {
            match self.send() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => sent?,
            }
            if !self.tls.is_handshaking() {
                return Ok(());
            }
            if self.receive()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Says goodbye, as far as it goes at once.
    pub(crate) fn part(&mut self) {
        self.tls.send_close_notify();
        let _ = self.send();
    }

    /// Writes what rustls wants written.
    fn send(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            let (tls, socket) = (&mut self.tls, &mut self.socket);
            if tls.write_tls(socket)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Reads once from the socket; 0 at the end of its bytes.
    fn receive(&mut self) -> io::Result<usize> {
        let length = self.tls.read_tls(&mut Recorded {
            socket: &mut self.socket,
            records: &mut self.records,
        })?;
        if let Err(error) = self.tls.process_new_packets() {
            // The alert that says what is wrong.
            let _ = self.send();
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(length)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            self.receive()?;
            match self.send() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => sent?,
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.tls.writer().write(bytes)?;
        match self.send() {
            // rustls keeps what it has taken.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && length > 0 => Ok(length),
            Err(error) => Err(error),
            // It held as much as it may, and has room now.
            Ok(()) if length == 0 => self.tls.writer().write(bytes),
            Ok(()) => Ok(length),
        }
    }
}

/// What comes from a socket below TLS, on its way.
struct Recorded<'a> {
    socket: &'a mut Socket,
    records: &'a mut Records,
}

impl Read for Recorded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.socket.read(buffer)?;
        self.records.see(&buffer[..length]);
        Ok(length)
    }
}

/// A connection whose text frames come in as binary ones.
pub(crate) struct Filtered {
    pub(crate) connection: Connection,
    pub(crate) filter: TextAsBinary,
    /// Whether bytes came since this was last set to `false`.
    pub(crate) received: bool,
}

impl Filtered {
    /// If bytes came since this was last asked: whether they leave a message unfinished, or what may become one.
    pub(crate) fn take_received(&mut self) -> Option<bool> {
        let mut received = std::mem::take(&mut self.received);
        let mut unfinished = self.filter.mid_message();
        if let Connection::Tls(secured) = &mut self.connection {
            received |= secured.records.take_received();
            unfinished |= secured.records.mid_record();
        }
        received.then_some(unfinished)
    }
}

impl Read for Filtered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.connection.read(buffer)?;
        self.filter.filter(&mut buffer[..length]);
        self.received |= length > 0;
        Ok(length)
    }
}

impl Write for Filtered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.connection.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.connection.flush()
    }
}

fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
