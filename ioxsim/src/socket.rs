//! The socket of a client's connection, with or without TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_rustls::TlsAcceptor;
use futures_rustls::server::TlsStream;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt as _, TokioAsyncReadCompatExt as _};

/// A client's socket.
pub(crate) enum Socket {
    Plain(TcpStream),
    Tls(Box<Compat<TlsStream<Compat<TcpStream>>>>),
}

impl Socket {
    /// Runs the TLS handshake, if TLS is used.
    pub(crate) async fn accept(tcp: TcpStream, tls: Option<&TlsAcceptor>) -> io::Result<Self> {
        let Some(acceptor) = tls else {
            return Ok(Self::Plain(tcp));
        };
        let stream = acceptor.accept(tcp.compat()).await?;
        Ok(Self::Tls(Box::new(stream.compat())))
    }

    fn tcp(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_mut().get_mut().0.get_mut(),
        }
    }

    /// Ends the connection with a RST.
    pub(crate) fn reset(mut self) {
        // If this fails, the client sees a FIN instead.
        let _ = self.tcp().set_zero_linger();
    }

    /// Sends a FIN, without a TLS `close_notify`.
    pub(crate) async fn finish_bare(&mut self) -> io::Result<()> {
        self.tcp().shutdown().await
    }

    fn stream(&mut self) -> Pin<&mut (dyn Stream + Unpin)> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp),
            Self::Tls(tls) => Pin::new(&mut **tls),
        }
    }
}

/// A stream of bytes in both directions.
trait Stream: AsyncRead + AsyncWrite {}

impl<S: AsyncRead + AsyncWrite> Stream for S {}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().stream().poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().stream().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream().poll_flush(context)
    }

    /// With TLS, sends `close_notify` before the FIN.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream().poll_shutdown(context)
    }
}
