//! An attempt to connect: signing in, the upgrade, and what their answers lead to.

use std::time::Duration;

use http::Response;
use tracing::{debug, trace};
use zeroize::Zeroizing;

use super::timers::Timer;
use super::{EventStream, State};
use crate::auth::{Access, Outcome, is_token};
use crate::http::{Upgrade, Verdict, retry_after};
use crate::{
    Action, ConnectionId, Exchange, ExchangeError, Failure, Now, Phase, Reason, RequestId, Secret,
    Status, StatusChange,
};

impl EventStream {
    /// An attempt has come this far; a timeout then says so.
    pub fn phase(&mut self, now: Now, id: ConnectionId, reached: Phase) {
        self.wake(now);
        if let State::Connecting {
            id: current, phase, ..
        } = &mut self.state
            && *current == id
        {
            trace!(phase = ?reached, "the attempt goes on");
            *phase = reached;
        }
    }

    /// The upgrade exchange is over: what [`Exchange::into_answer`](crate::Exchange::into_answer) gave.
    pub fn upgrade_answered(
        &mut self,
        now: Now,
        id: ConnectionId,
        answer: Result<Response<Vec<u8>>, ExchangeError>,
    ) {
        self.wake(now);
        let State::Connecting {
            id: current,
            upgrade,
            ..
        } = &self.state
        else {
            return;
        };
        if *current != id {
            return;
        }
        let verdict = match answer {
            Ok(answer) => upgrade.judge(&answer, now.utc),
            Err(error) => {
                self.actions.push_back(Action::Abort { id });
                return self.lost(now, no_answer(error));
            }
        };
        debug!(?verdict, "the upgrade was answered");
        match verdict {
            Verdict::Accepted => {
                self.headers.accept();
                self.credentials.policy.accept_upgrade();
                self.opened(now, id);
            }
            Verdict::Refused {
                status,
                retry_after,
            } => {
                self.actions.push_back(Action::Abort { id });
                self.refused(now, status, retry_after);
            }
            Verdict::NotWebSocket(detail) => {
                self.actions.push_back(Action::Abort { id });
                let detail = detail.into();
                self.lost(now, Reason::NotAController { detail });
            }
        }
    }

    /// A request was answered: what [`Exchange::into_answer`](crate::Exchange::into_answer) gave.
    pub fn http_answered(
        &mut self,
        now: Now,
        id: RequestId,
        answer: Result<Response<Vec<u8>>, ExchangeError>,
    ) {
        self.wake(now);
        // Wiped when dropped, also where it came late: it may hold tokens and a private key.
        let answer = answer.map(|answer| answer.map(Zeroizing::new));
        match &mut self.state {
            State::SigningIn { request } if *request == id => {}
            State::Stopping { request, .. } if *request == Some(id) => {
                return self.logout_answered(now, answer);
            }
            _ => return trace!(?id, "a late answer to an abandoned request"),
        }
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.credentials.abandoned();
                return self.lost(now, no_answer(error));
            }
        };
        let retry_after = retry_after(answer.headers(), now.utc);
        match self.credentials.answered(answer) {
            Outcome::Granted => self.connect(now),
            Outcome::Request(exchange) => self.sign_in(now, exchange),
            Outcome::Refused(status) => self.lost(now, Reason::LoginRefused { status }),
            Outcome::Undecided { status, detail } => {
                let detail = detail.into();
                self.lost_for(now, Reason::LoginFailed { status, detail }, retry_after);
            }
        }
    }

    /// A request failed before it was answered.
    pub fn http_failed(&mut self, now: Now, id: RequestId, failure: Failure) {
        self.wake(now);
        match &mut self.state {
            State::SigningIn { request } if *request == id => {
                self.credentials.abandoned();
                self.lost(now, Reason::Failed(failure));
            }
            State::Stopping { request, .. } if *request == Some(id) => {
                *request = None;
                self.ended(now);
            }
            _ => trace!(?id, "late news of an abandoned request"),
        }
    }

    /// The caller's answer to [`Action::ProvideToken`]: an access token, or none at present.
    pub fn token(&mut self, now: Now, id: RequestId, token: Option<Secret>) {
        self.wake(now);
        let State::SigningIn { request } = self.state else {
            return;
        };
        if request != id {
            return;
        }
        match token.filter(|token| is_token(token.expose())) {
            Some(token) => {
                self.credentials.supply(token);
                self.connect(now);
            }
            None => self.lost(now, Reason::NoToken),
        }
    }

    pub(super) fn begin_attempt(&mut self, now: Now) {
        self.set_status(now, StatusChange::new(Status::StreamInitializing));
        self.headers.begin_attempt();
        self.credentials.policy.begin_attempt();
        self.sign_in_or_connect(now);
    }

    /// An attempt goes on: connects if it has what it needs to show, signs in if not.
    fn sign_in_or_connect(&mut self, now: Now) {
        match self.credentials.access(now.utc) {
            Access::Granted => self.connect(now),
            Access::Request(exchange) => self.sign_in(now, exchange),
            Access::AskCaller { refused } => {
                let request = self.next_request();
                debug!(refused, "asking for an access token");
                self.actions.push_back(Action::ProvideToken {
                    id: request,
                    rejected: refused,
                });
                self.wait_for_sign_in(now, request);
            }
        }
    }

    fn sign_in(&mut self, now: Now, exchange: Exchange) {
        let request = self.request(exchange);
        self.wait_for_sign_in(now, request);
    }

    fn wait_for_sign_in(&mut self, now: Now, request: RequestId) {
        self.state = State::SigningIn { request };
        self.timers.cancel_all();
        self.timers
            .at(Timer::SignIn, now.monotonic + self.config.timing.http);
    }

    fn connect(&mut self, now: Now) {
        self.last_id += 1;
        let id = ConnectionId(self.last_id);
        let mut key = [0; 16];
        self.random.fill(&mut key);
        debug!(attempt = self.last_id, headers = ?self.headers, "connecting");
        let (upgrade, exchange) = Upgrade::request(
            &self.address,
            self.config.path,
            self.credentials.authorization().as_ref(),
            self.headers,
            key,
        );
        self.state = State::Connecting {
            id,
            upgrade,
            phase: Phase::Resolving,
        };
        self.stats.attempts += 1;
        self.timers.cancel_all();
        self.timers
            .at(Timer::Connect, now.monotonic + self.config.timing.connect);
        let address = self.address.clone();
        self.actions.push_back(Action::Connect {
            id,
            address,
            upgrade: exchange,
        });
    }

    /// The upgrade was refused: retry it at once in another way, if there is one, or later.
    fn refused(&mut self, now: Now, status: u16, retry_after: Option<Duration>) {
        let retry = match status {
            400 => self.headers.refuse(),
            401 | 403 => self.credentials.refuse_upgrade(),
            _ => false,
        };
        if retry {
            return self.sign_in_or_connect(now);
        }
        if let 401 | 403 = status {
            return self.lost(now, Reason::CredentialsRefused { status });
        }
        let retry_after = retry_after.map(|after| after.min(self.config.timing.retry_after_max));
        let reason = Reason::UpgradeRefused {
            status,
            retry_after,
        };
        self.lost_for(now, reason, retry_after);
    }

    /// Queues a request of its own connection.
    pub(super) fn request(&mut self, exchange: Exchange) -> RequestId {
        let id = self.next_request();
        let address = self.address.clone();
        self.actions.push_back(Action::Request {
            id,
            address,
            exchange,
        });
        id
    }

    fn next_request(&mut self) -> RequestId {
        self.last_id += 1;
        RequestId(self.last_id)
    }
}

/// What an exchange without an answer means.
fn no_answer(error: ExchangeError) -> Reason {
    match error {
        ExchangeError::Truncated => Reason::Closed {
            code: None,
            text: String::new(),
        },
        error => Reason::NotAController {
            detail: error.to_string(),
        },
    }
}
