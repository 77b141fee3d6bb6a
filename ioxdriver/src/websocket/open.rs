//! An open WebSocket connection.

use std::ops::Range;
use std::task::{Context, Poll, Waker};

use ioxproto::{ConnectionId, Failure, Secret};
use tracing::trace;
use tungstenite::Message;
use tungstenite::protocol::WebSocketConfig;

use super::secret_frame::SecretFrame;
use super::{Filtered, LARGE, closed_by, config, ended_by, is_about_close};
use crate::driver::{Seam, WebSocket as _};
use crate::net::Connection;

/// The connection with its id, and the frames waiting to be written.
pub struct Open<S: Seam> {
    id: ConnectionId,
    socket: S::WebSocket,
    config: WebSocketConfig,
    /// A frame that bypasses the WebSocket library.
    secret_frame: Option<SecretFrame>,
    /// Whether the socket may hold bytes that were not sent yet.
    unflushed: bool,
    /// A large message has arrived, and the library's buffer still has that size.
    oversized: bool,
}

/// What was received on an open connection.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle each")]
pub enum Received {
    /// A text message that bypassed the WebSocket library, until the next call of [`Open::poll`].
    Text(Range<usize>),
    /// A message of the WebSocket library.
    Message(Message),
}

impl<S: Seam> Open<S> {
    /// Creates the connection after the upgrade. `early` holds the bytes received after its answer.
    pub fn new(
        id: ConnectionId,
        connection: Connection<S::Io>,
        mut early: Vec<u8>,
        max_message_bytes: usize,
    ) -> Option<Self> {
        let config = config(max_message_bytes);
        let filtered = Filtered::new(connection, &mut early);
        Some(Self {
            id,
            socket: S::WebSocket::open(filtered, early, config)?,
            config,
            secret_frame: None,
            unflushed: false,
            oversized: false,
        })
    }

    pub(crate) fn id(&self) -> ConnectionId {
        self.id
    }

    /// Starts sending a message. An error is reported when the socket is read.
    pub fn send(&mut self, message: Message) {
        let sent = self.socket.start_send(message);
        trace!(ok = sent.is_ok(), "sending");
        self.unflushed = true;
    }

    pub(crate) fn ping(&mut self) {
        self.send(super::ping());
    }

    pub(crate) fn close(&mut self, code: u16) {
        self.send(super::close(code));
    }

    /// Starts sending a text message that must bypass the library, which logs what it sends. Must
    /// be the first message on this connection.
    pub(crate) fn send_secret(&mut self, text: &Secret) {
        self.secret_frame = Some(SecretFrame::new(text));
    }

    /// Whether the last message, of this length, was text. Call once for each binary message.
    pub fn take_was_text(&mut self, length: usize) -> bool {
        self.oversized |= length > LARGE;
        self.socket.io_mut().filter.take_was_text()
    }

    /// If bytes have arrived since the last call: whether they end within a message.
    pub(crate) fn take_received(&mut self) -> Option<bool> {
        self.socket.io_mut().take_received()
    }

    /// Whether a message, or the beginning of one, was read from the socket and has not been taken.
    pub(crate) fn has_more(&self) -> bool {
        self.socket.io().has_more()
    }

    /// The text of [`Received::Text`].
    pub fn text(&self, range: Range<usize>) -> &[u8] {
        &self.socket.io().ahead.bytes()[range]
    }

    /// Writes waiting frames and reads the next message. An error is the end of the connection;
    /// `None` for an end without a close frame.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Received, Option<Failure>>> {
        self.poll_write(context);
        if let Some(text) = self.socket.io_mut().take_text() {
            return Poll::Ready(Ok(Received::Text(text)));
        }
        self.poll_library(context).map_ok(Received::Message)
    }

    fn poll_library(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Message, Option<Failure>>> {
        let next = self.socket.poll_next(context);
        match &next {
            // The library has queued a pong.
            Poll::Ready(Ok(message)) => self.unflushed |= message.is_ping(),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.shrink(),
        }
        let filter = &self.socket.io().filter;
        let is_close = match &next {
            Poll::Ready(Ok(message)) => message.is_close(),
            Poll::Ready(Err(error)) => is_about_close(error),
            Poll::Pending => false,
        };
        match filter.close_sent().filter(|_| is_close) {
            Some(sent) => Poll::Ready(Ok(closed_by(sent))),
            None => next.map_err(|error| ended_by(error, filter.violation())),
        }
    }

    /// Writes waiting frames. If this would block, reading continues.
    fn poll_write(&mut self, context: &mut Context<'_>) {
        while let Some(frame) = &mut self.secret_frame {
            match self.socket.io_mut().poll_write(context, frame.left()) {
                Poll::Ready(Ok(length)) if length > 0 => {
                    frame.advance(length);
                    if frame.left().is_empty() {
                        self.secret_frame = None;
                        self.unflushed = true;
                    }
                }
                // Reading the socket reports the error.
                Poll::Ready(_) => self.secret_frame = None,
                Poll::Pending => return,
            }
        }
        if self.unflushed && self.socket.poll_flush(context).is_ready() {
            self.unflushed = false;
        }
    }

    /// Replaces an oversized read buffer once the socket is drained. Only while the library holds
    /// no data: between two messages, with nothing left to write.
    fn shrink(&mut self) {
        let between = self.socket.io().filter.is_between_messages();
        if !self.oversized || !between || self.unflushed || self.secret_frame.is_some() {
            return;
        }
        self.oversized = false;
        let unused = Filtered::new(Connection::Closed, &mut []);
        let filtered = std::mem::replace(self.socket.io_mut(), unused);
        if let Some(socket) = S::WebSocket::open(filtered, Vec::new(), self.config) {
            self.socket = socket;
        }
    }

    /// Closes the connection. Sends waiting frames if that is possible without blocking.
    pub(crate) fn hang_up(mut self) {
        let mut context = Context::from_waker(Waker::noop());
        let _ = self.socket.poll_flush(&mut context);
        if let Connection::Tls(session) = &mut self.socket.io_mut().connection {
            session.close(&mut context);
        }
    }
}
