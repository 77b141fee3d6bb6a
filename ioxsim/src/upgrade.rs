//! The upgrade: its request read, judged and answered.

use std::fmt::Write as _;
use std::time::Duration;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{
    AUTHORIZATION, CONNECTION, HOST, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use sha1::{Digest as _, Sha1};
use thiserror::Error;

use tracing::debug;

use crate::controller::SubscriberId;
use crate::options::{Account, ControllerOptions};
use crate::portal::Portal;

/// The most that a request's head may have, in bytes.
pub const LONGEST_HEAD: usize = 16 * 1024;

/// The most headers that a request may have.
const MOST_HEADERS: usize = 100;

/// The two paths of the event stream.
const REST: &str = "/rest/subscribe";
const API: &str = "/api/events/subscribe";

/// What an ISY-994 wants to see on the upgrade.
const ISY994_PROTOCOL: &str = "ISYSUB";
const ISY994_ORIGIN: &str = "com.universal-devices.websockets.isy";

/// Bytes that are no head of an HTTP request.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BadRequest {
    /// They are not HTTP.
    #[error("not an HTTP request: {0}")]
    NotHttp(String),
    /// The head does not end within the limit.
    #[error("the request's head is longer than {LONGEST_HEAD} bytes")]
    TooLong,
}

/// Reads the head of an HTTP request; `None` while its end has not come. With it goes the
/// number of bytes that it took. Values of `Authorization` are marked sensitive.
///
/// # Errors
///
/// When the bytes are no such head, or it has no end within [`LONGEST_HEAD`].
pub fn parse_request(bytes: &[u8]) -> Result<Option<(Request<()>, usize)>, BadRequest> {
    let not_http = |cause: &dyn std::fmt::Display| BadRequest::NotHttp(cause.to_string());
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let length = match head.parse(bytes).map_err(|error| not_http(&error))? {
        httparse::Status::Complete(length) if length <= LONGEST_HEAD => length,
        httparse::Status::Partial if bytes.len() < LONGEST_HEAD => return Ok(None),
        _ => return Err(BadRequest::TooLong),
    };
    let mut request = Request::builder()
        .method(head.method.unwrap_or_default())
        .uri(head.path.unwrap_or_default())
        .body(())
        .map_err(|error| not_http(&error))?;
    for header in head.headers.iter() {
        let name = HeaderName::try_from(header.name).map_err(|error| not_http(&error))?;
        let mut value = HeaderValue::from_bytes(header.value).map_err(|error| not_http(&error))?;
        value.set_sensitive(name == AUTHORIZATION);
        request.headers_mut().append(name, value);
    }
    Ok(Some((request, length)))
}

/// What goes back to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The HTTP status; none if the answer is not HTTP, or empty.
    pub status: Option<u16>,
    /// Everything that goes to the client, the head's end included; may be empty.
    pub bytes: Vec<u8>,
    /// The subscriber that the connection now is.
    pub subscriber: Option<SubscriberId>,
    /// What becomes of a connection that is not a subscriber's.
    pub then: AfterAnswer,
    /// How long the answer waits. Default zero.
    pub delay: Duration,
    /// Whether the connection may carry another request behind it.
    pub(crate) may_be_kept: bool,
}

/// What becomes of a connection that is not a subscriber's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AfterAnswer {
    /// It ends.
    End(crate::Ending),
    /// It stays open, and nothing is ever said on it.
    Mute,
}

impl Answer {
    /// Any bytes, then this.
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

    /// A refusal with a short text that names the status.
    pub(crate) fn refusal<'a>(
        status: u16,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let body = format!("{status} {}\n", phrase(status));
        Self::with_body(status, headers, "text/plain", body.as_bytes())
    }

    /// An answer in JSON.
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
            then: AfterAnswer::End(crate::Ending::Close(1000)),
            delay: Duration::ZERO,
            may_be_kept: true,
        }
    }

    /// The answer as it is sent on a connection that carries another request behind it.
    pub(crate) fn kept_alive(mut self, idle: Duration) -> Self {
        let head = self.head_length();
        if let Some(at) = find(&self.bytes[..head], CLOSE) {
            let keep = format!("Keep-Alive: timeout={}\r\n", idle.as_secs());
            self.bytes.splice(at..at + CLOSE.len(), keep.into_bytes());
        }
        self
    }

    /// The length of the head, its empty line included.
    fn head_length(&self) -> usize {
        find(&self.bytes, b"\r\n\r\n").map_or(self.bytes.len(), |at| at + 4)
    }

    pub(crate) fn body_length(&self) -> usize {
        self.bytes.len() - self.head_length()
    }

    /// Lets `Content-Length` promise this much more, or less.
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

    /// A 101 that makes the connection this subscriber's.
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
            then: AfterAnswer::End(crate::Ending::Close(1000)),
            delay: Duration::ZERO,
            may_be_kept: false,
        }
    }
}

/// The header by which a connection ends with its answer.
const CLOSE: &[u8] = b"Connection: close\r\n";

/// Where these bytes begin.
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

/// Why a request is refused, as the answer that says so; `None` if nothing speaks against it.
pub(crate) fn objection(
    options: &ControllerOptions,
    portal: &mut Portal,
    utc: SystemTime,
    request: &Request<()>,
) -> Option<Answer> {
    let headers = request.headers();
    let in_band = wants_token(options, request);
    if !in_band && request.uri().path().strip_prefix(&*options.prefix) != Some(REST) {
        // A URI holds no control characters.
        debug!(
            path = request.uri().path(),
            "nothing is served at this path"
        );
        return Some(Answer::refusal(404, []));
    }
    if request.method() != Method::GET {
        return Some(Answer::refusal(405, [("Allow", "GET")]));
    }
    let bearer = options
        .portal
        .as_ref()
        .and_then(|_| portal.upgrade(utc, headers));
    let authorized = if in_band {
        bearer.unwrap_or_else(|| !options.portal.as_ref().is_some_and(|o| o.token_on_upgrade))
    } else {
        bearer.unwrap_or_else(|| authorized(&options.accounts, headers))
    };
    if !authorized {
        return Some(unauthorized());
    }
    let websocket = names(headers, &UPGRADE, "websocket")
        && names(headers, &CONNECTION, "upgrade")
        && names(headers, &SEC_WEBSOCKET_VERSION, "13")
        && headers.contains_key(HOST)
        && client_key(headers).is_some();
    let isy994 = names(headers, &SEC_WEBSOCKET_PROTOCOL, ISY994_PROTOCOL)
        && names(headers, &ORIGIN, ISY994_ORIGIN);
    if !websocket || (options.require_isy994_headers && !isy994) {
        return Some(Answer::refusal(400, []));
    }
    None
}

/// What a request without credentials that count is answered.
pub(crate) fn unauthorized() -> Answer {
    Answer::refusal(401, [("WWW-Authenticate", "Basic realm=\"/\"")])
}

/// Whether a request is for the path on which the token comes in the first frame.
pub(crate) fn wants_token(options: &ControllerOptions, request: &Request<()>) -> bool {
    options.portal.is_some() && request.uri().path().strip_prefix(&*options.prefix) == Some(API)
}

/// The subprotocol that the client asked for first.
pub(crate) fn subprotocol(request: &Request<()>) -> Option<&str> {
    let asked = request
        .headers()
        .get(SEC_WEBSOCKET_PROTOCOL)?
        .to_str()
        .ok()?;
    asked.split(',').next().map(str::trim)
}

/// What the client must see in `Sec-WebSocket-Accept`.
pub(crate) fn accept_key(request: &Request<()>) -> String {
    let key = client_key(request.headers()).unwrap_or_default();
    let mut digest = Sha1::new();
    digest.update(key);
    digest.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64.encode(digest.finalize())
}

/// The client's key, if it is one: 16 bytes in base64.
fn client_key(headers: &HeaderMap) -> Option<&[u8]> {
    let key = headers.get(SEC_WEBSOCKET_KEY)?.as_bytes();
    let decoded = BASE64.decode(key).ok()?;
    (decoded.len() == 16).then_some(key)
}

/// Whether a header's list of words has this one, in any case.
fn names(headers: &HeaderMap, header: &HeaderName, word: &str) -> bool {
    headers
        .get_all(header)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(word))
}

pub(crate) fn authorized(accounts: &[Account], headers: &HeaderMap) -> bool {
    let given = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, credentials)| BASE64.decode(credentials.trim()).ok());
    accounts.is_empty()
        || accounts.iter().any(|account| {
            let expected = format!("{}:{}", account.username, account.password.expose());
            given.as_deref() == Some(expected.as_bytes())
        })
}
