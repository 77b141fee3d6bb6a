//! What the controller answers to a request.

use std::fmt::Write as _;
use std::time::Duration;

use http::StatusCode;

use crate::fault::Ending;
use crate::output::SubscriberId;

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The HTTP status; `None` if the answer is empty or not HTTP.
    pub status: Option<u16>,
    /// The bytes to send, including the head; may be empty.
    pub bytes: Vec<u8>,
    /// The subscriber that the connection belongs to from now on.
    pub subscriber: Option<SubscriberId>,
    /// What happens to a connection without a subscriber after the answer.
    pub then: AfterAnswer,
    /// The delay of the answer. Default zero.
    pub delay: Duration,
    /// Whether the connection may be kept for another request.
    pub(crate) may_be_kept: bool,
}

/// What happens to a connection without a subscriber after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AfterAnswer {
    /// It ends.
    End(Ending),
    /// It stays open, and nothing else is sent on it.
    Mute,
}

impl Answer {
    /// Makes an answer of any bytes, and what follows it.
    pub(crate) fn raw(bytes: Vec<u8>, then: AfterAnswer) -> Self {
        Self {
            status: None,
            bytes,
            subscriber: None,
            then,
            delay: Duration::ZERO,
            may_be_kept: false,
        }
    }

    /// Makes a refusal with a short text that names the status.
    pub(crate) fn refusal<'a>(
        status: u16,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let body = format!("{status} {}\n", phrase(status));
        Self::with_body(status, headers, "text/plain", body.as_bytes())
    }

    /// Makes an answer in JSON.
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        let body = body.to_string();
        Self::with_body(status, [], "application/json", body.as_bytes())
    }

    pub(crate) fn with_body<'a>(
        status: u16,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        kind: &str,
        body: &[u8],
    ) -> Self {
        let mut head = format!("HTTP/1.1 {status} {}\r\n", phrase(status));
        for (name, value) in headers {
            line(&mut head, name, value);
        }
        line(&mut head, "Content-Type", kind);
        line(&mut head, "Content-Length", &body.len().to_string());
        line(&mut head, "Connection", "close");
        Self {
            status: Some(status),
            bytes: [head.as_bytes(), b"\r\n", body].concat(),
            subscriber: None,
            then: AfterAnswer::End(Ending::Close(1000)),
            delay: Duration::ZERO,
            may_be_kept: true,
        }
    }

    /// Returns the answer as it is sent on a connection that is kept alive.
    pub(crate) fn kept_alive(mut self, idle: Duration) -> Self {
        let head = self.head_length();
        if let Some(at) = find(&self.bytes[..head], CLOSE) {
            let keep = format!("Keep-Alive: timeout={}\r\n", idle.as_secs());
            self.bytes.splice(at..at + CLOSE.len(), keep.into_bytes());
        }
        self
    }

    /// Returns the length of the head, including the empty line.
    fn head_length(&self) -> usize {
        find(&self.bytes, b"\r\n\r\n").map_or(self.bytes.len(), |at| at + 4)
    }

    pub(crate) fn body_length(&self) -> usize {
        self.bytes.len() - self.head_length()
    }

    /// Makes `Content-Length` too large or too small by this difference.
    pub(crate) fn set_length(&mut self, difference: isize) {
        let length = self.body_length();
        let true_line = format!("Content-Length: {length}\r\n");
        let promised = length.saturating_add_signed(difference);
        if let Some(at) = find(&self.bytes, true_line.as_bytes()) {
            let line = format!("Content-Length: {promised}\r\n");
            let end = at + true_line.len();
            self.bytes.splice(at..end, line.into_bytes());
        }
    }

    /// Makes a 101 for this subscriber.
    pub(crate) fn accepted(
        subscriber: SubscriberId,
        accept_key: &str,
        protocol: Option<&str>,
    ) -> Self {
        let mut head = String::from("HTTP/1.1 101 Switching Protocols\r\n");
        line(&mut head, "Upgrade", "websocket");
        line(&mut head, "Connection", "Upgrade");
        line(&mut head, "Sec-WebSocket-Accept", accept_key);
        if let Some(protocol) = protocol {
            line(&mut head, "Sec-WebSocket-Protocol", protocol);
        }
        Self {
            status: Some(101),
            bytes: format!("{head}\r\n").into_bytes(),
            subscriber: Some(subscriber),
            then: AfterAnswer::End(Ending::Close(1000)),
            delay: Duration::ZERO,
            may_be_kept: false,
        }
    }
}

/// The header that ends a connection after its answer.
const CLOSE: &[u8] = b"Connection: close\r\n";

/// Returns the position of these bytes.
fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn phrase(status: u16) -> &'static str {
    StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown")
}

fn line(head: &mut String, name: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = write!(head, "{name}: {value}\r\n");
}
