//! Calls: sent alongside the stream with its account, tokens and address.
//!
//! The queue (`rest/queue`) keeps the deadlines of calls. This file decides when calls are sent and
//! how a 401 is handled. The rules:
//!
//! * **Calls are sent while an accepted connection is open**, and while the names are read before
//!   the subscription. While the stream signs in, connects or waits for its next attempt, calls
//!   wait within their time limits.
//! * **One renewal at a time.** A call that needs tokens starts a renewal. An attempt of the stream
//!   that begins meanwhile adopts it, and a stop waits for it, as for the stream's own login.
//! * **A 401 renews the tokens once per call.** If no call is accepted with the renewed tokens, a
//!   401 to them does not renew again for 5 minutes. So a path that refuses every token does not
//!   cause repeated logins, and a controller that loses its sessions twice is served again.
//! * **New tokens are used for the time limit of one exchange, whatever their lifetime**: the
//!   clocks may disagree, and a controller may issue short-lived tokens. Without this rule, each
//!   renewal would start another.
//! * **A refused call or renewal never changes the stream's status.** A refused renewal ends the
//!   calls that wait for it. The stream's next attempt signs in by its own rules.
//! * **Calls in flight**: 1 on an ISY-994 over TLS, which serves only two connections, one of them
//!   the stream's; 2 on an ISY-994 without TLS; 4 on other controllers.

use std::time::{Duration, Instant};

use http::Response;
use tracing::debug;
use zeroize::Zeroizing;

use super::timers::Deadline;
use super::{Connection, Machine, State};
use crate::auth::{Access, Credentials, Outcome};
use crate::http::get;
use crate::rest::{CallError, CallId, CallPhase, CallProblem, CallQueue, Done, Request, Step};
use crate::{
    Action, Event, Exchange, ExchangeError, Failure, Now, Phase, Reason, RequestId, Secret,
};

/// The most calls in flight, on a controller that is not an ISY-994.
const MAX_IN_FLIGHT: usize = 4;
/// The most calls in flight on an ISY-994, without and with TLS.
const MAX_IN_FLIGHT_ISY994: usize = 2;
const MAX_IN_FLIGHT_ISY994_TLS: usize = 1;

/// After a renewal that did not help its call, do not renew tokens for another call for this long.
const RENEWAL_PAUSE: Duration = Duration::from_secs(300);

/// The calls of a stream.
#[derive(Debug)]
pub(super) struct Calls {
    queue: CallQueue,
    renewal: Option<Renewal>,
    /// The generation of tokens that were renewed after a 401 and have not been accepted since, and
    /// the time until which a 401 to them does not renew again.
    unproven: Option<(u64, Instant)>,
    /// The generation of the newest token, and the time until which calls use it whatever its
    /// lifetime.
    granted: Option<(u64, Instant)>,
}

/// A login, a refresh or a request to the token provider that a call has started.
#[derive(Clone, Copy, Debug)]
struct Renewal {
    id: RequestId,
    deadline: Instant,
    /// Whether a 401 caused it.
    after_refusal: bool,
}

impl Calls {
    pub(super) fn new(config: &crate::Config) -> Self {
        Self {
            queue: CallQueue::new(config.max_calls, &config.timing),
            renewal: None,
            unproven: None,
            granted: None,
        }
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether an exchange belongs to a call or to a renewal for calls.
    pub(super) fn owns(&self, request: RequestId) -> bool {
        self.is_renewal(request) || self.queue.owns(request)
    }

    fn is_renewal(&self, request: RequestId) -> bool {
        self.renewal.is_some_and(|renewal| renewal.id == request)
    }

    /// Hands a running renewal, with its deadline, to the stream, which also needs tokens.
    pub(super) fn adopt_renewal(&mut self) -> Option<(RequestId, Instant)> {
        let renewal = self.renewal.take();
        renewal.map(|renewal| (renewal.id, renewal.deadline))
    }

    /// Whether the current token is so new that calls use it whatever its lifetime, and was not
    /// refused.
    fn has_new_token(&self, now: Now, credentials: &Credentials) -> bool {
        let granted = self.granted.is_some_and(|(generation, until)| {
            generation == credentials.generation() && now.monotonic < until
        });
        granted && !credentials.is_refused()
    }

    /// Returns the next deadline of a call or a renewal.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        let renewal = self.renewal.map(|renewal| renewal.deadline);
        let at = self.queue.deadline().into_iter().chain(renewal).min()?;
        let reason = "a call";
        Some(Deadline { at, reason })
    }
}

impl Machine {
    pub(super) fn call(&mut self, now: Now, request: Request) -> CallId {
        self.last_id += 1;
        let id = CallId(self.last_id);
        debug!(call = id.0, path = request.path(), "call queued");
        let done = self.calls.queue.push(now.monotonic, id, request);
        self.end_calls(done);
        id
    }

    /// Queues a call of the machine itself. `end_calls` does not report its outcome to the caller.
    pub(super) fn queue_own_call(&mut self, now: Now, request: Request) -> CallId {
        self.last_id += 1;
        let id = CallId(self.last_id);
        debug!(
            call = id.0,
            path = request.path(),
            "call of the stream itself queued"
        );
        self.calls.queue.push_own(now.monotonic, id, request);
        id
    }

    /// Cancels calls of the machine itself, without an outcome.
    pub(super) fn cancel_own_calls(&mut self, calls: Vec<CallId>) {
        for id in calls {
            let exchange = self.calls.queue.cancel(id).and_then(|done| done.abandoned);
            self.actions
                .extend(exchange.map(|id| Action::Abandon { id }));
        }
    }

    /// Advances the names, the self-audit and the calls after each input.
    pub(super) fn advance_background(&mut self, now: Now) {
        self.advance_names(now);
        self.advance_audit(now);
        self.advance_calls(now);
    }

    pub(super) fn cancel_call(&mut self, id: CallId) {
        let done = self.calls.queue.cancel(id);
        self.end_calls(done);
    }

    pub(super) fn call_phase(&mut self, request: RequestId, reached: CallPhase) {
        self.calls.queue.note_phase(request, reached);
    }

    /// Sends the calls that may be sent now, or ends all calls if the stream stops or is at rest.
    fn advance_calls(&mut self, now: Now) {
        if self.calls.queue.is_empty() {
            return;
        }
        match self.state {
            State::Draining(Connection { accepted: true, .. })
            | State::Live(_)
            | State::ReadingNames => {
                self.send_calls(now);
            }
            State::AtRest => {
                let reason = self.rest_reason.clone();
                self.end_all_calls(&CallProblem::NotRunning { reason });
            }
            State::Stopping { .. } => self.end_all_calls(&CallProblem::Stopped),
            State::Draining(_)
            | State::SigningIn { .. }
            | State::Connecting { .. }
            | State::Probing { .. }
            | State::Waiting => {}
        }
    }

    fn send_calls(&mut self, now: Now) {
        let in_flight = self.calls_in_flight();
        while self.calls.renewal.is_none()
            && let Some((id, request)) = self.calls.queue.next(in_flight)
        {
            let access = match self.calls.has_new_token(now, &self.credentials) {
                true => Access::Granted,
                false => self.credentials.access(now.utc),
            };
            match access {
                Access::Granted => {
                    let authorization = self.credentials.call_authorization();
                    let exchange = get(
                        &self.address,
                        request.path(),
                        authorization.as_ref(),
                        self.config.timing.keep_alive,
                        request.is_repeatable(),
                    );
                    let generation = self.credentials.generation();
                    let request = self.request(exchange);
                    let queue = &mut self.calls.queue;
                    queue.note_sent(now.monotonic, id, request, generation);
                }
                Access::Request(exchange) => self.start_renewal(now, exchange),
                Access::AskCaller { refused } => {
                    let id = self.ask_for_token(refused);
                    self.await_renewal(now, id);
                }
            }
        }
    }

    fn start_renewal(&mut self, now: Now, exchange: Exchange) {
        debug!("renewing tokens for calls");
        let id = self.request(exchange);
        self.await_renewal(now, id);
    }

    fn await_renewal(&mut self, now: Now, id: RequestId) {
        self.calls.renewal = Some(Renewal {
            id,
            deadline: now.monotonic + self.config.timing.http,
            after_refusal: self.credentials.is_refused(),
        });
    }

    fn calls_in_flight(&self) -> usize {
        match (self.headers.is_isy994(), self.address.has_tls()) {
            (true, true) => MAX_IN_FLIGHT_ISY994_TLS,
            (true, false) => MAX_IN_FLIGHT_ISY994,
            (false, _) => MAX_IN_FLIGHT,
        }
    }

    /// Handles the answer to a call, or to a renewal for calls.
    pub(super) fn call_answered(
        &mut self,
        now: Now,
        request: RequestId,
        answer: Result<Response<Zeroizing<Vec<u8>>>, ExchangeError>,
    ) {
        if self.calls.is_renewal(request) {
            return self.renewal_answered(now, answer);
        }
        let answer = answer.map(|answer| answer.map(|mut body| std::mem::take(&mut *body)));
        match self.calls.queue.answered(now.monotonic, request, answer) {
            Some(Step::Done(done)) => {
                if done.outcome.is_ok() {
                    self.calls.unproven = None;
                }
                self.end_calls(Some(done));
            }
            Some(Step::Unauthorized {
                id,
                generation,
                renewed,
            }) => {
                let unproven = self
                    .calls
                    .unproven
                    .is_some_and(|(renewed, until)| renewed == generation && now.monotonic < until);
                if !renewed && !unproven && self.credentials.refuse_call(generation) {
                    self.calls.queue.renew(id);
                } else {
                    let done = self.calls.queue.refuse(id);
                    self.end_calls(done);
                }
            }
            Some(Step::Waits) | None => {}
        }
    }

    fn renewal_answered(
        &mut self,
        now: Now,
        answer: Result<Response<Zeroizing<Vec<u8>>>, ExchangeError>,
    ) {
        let renewal = self.calls.renewal.take();
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let detail = error.to_string();
                return self.renewal_failed(&Reason::NotAController { detail });
            }
        };
        match self.credentials.receive_answer(answer) {
            Outcome::Granted => self.accept_renewal(now, renewal),
            Outcome::Request(exchange) => {
                self.start_renewal(now, exchange);
                // The login replaces the refused refresh and has the same cause.
                if let (Some(next), Some(renewal)) = (&mut self.calls.renewal, renewal) {
                    next.after_refusal = renewal.after_refusal;
                }
            }
            Outcome::Refused(status) => self.renewal_failed(&Reason::LoginRefused { status }),
            Outcome::Undecided { status, detail } => {
                let detail = detail.into();
                self.renewal_failed(&Reason::LoginFailed { status, detail });
            }
        }
    }

    /// Remembers that a token is new, so that calls use it whatever its lifetime.
    pub(super) fn note_new_token(&mut self, now: Now) {
        let until = now.monotonic + self.config.timing.http;
        self.calls.granted = Some((self.credentials.generation(), until));
    }

    fn accept_renewal(&mut self, now: Now, renewal: Option<Renewal>) {
        self.note_new_token(now);
        let refused = renewal.is_some_and(|renewal| renewal.after_refusal);
        let until = now.monotonic + RENEWAL_PAUSE;
        self.calls.unproven = refused.then(|| (self.credentials.generation(), until));
    }

    /// Handles the caller's token, or its lack of one, for a renewal.
    pub(super) fn token_for_calls(&mut self, now: Now, token: Option<Secret>) {
        let renewal = self.calls.renewal.take();
        match token {
            Some(token) => {
                self.credentials.supply(token);
                self.accept_renewal(now, renewal);
            }
            None => self.renewal_failed(&Reason::NoToken),
        }
    }

    /// Handles a live event: it may confirm a command.
    pub(super) fn event_for_calls(&mut self, event: &Event) {
        let done = self.calls.queue.event(event);
        self.end_calls(done);
    }

    pub(super) fn call_failed(&mut self, request: RequestId, failure: Failure) {
        if self.calls.is_renewal(request) {
            return self.renewal_failed(&Reason::Failed(failure));
        }
        let done = self.calls.queue.failed(request, failure);
        self.end_calls(done);
    }

    /// Ends the calls that wait for a failed renewal.
    fn renewal_failed(&mut self, reason: &Reason) {
        debug!(%reason, "token renewal for calls failed");
        self.calls.renewal = None;
        self.credentials.abandon_request();
        let done = self.calls.queue.fail_unsent(reason);
        self.end_calls(done);
    }

    pub(super) fn tick_calls(&mut self, now: Now) {
        if let Some(renewal) = self.calls.renewal
            && renewal.deadline <= now.monotonic
        {
            self.actions.push_back(Action::Abandon { id: renewal.id });
            self.renewal_failed(&Reason::TimedOut {
                phase: Phase::SigningIn,
                after: self.config.timing.http,
            });
        }
        let done = self.calls.queue.tick(now.monotonic);
        self.end_calls(done);
    }

    fn end_all_calls(&mut self, problem: &CallProblem) {
        let done = self.calls.queue.end_all(problem);
        self.end_calls(done);
    }

    /// Abandons a renewal that is no longer needed.
    pub(super) fn abandon_renewal(&mut self) {
        if let Some((id, _)) = self.calls.adopt_renewal() {
            self.credentials.abandon_request();
            self.actions.push_back(Action::Abandon { id });
        }
    }

    fn end_calls(&mut self, calls: impl IntoIterator<Item = Done>) {
        for mut done in calls {
            if let Err(CallError {
                problem: CallProblem::Refused { text, .. },
                ..
            }) = &mut done.outcome
                && self.credentials.show_in(text)
            {
                // Do not show an answer that repeats the credentials.
                text.clear();
            }
            if let Some(id) = done.abandoned {
                self.actions.push_back(Action::Abandon { id });
            }
            match &done.outcome {
                Ok(answer) => debug!(call = done.id.0, status = answer.status, "call answered"),
                Err(error) => debug!(call = done.id.0, %error, "call failed"),
            }
            if self.loader.owns(done.id) {
                self.loader.answered(done.id, done.outcome);
                continue;
            }
            if self.auditor.owns(done.id) {
                self.audit_answer = Some(done.outcome);
                continue;
            }
            self.actions.push_back(Action::CallDone {
                id: done.id,
                outcome: done.outcome,
            });
        }
    }
}
