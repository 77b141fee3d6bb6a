//! The traits that a driver crate implements: sockets, timers, and a WebSocket library on top of
//! them.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Instant;

use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, Message};

use crate::Socket;
use crate::websocket::Filtered;

/// The part of a driver that differs between runtimes.
pub trait Seam: Send + 'static {
    /// A connected, non-blocking socket.
    type Io: PollIo;
    /// A connection to one address that is being opened.
    type Connecting: Future<Output = io::Result<Self::Io>> + Send + Unpin;
    /// A timer of the runtime.
    type Timer: Timer;
    /// The WebSocket library on top of the socket.
    type WebSocket: WebSocket<Self::Io>;

    /// The maximum number of messages taken in one turn.
    const TURN: u32;
    /// Whether a turn reads until the socket is empty. Otherwise a turn takes only the messages
    /// that arrived with the first one, so that the consumer gets them before the socket is read
    /// again.
    const READS_ON: bool;

    /// Connects to one address by TCP, with `TCP_NODELAY`. The future is dropped if it takes too
    /// long.
    fn connect(&self, to: SocketAddr) -> Self::Connecting;

    /// Takes over a connected socket of the standard library.
    ///
    /// # Errors
    ///
    /// An error of the system, or [`Unsupported`](io::ErrorKind::Unsupported) for a kind of socket
    /// that the runtime does not support.
    fn adopt(&self, socket: Socket) -> io::Result<Self::Io>;

    /// Creates a timer.
    fn timer(&self) -> Self::Timer;
}

/// A connected, non-blocking socket. A method that returns `Pending` registers the waker, as in
/// [`Future::poll`], unless the driver learns of readiness in another way.
pub trait PollIo: Send {
    /// Reads some bytes; 0 at their end.
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>>;

    /// Writes some of these bytes.
    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Sends the bytes in the socket's own buffer. Most sockets have none.
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A timer whose deadline may change with each call.
pub trait Timer: Send {
    /// Ready once this instant has passed.
    fn poll(&mut self, at: Instant, context: &mut Context<'_>) -> Poll<()>;
}

/// A WebSocket connection after the handshake.
pub trait WebSocket<S>: Send + Sized {
    /// Takes over a connection. `early` holds the bytes that arrived after the handshake.
    fn open(io: Filtered<S>, early: Vec<u8>, config: WebSocketConfig) -> Option<Self>;

    /// Reads the next message. Sends the answers to pings if that is possible without waiting.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, Error>>;

    /// Starts sending a message. An error is reported again when the connection is read.
    ///
    /// # Errors
    ///
    /// The errors of the WebSocket library.
    fn start_send(&mut self, message: Message) -> Result<(), Error>;

    /// Sends the waiting frames. Ready when all are sent or the connection is broken.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<()>;

    /// The connection below the WebSocket.
    fn io(&self) -> &Filtered<S>;

    /// The connection below the WebSocket.
    fn io_mut(&mut self) -> &mut Filtered<S>;
}
