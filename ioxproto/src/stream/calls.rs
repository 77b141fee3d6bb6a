//! Calls: sent beside the stream, with its account, tokens and address.
//!
//! The queue (`rest/queue`) knows when a call is due. This file decides when calls may be sent, and
//! what follows a 401. The rules:
//!
//! * **Calls are sent while a connection is open that the controller has accepted**, and while the
//!   names are read before the subscription. While the stream signs in, connects or waits for its
//!   next attempt, calls wait within their limits.
//! * **One renewal at a time.** A call that needs tokens starts one; an attempt of the stream that
//!   begins meanwhile adopts it, and a stop waits for it, as for a login of the stream's own.
//! * **A 401 has the tokens renewed once for a call**, and never those that were renewed for a call
//!   and that no call was accepted with since, for 5 minutes: a path that no token opens does not
//!   log in again and again, and a controller that forgets its sessions twice is not given up.
//! * **New tokens are used whatever their lifetime**, for as long as an exchange may take: the
//!   clocks may disagree, and a controller may issue short-lived ones. Without this, each renewal
//!   would lead to the next.
//! * **A refused call never changes the stream's status**, and neither does a refused renewal: it
//!   ends the calls that wait for it. The stream's next attempt signs in by its own rules.
//! * **In flight**: 1 on an ISY-994 over TLS, which serves two connections, one of them the
//!   stream's; 2 without TLS; 4 on others.

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

/// Calls in flight at a time, on a controller that is not an ISY-994.
const IN_FLIGHT: usize = 4;
/// The same on an ISY-994 without TLS and with it.
const IN_FLIGHT_ISY994: usize = 2;
const IN_FLIGHT_ISY994_TLS: usize = 1;

/// After a renewal that did not help a call, do not renew tokens for another call for this long.
const UNPROVEN_FOR: Duration = Duration::from_secs(300);

/// The calls of a stream.
#[derive(Debug)]
pub(super) struct Calls {
    queue: CallQueue,
    renewal: Option<Renewal>,
    /// Tokens that were renewed for a refused call, and that no call was accepted with since; and
    /// until when a 401 to them counts as that of a path that no token opens.
    unproven: Option<(u64, Instant)>,
    /// The token that was granted last, and until when calls use it whatever its lifetime.
    granted: Option<(u64, Instant)>,
}

/// A login, refresh or question for a token that a call has started.
#[derive(Clone, Copy, Debug)]
struct Renewal {
    id: RequestId,
    ends: Instant,
    /// Whether a 401 has led to it.
    refused: bool,
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

    pub(super) fn are_pending(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether an exchange is one of these.
    pub(super) fn own(&self, request: RequestId) -> bool {
        self.is_renewal(request) || self.queue.owns(request)
    }

    fn is_renewal(&self, request: RequestId) -> bool {
        self.renewal.is_some_and(|renewal| renewal.id == request)
    }

    /// Gives a renewal under way to the stream, which needs tokens too, with the end of its time.
    pub(super) fn adopt_renewal(&mut self) -> Option<(RequestId, Instant)> {
        let renewal = self.renewal.take();
        renewal.map(|renewal| (renewal.id, renewal.ends))
    }

    /// Whether the token in use was granted a moment ago, and not refused since.
    fn has_new_token(&self, now: Now, credentials: &Credentials) -> bool {
        let granted = self.granted.is_some_and(|(generation, until)| {
            generation == credentials.generation() && now.monotonic < until
        });
        granted && !credentials.is_refused()
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        let renewal = self.renewal.map(|renewal| renewal.ends);
        let at = self.queue.deadline().into_iter().chain(renewal).min()?;
        let reason = "a call";
        Some(Deadline { at, reason })
    }
}

impl Machine {
    pub(super) fn call(&mut self, now: Now, request: Request) -> CallId {
        self.last_id += 1;
        let id = CallId(self.last_id);
        debug!(call = id.0, path = request.path(), "a call");
        let done = self.calls.queue.push(now.monotonic, id, request);
        self.end_calls(done);
        id
    }

    /// A call of the machine's own; `end_calls` keeps its outcome from the caller.
    pub(super) fn own_call(&mut self, now: Now, request: Request) -> CallId {
        self.last_id += 1;
        let id = CallId(self.last_id);
        debug!(
            call = id.0,
            path = request.path(),
            "a call of the stream's own"
        );
        self.calls.queue.push_own(now.monotonic, id, request);
        id
    }

    /// Drops calls of the machine's own, whose outcome nobody awaits any more.
    pub(super) fn drop_calls(&mut self, calls: Vec<CallId>) {
        for id in calls {
            let exchange = self.calls.queue.cancel(id).and_then(|done| done.abandoned);
            self.actions
                .extend(exchange.map(|id| Action::Abandon { id }));
        }
    }

    /// After each input: what is to be done beside the stream.
    pub(super) fn carry_on(&mut self, now: Now) {
        self.carry_on_names(now);
        self.carry_on_audit(now);
        self.carry_on_calls(now);
    }

    pub(super) fn cancel_call(&mut self, id: CallId) {
        let done = self.calls.queue.cancel(id);
        self.end_calls(done);
    }

    pub(super) fn call_phase(&mut self, request: RequestId, reached: CallPhase) {
        self.calls.queue.reached(request, reached);
    }

    /// After each input: sends what may be sent, and ends what can no longer be.
    fn carry_on_calls(&mut self, now: Now) {
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
                    queue.sent(now.monotonic, id, request, generation);
                }
                Access::Request(exchange) => self.renew_for_calls(now, exchange),
                Access::AskCaller { refused } => {
                    let id = self.ask_for_token(refused);
                    self.await_renewal(now, id);
                }
            }
        }
    }

    fn renew_for_calls(&mut self, now: Now, exchange: Exchange) {
        debug!("new tokens for calls");
        let id = self.request(exchange);
        self.await_renewal(now, id);
    }

    fn await_renewal(&mut self, now: Now, id: RequestId) {
        self.calls.renewal = Some(Renewal {
            id,
            ends: now.monotonic + self.config.timing.http,
            refused: self.credentials.is_refused(),
        });
    }

    fn calls_in_flight(&self) -> usize {
        match (self.headers.is_isy994(), self.address.has_tls()) {
            (true, true) => IN_FLIGHT_ISY994_TLS,
            (true, false) => IN_FLIGHT_ISY994,
            (false, _) => IN_FLIGHT,
        }
    }

    /// An exchange of a call, or a renewal for calls, was answered.
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
                let in_vain = renewed || unproven;
                if !in_vain && self.credentials.refuse_call(generation) {
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
            Outcome::Granted => self.granted_for_calls(now, renewal),
            Outcome::Request(exchange) => {
                self.renew_for_calls(now, exchange);
                // The login takes the place of the refused refresh, for the same reason.
                if let (Some(next), Some(renewal)) = (&mut self.calls.renewal, renewal) {
                    next.refused = renewal.refused;
                }
            }
            Outcome::Refused(status) => self.renewal_failed(&Reason::LoginRefused { status }),
            Outcome::Undecided { status, detail } => {
                let detail = detail.into();
                self.renewal_failed(&Reason::LoginFailed { status, detail });
            }
        }
    }

    /// There is a new token, for the stream or for calls.
    pub(super) fn note_new_token(&mut self, now: Now) {
        let until = now.monotonic + self.config.timing.http;
        self.calls.granted = Some((self.credentials.generation(), until));
    }

    fn granted_for_calls(&mut self, now: Now, renewal: Option<Renewal>) {
        self.note_new_token(now);
        let refused = renewal.is_some_and(|renewal| renewal.refused);
        let until = now.monotonic + UNPROVEN_FOR;
        self.calls.unproven = refused.then(|| (self.credentials.generation(), until));
    }

    /// The caller's answer to a question for a token that calls have asked.
    pub(super) fn token_for_calls(&mut self, now: Now, token: Option<Secret>) {
        let renewal = self.calls.renewal.take();
        match token {
            Some(token) => {
                self.credentials.supply(token);
                self.granted_for_calls(now, renewal);
            }
            None => self.renewal_failed(&Reason::NoToken),
        }
    }

    /// A live event came.
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

    /// Ends the calls that wait for tokens: there are none.
    fn renewal_failed(&mut self, reason: &Reason) {
        debug!(%reason, "no tokens for calls");
        self.calls.renewal = None;
        self.credentials.abandon_request();
        let done = self.calls.queue.fail_unsent(reason);
        self.end_calls(done);
    }

    pub(super) fn calls_due(&mut self, now: Now) {
        if let Some(renewal) = self.calls.renewal
            && renewal.ends <= now.monotonic
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

    /// Drops a renewal that nobody waits for any more.
    pub(super) fn drop_renewal(&mut self) {
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
                // An answer that repeats the credentials must not be shown.
                text.clear();
            }
            if let Some(id) = done.abandoned {
                self.actions.push_back(Action::Abandon { id });
            }
            match &done.outcome {
                Ok(answer) => debug!(call = done.id.0, status = answer.status, "answered"),
                Err(error) => debug!(call = done.id.0, %error, "a call came to nothing"),
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
