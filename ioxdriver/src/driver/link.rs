//! The attempt or connection of the stream; a driver has one at a time.

use std::task::{Context, Poll};

use ioxproto::{ConnectionId, Failure};

use super::Seam;
use crate::net::{Attempt, Connection, Exchanged, Route};
use crate::websocket::{Open, Received};

/// The stream's attempt or connection.
pub(crate) enum Link<S: Seam> {
    None,
    Attempt(ConnectionId, Box<Attempt<S>>),
    /// The upgrade was answered; the core decides what follows.
    Answered {
        id: ConnectionId,
        connection: Connection<S::Io>,
        early: Vec<u8>,
    },
    Open(Box<Open<S>>),
}

/// An event of a link.
pub(crate) enum LinkEvent<S> {
    /// Boxed, because it is large and most events are messages.
    Exchanged(ConnectionId, Box<Exchanged<S>>),
    Received(ConnectionId, Received),
    /// The connection has ended; `None` for an end without a close frame.
    Ended(ConnectionId, Option<Failure>),
}

impl<S: Seam> Link<S> {
    pub(crate) fn id(&self) -> Option<ConnectionId> {
        match self {
            Self::None => None,
            Self::Attempt(id, _) | Self::Answered { id, .. } => Some(*id),
            Self::Open(open) => Some(open.id()),
        }
    }

    pub(crate) fn open(&mut self, id: ConnectionId) -> Option<&mut Open<S>> {
        match self {
            Self::Open(open) if open.id() == id => Some(open),
            _ => None,
        }
    }

    /// Whether a message, or the beginning of one, was read from the socket and has not been taken.
    pub(crate) fn has_more(&self) -> bool {
        matches!(self, Self::Open(open) if open.has_more())
    }

    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::None)
    }

    /// Turns the answered connection into a WebSocket. Drops any other.
    pub(crate) fn upgrade(&mut self, id: ConnectionId, max_message_bytes: usize) {
        if let Self::Answered {
            id: answered,
            connection,
            early,
        } = self.take()
            && answered == id
        {
            let open = Open::new(id, connection, early, max_message_bytes);
            *self = open.map_or(Self::None, |open| Self::Open(Box::new(open)));
        }
    }

    /// Closes the connection. Sends waiting frames if that is possible without blocking.
    pub(crate) fn hang_up(&mut self) {
        if let Self::Open(open) = self.take() {
            open.hang_up();
        }
    }

    pub(crate) fn poll(
        &mut self,
        route: &Route<S>,
        context: &mut Context<'_>,
    ) -> Poll<LinkEvent<S::Io>> {
        match self {
            Self::None | Self::Answered { .. } => Poll::Pending,
            Self::Attempt(id, attempt) => attempt
                .poll(route, context)
                .map(|exchanged| LinkEvent::Exchanged(*id, Box::new(exchanged))),
            Self::Open(open) => open.poll(context).map(|received| match received {
                Ok(received) => LinkEvent::Received(open.id(), received),
                Err(failure) => LinkEvent::Ended(open.id(), failure),
            }),
        }
    }
}
