//! Reasons for a change of the status: typed, with a stable code and a sentence for people.

use std::fmt::{self, Write as _};
use std::time::Duration;

use thiserror::Error;

/// The phase of an attempt to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Phase {
    /// Logging in, or refreshing the tokens.
    SigningIn,
    /// The host name is being looked up.
    Resolving,
    /// TCP connects.
    Connecting,
    /// The TLS handshake is in progress.
    Securing,
    /// The upgrade request was sent; its answer is pending.
    Upgrading,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SigningIn => "logging in",
            Self::Resolving => "looking up the host name",
            Self::Connecting => "connecting",
            Self::Securing => "in the TLS handshake",
            Self::Upgrading => "waiting for the answer to the upgrade",
        })
    }
}

/// The rule that detected a dead connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Silence {
    /// No text frame arrived within the interval that the last heartbeat announced.
    Heartbeat,
    /// A controller that answers pings did not answer one.
    Ping,
}

/// The kind of a transport failure. The driver classifies its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// The host name does not resolve.
    NameNotResolved,
    /// The port refused the connection.
    ConnectionRefused,
    /// There is no route, or TCP got no answer.
    Unreachable,
    /// The connection was reset or aborted.
    ConnectionReset,
    /// The connection ended without a close frame.
    UnexpectedEnd,
    /// The TLS handshake failed for a reason other than the certificate.
    Tls,
    /// The peer supports only TLS versions that are not secure, as an ISY-994 does.
    TlsTooOld,
    /// The peer sent bytes that are not WebSocket frames.
    Protocol,
    /// A message exceeded the limit.
    MessageTooLarge,
    /// The operating system refused a resource (file descriptors, memory).
    Resources,
    /// Anything else.
    Other,
}

impl FailureKind {
    /// The stable snake_case code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NameNotResolved => "name_not_resolved",
            Self::ConnectionRefused => "connection_refused",
            Self::Unreachable => "unreachable",
            Self::ConnectionReset => "connection_reset",
            Self::UnexpectedEnd => "unexpected_end",
            Self::Tls => "tls_failed",
            Self::TlsTooOld => "tls_too_old",
            Self::Protocol => "protocol_violation",
            Self::MessageTooLarge => "message_too_large",
            Self::Resources => "resources_exhausted",
            Self::Other => "transport_failed",
        }
    }
}

/// Why the TLS certificate of a controller was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityProblem {
    /// The issuer of the certificate is not trusted; most likely it is self-signed.
    UnknownIssuer,
    /// The certificate is for another name.
    WrongName,
    /// The certificate has expired. The stream retries, because clocks may be wrong after a power
    /// cut.
    Expired,
    /// The certificate is not valid yet. The stream retries, because clocks may be wrong after a
    /// power cut.
    NotYetValid,
    /// The certificate matches none of the pinned fingerprints.
    WrongPin,
    /// The certificate or the handshake's signature cannot be verified.
    Unverifiable,
}

impl IdentityProblem {
    /// Whether only the validity dates are wrong, so that a later attempt may succeed.
    #[must_use]
    pub fn is_about_dates_only(self) -> bool {
        matches!(self, Self::Expired | Self::NotYetValid)
    }

    /// The stable snake_case code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownIssuer => "certificate_unknown",
            Self::WrongName => "certificate_wrong_name",
            Self::Expired => "certificate_expired",
            Self::NotYetValid => "certificate_not_yet_valid",
            Self::WrongPin => "certificate_wrong_pin",
            Self::Unverifiable => "certificate_unverifiable",
        }
    }
}

/// A failure that a driver reports: its kind, and the system's message.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The transport failed.
    #[error("{detail}")]
    Transport {
        /// What kind of failure.
        kind: FailureKind,
        /// What happened, to what: one line, without secrets.
        detail: String,
    },
    /// The controller's TLS certificate was refused, before any secret was sent.
    #[error("{detail}")]
    Identity {
        /// What is wrong with it.
        problem: IdentityProblem,
        /// The SHA-256 fingerprint of the certificate, `sha256:` and 64 hex digits; empty if there
        /// was no certificate.
        fingerprint: String,
        /// What happened and what to do: one line.
        detail: String,
    },
}

impl Failure {
    /// A failure of the transport.
    pub fn transport(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self::Transport {
            kind,
            detail: detail.into(),
        }
    }

    /// A refused TLS identity.
    pub fn identity(
        problem: IdentityProblem,
        fingerprint: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self::Identity {
            problem,
            fingerprint: fingerprint.into(),
            detail: detail.into(),
        }
    }
}

/// The longest text of a close frame, in bytes (RFC 6455 section 5.5.1).
const CLOSE_TEXT: usize = 123;

/// Why the stream's status changed.
///
/// [`code`](Self::code) is stable and meant for programs. `Display` is one sentence for people that
/// says what happened and, if possible, what to do.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Reason {
    /// The caller stopped the stream.
    #[error("stopped on request")]
    StopRequested,
    /// 401 or 403: the controller does not accept the user name and password.
    #[error("the controller refused the user name or password ({}): check both, and that the account may use the REST interface", HttpStatus(*.status))]
    CredentialsRefused {
        /// The HTTP status, 401 or 403.
        status: u16,
    },
    /// The controller refused the login: 401, 403, or `successful: false`.
    #[error(
        "the controller refused the login: check the user name and password of the portal account"
    )]
    LoginRefused {
        /// The HTTP status.
        status: u16,
    },
    /// The answer to a login or refresh was inconclusive: the controller may be booting.
    #[error("the login failed ({})", describe_inconclusive(*.status, .detail))]
    LoginFailed {
        /// The HTTP status; 0 if there was no answer.
        status: u16,
        /// What was wrong with the answer; empty if the status says it.
        detail: String,
    },
    /// The caller was asked for an access token and supplied none.
    #[error("no access token: the application was asked for one and supplied none")]
    NoToken,
    /// On `/api/events/subscribe`, the controller closed the connection or stayed silent after the
    /// token was sent.
    #[error("the controller did not accept the token: {}", if *.closed { "it closed the connection" } else { "it stayed silent" })]
    TokenNotAccepted {
        /// Whether it closed the connection; otherwise it stayed silent.
        closed: bool,
    },
    /// The upgrade was answered, but with neither a 101 nor a refusal of the credentials.
    #[error("{}", refused(*.status, .text))]
    UpgradeRefused {
        /// The HTTP status.
        status: u16,
        /// The controller's `Retry-After`, limited by the configuration.
        retry_after: Option<Duration>,
        /// The answer's body as one line of plain text, at most 200 characters. Empty if it is not
        /// text or contains a secret.
        text: String,
    },
    /// The peer is not a controller: its answer is not HTTP, or a 101 that is not a WebSocket
    /// handshake.
    #[error("the peer does not look like a controller: {detail}")]
    NotAController {
        /// What was wrong with the answer.
        detail: String,
    },
    /// The port expects TLS, but the request was plain HTTP.
    #[error("the port speaks TLS: use {url}")]
    SpeaksTls {
        /// The same URL with `https`.
        url: String,
    },
    /// The controller closed the connection before the first byte of an answer to the upgrade.
    #[error(
        "the controller closed the connection without an answer: it may have no free subscription, or be restarting"
    )]
    Unanswered,
    /// The attempt to connect took too long.
    #[error("no connection within {} s (given up {phase})", .after.as_secs_f32())]
    TimedOut {
        /// The phase it had reached.
        phase: Phase,
        /// The limit that ran out.
        after: Duration,
    },
    /// With the status `connected`: the replay exceeded its time limit. Parts of the state may be
    /// unknown, and later frames of the replay may count as live.
    #[error(
        "the replay had not ended after {} s: parts of the house may be unknown; on a slow link, allow it more time (drain_cap)",
        .after.as_secs_f32()
    )]
    ReplayIncomplete {
        /// The limit that ran out.
        after: Duration,
    },
    /// The controller closed the connection.
    #[error("{}", closed(*.code, .text))]
    Closed {
        /// The close code, if the controller sent a close frame that has one.
        code: Option<u16>,
        /// The text of the close frame, at most 123 bytes.
        text: String,
    },
    /// The connection went silent: half-open, frozen, or the network is gone.
    #[error("{}", stalled(*.silent_for, *.silence))]
    Stalled {
        /// Seconds of silence while the driver was reading.
        silent_for: Duration,
        /// The rule that detected the silence.
        silence: Silence,
    },
    /// The self-audit found values that no event reported, although heartbeats arrived.
    #[error(
        "the subscription is dead although the controller sends heartbeats: {properties} values have changed without an event"
    )]
    StaleSubscription {
        /// The number of such values.
        properties: usize,
    },
    /// A message was longer than the limit.
    #[error("the controller sent a message of more than {limit} bytes")]
    MessageTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The transport failed, or the TLS identity was refused.
    #[error(transparent)]
    Failed(#[from] Failure),
}

crate::debug_is_display! { Failure, Reason }

impl Reason {
    /// The peer closed the connection. Truncates the text to the limit of a close frame.
    pub(crate) fn closed(code: Option<u16>, text: &str) -> Self {
        let mut end = text.len().min(CLOSE_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text[..end].to_owned();
        Self::Closed { code, text }
    }

    /// The code of the close frame, if the controller sent one.
    #[must_use]
    pub fn close_code(&self) -> Option<u16> {
        match self {
            Self::Closed { code, .. } => *code,
            _ => None,
        }
    }

    /// The HTTP status, if the reason is an answer of the controller.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        match self {
            Self::CredentialsRefused { status }
            | Self::LoginRefused { status }
            | Self::UpgradeRefused { status, .. } => Some(*status),
            Self::LoginFailed { status, .. } => Some(*status).filter(|status| *status != 0),
            _ => None,
        }
    }

    /// The stable snake_case code of this reason.
    ///
    /// ```
    /// use ioxproto::Reason;
    /// assert_eq!(Reason::CredentialsRefused { status: 401 }.code(), "credentials_refused");
    /// ```
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::StopRequested => "stop_requested",
            Self::CredentialsRefused { .. } => "credentials_refused",
            Self::LoginRefused { .. } => "login_refused",
            Self::LoginFailed { .. } => "login_failed",
            Self::NoToken => "no_token",
            Self::TokenNotAccepted { .. } => "token_not_accepted",
            Self::UpgradeRefused { .. } => "upgrade_refused",
            Self::NotAController { .. } => "not_a_controller",
            Self::SpeaksTls { .. } => "speaks_tls",
            Self::Unanswered => "unanswered",
            Self::TimedOut { .. } => "timed_out",
            Self::ReplayIncomplete { .. } => "replay_incomplete",
            Self::StaleSubscription { .. } => "stale_subscription",
            Self::Closed { .. } => "closed_by_controller",
            Self::Stalled { .. } => "stalled",
            Self::MessageTooLarge { .. } => "message_too_large",
            Self::Failed(Failure::Transport { kind, .. }) => kind.code(),
            Self::Failed(Failure::Identity { problem, .. }) => problem.code(),
        }
    }
}

/// An HTTP status with its usual phrase.
struct HttpStatus(u16);

impl fmt::Display for HttpStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phrase = http::StatusCode::from_u16(self.0)
            .ok()
            .and_then(|status| status.canonical_reason());
        match phrase {
            Some(phrase) => write!(f, "HTTP {} {phrase}", self.0),
            None => write!(f, "HTTP {}", self.0),
        }
    }
}

fn refused(status: u16, text: &str) -> String {
    let what = HttpStatus(status);
    let mut sentence = match status {
        300..=399 => format!(
            "the controller answered with a redirect ({what}), which is not followed: credentials go only to the host that was named; use the URL it redirects to"
        ),
        404 => format!(
            "no event stream there ({what}): is this the controller's address, and the right port?"
        ),
        200..=299 => format!(
            "the answer to the upgrade is an ordinary page ({what}): is this the controller's address, and the right port?"
        ),
        500..=599 => format!(
            "the controller cannot serve the event stream now ({what}): it may be booting, or all its subscriptions are taken"
        ),
        _ => format!("the controller refused the event stream ({what})"),
    };
    if !text.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(sentence, "; it says {text:?}");
    }
    sentence
}

fn describe_inconclusive(status: u16, detail: &str) -> String {
    match (status, detail) {
        (0, detail) => detail.to_owned(),
        (status, "") => HttpStatus(status).to_string(),
        (status, detail) => format!("{}, {detail}", HttpStatus(status)),
    }
}

fn closed(code: Option<u16>, text: &str) -> String {
    let mut sentence = "the controller closed the connection".to_owned();
    let remark = match code {
        Some(code) if !may_be_sent(code) => ", which no close frame may have",
        _ => "",
    };
    // Writing to a String cannot fail.
    let _ = match (code, text) {
        (None, "") => Ok(()),
        (None, text) => write!(sentence, " ({text:?})"),
        (Some(code), "") => write!(sentence, " (code {code}{remark})"),
        (Some(code), text) => write!(sentence, " (code {code}{remark}; {text:?})"),
    };
    sentence
}

/// Whether a close frame may have this code (RFC 6455 section 7.4, and the IANA registry).
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

fn stalled(silent_for: Duration, silence: Silence) -> String {
    let seconds = silent_for.as_secs_f32();
    match silence {
        Silence::Heartbeat => format!(
            "the connection is dead: nothing was received for {seconds:.0} s, longer than the interval that the controller's heartbeat announced"
        ),
        Silence::Ping => format!(
            "the connection is dead: a ping was not answered, and nothing was received for {seconds:.0} s"
        ),
    }
}
