//! The WebSocket upgrade (RFC 6455 section 4): writes the request and checks the answer.

use std::time::{Duration, SystemTime};

use super::post::finish;
use super::{Exchange, HeaderSet, refusal};
use crate::{Address, Secret, SubscribePath};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, Response, StatusCode, header};
use sha1::{Digest as _, Sha1};

/// RFC 6455 section 1.3.
const ACCEPT_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What is needed to check the answer to an upgrade request.
#[derive(Clone, Debug)]
pub(crate) struct Upgrade {
    /// The accept key that the answer must have.
    accept: String,
}

/// The result of checking an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepted,
    /// A 101 that is not a valid WebSocket handshake.
    NotWebSocket(&'static str),
    Refused {
        status: u16,
        retry_after: Option<Duration>,
        /// The readable text of the answer.
        text: String,
    },
}

impl Upgrade {
    /// Writes the request. `authorization` is the value of that header, if the upgrade carries one.
    pub(crate) fn request(
        address: &Address,
        path: SubscribePath,
        authorization: Option<&Secret>,
        headers: HeaderSet,
        key: [u8; 16],
    ) -> (Self, Exchange) {
        let key = BASE64.encode(key);
        let mut request = format!(
            "GET {path} HTTP/1.1\r\n\
             Host: {host}\r\n\
             Upgrade: websocket\r\n\
             Connection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\n\
             Sec-WebSocket-Version: 13\r\n\
             {headers}",
            path = address.path(path.as_str()),
            host = address.authority(),
            headers = headers.lines(),
        )
        .into_bytes();
        let request = finish(&mut request, authorization);
        let accept = BASE64.encode(Sha1::digest(format!("{key}{ACCEPT_SUFFIX}")));
        (Self { accept }, Exchange::upgrade(request))
    }

    /// Checks the answer. A 101 without a subprotocol is accepted: some controllers do not echo it.
    pub(crate) fn judge(&self, answer: &Response<Vec<u8>>, utc: SystemTime) -> Verdict {
        let headers = answer.headers();
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Verdict::Refused {
                status: answer.status().as_u16(),
                retry_after: retry_after(headers, utc),
                text: refusal::text(answer),
            };
        }
        if !has_token(headers, header::UPGRADE, "websocket") {
            return Verdict::NotWebSocket(
                "the answer to the upgrade switches to a protocol other than WebSocket",
            );
        }
        if !has_token(headers, header::CONNECTION, "upgrade") {
            return Verdict::NotWebSocket("the answer to the upgrade lacks the Connection header");
        }
        let mut accepts = headers.get_all(header::SEC_WEBSOCKET_ACCEPT).iter();
        let first = accepts.next();
        if accepts.any(|other| Some(other) != first) {
            return Verdict::NotWebSocket(
                "the answer to the upgrade has two different accept keys",
            );
        }
        if first.is_none_or(|accept| accept != self.accept.as_str()) {
            return Verdict::NotWebSocket("the answer to the upgrade has the wrong accept key");
        }
        if headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
            return Verdict::NotWebSocket(
                "the answer to the upgrade enables an extension that was not requested",
            );
        }
        Verdict::Accepted
    }
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// `Retry-After` in both its forms (RFC 9110 section 10.2.3): seconds, or a date.
pub(crate) fn retry_after(headers: &HeaderMap, utc: SystemTime) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that does not fit into 64 bits becomes the largest; the caller applies its own
        // limit.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    httpdate::parse_http_date(value)
        .ok()?
        .duration_since(utc)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::super::basic;
    use super::*;

    fn request(
        authorization: Option<&Secret>,
        headers: HeaderSet,
        key: [u8; 16],
    ) -> (Upgrade, Exchange) {
        let address = "https://[fd00::17]:8443/webroot".parse().unwrap();
        Upgrade::request(&address, SubscribePath::Rest, authorization, headers, key)
    }

    /// The key and its accept value of RFC 6455 section 1.3.
    const KEY: [u8; 16] = *b"the sample nonce";
    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    fn answer(status: u16, headers: &[(&str, &str)]) -> Response<Vec<u8>> {
        let mut builder = Response::builder().status(status);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(Vec::new()).unwrap()
    }

    #[test]
    fn the_request_is_origin_form_with_basic_credentials_in_utf_8() {
        let authorization = basic("admin", &Secret::new("pässword"));
        let (_, exchange) = request(Some(&authorization), HeaderSet::Plain, KEY);
        let text = std::str::from_utf8(exchange.request()).unwrap();
        let expected = "GET /webroot/rest/subscribe HTTP/1.1\r\n\
            Host: [fd00::17]:8443\r\n\
            Upgrade: websocket\r\n\
            Connection: Upgrade\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Version: 13\r\n\
            Authorization: Basic YWRtaW46cMOkc3N3b3Jk\r\n\r\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_isy_994_profile_adds_its_headers() {
        let (_, exchange) = request(None, HeaderSet::Always, KEY);
        let text = std::str::from_utf8(exchange.request()).unwrap();
        assert!(text.contains("\r\nSec-WebSocket-Protocol: ISYSUB\r\n"));
        assert!(text.contains("\r\nOrigin: com.universal-devices.websockets.isy\r\n"));
    }

    #[test]
    fn a_valid_101_is_accepted_without_a_subprotocol_echo() {
        let (upgrade, _) = request(None, HeaderSet::Always, KEY);
        let good = [
            ("Upgrade", "WebSocket"),
            ("Connection", "keep-alive, Upgrade"),
            ("Sec-WebSocket-Accept", ACCEPT),
        ];
        assert_eq!(
            upgrade.judge(&answer(101, &good), SystemTime::UNIX_EPOCH),
            Verdict::Accepted
        );
        for missing in 0..good.len() {
            let mut headers = good.to_vec();
            headers.remove(missing);
            let verdict = upgrade.judge(&answer(101, &headers), SystemTime::UNIX_EPOCH);
            assert!(matches!(verdict, Verdict::NotWebSocket(_)), "{missing}");
        }
        let twice = |accept| [&good[..], &[("Sec-WebSocket-Accept", accept)]].concat();
        let judged = |headers: &[_]| upgrade.judge(&answer(101, headers), SystemTime::UNIX_EPOCH);
        assert_eq!(judged(&twice(ACCEPT)), Verdict::Accepted);
        assert!(matches!(
            judged(&twice("bm90IHRoZSBrZXkgeW91IHdhbnQ=")),
            Verdict::NotWebSocket(detail) if detail.contains("two different")
        ));
        let mut extended = good.to_vec();
        extended.push(("Sec-WebSocket-Extensions", "permessage-deflate"));
        assert!(matches!(
            upgrade.judge(&answer(101, &extended), SystemTime::UNIX_EPOCH),
            Verdict::NotWebSocket(_)
        ));
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date() {
        let (upgrade, _) = request(None, HeaderSet::Plain, KEY);
        let utc = httpdate::parse_http_date("Tue, 05 May 2026 18:52:41 GMT").unwrap();
        let after = |value: &str| match upgrade.judge(&answer(503, &[("Retry-After", value)]), utc)
        {
            Verdict::Refused {
                status: 503,
                retry_after,
                ..
            } => retry_after,
            other => panic!("{other:?}"),
        };
        assert_eq!(after("17"), Some(Duration::from_secs(17)));
        assert_eq!(
            after("99999999999999999999999"),
            Some(Duration::from_secs(u64::MAX))
        );
        assert_eq!(
            after("Tue, 05 May 2026 18:53:41 GMT"),
            Some(Duration::from_secs(60))
        );
        assert_eq!(after("Tue, 05 May 2026 18:00:00 GMT"), None);
        assert_eq!(after("soon"), None);
        assert_eq!(after("-5"), None);
    }
}
