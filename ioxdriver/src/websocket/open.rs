//! An open WebSocket connection.

use std::task::{Context, Poll, Waker};

use ioxproto::{ConnectionId, Failure, Secret};
use tracing::trace;
use tungstenite::Message;
use tungstenite::protocol::WebSocketConfig;

use super::secret_frame::SecretFrame;
use super::{Filtered, LARGE, closed_by, config, ended_by, is_about_close};
use crate::driver::{Seam, WebSocket as _};
use crate::net::Connection;

/// The connection with its id, and what waits to be written.
pub struct Open<S: Seam> {
    id: ConnectionId,
    socket: S::WebSocket,
    config: WebSocketConfig,
    /// A frame that does not pass through the WebSocket library.
    secret_frame: Option<SecretFrame>,
    unflushed: bool,
    /// A large message came, and the library's buffer still has its size.
    oversized: bool,
}

impl<S: Seam> Open<S> {
    /// After the upgrade; `early` holds the bytes that came behind its answer.
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

    /// Begins to send; an error shows when the socket is read.
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

    /// Begins to send a text that must not pass through a library that logs what it sends. Nothing
    /// else may have been sent on this connection.
    pub(crate) fn send_secret(&mut self, text: &Secret) {
        self.secret_frame = Some(SecretFrame::new(text));
    }

    /// Whether the last message, of this length, was text. To be asked once for each binary one.
    pub(crate) fn take_was_text(&mut self, length: usize) -> bool {
        self.oversized |= length > LARGE;
        self.socket.io_mut().filter.take_was_text()
    }

    /// If bytes came since the last call: whether they leave a message unfinished.
    pub(crate) fn take_received(&mut self) -> Option<bool> {
        self.socket.io_mut().take_received()
    }

    /// Whether a message, or the beginning of one, was read from the socket and not yet taken.
    pub(crate) fn holds_more(&self) -> bool {
        self.socket.io().filter.holds_more()
    }

    /// Writes what is waiting and reads the next message. The error is the end of the connection;
    /// `None` for an end without a close frame.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, Option<Failure>>> {
        self.poll_write(context);
        let next = self.socket.poll_next(context);
        match &next {
            // The library has begun to answer it.
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
            None => next.map_err(|error| ended_by(error, filter.objection())),
        }
    }

    /// Writing that would block stops nothing.
    fn poll_write(&mut self, context: &mut Context<'_>) {
        while let Some(frame) = &mut self.secret_frame {
            match self.socket.io_mut().poll_write(context, frame.left()) {
                Poll::Ready(Ok(length)) if length > 0 => {
                    frame.wrote(length);
                    if frame.left().is_empty() {
                        self.secret_frame = None;
                        self.unflushed = true;
                    }
                }
                // It shows when the socket is read.
                Poll::Ready(_) => self.secret_frame = None,
                Poll::Pending => return,
            }
        }
        if self.unflushed && self.socket.poll_flush(context).is_ready() {
            self.unflushed = false;
        }
    }

    /// Replaces an oversized read buffer once the socket is drained. Only where the library holds
    /// nothing: between two frames of two messages, with nothing left to write.
    fn shrink(&mut self) {
        let between = self.socket.io().filter.between_messages();
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

    /// The end: sends what is still to be sent, as far as possible without waiting.
    pub(crate) fn hang_up(mut self) {
        let mut context = Context::from_waker(Waker::noop());
        let _ = self.socket.poll_flush(&mut context);
        if let Connection::Tls(session) = &mut self.socket.io_mut().connection {
            session.close(&mut context);
        }
    }
}
