//! The one attempt or connection that a driver has at a time.

use std::task::{Context, Poll};

use ioxproto::{ConnectionId, Failure};

use super::Seam;
use crate::net::{Attempt, Connection, Exchanged, Route};
use crate::websocket::{Open, Received};

/// The attempt or the connection.
pub(crate) enum Link<S: Seam> {
    None,
    Attempt(ConnectionId, Box<Attempt<S>>),
    /// Answered; the core decides what follows.
    Answered {
        id: ConnectionId,
        connection: Connection<S::Io>,
        early: Vec<u8>,
    },
    Open(Box<Open<S>>),
}

/// What polling a link gave.
pub(crate) enum LinkEvent<S> {
    /// Boxed, since it is large and messages are many.
    Exchanged(ConnectionId, Box<Exchanged<S>>),
    Received(ConnectionId, Received),
    /// It is over; `None` for an end without a close frame.
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

    /// Whether a message, or the beginning of one, was read from the socket and not yet taken.
    pub(crate) fn holds_more(&self) -> bool {
        matches!(self, Self::Open(open) if open.holds_more())
    }

    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::None)
    }

    /// The answered connection becomes a WebSocket; anything else is dropped.
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

    /// The peer has closed, or the driver leaves: what can be sent without waiting is sent.
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
