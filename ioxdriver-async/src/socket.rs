//! The bytes of a connection: plain or TLS, and below the WebSocket library the opcode filter.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};
use futures_rustls::client::TlsStream;
use ioxdriver::{Records, TextAsBinary};

/// A socket of any runtime. A virtual call for each read is nothing beside the system call in it.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// A connected socket.
pub type Io = Box<dyn Duplex>;

/// A socket below TLS.
pub(crate) struct Recorded {
    socket: Io,
    records: Records,
}

impl Recorded {
    pub(crate) fn new(socket: Io) -> Self {
        Self {
            socket,
            records: Records::default(),
        }
    }
}

impl AsyncRead for Recorded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let length = ready!(Pin::new(&mut self.socket).poll_read(context, buffer))?;
        self.records.see(&buffer[..length]);
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(context)
    }
}

/// A connection to a controller.
pub(crate) enum Connection {
    Plain(Io),
    Tls(Box<TlsStream<Recorded>>),
    /// Taken elsewhere.
    Closed,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            Self::Tls(socket) => Pin::new(&mut **socket).poll_read(context, buffer),
            Self::Closed => Poll::Ready(Ok(0)),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
            Self::Tls(socket) => Pin::new(&mut **socket).poll_write(context, bytes),
            Self::Closed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_flush(context),
            Self::Tls(socket) => Pin::new(&mut **socket).poll_flush(context),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_close(context),
            Self::Tls(socket) => Pin::new(&mut **socket).poll_close(context),
            Self::Closed => Poll::Ready(Ok(())),
        }
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
        if let Connection::Tls(socket) = &mut self.connection {
            let records = &mut socket.get_mut().0.records;
            received |= records.take_received();
            unfinished |= records.mid_record();
        }
        received.then_some(unfinished)
    }
}

impl AsyncRead for Filtered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let length = ready!(Pin::new(&mut self.connection).poll_read(context, buffer))?;
        self.filter.filter(&mut buffer[..length]);
        self.received |= length > 0;
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for Filtered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_close(context)
    }
}
