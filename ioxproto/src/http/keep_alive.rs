//! Keep-alive: whether a connection may carry another exchange after an answer, and how long it may
//! be idle until then.
//!
//! The rules:
//!
//! * **Only if the request allows it** and the answer agrees, by the version and the `Connection`
//!   header (RFC 9112 section 9.3).
//! * **Only if the end of the answer is unambiguous**: one length or one chunked coding, no interim
//!   answer, no byte after it. Otherwise a call could receive the answer to another.
//! * **Not after a 404**: an ISY-994 sends some of them with a wrong length (inferred from its
//!   other clients). This applies to all controllers, because an ISY-994 that accepts the upgrade
//!   without its headers is not recognised as one.

use std::time::Duration;

use http::{Response, StatusCode, Version, header};

/// How long before the controller's own time-out the driver closes an idle connection.
const MARGIN: Duration = Duration::from_secs(1);

/// How long the connection may be idle after this answer, `limit` at most; `None` if it must not be
/// used again.
pub(super) fn keep_alive<T>(answer: &Response<T>, limit: Duration) -> Option<Duration> {
    let persists = match answer.version() {
        Version::HTTP_11 => !has_option(answer, "close"),
        _ => has_option(answer, "keep-alive") && !has_option(answer, "close"),
    };
    if !persists || answer.status() == StatusCode::NOT_FOUND {
        return None;
    }
    let idle = match timeout(answer) {
        Some(timeout) => limit.min(timeout.saturating_sub(MARGIN)),
        None => limit,
    };
    (!idle.is_zero()).then_some(idle)
}

/// Whether the `Connection` header names this option.
fn has_option<T>(answer: &Response<T>, option: &str) -> bool {
    elements(answer, header::CONNECTION).any(|element| element.eq_ignore_ascii_case(option))
}

/// The time-out of a `Keep-Alive` header.
fn timeout<T>(answer: &Response<T>) -> Option<Duration> {
    let mut timeouts = elements(answer, header::HeaderName::from_static("keep-alive"))
        .filter_map(|element| element.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("timeout"));
    let (_, seconds) = timeouts.next()?;
    // An invalid number means that the controller may close at once.
    let seconds = seconds.trim().trim_matches('"').parse::<u32>();
    Some(Duration::from_secs(seconds.map_or(0, u64::from)))
}

/// The comma-separated elements of a header, over all its lines.
fn elements<T>(answer: &Response<T>, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let lines = answer.headers().get_all(name).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::{Exchange, Progress};

    const LIMIT: Duration = Duration::from_secs(4);

    /// How long the connection of a call is kept after this answer.
    fn kept(answer: &str) -> Option<Duration> {
        let exchange = || Exchange::call(Zeroizing::default(), LIMIT, true);
        let mut whole = exchange();
        let progress = whole.receive(answer.as_bytes());
        let mut split = exchange();
        for byte in answer.as_bytes().chunks(1) {
            split.receive(byte);
        }
        assert_eq!(whole.keep_alive(), split.keep_alive(), "{answer:?}");
        assert!(whole.keep_alive().is_none() || progress == Progress::Done);
        whole.keep_alive()
    }

    #[test]
    fn a_connection_is_kept_after_a_complete_answer() {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: upgrade, x\r\n\r\n",
            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nhi",
        ] {
            assert_eq!(kept(answer), Some(LIMIT), "{answer:?}");
        }
    }

    #[test]
    fn a_connection_is_not_kept_if_the_answer_forbids_it_or_is_ambiguous() {
        for answer in [
            // The header asks to close.
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: x\r\nConnection: a, CLOSE\r\n\r\nhi",
            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, close\r\n\r\nhi",
            // Bytes after the answer.
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!",
            "HTTP/1.1 204 No Content\r\n\r\nx",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\r\n",
            // Two lengths.
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            // A busy ISY-994.
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            // Incomplete, or not HTTP.
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhi",
            "SSH-2.0-OpenSSH\r\n",
        ] {
            assert_eq!(kept(answer), None, "{answer:?}");
        }
    }

    #[test]
    fn the_controller_may_shorten_the_idle_time_but_not_extend_it() {
        for (header, expected) in [
            ("Keep-Alive: timeout=3, max=9", Some(2)),
            ("Keep-Alive: max=9, Timeout = \"5\"", Some(4)),
            ("Keep-Alive: timeout=600", Some(4)),
            ("Keep-Alive: max=9", Some(4)),
            ("Keep-Alive: timeout=1", None),
            ("Keep-Alive: timeout=soon", None),
        ] {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{header}\r\n\r\n");
            assert_eq!(kept(&answer), expected.map(Duration::from_secs), "{header}");
        }
    }

    #[test]
    fn a_connection_whose_end_completes_the_answer_is_not_kept() {
        let mut exchange = Exchange::call(Zeroizing::default(), LIMIT, true);
        exchange.receive(b"HTTP/1.1 200 OK\r\n\r\nhi");
        exchange.end_of_input();
        assert_eq!(exchange.keep_alive(), None);
        assert_eq!(exchange.into_answer().0.unwrap().body(), b"hi");
    }

    #[test]
    fn only_calls_keep_their_connection() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        for mut exchange in [
            Exchange::whole(Zeroizing::default()),
            Exchange::upgrade(Zeroizing::default()),
            Exchange::call(Zeroizing::default(), Duration::ZERO, true),
        ] {
            assert_eq!(exchange.receive(answer), Progress::Done);
            assert_eq!(exchange.keep_alive(), None);
        }
    }
}
