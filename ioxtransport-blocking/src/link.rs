//! The one attempt or connection, and WebSocket on it.

use std::io::{self, Write as _};
use std::task::{Context, Poll};
use std::time::Instant;

use ioxdriver::{Aside, TextAsBinary};
use ioxproto::{ConnectionId, Failure, Secret};
use tracing::trace;
use tungstenite::WebSocket;
use tungstenite::protocol::{Role, WebSocketConfig};

use crate::attempt::{Attempt, Exchanged};
use crate::socket::{Connection, Filtered};
use crate::waiting::Waiting;

/// How things stand between here and the controller.
pub(crate) enum Link {
    None,
    Attempt(ConnectionId, Box<Attempt>),
    /// Answered; the core decides what becomes of it.
    Answered {
        id: ConnectionId,
        connection: Connection,
        early: Vec<u8>,
    },
    Open(Box<Open>),
}

/// An open event stream.
pub(crate) struct Open {
    pub(crate) id: ConnectionId,
    socket: WebSocket<Filtered>,
    config: WebSocketConfig,
    /// A frame beside the WebSocket library.
    aside: Option<Aside>,
    unflushed: bool,
    /// A large message has come, and its size is still in the library's buffer.
    swollen: bool,
}

/// What has become of a link.
pub(crate) enum News {
    /// Boxed, since it is large and messages are many.
    Exchanged(ConnectionId, Box<Exchanged>),
    Received(ConnectionId, tungstenite::Message),
    /// It is over; `None` for an end without a close frame.
    Ended(ConnectionId, Option<Failure>),
}

impl Link {
    pub(crate) fn id(&self) -> Option<ConnectionId> {
        match self {
            Self::None => None,
            Self::Attempt(id, _) | Self::Answered { id, .. } => Some(*id),
            Self::Open(open) => Some(open.id),
        }
    }

    pub(crate) fn open(&mut self, id: ConnectionId) -> Option<&mut Open> {
        match self {
            Self::Open(open) if open.id == id => Some(open),
            _ => None,
        }
    }

    pub(crate) fn is_open_and(&self, holds: impl FnOnce(&Open) -> bool) -> bool {
        matches!(self, Self::Open(open) if holds(open))
    }

    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::None)
    }

    /// From here on it is WebSocket.
    pub(crate) fn upgrade(&mut self, id: ConnectionId, max_message_bytes: usize) {
        if let Self::Answered {
            id: answered,
            connection,
            early,
        } = self.take()
            && id == answered
        {
            let open = Open::new(id, connection, early, max_message_bytes);
            *self = Self::Open(Box::new(open));
        }
    }

    /// Goes on as far as it goes without waiting.
    pub(crate) fn advance(
        &mut self,
        context: &mut Context<'_>,
        waiting: &Waiting,
        now: Instant,
    ) -> Poll<News> {
        match self {
            Self::None | Self::Answered { .. } => Poll::Pending,
            Self::Attempt(id, attempt) => attempt
                .advance(context, waiting, now)
                .map(|exchanged| News::Exchanged(*id, Box::new(exchanged))),
            Self::Open(open) => open.advance(),
        }
    }
}

impl Open {
    fn new(
        id: ConnectionId,
        connection: Connection,
        mut early: Vec<u8>,
        max_message_bytes: usize,
    ) -> Self {
        let config = ioxwebsocket::config(max_message_bytes);
        let mut filter = TextAsBinary::default();
        filter.filter(&mut early);
        let filtered = Filtered {
            connection,
            filter,
            received: true,
        };
        Self {
            id,
            socket: WebSocket::from_partially_read(filtered, early, Role::Client, Some(config)),
            config,
            aside: None,
            unflushed: false,
            swollen: false,
        }
    }

    /// The token must not pass through a library that logs what it sends. Nothing else has been sent on this
    /// connection, so the frame may go beside it.
    pub(crate) fn send_secret(&mut self, text: &Secret) {
        self.aside = Some(Aside::new(text));
    }

    pub(crate) fn ping(&mut self) {
        self.send(ioxwebsocket::ping());
    }

    pub(crate) fn close(&mut self, code: u16) {
        self.send(ioxwebsocket::close(code));
    }

    fn send(&mut self, message: tungstenite::Message) {
        // What could not be written is kept; an error shows when the socket is read.
        let sent = self.socket.write(message);
        trace!(ok = sent.is_ok(), "sending");
        self.unflushed = true;
    }

    /// Whether bytes came since this was last asked, and if so, whether they leave a message unfinished.
    pub(crate) fn take_received(&mut self) -> Option<bool> {
        self.socket.get_mut().take_received()
    }

    /// Whether the last message, of this length, came as text; to be asked once for each binary one.
    pub(crate) fn take_was_text(&mut self, length: usize) -> bool {
        self.swollen |= length > ioxwebsocket::LARGE;
        self.socket.get_mut().filter.take_was_text()
    }

    /// Whether more of what was read from the socket waits to be taken: a message, or the beginning of one.
    pub(crate) fn holds_more(&self) -> bool {
        self.socket.get_ref().filter.holds_more()
    }

    /// Writes what is to be written, and reads.
    fn advance(&mut self) -> Poll<News> {
        self.write();
        match self.socket.read() {
            Ok(message) => {
                // The library answers it, as far as it goes at once.
                self.unflushed |= message.is_ping();
                Poll::Ready(News::Received(self.id, message))
            }
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                self.shrink();
                Poll::Pending
            }
            Err(error) => Poll::Ready(News::Ended(self.id, ioxwebsocket::ended_by(error))),
        }
    }

    /// Writing that would block stops nothing.
    fn write(&mut self) {
        if let Some(aside) = &mut self.aside {
            let connection = &mut self.socket.get_mut().connection;
            while !aside.left().is_empty() {
                match connection.write(aside.left()) {
                    Ok(length) if length > 0 => aside.wrote(length),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                    // It shows when the socket is read.
                    _ => break,
                }
            }
            self.aside = None;
            self.unflushed = true;
        }
        if self.unflushed {
            self.unflushed = match self.socket.flush() {
                Err(tungstenite::Error::Io(error)) => error.kind() == io::ErrorKind::WouldBlock,
                _ => false,
            };
        }
    }

    /// All that came is read: after a large message, the library begins with a small buffer again. Only where it holds
    /// nothing: between two frames of two messages, with nothing left to write.
    fn shrink(&mut self) {
        let between = self.socket.get_ref().filter.between_messages();
        if !self.swollen || !between || self.unflushed || self.aside.is_some() {
            return;
        }
        self.swollen = false;
        let unused = Filtered {
            connection: Connection::Closed,
            filter: TextAsBinary::default(),
            received: false,
        };
        let filtered = std::mem::replace(self.socket.get_mut(), unused);
        self.socket = WebSocket::from_raw_socket(filtered, Role::Client, Some(self.config));
    }

    /// The end: sends what is still to be sent, as far as it goes without waiting.
    pub(crate) fn part(mut self) {
        let _ = self.socket.flush();
        if let Connection::Tls(secured) = &mut self.socket.get_mut().connection {
            secured.part();
        }
    }
}
