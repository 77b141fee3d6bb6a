//! Detects whether a port that was contacted without TLS expects TLS.
//!
//! Some servers answer with a TLS alert, some with an HTML page, and some only close the
//! connection. A controller without a free subscription closes, too. To tell these two apart, the
//! stream sends one `ClientHello` on a separate connection, once after each start.
//!
//! ```text
//!               closed without a byte                answered by TLS
//! connecting ─────────────────────────► probing ─────────────────────────► lost: speaks_tls
//!                                          │ anything else, or no answer
//!                                          └─────────────────────────────► lost: unanswered
//! ```

use super::timers::Timer;
use super::{Machine, State};
use crate::{Exchange, ExchangeError, Now, Phase, Reason};

/// Whether the page of a refusal says that the port expects TLS.
pub(super) fn is_tls_hint(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["https", "ssl-enabled", "tls"]
        .iter()
        .any(|word| text.contains(word))
        && text.contains("plain")
}

impl Machine {
    /// Whether the attempt waits for the answer to the upgrade.
    pub(super) fn is_upgrading(&self) -> bool {
        let phase = match &self.state {
            State::Connecting { phase, .. } => Some(*phase),
            _ => None,
        };
        phase == Some(Phase::Upgrading)
    }

    /// Probes the port after the connection ended before the first byte of an answer to the
    /// upgrade.
    pub(super) fn probe_for_tls(&mut self, now: Now) {
        if self.address.has_tls() || self.has_probed {
            return self.lose_connection(now, Reason::Unanswered);
        }
        self.has_probed = true;
        let mut random = [0; 32];
        self.random.fill(&mut random);
        let request = self.request(Exchange::probe(client_hello(random)));
        self.state = State::Probing { request };
        self.timers.cancel_all();
        self.timers
            .at(Timer::SignIn, now.monotonic + self.config.timing.http);
    }

    /// Ends the attempt with the result of the probe.
    pub(super) fn finish_probe(&mut self, now: Now, is_tls: bool) {
        let reason = if is_tls {
            self.speaks_tls_reason()
        } else {
            Reason::Unanswered
        };
        self.lose_connection(now, reason);
    }

    pub(super) fn speaks_tls_reason(&self) -> Reason {
        Reason::SpeaksTls {
            url: self.address.with_tls().to_string(),
        }
    }

    /// Returns the reason to report for a failed exchange.
    pub(super) fn exchange_error_reason(&self, error: ExchangeError) -> Reason {
        match error {
            ExchangeError::Tls if !self.address.has_tls() => self.speaks_tls_reason(),
            ExchangeError::Unanswered => Reason::Unanswered,
            ExchangeError::Truncated => Reason::closed(None, ""),
            error => Reason::NotAController {
                detail: error.to_string(),
            },
        }
    }
}

/// The smallest `ClientHello` that every TLS server answers, with a `ServerHello` or an alert: TLS
/// 1.2 (RFC 5246 section 7.4.1.2), four common cipher suites, two groups and four signature
/// schemes.
fn client_hello(random: [u8; 32]) -> Vec<u8> {
    const SUITES: [u8; 8] = [0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30];
    const EXTENSIONS: [u8; 26] = [
        // supported_groups: x25519, secp256r1
        0, 10, 0, 6, 0, 4, 0, 29, 0, 23, //
        // signature_algorithms: ECDSA and RSA-PSS with SHA-256, RSA with SHA-256 and SHA-1
        0, 13, 0, 10, 0, 8, 4, 3, 8, 4, 4, 1, 2, 1, //
        // padding, empty
        0, 21,
    ];
    let mut body = vec![3, 3];
    body.extend_from_slice(&random);
    // No session.
    body.push(0);
    body.extend_from_slice(&[0, SUITES.len() as u8]);
    body.extend_from_slice(&SUITES);
    // No compression.
    body.extend_from_slice(&[1, 0]);
    body.extend_from_slice(&[0, EXTENSIONS.len() as u8 + 2]);
    body.extend_from_slice(&EXTENSIONS);
    body.extend_from_slice(&[0, 0]);
    let mut hello = vec![
        0x16,
        3,
        1,
        0,
        body.len() as u8 + 4,
        1,
        0,
        0,
        body.len() as u8,
    ];
    hello.extend(body);
    hello
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lengths_in_the_hello_are_right() {
        let hello = client_hello([7; 32]);
        assert_eq!(hello.len(), 5 + usize::from(hello[4]));
        assert_eq!(hello.len(), 9 + usize::from(hello[8]));
        let extensions = &hello[hello.len() - 28..];
        assert_eq!(hello[hello.len() - 29], 28);
        assert_eq!(&extensions[24..], [0, 21, 0, 0]);
    }

    #[test]
    fn pages_that_name_the_mistake_are_understood() {
        for page in [
            "400 The plain HTTP request was sent to HTTPS port",
            "Reason: You're speaking plain HTTP to an SSL-enabled server port.",
        ] {
            assert!(is_tls_hint(page), "{page}");
        }
        assert!(!is_tls_hint("Bad Request") && !is_tls_hint("see https://example.test"));
    }
}
