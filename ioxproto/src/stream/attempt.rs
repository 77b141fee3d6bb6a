//! An attempt to connect: signing in, the upgrade, and the handling of their answers.

use std::time::{Duration, Instant};

use http::Response;
use tracing::{debug, trace};
use zeroize::Zeroizing;

use super::timers::Timer;
use super::{Machine, State, probe};
use crate::auth::{Access, Outcome, is_token};
use crate::http::{Upgrade, Verdict, retry_after};
use crate::{
    Action, ConnectionId, Exchange, ExchangeError, Failure, Now, Phase, Reason, RequestId, Secret,
    Status, StatusChange,
};

/// The most characters kept of a refusal's text.
const MAX_REFUSAL_TEXT: usize = 200;

impl Machine {
    pub(super) fn begin_attempt(&mut self, now: Now) {
        self.set_status(now, StatusChange::new(Status::StreamInitializing));
        self.headers.begin_attempt();
        self.credentials.policy.begin_attempt();
        self.loader.begin_attempt();
        self.sign_in_or_connect(now);
    }

    /// Continues an attempt: connects if credentials are at hand, signs in otherwise.
    pub(super) fn sign_in_or_connect(&mut self, now: Now) {
        if let Some((renewal, deadline)) = self.calls.adopt_renewal() {
            return self.wait_for_sign_in(renewal, deadline);
        }
        match self.credentials.access(now.utc) {
            Access::Granted => self.connect(now),
            Access::Request(exchange) => self.sign_in(now, exchange),
            Access::AskCaller { refused } => {
                let id = self.ask_for_token(refused);
                self.wait_for_sign_in(id, now.monotonic + self.config.timing.http);
            }
        }
    }

    pub(super) fn ask_for_token(&mut self, rejected: bool) -> RequestId {
        debug!(rejected, "asking for an access token");
        let id = self.next_request();
        let question = Action::ProvideToken { id, rejected };
        self.actions.push_back(question);
        id
    }

    fn sign_in(&mut self, now: Now, exchange: Exchange) {
        let request = self.request(exchange);
        self.wait_for_sign_in(request, now.monotonic + self.config.timing.http);
    }

    /// Waits until `deadline` for the login's answer, or for the caller's token.
    fn wait_for_sign_in(&mut self, request: RequestId, deadline: Instant) {
        self.state = State::SigningIn { request };
        self.timers.cancel_all();
        self.timers.at(Timer::SignIn, deadline);
    }

    fn connect(&mut self, now: Now) {
        if self.begin_names_first(now) {
            return;
        }
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

    pub(super) fn phase(&mut self, reached: Phase) {
        if let State::Connecting { phase, .. } = &mut self.state {
            trace!(phase = ?reached, "the attempt has reached a phase");
            *phase = reached;
        }
    }

    /// Signing in or connecting took too long.
    pub(super) fn timed_out(&mut self, now: Now) {
        let (action, phase, after) = match self.state {
            State::SigningIn { request: id } => {
                self.credentials.abandon_request();
                let after = self.config.timing.http;
                (Action::Abandon { id }, Phase::SigningIn, after)
            }
            State::Connecting { id, phase, .. } => {
                (Action::Abort { id }, phase, self.config.timing.connect)
            }
            State::Probing { request: id } => {
                self.actions.push_back(Action::Abandon { id });
                return self.finish_probe(now, false);
            }
            _ => return,
        };
        self.actions.push_back(action);
        self.lose_connection(now, Reason::TimedOut { phase, after });
    }

    pub(super) fn upgrade_answered(
        &mut self,
        now: Now,
        answer: Result<Response<Vec<u8>>, ExchangeError>,
    ) {
        let State::Connecting { id, upgrade, .. } = &self.state else {
            return;
        };
        let id = *id;
        let body = answer.as_ref().map_or(&[][..], |answer| answer.body());
        let repeats_secrets = self.credentials.show_in(&String::from_utf8_lossy(body));
        let verdict = answer.map(|answer| upgrade.judge(&answer, now.utc));
        debug!(
            accepted = verdict == Ok(Verdict::Accepted),
            "the upgrade was answered"
        );
        if verdict != Ok(Verdict::Accepted) {
            self.actions.push_back(Action::Abort { id });
        }
        match verdict {
            Ok(Verdict::Accepted) => {
                self.headers.accept();
                self.credentials.policy.accept_upgrade();
                self.opened(now, id);
            }
            Ok(Verdict::Refused {
                status,
                retry_after,
                text,
            }) => {
                // Show no part of a page that repeats the request's secrets.
                let secret = repeats_secrets || self.credentials.show_in(&text);
                let text = if secret { String::new() } else { text };
                self.handle_refusal(now, status, retry_after, text);
            }
            Ok(Verdict::NotWebSocket(detail)) => {
                let detail = detail.into();
                self.lose_connection(now, Reason::NotAController { detail });
            }
            Err(ExchangeError::Unanswered) => self.probe_for_tls(now),
            Err(error) => self.lose_connection(now, self.exchange_error_reason(error)),
        }
    }

    /// Handles a refused upgrade: retries immediately with other headers or tokens if that can
    /// help, else later.
    fn handle_refusal(
        &mut self,
        now: Now,
        status: u16,
        retry_after: Option<Duration>,
        text: String,
    ) {
        if status == 400 && probe::is_tls_hint(&text) && !self.address.has_tls() {
            return self.lose_connection(now, self.speaks_tls_reason());
        }
        let retry = match status {
            400 => self.headers.refuse(),
            401 | 403 => self.credentials.refuse_upgrade(),
            _ => false,
        };
        if retry {
            return self.sign_in_or_connect(now);
        }
        if let 401 | 403 = status {
            return self.lose_connection(now, Reason::CredentialsRefused { status });
        }
        let retry_after = retry_after.map(|after| after.min(self.config.timing.retry_after_max));
        let reason = Reason::UpgradeRefused {
            status,
            retry_after,
            text: text.chars().take(MAX_REFUSAL_TEXT).collect(),
        };
        self.lose_connection_with_wait(now, reason, retry_after);
    }

    pub(super) fn http_answered(
        &mut self,
        now: Now,
        id: RequestId,
        answer: Result<Response<Zeroizing<Vec<u8>>>, ExchangeError>,
    ) {
        if self.calls.owns(id) {
            return self.call_answered(now, id, answer);
        }
        if let State::Stopping { .. } = self.state {
            return self.logout_answered(now, answer);
        }
        if let State::Probing { .. } = self.state {
            return self.finish_probe(now, answer.err() == Some(ExchangeError::Tls));
        }
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.credentials.abandon_request();
                return self.lose_connection(now, self.exchange_error_reason(error));
            }
        };
        let retry_after = retry_after(answer.headers(), now.utc);
        match self.credentials.receive_answer(answer) {
            Outcome::Granted => {
                self.note_new_token(now);
                self.connect(now);
            }
            Outcome::Request(exchange) => self.sign_in(now, exchange),
            Outcome::Refused(status) => self.lose_connection(now, Reason::LoginRefused { status }),
            Outcome::Undecided { status, detail } => {
                let detail = detail.into();
                self.lose_connection_with_wait(
                    now,
                    Reason::LoginFailed { status, detail },
                    retry_after,
                );
            }
        }
    }

    pub(super) fn http_failed(&mut self, now: Now, id: RequestId, failure: Failure) {
        if self.calls.owns(id) {
            return self.call_failed(id, failure);
        }
        if let State::Stopping { request, .. } = &mut self.state {
            *request = None;
            return self.finish_stop(now);
        }
        if let State::Probing { .. } = self.state {
            return self.finish_probe(now, false);
        }
        self.credentials.abandon_request();
        self.lose_connection(now, Reason::Failed(failure));
    }

    pub(super) fn token(&mut self, now: Now, id: RequestId, token: Option<Secret>) {
        let token = token.filter(|token| is_token(token.expose()));
        if self.calls.owns(id) {
            return self.token_for_calls(now, token);
        }
        if !matches!(self.state, State::SigningIn { .. }) {
            return;
        }
        match token {
            Some(token) => {
                self.credentials.supply(token);
                self.note_new_token(now);
                self.connect(now);
            }
            None => self.lose_connection(now, Reason::NoToken),
        }
    }

    /// Queues a request, which runs on a connection of its own.
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
