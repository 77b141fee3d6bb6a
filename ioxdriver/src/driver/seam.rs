//! What a driver must supply: sockets, timers, and a WebSocket library on top of them.

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
    /// A connection to one address under way.
    type Connecting: Future<Output = io::Result<Self::Io>> + Send + Unpin;
    /// Waits for an instant.
    type Timer: Timer;
    /// The WebSocket library on top of the socket.
    type WebSocket: WebSocket<Self::Io>;

    /// The messages taken in one turn at most.
    const TURN: u32;
    /// Whether a turn reads until the socket is empty. If not, a turn takes only the messages that
    /// came in with the first one: the socket is not read again while the consumer waits for what
    /// is in hand.
    const READS_ON: bool;

    /// Connects to one address by TCP, without Nagle's delay. It is dropped when it takes too long.
    fn connect(&self, to: SocketAddr) -> Self::Connecting;

    /// Takes over a connected socket of the standard library.
    ///
    /// # Errors
    ///
    /// What the system says, or [`Unsupported`](io::ErrorKind::Unsupported) for a kind of socket
    /// that the runtime cannot take.
    fn adopt(&self, socket: Socket) -> io::Result<Self::Io>;

    /// A timer of the runtime.
    fn timer(&self) -> Self::Timer;
}

/// A connected, non-blocking socket. A call that cannot complete registers the task, as in
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

    /// Sends what a buffer of the socket holds; most have none.
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Waits for an instant, which may change from call to call.
pub trait Timer: Send {
    /// Ready once this instant has come.
    fn poll(&mut self, at: Instant, context: &mut Context<'_>) -> Poll<()>;
}

/// A WebSocket connection after the handshake.
pub trait WebSocket<S>: Send + Sized {
    /// Takes over a connection. `early` holds the bytes that came behind the handshake.
    fn open(io: Filtered<S>, early: Vec<u8>, config: WebSocketConfig) -> Option<Self>;

    /// The next message, with answers to pings sent as far as possible without waiting.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, Error>>;

    /// Begins to send; an error shows again when the connection is read.
    ///
    /// # Errors
    ///
    /// Those of the WebSocket library.
    fn start_send(&mut self, message: Message) -> Result<(), Error>;

    /// Sends what is waiting; ready when nothing is left or the connection is broken.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<()>;

    /// The connection below.
    fn io(&self) -> &Filtered<S>;

    /// The connection below.
    fn io_mut(&mut self) -> &mut Filtered<S>;
}
