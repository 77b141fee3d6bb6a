//! The queue of calls: decides which call is sent, when it is repeated, and when it ends.
//!
//! ```text
//!            push            a slot is free, the tokens are fresh
//!   ┌──────┐ ────► ┌────────┐ ───────────────────────────► ┌──────────┐
//!   │ none │       │ Queued │                              │ InFlight │
//!   └──────┘       └────────┘ ◄─────────────────────────── └──────────┘
//!      ▲               ▲       401: with new tokens, once     │     │ 404, 503, if it
//!      │               │                                      │     ▼ may be repeated
//!      │               │ 0.25, 1, 2 s later            ┌──────│──────┐
//!      │               └────────────────────────────── │ Waiting     │
//!      │                                               └──────│──────┘
//!      └──────────────────────────────────────────────────────┘
//!         answered, refused, failed, timed out, cancelled, superseded
//! ```
//!
//! A command with an expected event is `Accepted` from its answer until the event arrives or the
//! wait for it ends.
//!
//! The rules:
//!
//! * **Order**: calls are sent in the order of their arrival. A command to the same target as an
//!   earlier one waits until that one ends or is accepted, so that the last command takes effect.
//! * **Bounded**: only a few calls are in flight, and the number of pending calls is limited.
//! * **Two time limits**: one for each exchange, up to the first byte of the answer; one for the
//!   whole call, including waits and repeats.
//! * **A request that a busy controller refused is repeated**, if that does no harm
//!   ([`Request::is_repeated_after`]).
//! * **A newer command to the same target cancels the older one's repeats.**
//! * **After a failure, a command that was sent may have been carried out**, unless the controller
//!   clearly refused it. A 404 is not a clear refusal: a busy controller that has carried out the
//!   command may answer 404, too.
//! * **A confirmed command ends with the event that proves it** (`confirmation`). The event may
//!   arrive before the answer, and it overrides an inconclusive answer.
//!
//! The queue knows neither the stream nor the credentials: `stream/calls` decides when calls are
//! sent, and handles a 401.

use std::time::{Duration, Instant};

use http::Response;

use super::confirmation::Confirmation;
use super::outcome::{CallError, CallId, CallPhase, CallProblem};
use super::refusal::refusal;
use super::{RawAnswer, Request, Target, document};
use crate::{Event, ExchangeError, Failure, Reason, RequestId, Timing};

/// The result of a call.
pub(crate) type Outcome = Result<RawAnswer, CallError>;

/// All pending calls, in the order of their arrival.
#[derive(Debug)]
pub(crate) struct CallQueue {
    pending: Vec<Pending>,
    /// The maximum number of pending calls.
    limit: usize,
    /// The time limit for the first byte of an answer.
    first_byte: Duration,
    /// The time limit for a whole call.
    call_timeout: Duration,
    /// The waits before repeats.
    repeats: Vec<Duration>,
}

/// A call that has not ended.
#[derive(Debug)]
struct Pending {
    id: CallId,
    request: Request,
    stage: Stage,
    /// When the whole call times out.
    ends: Instant,
    /// How many times it was sent.
    attempts: u32,
    /// The last refusal by a busy controller.
    refused: Option<Refused>,
    /// A newer command to the same target has arrived: no repeats.
    superseded: bool,
    /// The call is sent with new tokens after a 401.
    renewed: bool,
    /// An event has shown that the command was carried out.
    confirmed: bool,
}

/// A refusal by the controller.
#[derive(Clone, Debug)]
struct Refused {
    status: u16,
    text: String,
}

/// The progress of a call.
#[derive(Clone, Debug)]
enum Stage {
    Queued,
    InFlight {
        exchange: RequestId,
        phase: CallPhase,
        /// When the first byte of the answer is due.
        first_byte: Instant,
        /// The generation of the token that it was sent with.
        generation: u64,
    },
    Waiting {
        until: Instant,
    },
    /// The controller has accepted the command with this answer, and the call waits for the event
    /// that proves it.
    Accepted {
        answer: RawAnswer,
        until: Instant,
    },
}

/// A call that has ended, and its exchange if that must be abandoned.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) id: CallId,
    pub(crate) outcome: Outcome,
    pub(crate) abandoned: Option<RequestId>,
}

/// The result of an answer.
#[derive(Debug)]
pub(crate) enum Step {
    Done(Done),
    /// The call waits for its repeat, or for the event that proves it.
    Waits,
    /// The controller refused the call with 401.
    Unauthorized {
        id: CallId,
        /// The generation of the token that was refused.
        generation: u64,
        /// Whether new tokens were already tried.
        renewed: bool,
    },
}

impl Pending {
    fn exchange(&self) -> Option<RequestId> {
        match self.stage {
            Stage::InFlight { exchange, .. } => Some(exchange),
            Stage::Queued | Stage::Waiting { .. } | Stage::Accepted { .. } => None,
        }
    }

    fn phase(&self) -> Option<CallPhase> {
        match self.stage {
            Stage::InFlight { phase, .. } => Some(phase),
            Stage::Queued | Stage::Waiting { .. } | Stage::Accepted { .. } => None,
        }
    }

    /// Whether the call is a command that the controller may have carried out.
    fn may_have_been_carried_out(&self) -> bool {
        let sent = self.phase().is_some_and(|phase| phase >= CallPhase::Sent)
            || matches!(self.stage, Stage::Accepted { .. });
        let refused = self.refused.as_ref().map(|refused| refused.status);
        let reached = sent || refused.is_some_and(is_doubtful);
        reached && self.request.command().is_some()
    }

    fn end(self, problem: CallProblem) -> Done {
        if self.confirmed {
            // The event counts, not the exchange.
            return Done {
                id: self.id,
                abandoned: self.exchange(),
                outcome: Ok(RawAnswer::confirmed()),
            };
        }
        let error = CallError {
            problem,
            may_have_been_carried_out: self.may_have_been_carried_out(),
        };
        Done {
            id: self.id,
            abandoned: self.exchange(),
            outcome: Err(error),
        }
    }

    /// When the call must be looked at next.
    fn due(&self) -> Instant {
        match self.stage {
            Stage::Queued => self.ends,
            Stage::InFlight {
                phase: CallPhase::Answering,
                ..
            } => self.ends,
            Stage::InFlight { first_byte, .. } => self.ends.min(first_byte),
            Stage::Waiting { until } => self.ends.min(until),
            Stage::Accepted { until, .. } => until,
        }
    }
}

/// Whether the controller may have carried out a command that it answered with this status: a busy
/// controller answers 404, and a server error may occur after the command.
fn is_doubtful(status: u16) -> bool {
    status == 404 || (status >= 500 && status != 503)
}

impl CallQueue {
    pub(crate) fn new(limit: usize, timing: &Timing) -> Self {
        Self {
            pending: Vec::new(),
            limit,
            first_byte: timing.call_first_byte,
            call_timeout: timing.call,
            repeats: timing.call_repeats.clone(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Adds a call. Returns a call that ends because of it: this one if the queue is full, or an
    /// older command whose repeat it replaces.
    pub(crate) fn push(&mut self, now: Instant, id: CallId, request: Request) -> Option<Done> {
        if self.pending.len() >= self.limit {
            let problem = CallProblem::QueueFull { limit: self.limit };
            return Some(Done {
                id,
                outcome: Err(CallError::without_effect(problem)),
                abandoned: None,
            });
        }
        let superseded = request.target().and_then(|target| self.supersede(target));
        self.push_own(now, id, request);
        superseded
    }

    /// Adds a read by the stream itself, which the limit does not apply to.
    pub(crate) fn push_own(&mut self, now: Instant, id: CallId, request: Request) {
        self.pending.push(Pending {
            id,
            request,
            stage: Stage::Queued,
            ends: now + self.call_timeout,
            attempts: 0,
            refused: None,
            superseded: false,
            renewed: false,
            confirmed: false,
        });
    }

    /// Cancels the repeats of older commands to this target. At most one of them waits for a
    /// repeat, because commands to one target are sent one after the other.
    fn supersede(&mut self, target: &Target) -> Option<Done> {
        for call in &mut self.pending {
            let older = call.request.target();
            call.superseded |= older.is_some_and(|older| older.is_same(target));
        }
        let waiting = self.pending.iter().position(|call| {
            let is_older = call
                .request
                .target()
                .is_some_and(|older| older.is_same(target));
            is_older
                && call.refused.is_some()
                && matches!(call.stage, Stage::Queued | Stage::Waiting { .. })
        })?;
        let call = self.pending.remove(waiting);
        let status = call.refused.as_ref().map_or(0, |refused| refused.status);
        Some(call.end(CallProblem::Superseded { status }))
    }

    /// The call to send next, if fewer than `in_flight` calls are in flight.
    pub(crate) fn next(&self, in_flight: usize) -> Option<(CallId, &Request)> {
        let occupied = self.pending.iter().filter_map(Pending::exchange).count();
        if occupied >= in_flight {
            return None;
        }
        let mut before: Vec<&Target> = Vec::new();
        for call in &self.pending {
            let target = call.request.target();
            let blocked =
                target.is_some_and(|target| before.iter().any(|before| before.is_same(target)));
            if matches!(call.stage, Stage::Queued) && !blocked {
                return Some((call.id, &call.request));
            }
            if !matches!(call.stage, Stage::Accepted { .. }) {
                before.extend(target);
            }
        }
        None
    }

    /// The call is sent with this exchange and this token.
    pub(crate) fn note_sent(
        &mut self,
        now: Instant,
        id: CallId,
        exchange: RequestId,
        generation: u64,
    ) {
        let first_byte = now + self.first_byte;
        if let Some(call) = self.pending.iter_mut().find(|call| call.id == id) {
            call.attempts += 1;
            call.stage = Stage::InFlight {
                exchange,
                phase: CallPhase::Opening,
                first_byte,
                generation,
            };
        }
    }

    /// Whether an exchange belongs to a call.
    pub(crate) fn owns(&self, exchange: RequestId) -> bool {
        self.index(exchange).is_some()
    }

    fn index(&self, exchange: RequestId) -> Option<usize> {
        let mut calls = self.pending.iter();
        calls.position(|call| call.exchange() == Some(exchange))
    }

    /// The exchange has reached this phase. A phase never goes back.
    pub(crate) fn note_phase(&mut self, exchange: RequestId, reached: CallPhase) {
        let Some(index) = self.index(exchange) else {
            return;
        };
        if let Stage::InFlight { phase, .. } = &mut self.pending[index].stage {
            *phase = reached.max(*phase);
        }
    }

    /// The exchange failed.
    pub(crate) fn failed(&mut self, exchange: RequestId, failure: Failure) -> Option<Done> {
        let call = self.pending.remove(self.index(exchange)?);
        Some(Done {
            abandoned: None,
            ..call.end(CallProblem::Failed(failure))
        })
    }

    /// The exchange was answered.
    pub(crate) fn answered(
        &mut self,
        now: Instant,
        exchange: RequestId,
        answer: Result<Response<Vec<u8>>, ExchangeError>,
    ) -> Option<Step> {
        let index = self.index(exchange)?;
        self.note_phase(exchange, CallPhase::Answering);
        let answer = match answer {
            Ok(answer) => RawAnswer::of(answer),
            Err(error) => {
                let call = self.pending.remove(index);
                return Some(Step::Done(Done {
                    abandoned: None,
                    ..call.end(CallProblem::NotHttp(error))
                }));
            }
        };
        let call = &mut self.pending[index];
        let Stage::InFlight { generation, .. } = call.stage else {
            return None;
        };
        let refused = match (answer.status, refusal(&answer.body)) {
            (200..=299, None) => return Some(self.accept(now, index, answer)),
            (200..=299, Some(refused)) => Refused {
                status: refused.status.unwrap_or(answer.status),
                text: refused.text,
            },
            (status, refused) => Refused {
                status,
                text: refused.map(|refused| refused.text).unwrap_or_default(),
            },
        };
        if call.request.is_none_after(refused.status) {
            let none = RawAnswer {
                status: refused.status,
                ..answer
            };
            return Some(self.finish(index, Ok(none)));
        }
        if refused.status == 401 {
            return Some(Step::Unauthorized {
                id: call.id,
                generation,
                renewed: call.renewed,
            });
        }
        if call.confirmed && is_doubtful(refused.status) {
            return Some(self.finish(index, Ok(RawAnswer::confirmed())));
        }
        let repeats = call.request.is_repeated_after(refused.status);
        let waited = usize::try_from(call.attempts).unwrap_or(usize::MAX);
        let wait = self.repeats.get(waited.saturating_sub(1));
        if let Some(wait) = wait.filter(|_| repeats && !call.superseded) {
            let until = now + *wait;
            call.stage = Stage::Waiting { until };
            call.refused = Some(refused);
            return Some(Step::Waits);
        }
        let call = &self.pending[index];
        let problem = match refused.status {
            403 => CallProblem::CredentialsRefused { status: 403 },
            status if repeats && call.superseded => CallProblem::Superseded { status },
            status => CallProblem::Refused {
                status,
                text: refused.text,
                attempts: call.attempts,
            },
        };
        let is_command = call.request.command().is_some();
        let error = CallError {
            problem,
            may_have_been_carried_out: is_command && is_doubtful(refused.status),
        };
        Some(self.finish(index, Err(error)))
    }

    /// The controller has accepted the request. A command may still wait for its event.
    fn accept(&mut self, now: Instant, index: usize, mut answer: RawAnswer) -> Step {
        let call = &mut self.pending[index];
        if let Some(expectation) = call.request.expectation() {
            answer.confirmation = match call.confirmed {
                true => Some(Confirmation::Confirmed),
                false => expectation.without_event(),
            };
            if answer.confirmation.is_none() {
                let until = now + expectation.within;
                call.stage = Stage::Accepted { answer, until };
                return Step::Waits;
            }
        }
        self.finish(index, Ok(answer))
    }

    /// A live event has arrived. Returns the calls that it ends.
    pub(crate) fn event(&mut self, event: &Event) -> Vec<Done> {
        for call in &mut self.pending {
            let expectation = call.request.expectation();
            call.confirmed |= call.attempts > 0
                && expectation.is_some_and(|expectation| expectation.is_met_by(event));
        }
        let proved = self.pending.extract_if(.., |call| {
            call.confirmed && !matches!(call.stage, Stage::InFlight { .. })
        });
        let outcome = |call: Pending| match call.stage {
            Stage::Accepted { answer, .. } => RawAnswer {
                confirmation: Some(Confirmation::Confirmed),
                ..answer
            },
            _ => RawAnswer::confirmed(),
        };
        let done = |call: Pending| Done {
            id: call.id,
            abandoned: None,
            outcome: Ok(outcome(call)),
        };
        proved.map(done).collect()
    }

    fn finish(&mut self, index: usize, outcome: Outcome) -> Step {
        let call = self.pending.remove(index);
        Step::Done(Done {
            id: call.id,
            outcome,
            abandoned: None,
        })
    }

    /// Sends a call again that was refused with 401, with new tokens.
    pub(crate) fn renew(&mut self, id: CallId) {
        if let Some(call) = self.pending.iter_mut().find(|call| call.id == id) {
            call.stage = Stage::Queued;
            call.renewed = true;
        }
    }

    /// Ends a call that was refused with 401, because there are no new tokens to try.
    pub(crate) fn refuse(&mut self, id: CallId) -> Option<Done> {
        let index = self.pending.iter().position(|call| call.id == id)?;
        let mut call = self.pending.remove(index);
        // This request was clearly refused; an earlier one may have been carried out.
        call.stage = Stage::Queued;
        Some(call.end(CallProblem::CredentialsRefused { status: 401 }))
    }

    /// The caller cancels a call.
    pub(crate) fn cancel(&mut self, id: CallId) -> Option<Done> {
        let index = self.pending.iter().position(|call| call.id == id)?;
        Some(self.pending.remove(index).end(CallProblem::Cancelled))
    }

    /// Ends every call that is not in flight, because it cannot be sent.
    pub(crate) fn fail_unsent(&mut self, reason: &Reason) -> Vec<Done> {
        let unsent = self
            .pending
            .extract_if(.., |call| call.exchange().is_none());
        unsent
            .map(|call| call.end(CallProblem::NotSignedIn(reason.clone())))
            .collect()
    }

    /// Ends every call.
    pub(crate) fn end_all(&mut self, problem: &CallProblem) -> Vec<Done> {
        let pending = self.pending.drain(..);
        pending.map(|call| call.end(problem.clone())).collect()
    }

    /// When the next tick is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.pending.iter().map(Pending::due).min()
    }

    /// Queues the calls whose wait has ended, and returns those that have ended.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<Done> {
        for call in &mut self.pending {
            if matches!(call.stage, Stage::Waiting { until } if until <= now) {
                call.stage = Stage::Queued;
            }
        }
        let overdue = self.pending.extract_if(.., |call| call.due() <= now);
        let overdue: Vec<Pending> = overdue.collect();
        let done = overdue.into_iter().map(|call| self.end_overdue(now, call));
        done.collect()
    }

    /// Ends a call whose time limit has passed.
    fn end_overdue(&self, now: Instant, call: Pending) -> Done {
        if let Stage::Accepted { answer, .. } = call.stage {
            return Done {
                id: call.id,
                outcome: Ok(RawAnswer {
                    confirmation: Some(Confirmation::Unconfirmed),
                    ..answer
                }),
                abandoned: None,
            };
        }
        let problem = match (&call.refused, call.phase()) {
            // The refusal is more informative than the time limit.
            (Some(Refused { status, text }), None) => CallProblem::Refused {
                status: *status,
                text: text.clone(),
                attempts: call.attempts,
            },
            (_, phase) => CallProblem::TimedOut {
                phase,
                after: match call.ends <= now {
                    true => self.call_timeout,
                    false => self.first_byte,
                },
            },
        };
        call.end(problem)
    }
}

impl RawAnswer {
    fn of(answer: Response<Vec<u8>>) -> Self {
        let kind = answer.headers().get(http::header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        Self {
            status: answer.status().as_u16(),
            content_type: document::shortened(kind),
            body: answer.into_body(),
            confirmation: None,
        }
    }

    /// The answer of a command that an event has confirmed, when its own answer is missing or
    /// unusable.
    fn confirmed() -> Self {
        Self {
            status: 200,
            content_type: String::new(),
            body: Vec::new(),
            confirmation: Some(Confirmation::Confirmed),
        }
    }
}
