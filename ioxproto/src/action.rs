//! The actions that the core requests from its driver.

use crate::rest::{CallError, CallId, RawAnswer};
use crate::{Address, Exchange, Notification, Secret};

/// The id of an attempt to connect, and of the connection that results from it.
///
/// The driver passes it back with each report, so that reports on an abandoned attempt are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub(crate) u64);

/// The id of an HTTP request, or of a request to the caller for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub(crate) u64);

/// An action for the driver, from
/// [`StreamMachine::poll_action`](crate::StreamMachine::poll_action).
#[derive(Debug)]
#[non_exhaustive]
pub enum Action {
    /// Open a connection (resolve the name, connect, and do the TLS handshake if
    /// [`Address::has_tls`]), then run the upgrade exchange on it.
    ///
    /// Report each phase with [`phase`](crate::StreamMachine::phase), then the answer with
    /// [`upgrade_answered`](crate::StreamMachine::upgrade_answered) or the error with
    /// [`failed`](crate::StreamMachine::failed). Keep the socket and the bytes received after the
    /// answer until `OpenWebSocket` or `Abort`.
    Connect {
        /// Pass it back with each report.
        id: ConnectionId,
        /// The controller's address.
        address: Address,
        /// The upgrade request, and the reader of its answer.
        upgrade: Exchange,
    },
    /// The upgrade was accepted: use WebSocket on that socket from now on, and read messages.
    OpenWebSocket {
        /// The connection.
        id: ConnectionId,
        /// The limit for a message, in bytes. A larger one ends the connection
        /// ([`FailureKind::MessageTooLarge`](crate::FailureKind::MessageTooLarge)).
        max_message_bytes: usize,
    },
    /// Open a separate connection, as for `Connect`, and run this exchange on it. Then close the
    /// connection, or keep it if [`Exchange::keep_alive`] allows it.
    ///
    /// Report its progress with [`call_phase`](crate::StreamMachine::call_phase), and the result
    /// with [`http_answered`](crate::StreamMachine::http_answered) or
    /// [`http_failed`](crate::StreamMachine::http_failed). Several requests may run at the same
    /// time.
    Request {
        /// Pass it back with the answer.
        id: RequestId,
        /// The controller's address.
        address: Address,
        /// The request and the reader of its answer.
        exchange: Exchange,
    },
    /// Drop the HTTP request or the request for a token with this id. Report nothing.
    Abandon {
        /// The request.
        id: RequestId,
    },
    /// Ask the caller for an access token, and report [`token`](crate::StreamMachine::token). Only
    /// a stream with [`own_tokens`](crate::Config::own_tokens) sends this action.
    ProvideToken {
        /// Pass it back with the answer.
        id: RequestId,
        /// Whether the controller refused the last token, so that a different one is needed.
        rejected: bool,
    },
    /// Send this text. It contains a token: do not log it, and keep it out of recordings.
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
    /// Send a close frame with this code, read until the peer's close frame or the end of the
    /// connection, then report [`closed`](crate::StreamMachine::closed).
    Close {
        /// The connection.
        id: ConnectionId,
        /// The close code.
        code: u16,
    },
    /// Drop the connection or the attempt. Report nothing.
    Abort {
        /// The connection.
        id: ConnectionId,
    },
    /// A call has ended: return the outcome to the caller.
    CallDone {
        /// The call.
        id: CallId,
        /// The answer, for [`Call::outcome`](crate::rest::Call::outcome), or the error.
        outcome: Result<RawAnswer, CallError>,
    },
    /// Deliver this notification, before the one that [`message`](crate::StreamMachine::message)
    /// returned.
    Notify(Notification),
}
