//! One HTTP/1.1 request and its answer, without a socket.

use std::fmt;
use std::time::Duration;

use http::header::CONTENT_LENGTH;
use http::{HeaderName, HeaderValue, Response, StatusCode, Version};
use thiserror::Error;
use zeroize::Zeroizing;

use super::body::Body;
use super::keep_alive::keep_alive;

/// The longest head of an answer, in bytes; a controller's has a few hundred.
const MAX_HEAD: usize = 64 * 1024;
/// The beginning of every answer.
const START: &[u8] = b"HTTP/1.";
/// The initial capacity for an answer, in bytes; an answer with tokens fits.
pub(super) const INITIAL_CAPACITY: usize = 16 * 1024;
/// The limit for the header lines of an answer.
const MAX_HEADERS: usize = 100;
/// The longest body of a refusal that is read, in bytes.
const MAX_REFUSAL_BODY: usize = 4 * 1024;
/// The longest body of an answer about the account, in bytes; a login answer has a few thousand.
const MAX_ACCOUNT_BODY: usize = 1024 * 1024;
/// The longest body of an answer to a call, in bytes; the node list of a large house has about 2
/// MB.
const MAX_CALL_BODY: usize = 16 * 1024 * 1024;
/// The limit for interim answers before the final one; controllers send none.
const MAX_INTERIM: u8 = 16;

/// One HTTP/1.1 request and its answer. The driver does the I/O.
///
/// Write all of [`request`](Self::request), once. Pass received bytes to [`receive`](Self::receive)
/// until it returns [`Progress::Done`], or call [`end_of_input`](Self::end_of_input) when the
/// connection ends. Then call [`into_answer`](Self::into_answer).
///
/// ```
/// use ioxproto::{Action, Config, StreamMachine, Now, Progress};
/// # use std::time::{Instant, SystemTime};
/// # let now = Now { monotonic: Instant::now(), utc: SystemTime::now() };
/// # let config = Config::new("http://eisy.local:8080").local_account("admin", "x");
/// let mut stream = StreamMachine::new(config)?;
/// stream.start(now);
/// # let mut seen = false;
/// while let Some(action) = stream.poll_action() {
///     let Action::Connect { mut upgrade, .. } = action else { continue };
///     assert!(upgrade.request().starts_with(b"GET /rest/subscribe HTTP/1.1\r\n"));
///     assert_eq!(upgrade.receive(b"HTTP/1.1 404 Not Found\r\nConte"), Progress::More);
///     assert_eq!(upgrade.receive(b"nt-Length: 0\r\n\r\n"), Progress::Done);
///     let (answer, early) = upgrade.into_answer();
///     assert_eq!(answer?.status(), 404);
///     assert!(early.is_empty());
/// #   seen = true;
/// }
/// # assert!(seen);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Exchange {
    request: Zeroizing<Vec<u8>>,
    received: Zeroizing<Vec<u8>>,
    stage: Stage,
    interim: u8,
    /// Whether the answer ends with its head: after an upgrade, the bytes that follow are
    /// WebSocket.
    head_only: bool,
    /// The longest body accepted, in bytes.
    max_body: usize,
    /// How long the connection may be idle after the answer; zero if the request asks to close it.
    max_idle: Duration,
    /// How long the complete answer allows the connection to be idle.
    keep_alive: Option<Duration>,
    is_repeatable: bool,
}

/// The part of the answer that is being received.
enum Stage {
    Head,
    Body(Response<()>, Body),
    Over(Result<Response<Vec<u8>>, ExchangeError>),
}

/// Whether an exchange needs more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an exchange is over or it is not")]
pub enum Progress {
    /// Continue reading.
    More,
    /// The answer is complete, or can no longer become one.
    Done,
}

/// Why an answer is invalid.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// Not HTTP, such as an SSH banner. Holds the first bytes, made printable.
    #[error("the answer is not HTTP, it begins with \"{0}\"")]
    NotHttp(String),
    /// TLS records: the port expects TLS, but the request was plain HTTP.
    #[error("the answer is TLS, not HTTP")]
    Tls,
    /// The head is not valid HTTP. Holds the rule that it breaks.
    #[error("the head of the answer is malformed: {0}")]
    BrokenHead(&'static str),
    /// More header lines than this.
    #[error("the answer has more than {0} header lines")]
    TooManyHeaders(usize),
    /// The connection ended before the first byte of an answer.
    #[error("the connection ended without an answer")]
    Unanswered,
    /// The connection ended before the answer was complete.
    #[error("the connection ended before the answer was complete")]
    Truncated,
    /// The body's length or chunks are invalid.
    #[error("the answer's body is malformed: its length or its chunks are invalid")]
    BrokenBody,
    /// The answer is longer than the limit in bytes.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
}

crate::debug_is_display! { ExchangeError }

impl Exchange {
    /// Creates an upgrade: the answer ends with its head.
    pub(crate) fn upgrade(request: Zeroizing<Vec<u8>>) -> Self {
        Self {
            request,
            received: Zeroizing::default(),
            stage: Stage::Head,
            interim: 0,
            head_only: true,
            max_body: MAX_ACCOUNT_BODY,
            max_idle: Duration::ZERO,
            keep_alive: None,
            is_repeatable: false,
        }
    }

    /// Creates a request whose answer has a body.
    pub(crate) fn whole(request: Zeroizing<Vec<u8>>) -> Self {
        Self {
            head_only: false,
            // Enough capacity for the answer to a login: growth would leave a copy of a token
            // behind.
            received: Zeroizing::new(Vec::with_capacity(INITIAL_CAPACITY)),
            ..Self::upgrade(request)
        }
    }

    /// Creates an exchange that sends bytes other than HTTP, to find out which protocol the port
    /// speaks. They contain no credentials.
    pub(crate) fn probe(bytes: Vec<u8>) -> Self {
        Self::whole(Zeroizing::new(bytes))
    }

    /// Creates a call: the answer may be long, and the connection may be idle for `max_idle` after
    /// it.
    pub(crate) fn call(
        request: Zeroizing<Vec<u8>>,
        max_idle: Duration,
        is_repeatable: bool,
    ) -> Self {
        Self {
            head_only: false,
            max_body: MAX_CALL_BODY,
            max_idle,
            is_repeatable,
            ..Self::upgrade(request)
        }
    }

    /// The bytes of the request, head and body. They contain credentials: do not log them.
    #[must_use]
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Whether the request may be sent twice without harm: a read, or a command that sets something
    /// to a value. Only such a request may use a kept connection: if the controller closes it
    /// before the first byte of the answer, it is unknown whether the controller has read the
    /// request, and the request is sent again on a new connection.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        self.is_repeatable
    }

    /// How long the connection may be kept idle for another exchange after this one is complete;
    /// `None` if it must be closed.
    ///
    /// This depends on the request, on the answer's version and headers, and on whether its end is
    /// unambiguous. A driver need not keep connections.
    #[must_use]
    pub fn keep_alive(&self) -> Option<Duration> {
        self.keep_alive.filter(|_| self.received.is_empty())
    }

    /// Receives bytes from the controller. Bytes after the end of the answer are kept: see
    /// [`into_answer`](Self::into_answer).
    pub fn receive(&mut self, bytes: &[u8]) -> Progress {
        let begun = self.received.len() >= START.len();
        self.received.extend_from_slice(bytes);
        // A head ends with a line end: parse again only if a new one has arrived.
        let same_line = begun && self.received.len() <= MAX_HEAD && !bytes.contains(&b'\n');
        loop {
            let next = match &mut self.stage {
                Stage::Over(_) => return Progress::Done,
                Stage::Head if same_line => return Progress::More,
                Stage::Head => match parse_head(&self.received) {
                    Head::Partial => return Progress::More,
                    Head::Broken(error) => Stage::Over(Err(error)),
                    Head::Complete { length, response } => {
                        self.received.drain(..length);
                        let status = response.status();
                        // Interim answers (RFC 9110 section 15.2) precede the final one; a 101 is
                        // final.
                        if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
                            self.interim += 1;
                            if self.interim > MAX_INTERIM {
                                Stage::Over(Err(ExchangeError::TooLarge(MAX_HEAD)))
                            } else {
                                Stage::Head
                            }
                        } else if self.head_only {
                            Stage::Over(Ok(response.map(|()| Vec::new())))
                        } else {
                            match Body::after(status, response.headers(), self.max_body) {
                                Ok(body) => Stage::Body(response, body),
                                Err(error) => Stage::Over(Err(error)),
                            }
                        }
                    }
                },
                Stage::Body(_, body) => match body.receive(&mut self.received) {
                    Ok(false) => return Progress::More,
                    Ok(true) => self.complete(),
                    Err(error) => Stage::Over(Err(error)),
                },
            };
            self.stage = next;
        }
    }

    /// Reports that the connection has ended.
    pub fn end_of_input(&mut self) {
        self.stage = match &self.stage {
            Stage::Over(_) => return,
            Stage::Body(_, body) if body.end_of_input() => self.complete(),
            Stage::Body(..) => Stage::Over(Err(ExchangeError::Truncated)),
            Stage::Head if self.received.is_empty() && self.interim == 0 => {
                Stage::Over(Err(ExchangeError::Unanswered))
            }
            // A last line without a line end has not been parsed yet.
            Stage::Head => match parse_head(&self.received) {
                Head::Broken(error) => Stage::Over(Err(error)),
                Head::Partial | Head::Complete { .. } => Stage::Over(Err(ExchangeError::Truncated)),
            },
        };
    }

    /// Completes the body. Returns the next stage.
    fn complete(&mut self) -> Stage {
        match std::mem::replace(&mut self.stage, Stage::Head) {
            Stage::Body(response, body) => {
                if body.has_certain_end() && self.interim == 0 {
                    self.keep_alive = keep_alive(&response, self.max_idle);
                }
                Stage::Over(Ok(response.map(|()| body.into_content())))
            }
            other => other,
        }
    }

    /// Returns the answer or the error, and the bytes received after the answer: on an upgrade, the
    /// first bytes of the WebSocket connection. A refused upgrade has its body if it arrived
    /// completely, together with the head.
    ///
    /// # Errors
    ///
    /// The first half is an [`ExchangeError`] if no complete HTTP answer was received.
    pub fn into_answer(mut self) -> (Result<Response<Vec<u8>>, ExchangeError>, Vec<u8>) {
        let mut outcome = match self.stage {
            Stage::Over(outcome) => outcome,
            Stage::Head | Stage::Body(..) => Err(ExchangeError::Truncated),
        };
        if let Ok(answer) = &mut outcome
            && self.head_only
            && answer.status() != StatusCode::SWITCHING_PROTOCOLS
        {
            // Use the body of a refusal only if it arrived with the head: it is not worth waiting
            // for.
            let length = answer.headers().get(CONTENT_LENGTH);
            let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
            if length == Some(self.received.len()) && self.received.len() <= MAX_REFUSAL_BODY {
                *answer.body_mut() = self.received.to_vec();
            }
        }
        (outcome, std::mem::take(&mut *self.received))
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("received", &self.received.len())
            .finish_non_exhaustive()
    }
}

/// The result of parsing the head of an answer.
enum Head {
    Partial,
    Complete {
        length: usize,
        response: Response<()>,
    },
    Broken(ExchangeError),
}

fn parse_head(bytes: &[u8]) -> Head {
    // Decide at the first wrong byte: a peer that speaks first (SSH) may never send a line end.
    let seen = bytes.len().min(START.len());
    if bytes[..seen] != START[..seen] {
        return match bytes {
            // An alert or a handshake record of TLS or SSL 3 (RFC 8446 section 5.1).
            [0x15 | 0x16] => Head::Partial,
            [0x15 | 0x16, 3, ..] => Head::Broken(ExchangeError::Tls),
            _ => Head::Broken(ExchangeError::NotHttp(printable(bytes))),
        };
    }
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    match head.parse(bytes) {
        Ok(httparse::Status::Partial) if bytes.len() > MAX_HEAD => {
            Head::Broken(ExchangeError::TooLarge(MAX_HEAD))
        }
        Ok(httparse::Status::Partial) => Head::Partial,
        Ok(httparse::Status::Complete(length)) => match response(&head) {
            Some(response) => Head::Complete { length, response },
            None => Head::Broken(ExchangeError::NotHttp(printable(bytes))),
        },
        Err(httparse::Error::TooManyHeaders) => {
            Head::Broken(ExchangeError::TooManyHeaders(MAX_HEADERS))
        }
        Err(_) => Head::Broken(match broken_rule(bytes) {
            Some(rule) => ExchangeError::BrokenHead(rule),
            None => ExchangeError::NotHttp(printable(bytes)),
        }),
    }
}

/// The first rule that a head breaks (RFC 9112 sections 4 and 5); `None` if its first line is not a
/// status line. The result depends only on the bytes up to the first wrong one.
fn broken_rule(head: &[u8]) -> Option<&'static str> {
    let mut lines = head.split(|byte| *byte == b'\n');
    let status_line = lines.next()?;
    let status_line = status_line.strip_suffix(b"\r").unwrap_or(status_line);
    let mut parts = status_line.splitn(3, |byte| *byte == b' ');
    let (version, code, reason) = (parts.next()?, parts.next()?, parts.next());
    let is_version = matches!(version, b"HTTP/1.0" | b"HTTP/1.1");
    if !is_version || code.len() != 3 || !code.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    if reason.is_some_and(|reason| reason.iter().any(is_control)) {
        return Some("control characters in its reason phrase");
    }
    for line in lines {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.first().is_some_and(u8::is_ascii_whitespace) {
            return Some("a header is folded over several lines");
        }
        let name = line.iter().position(|byte| !is_token(*byte));
        match name.map(|at| (at, line[at])) {
            None => {}
            Some((1.., b':')) => {
                let value = line.iter().skip_while(|byte| **byte != b':');
                if value.copied().any(|byte| is_control(&byte)) {
                    return Some("control characters in the value of a header");
                }
            }
            Some((1.., b' ' | b'\t')) => return Some("a space before the colon of a header"),
            Some(_) => return Some("the name of a header contains invalid characters"),
        }
    }
    Some("it contains bytes that HTTP does not allow")
}

/// Whether a byte may be part of a header name (RFC 9110 section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn response(head: &httparse::Response<'_, '_>) -> Option<Response<()>> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(head.code?).ok()?;
    *response.version_mut() = match head.version {
        Some(1) => Version::HTTP_11,
        _ => Version::HTTP_10,
    };
    for header in &*head.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        let value = HeaderValue::from_bytes(header.value).ok()?;
        response.headers_mut().append(name, value);
    }
    Some(response)
}

/// The first bytes of an answer, as printable text.
fn printable(bytes: &[u8]) -> String {
    let first = &bytes[..bytes.len().min(24)];
    first.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(chunks: &[&[u8]]) -> (Result<Response<Vec<u8>>, ExchangeError>, Vec<u8>) {
        let mut exchange = Exchange::upgrade(Zeroizing::new(b"GET / HTTP/1.1\r\n\r\n".to_vec()));
        let done = chunks
            .iter()
            .any(|chunk| exchange.receive(chunk) == Progress::Done);
        if !done {
            exchange.end_of_input();
        }
        exchange.into_answer()
    }

    #[test]
    fn a_head_split_anywhere_gives_the_same_answer() {
        let whole = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02hi";
        for at in 0..whole.len() {
            let mut exchange = Exchange::upgrade(Zeroizing::default());
            exchange.receive(&whole[..at]);
            exchange.receive(&whole[at..]);
            let (answer, early) = exchange.into_answer();
            let answer = answer.unwrap();
            assert_eq!(answer.status(), 101);
            assert_eq!(answer.headers()["upgrade"], "websocket");
            assert_eq!(early, b"\x81\x02hi");
        }
    }

    #[test]
    fn interim_answers_are_skipped() {
        let (answer, early) = answer(&[
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n",
            b"Link: x\r\n\r\nHTTP/1.0 200 OK\r\n\r\nbody",
        ]);
        assert_eq!(answer.unwrap().status(), 200);
        assert_eq!(early, b"body");
    }

    #[test]
    fn a_greeting_that_is_not_http_is_recognised_at_once() {
        let (answer, _) = answer(&[b"SSH-2.0-OpenSSH_9.2"]);
        assert_eq!(
            answer.unwrap_err(),
            ExchangeError::NotHttp("SSH-2.0-OpenSSH_9.2".into())
        );
    }

    #[test]
    fn an_invalid_head_names_the_broken_rule_however_it_is_split() {
        for (head, rule) in [
            (
                &b"HTTP/1.1 200 OK\r\n\x00\x01\x02\r\n\r\n"[..],
                "name of a header",
            ),
            (b"HTTP/1.1 200 OK\r\nA: b\r\n\tc\r\n\r\n", "folded"),
            (
                b"HTTP/1.1 200 OK\r\nA: b\r\nC : d\r\n\r\n",
                "before the colon",
            ),
            (b"HTTP/1.1 400 Bad\x1b[31m\r\nA: b\r\n\r\n", "reason phrase"),
            (b"HTTP/1.1 200 OK\r\nA: b\x00c\r\n\r\n", "value of a header"),
            (b"HTTP/1.1 200 OK\r\n: b\r\n\r\n", "name of a header"),
        ] {
            for at in 0..=head.len() {
                let error = answer(&[&head[..at], &head[at..]]).0.unwrap_err();
                assert!(
                    matches!(error, ExchangeError::BrokenHead(broken) if broken.contains(rule)),
                    "{}: {error:?}",
                    head.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn an_unknown_version_is_not_http_however_it_is_split() {
        for head in [
            &b"HTTP/1.130TP/1.1 503 Busy\r\n\r\n"[..],
            b"HTTP/1.2 200 OK\r\n\r\n",
        ] {
            for at in 0..=head.len() {
                let error = answer(&[&head[..at], &head[at..]]).0.unwrap_err();
                assert!(
                    matches!(error, ExchangeError::NotHttp(_)),
                    "{at}: {error:?}"
                );
            }
        }
    }

    #[test]
    fn too_many_headers_are_an_error_of_their_own() {
        let head = |lines: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(lines));
        assert!(answer(&[head(100).as_bytes()]).0.is_ok());
        let error = answer(&[head(101).as_bytes()]).0.unwrap_err();
        assert_eq!(error, ExchangeError::TooManyHeaders(100));
    }

    #[test]
    fn an_end_in_the_middle_is_truncated() {
        assert_eq!(
            answer(&[b"HTTP/1.1 200"]).0.unwrap_err(),
            ExchangeError::Truncated
        );
        assert_eq!(answer(&[]).0.unwrap_err(), ExchangeError::Unanswered);
    }

    #[test]
    fn a_truncated_answer_that_is_not_http_gives_the_same_error_however_it_is_split() {
        let broken = b"HTTP/1.1 1.";
        for at in 0..broken.len() {
            let error = answer(&[&broken[..at], &broken[at..]]).0.unwrap_err();
            assert_eq!(error, ExchangeError::NotHttp("HTTP/1.1 1.".into()), "{at}");
        }
    }

    #[test]
    fn an_endless_head_is_cut_off() {
        let line = [b"HTTP/1.1 200 OK\r\nA: ".as_slice(), &[b'x'; 2 * MAX_HEAD]].concat();
        assert_eq!(
            answer(&[&line]).0.unwrap_err(),
            ExchangeError::TooLarge(MAX_HEAD)
        );
    }

    /// Receives an answer with a body in pieces of this size.
    fn whole(bytes: &[u8], piece: usize) -> Result<Response<Vec<u8>>, ExchangeError> {
        let mut exchange = Exchange::whole(Zeroizing::default());
        let done = bytes
            .chunks(piece)
            .any(|chunk| exchange.receive(chunk) == Progress::Done);
        if !done {
            exchange.end_of_input();
        }
        exchange.into_answer().0
    }

    #[test]
    fn bodies_are_read_however_they_are_framed_and_split() {
        let framed = [
            "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: t\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\nhello world",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 11\r\nContent-Length: 11\r\n\r\nhello world",
        ];
        for text in framed {
            for piece in 1..text.len() {
                assert_eq!(
                    whole(text.as_bytes(), piece).unwrap().body(),
                    b"hello world",
                    "{text:?} by {piece}"
                );
            }
        }
        assert_eq!(
            whole(b"HTTP/1.1 204 No Content\r\n\r\n", 5).unwrap().body(),
            b""
        );
    }

    #[test]
    fn endless_interim_answers_and_trailers_are_cut_off() {
        let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(17);
        assert_eq!(
            whole(interim.as_bytes(), 64).unwrap_err(),
            ExchangeError::TooLarge(MAX_HEAD)
        );
        let trailers = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}",
            "A: b\r\n".repeat(2000)
        );
        assert_eq!(
            whole(trailers.as_bytes(), 64).unwrap_err(),
            ExchangeError::BrokenBody
        );
    }

    #[test]
    fn a_redirect_is_an_answer() {
        let text =
            b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.test/\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(whole(text, 9).unwrap().status(), 302);
    }

    #[test]
    fn broken_and_endless_bodies_are_errors() {
        let answer =
            |rest: &str| whole(format!("HTTP/1.1 200 OK\r\n{rest}").as_bytes(), 7).unwrap_err();
        assert_eq!(
            answer("Content-Length: 12\r\n\r\nhello"),
            ExchangeError::Truncated
        );
        assert_eq!(
            answer("Content-Length: 1\r\nContent-Length: 2\r\n\r\nhello"),
            ExchangeError::BrokenBody
        );
        assert_eq!(
            answer("Content-Length: -1\r\n\r\n"),
            ExchangeError::BrokenBody
        );
        assert_eq!(
            answer("Content-Length: 99999999\r\n\r\n"),
            ExchangeError::TooLarge(1024 * 1024)
        );
        assert_eq!(
            answer("Transfer-Encoding: gzip\r\n\r\n"),
            ExchangeError::BrokenBody
        );
        assert_eq!(
            answer("Transfer-Encoding: chunked\r\n\r\nxyz\r\n"),
            ExchangeError::BrokenBody
        );
        assert_eq!(
            answer("Transfer-Encoding: chunked\r\n\r\n5\r\nhelloworld"),
            ExchangeError::BrokenBody
        );
        assert_eq!(
            answer("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
            ExchangeError::Truncated
        );
        let endless = format!("\r\n{}", "x".repeat(2 * 1024 * 1024));
        assert_eq!(answer(&endless), ExchangeError::TooLarge(1024 * 1024));
        let chunks = format!(
            "Transfer-Encoding: chunked\r\n\r\n{}",
            "1\r\nx\r\n".repeat(1_100_000)
        );
        assert_eq!(answer(&chunks), ExchangeError::TooLarge(1024 * 1024));
    }

    #[test]
    fn debug_shows_no_request() {
        let exchange = Exchange::upgrade(Zeroizing::new(b"Authorization: Basic c2VjcmV0".to_vec()));
        assert!(!format!("{exchange:?}").contains("c2VjcmV0"));
    }
}
