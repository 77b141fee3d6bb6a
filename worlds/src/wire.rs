//! What travels between the two machines: messages instead of WebSocket frames.

use ioxproto::{FailureKind, Phase};

use crate::identity::Certificate;

/// What arrives at the client.
#[derive(Clone, Debug)]
pub(crate) enum Arrival {
    /// The attempt has reached this phase; at [`Phase::Upgrading`] the request may be written.
    Reached(Phase),
    /// The TLS handshake presents this certificate.
    Certificate(Certificate),
    /// The attempt fails.
    Failed(FailureKind),
    /// Bytes of the answer to a request.
    Bytes(Vec<u8>),
    /// Part of a message that is not complete yet.
    Piece,
    /// A whole message.
    Message(Payload, Truth),
    /// A close frame.
    Close(u16),
    /// The end of the stream of bytes.
    Fin,
    /// A reset.
    Reset,
}

impl Arrival {
    /// Makes a message that is damaged beyond recovery.
    pub(crate) fn spoiled(payload: Payload) -> Self {
        let truth = Truth {
            spoiled: true,
            ..Truth::default()
        };
        Self::Message(payload, truth)
    }

    /// Returns its length on the wire, in bytes.
    pub(crate) fn length(&self) -> f64 {
        let bytes = match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Message(Payload::Text(bytes) | Payload::Binary(bytes), _) => bytes.len() + 4,
            _ => 4,
        };
        // A float represents lengths of this size exactly.
        bytes as f64
    }
}

/// A WebSocket message.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping,
    Pong,
}

/// What the world knows about a message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Truth {
    /// It belongs to the replay.
    pub(crate) replay: bool,
    /// It is damaged beyond recovery, so that it need not become an event.
    pub(crate) spoiled: bool,
    /// It has a time stamp.
    pub(crate) stamped: bool,
    /// Its stamp shows that it belongs to the replay, if the time of the subscription is known.
    pub(crate) dated: bool,
    /// Its stamp is not older than the subscription, within 0.1 s.
    pub(crate) fresh: bool,
    /// Its stamp is ahead of the controller's clock, which has been set back.
    pub(crate) ahead: bool,
    /// It left the controller more than a second after the end mark.
    pub(crate) past_mark: bool,
    /// It left the controller more than 6 s after the subscription, long enough for its stamp to
    /// show that it is live.
    pub(crate) settled: bool,
    /// The controller's wall clock was set on this connection, and no heartbeat has left since.
    pub(crate) clock_set: bool,
    /// The controller's wall clock was set on this connection.
    pub(crate) clock_was_set: bool,
}

/// What is sent to the controller.
#[derive(Clone, Debug)]
pub(crate) enum Sent {
    /// The first packet of a connection.
    Dial,
    Request(Vec<u8>),
    Text(String),
    Ping,
    Close(u16),
    /// The client dropped its socket.
    Gone,
}

/// Returns the text between the first `before` and the next `after`.
pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}
