//! What the machine asks of its driver.

use crate::rest::{CallError, CallId, RawAnswer};
use crate::{Address, Exchange, Notification, Secret};

/// Names one attempt to connect and the connection it becomes.
///
/// Every answer carries it back; an answer to an abandoned attempt is recognised by it and dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub(crate) u64);

/// Names one HTTP request, or one question for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub(crate) u64);

/// Something for the driver to do, from
/// [`EventStream::poll_action`](crate::EventStream::poll_action).
#[derive(Debug)]
#[non_exhaustive]
pub enum Action {
    /// Open a connection (name, TCP, and TLS if [`Address::has_tls`]), then run the upgrade
    /// exchange on it.
    ///
    /// Report the phases with [`phase`](crate::EventStream::phase), the exchange's answer with
    /// [`upgrade_answered`](crate::EventStream::upgrade_answered), or what went wrong with
    /// [`failed`](crate::EventStream::failed), the phase reached before that. Keep the socket and
    /// the bytes that came early until `OpenWebSocket` or `Abort` says what becomes of them.
    Connect {
        /// Goes into each answer.
        id: ConnectionId,
        /// Where to.
        address: Address,
        /// The upgrade request and the judge of its answer's framing.
        upgrade: Exchange,
    },
    /// The upgrade was accepted: speak WebSocket on that socket from here on, and read.
    OpenWebSocket {
        /// The connection.
        id: ConnectionId,
        /// Messages over this many bytes end the connection
        /// ([`FailureKind::MessageTooLarge`](crate::FailureKind::MessageTooLarge)).
        max_message_bytes: usize,
    },
    /// Open a connection beside the stream's (name, TCP, and TLS if [`Address::has_tls`]), run this
    /// exchange on it, and close it, or keep it as [`Exchange::keep_alive`] says.
    ///
    /// Report how far it has come with [`call_phase`](crate::EventStream::call_phase), and
    /// [`http_answered`](crate::EventStream::http_answered) or
    /// [`http_failed`](crate::EventStream::http_failed). Several may be under way at a time.
    Request {
        /// Goes into the answer.
        id: RequestId,
        /// Where to.
        address: Address,
        /// The request and the reader of its answer.
        exchange: Exchange,
    },
    /// Drop that request as it stands, or the question for a token. Nothing is reported back.
    Abandon {
        /// The request.
        id: RequestId,
    },
    /// Ask the caller for an access token, and report [`token`](crate::EventStream::token). Only a
    /// stream of [`own_tokens`](crate::Config::own_tokens) asks.
    ProvideToken {
        /// Goes into the answer.
        id: RequestId,
        /// Whether the controller refused the last one: another is needed, not the same again.
        rejected: bool,
    },
    /// Send this text. It holds a token: do not log it, and keep it out of recordings.
    SendText {
        /// The connection.
        id: ConnectionId,
        /// The text.
        text: Secret,
    },
    /// Send a ping with an empty payload.
    Ping {
        /// The connection.
        id: ConnectionId,
    },
    /// Send a close frame with this code, read until the peer's close or the end, then report
    /// [`closed`](crate::EventStream::closed).
    Close {
        /// The connection.
        id: ConnectionId,
        /// The close code.
        code: u16,
    },
    /// Drop the connection, or the attempt at one, as it stands. Nothing is reported back.
    Abort {
        /// The connection.
        id: ConnectionId,
    },
    /// A call is over: let whoever made it know.
    CallDone {
        /// The call.
        id: CallId,
        /// The answer, which [`Call::outcome`](crate::rest::Call::outcome) reads, or why there is
        /// none.
        outcome: Result<RawAnswer, CallError>,
    },
    /// Deliver this to whoever listens, before the event that the same call returned.
    Notify(Notification),
}
