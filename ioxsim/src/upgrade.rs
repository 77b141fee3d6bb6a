//! Upgrades: reads, checks and answers the request.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{
    AUTHORIZATION, CONNECTION, HOST, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use sha1::{Digest as _, Sha1};
use thiserror::Error;

use tracing::debug;

use crate::answer::Answer;
use crate::options::{Account, ControllerOptions};
use crate::portal::Portal;

/// The maximum length of a request's head, in bytes.
pub const LONGEST_HEAD: usize = 16 * 1024;

/// The maximum number of headers of a request.
const MAX_HEADERS: usize = 100;

/// The two paths of the event stream.
const REST: &str = "/rest/subscribe";
const API: &str = "/api/events/subscribe";

/// The headers that an ISY-994 requires on the upgrade.
const ISY994_PROTOCOL: &str = "ISYSUB";
const ISY994_ORIGIN: &str = "com.universal-devices.websockets.isy";

/// Why bytes are not the head of an HTTP request.
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

/// Parses the head of an HTTP request, and returns it with its length in bytes; `None` if it is
/// incomplete. The value of `Authorization` is marked sensitive.
///
/// # Errors
///
/// If the bytes are not such a head, or it is longer than [`LONGEST_HEAD`].
pub fn parse_request(bytes: &[u8]) -> Result<Option<(Request<()>, usize)>, BadRequest> {
    let not_http = |cause: &dyn std::fmt::Display| BadRequest::NotHttp(cause.to_string());
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
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

/// Checks an upgrade request. Returns the refusal, or `None` if it is acceptable.
pub(crate) fn check_upgrade(
    options: &ControllerOptions,
    portal: &mut Portal,
    utc: SystemTime,
    request: &Request<()>,
) -> Option<Answer> {
    let headers = request.headers();
    let in_band = wants_token(options, request);
    if !in_band && request.uri().path().strip_prefix(&*options.prefix) != Some(REST) {
        // Safe to log: a URI contains no control characters.
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

/// Makes the answer to a request without valid credentials.
pub(crate) fn unauthorized() -> Answer {
    Answer::refusal(401, [("WWW-Authenticate", "Basic realm=\"/\"")])
}

/// Whether the request is for the path on which the first frame has the token.
pub(crate) fn wants_token(options: &ControllerOptions, request: &Request<()>) -> bool {
    options.portal.is_some() && request.uri().path().strip_prefix(&*options.prefix) == Some(API)
}

/// Returns the first subprotocol that the client asks for.
pub(crate) fn subprotocol(request: &Request<()>) -> Option<&str> {
    let asked = request
        .headers()
        .get(SEC_WEBSOCKET_PROTOCOL)?
        .to_str()
        .ok()?;
    asked.split(',').next().map(str::trim)
}

/// Computes the value of `Sec-WebSocket-Accept`.
pub(crate) fn accept_key(request: &Request<()>) -> String {
    let key = client_key(request.headers()).unwrap_or_default();
    let mut digest = Sha1::new();
    digest.update(key);
    digest.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64.encode(digest.finalize())
}

/// Returns the client's key, if it is valid: 16 bytes in base64.
fn client_key(headers: &HeaderMap) -> Option<&[u8]> {
    let key = headers.get(SEC_WEBSOCKET_KEY)?.as_bytes();
    let decoded = BASE64.decode(key).ok()?;
    (decoded.len() == 16).then_some(key)
}

/// Whether a header's list of words contains this one, ignoring case.
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
