//! A listener that limits the number of connections and their idle time, so that HTTP clients
//! cannot exhaust the file descriptors that the bridge needs for its controllers.

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

/// The maximum number of connections. Further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 64;

/// How long a connection may be idle.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A listener with at most [`MAX_CONNECTIONS`] open connections.
#[derive(Debug)]
pub(super) struct LimitedListener {
    listener: TcpListener,
    permits: Arc<Semaphore>,
}

impl LimitedListener {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            permits: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        }
    }
}

impl Listener for LimitedListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // The semaphore is never closed, so there always is a permit.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        // axum's listener waits and retries if there are no file descriptors left.
        let (socket, peer) = Listener::accept(&mut self.listener).await;
        let connection = Connection {
            socket,
            idle_timer: Box::pin(sleep(IDLE_TIMEOUT)),
            _permit: permit,
        };
        (connection, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that fails if it can neither receive nor send for too long.
#[derive(Debug)]
pub(super) struct Connection {
    socket: TcpStream,
    idle_timer: Pin<Box<Sleep>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// Returns the result of a read or write, or an error if it has waited for too long.
    fn with_timeout<T>(
        &mut self,
        done: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.idle_timer
                .as_mut()
                .reset(Instant::now() + IDLE_TIMEOUT);
            return done;
        }
        ready!(self.idle_timer.as_mut().poll(context));
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
        self.with_timeout(read, context)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.with_timeout(written, context)
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

    async fn limited() -> (LimitedListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (LimitedListener::new(listener), address)
    }

    #[tokio::test]
    async fn connections_beyond_the_maximum_are_not_accepted() {
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
    async fn an_idle_connection_is_closed() {
        let (mut limited, address) = limited().await;
        let _client = TcpStream::connect(address).await.unwrap();
        let (mut connection, _) = Listener::accept(&mut limited).await;
        // From here on, the clock advances as soon as all tasks wait.
        tokio::time::pause();
        let began = Instant::now();
        let error = connection.read(&mut [0; 16]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= IDLE_TIMEOUT - Duration::from_secs(1));
    }
}
