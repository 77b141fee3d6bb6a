//! The credentials for a controller: a local account, a portal account with its tokens, or tokens
//! supplied by the caller.
//!
//! The state machine of a portal account, driven by HTTP answers:
//!
//! ```text
//!                 none yet, or the refresh was refused
//!   ┌──────────┐ ◄─────────────────────────────────────┐
//!   │ Login    │                                       │
//!   └──────────┘ ── tokens ──► ┌───────────┐ ── stale, or a 401 ──► ┌─────────┐
//!        │                     │ Tokens    │                        │ Refresh │
//!        │ 401, 403, no        └───────────┘ ◄──────── tokens ───── └─────────┘
//!        ▼                           │ stop
//!     refused                        ▼ logout, with a live token
//! ```
//!
//! Only a definite refusal changes the state. After any other failure (time-outs, 5xx, invalid
//! answers) the same request is sent again later. [`AccessPolicy`] decides whether to log in or to
//! refresh, and where the credentials are sent.

mod policy;
mod tokens;

use std::time::{Duration, SystemTime};

use http::Response;
use serde::Serialize;
use tracing::debug;
use zeroize::Zeroizing;

use self::policy::AccessPolicy;
pub(crate) use self::tokens::is_token;
use self::tokens::{Reply, Tokens};
use crate::config::Account;
use crate::http::{basic, post};
use crate::{Address, Exchange, Secret, SubscribePath};

const LOGIN: &str = "/api/login";
const REFRESH: &str = "/api/jwt/refresh";
const LOGOUT: &str = "/api/jwt/logout";

/// A token that expires within this time is stale, and is refreshed before it is used.
const MARGIN: Duration = Duration::from_secs(60);

/// The credentials of a stream, and the requests that renew them.
#[derive(Debug)]
pub(crate) struct Credentials {
    account: Account,
    /// The account to use from the next start.
    next_account: Option<Account>,
    address: Address,
    tokens: Option<Tokens>,
    pending: Option<TokenRequest>,
    /// Counts the tokens so far, to identify the token in use.
    generation: u64,
    pub(crate) policy: AccessPolicy,
}

/// The kind of a request for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenRequest {
    Login,
    Refresh,
}

/// What an attempt needs before it can send the upgrade.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "made once for each attempt, and taken apart at once"
)]
pub(crate) enum Access {
    /// The upgrade can be sent now.
    Granted,
    /// Send this request and wait for its answer first.
    Request(Exchange),
    /// Ask the caller for a token, and for a different one if the last was refused.
    AskCaller { refused: bool },
}

/// The result of a login or refresh.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "made once for each answer, and taken apart at once"
)]
pub(crate) enum Outcome {
    /// There are new tokens. They are used once even if they look expired, because the clocks may
    /// differ.
    Granted,
    /// The refresh was refused: send this login.
    Request(Exchange),
    /// The login was refused, with this HTTP status.
    Refused(u16),
    /// The answer was inconclusive: try again later.
    Undecided { status: u16, detail: &'static str },
}

impl Credentials {
    pub(crate) fn new(account: Account, address: Address, path: SubscribePath) -> Self {
        Self {
            account,
            next_account: None,
            address,
            tokens: None,
            pending: None,
            generation: 0,
            policy: AccessPolicy::new(path),
        }
    }

    /// Uses this account from the next start.
    pub(crate) fn replace_account(&mut self, account: Account) {
        self.next_account = Some(account);
    }

    /// Starts a session without tokens, with the account set for it.
    pub(crate) fn begin_session(&mut self) {
        if let Some(account) = self.next_account.take() {
            self.account = account;
        }
        self.forget();
        self.policy.begin_session();
    }

    /// Returns what is needed before the next attempt.
    pub(crate) fn access(&mut self, utc: SystemTime) -> Access {
        match &self.account {
            Account::Local { .. } => Access::Granted,
            Account::Portal { .. } => {
                if self.has_live_token(utc) {
                    return Access::Granted;
                }
                Access::Request(self.renew())
            }
            Account::OwnTokens if self.has_live_token(utc) => Access::Granted,
            Account::OwnTokens => Access::AskCaller {
                refused: self.policy.is_refused(),
            },
        }
    }

    /// The controller refused the upgrade with 401 or 403. Returns whether to retry at once with
    /// renewed tokens.
    pub(crate) fn refuse_upgrade(&mut self) -> bool {
        let renewable = !matches!(self.account, Account::Local { .. });
        self.policy.refuse_upgrade(renewable)
    }

    /// The number of the token in use.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// A call with this token was refused with 401. Returns whether the next call can have another
    /// token.
    pub(crate) fn refuse_call(&mut self, generation: u64) -> bool {
        if matches!(self.account, Account::Local { .. }) {
            return false;
        }
        if generation == self.generation {
            self.policy.refuse_call();
        }
        true
    }

    /// Whether the token in use was refused.
    pub(crate) fn is_refused(&self) -> bool {
        self.policy.is_refused()
    }

    /// Forgets the tokens.
    pub(crate) fn forget(&mut self) {
        self.tokens = None;
        self.pending = None;
    }

    /// The value of the `Authorization` header, if the next upgrade carries one.
    pub(crate) fn authorization(&self) -> Option<Secret> {
        if !self.policy.is_on_upgrade() {
            return None;
        }
        self.call_authorization()
    }

    /// The value of the `Authorization` header of a call.
    pub(crate) fn call_authorization(&self) -> Option<Secret> {
        match &self.account {
            Account::Local { username, password } => Some(basic(username, password)),
            Account::Portal { .. } | Account::OwnTokens => self
                .token()
                .map(|token| Secret::new(format!("Bearer {}", token.expose()))),
        }
    }

    /// Whether a string contains the password, or the credentials as they are in an upgrade.
    pub(crate) fn show_in(&self, text: &str) -> bool {
        let shown = self.authorization();
        let shown = shown
            .as_ref()
            .and_then(|value| value.expose().split(' ').next_back());
        let password = match &self.account {
            Account::Local { password, .. } | Account::Portal { password, .. } => {
                Some(password.expose())
            }
            Account::OwnTokens => None,
        };
        let token = self.token().map(Secret::expose);
        let mut secrets = [shown, password, token].into_iter().flatten();
        secrets.any(|secret| !secret.is_empty() && text.contains(secret))
    }

    /// The text of the first frame, on the path that requires one.
    pub(crate) fn first_frame(&self) -> Option<Secret> {
        let shape = self.policy.first_frame()?;
        debug!(?shape, "the token goes into the first frame");
        Some(shape.frame(self.token()))
    }

    fn token(&self) -> Option<&Secret> {
        self.tokens.as_ref().map(|tokens| &tokens.access)
    }

    /// Uses a token from the caller.
    pub(crate) fn supply(&mut self, access: Secret) {
        self.tokens = Some(Tokens {
            access,
            refresh: Secret::new(""),
        });
        self.generation += 1;
        self.policy.drop_token();
    }

    /// Handles the answer to the pending request.
    pub(crate) fn receive_answer(&mut self, answer: Response<Zeroizing<Vec<u8>>>) -> Outcome {
        let status = answer.status().as_u16();
        let body = answer.into_body();
        let pending = self.pending.take();
        let reply = match status {
            200..=299 => tokens::read_reply(&body),
            401 | 403 => Reply::No,
            // The refresh token has expired, or the controller has rebooted and does not know it.
            400 | 404 if pending == Some(TokenRequest::Refresh) => Reply::No,
            // Time-outs and rate limits are temporary.
            408 | 425 | 429 => Reply::Broken,
            400..=499 if matches!(tokens::read_reply(&body), Reply::No) => Reply::No,
            _ => Reply::Broken,
        };
        match (reply, pending) {
            (Reply::Tokens(tokens), _) => {
                self.tokens = Some(tokens);
                self.generation += 1;
                self.policy.grant();
                Outcome::Granted
            }
            (Reply::No, Some(TokenRequest::Refresh)) => {
                debug!(status, "the refresh was refused");
                self.tokens = None;
                self.policy.drop_token();
                Outcome::Request(self.renew())
            }
            (Reply::No, _) => {
                self.tokens = None;
                Outcome::Refused(status)
            }
            (Reply::Broken, pending) => {
                if pending == Some(TokenRequest::Refresh) {
                    self.policy.leave_refresh_undecided();
                }
                let detail = match status {
                    200..=299 => "the answer contains no tokens",
                    300..=399 => {
                        "a redirect, which is not followed: credentials go only to the host that was named"
                    }
                    _ => "",
                };
                Outcome::Undecided { status, detail }
            }
        }
    }

    /// Whether a login or refresh is pending.
    pub(crate) fn is_asking(&self) -> bool {
        self.pending.is_some()
    }

    /// The pending request failed without an answer.
    pub(crate) fn abandon_request(&mut self) {
        self.pending = None;
    }

    /// The request that ends the session: the logout, or a refresh first if the token is stale.
    /// `None` without a session.
    pub(crate) fn end_session(&mut self, utc: SystemTime) -> Option<Exchange> {
        if !matches!(self.account, Account::Portal { .. }) || self.tokens.is_none() {
            return None;
        }
        if self.has_live_token(utc) {
            self.logout()
        } else if self.can_refresh() {
            Some(self.renew())
        } else {
            None
        }
    }

    /// Creates the logout and drops the tokens.
    pub(crate) fn logout(&mut self) -> Option<Exchange> {
        let tokens = self.tokens.take()?;
        debug!("logging out");
        Some(post(&self.address, LOGOUT, Some(&tokens.access), b""))
    }

    /// Whether there is a token that does not expire soon. A token without a known expiry counts as
    /// valid.
    fn has_live_token(&self, utc: SystemTime) -> bool {
        let Some(tokens) = self.tokens.as_ref().filter(|_| !self.policy.is_refused()) else {
            return false;
        };
        tokens::expiry(&tokens.access).is_none_or(|expires| {
            expires
                .duration_since(utc)
                .is_ok_and(|remaining| remaining > MARGIN)
        })
    }

    /// Whether new tokens can be requested with a refresh.
    fn can_refresh(&self) -> bool {
        self.tokens.is_some() && self.policy.can_refresh()
    }

    fn renew(&mut self) -> Exchange {
        if let Some(tokens) = self.tokens.as_ref().filter(|_| self.can_refresh()) {
            debug!("refreshing the tokens");
            self.pending = Some(TokenRequest::Refresh);
            return self.request(
                REFRESH,
                &RefreshBody {
                    refresh_token: tokens.refresh.expose(),
                },
            );
        }
        debug!("logging in");
        self.pending = Some(TokenRequest::Login);
        let (username, password) = match &self.account {
            Account::Local { username, password } | Account::Portal { username, password } => {
                (username.as_str(), password.expose())
            }
            Account::OwnTokens => ("", ""),
        };
        self.request(LOGIN, &LoginBody { username, password })
    }

    fn request(&self, path: &str, body: &impl Serialize) -> Exchange {
        // Enough capacity for the whole body: growth would leave a copy of a secret behind.
        let mut json = Zeroizing::new(Vec::with_capacity(16 * 1024));
        // Writing strings into memory cannot fail. If it did, the controller would refuse an empty
        // body.
        let _ = serde_json::to_writer(&mut *json, body);
        post(&self.address, path, None, &json)
    }
}

/// The body of a login, as JSON.
#[derive(Serialize)]
struct LoginBody<'a> {
    username: &'a str,
    password: &'a str,
}

/// The body of a refresh, as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RefreshBody<'a> {
    refresh_token: &'a str,
}
