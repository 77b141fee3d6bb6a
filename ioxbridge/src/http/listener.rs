//! Connections, bounded in number and in patience, so that nobody exhausts the descriptors that the
//! bridge needs for its controllers.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// The most connections; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 64;

/// How long a connection may say nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// A listener that holds this many connections and no more.
#[derive(Debug)]
pub(super) struct Limited {
    listener: TcpListener,
    room: Arc<Semaphore>,
}

impl Limited {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            room: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        }
    }
}

impl Listener for Limited {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // It is never closed; without a permit nothing is accepted.
        let permit = Arc::clone(&self.room).acquire_owned().await.ok();
        // Its own way to go on where no descriptors are left.
        let (socket, peer) = Listener::accept(&mut self.listener).await;
        let connection = Connection {
            socket,
            silence: Box::pin(sleep(PATIENCE)),
            _permit: permit,
        };
        (connection, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when nothing comes, or nothing can be sent, for too long.
#[derive(Debug)]
pub(super) struct Connection {
    socket: TcpStream,
    silence: Pin<Box<Sleep>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// What a read or a write gives, or an error when it has waited for too long.
    fn bounded<T>(
        &mut self,
        done: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.silence.as_mut().reset(Instant::now() + PATIENCE);
            return done;
        }
        ready!(self.silence.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.socket).poll_read(context, buffer);
        self.bounded(read, context)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.bounded(written, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::time::timeout;

    use super::*;

    async fn limited() -> (Limited, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Limited::new(listener), address)
    }

    #[tokio::test]
    async fn no_more_connections_are_held_than_there_is_room_for() {
        let (mut limited, address) = limited().await;
        let (mut clients, mut held) = (Vec::new(), Vec::new());
        for _ in 0..MAX_CONNECTIONS {
            clients.push(TcpStream::connect(address).await.unwrap());
            held.push(Listener::accept(&mut limited).await);
        }
        clients.push(TcpStream::connect(address).await.unwrap());
        let one_more = timeout(Duration::from_millis(50), Listener::accept(&mut limited));
        assert!(one_more.await.is_err());
        held.pop();
        Listener::accept(&mut limited).await;
    }

    #[tokio::test]
    async fn a_connection_on_which_nothing_comes_is_closed() {
        let (mut limited, address) = limited().await;
        let _client = TcpStream::connect(address).await.unwrap();
        let (mut connection, _) = Listener::accept(&mut limited).await;
        // From here on the clock moves as soon as everybody waits.
        tokio::time::pause();
        let began = Instant::now();
        let error = connection.read(&mut [0; 16]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= PATIENCE - Duration::from_secs(1));
    }
}
