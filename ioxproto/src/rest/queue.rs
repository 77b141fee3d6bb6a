//! The queue of calls: which is sent when, how often, and when it is given up.
//!
//! ```text
//!            push            a place is free, the tokens are fresh
//!   ┌──────┐ ────► ┌────────┐ ───────────────────────────► ┌──────────┐
//!   │ none │       │ Queued │                              │ InFlight │
//!   └──────┘       └────────┘ ◄─────────────────────────── └──────────┘
//!      ▲               ▲       401: with other tokens, once   │     │ 404, 503 of what
//!      │               │                                      │     ▼ may be repeated
//!      │               │ 0.25, 1, 2 s later            ┌──────│──────┐
//!      │               └────────────────────────────── │ Waiting     │
//!      │                                               └──────│──────┘
//!      └──────────────────────────────────────────────────────┘
//!         answered, refused, failed, timed out, cancelled, superseded; a command that is to be
//!         confirmed is `Accepted` between its answer and the event, or the end of the wait for it
//! ```
//!
//! The rules:
//!
//! * **In order**: calls are sent in the order in which they came, except that commands to the same
//!   target are sent one after the other, so that the last one counts.
//! * **Few at a time**, and a bounded number pending.
//! * **Two limits**: one to the first byte of the answer, for each exchange; one for the call in
//!   all, from its arrival to its end, with waits and repeats.
//! * **Repeated is what a busy controller refused**, if repeating it does no harm
//!   ([`Request::is_repeated_after`]).
//! * **A newer command to the same target cancels the older one's repeats.**
//! * **A failure after the request was sent says that it may have been carried out**, unless the
//!   controller clearly refused it. A 404 to a command is not a clear refusal: a busy controller
//!   sends one too, and may have acted.
//!
//! * **A confirmed command ends with the event that proves it** (`confirmation`), which may come
//!   before the answer, and counts more than an answer that leaves it open.
//!
//! It knows no stream and no credentials: `stream/calls` says when calls may be sent and what a 401
//! leads to.

use std::time::{Duration, Instant};

use http::Response;

use super::confirmation::Confirmation;
use super::outcome::{CallError, CallId, CallPhase, CallProblem};
use super::refusal::refusal;
use super::{RawAnswer, Request, Target, document};
use crate::{Event, ExchangeError, Failure, Reason, RequestId, Timing};

/// The result of a call.
pub(crate) type Outcome = Result<RawAnswer, CallError>;

/// All calls that are not done, in the order in which they came.
#[derive(Debug)]
pub(crate) struct CallQueue {
    pending: Vec<Pending>,
    limit: usize,
    first_byte: Duration,
    in_all: Duration,
    repeats: Vec<Duration>,
}

#[derive(Debug)]
struct Pending {
    id: CallId,
    request: Request,
    stage: Stage,
    /// When it is given up.
    ends: Instant,
    /// How often it was sent.
    attempts: u32,
    /// The last refusal, if the call is to be repeated.
    refused: Option<Refused>,
    /// A newer command has taken its place: no repeats.
    superseded: bool,
    /// It has been sent with other tokens after a 401.
    renewed: bool,
    /// An event has shown that it was carried out.
    confirmed: bool,
}

#[derive(Clone, Debug)]
struct Refused {
    status: u16,
    text: String,
}

#[derive(Clone, Debug)]
enum Stage {
    Queued,
    InFlight {
        exchange: RequestId,
        phase: CallPhase,
        /// When the first byte of the answer is due.
        first_byte: Instant,
        /// Which token it shows.
        generation: u64,
    },
    Waiting {
        until: Instant,
    },
    /// The controller has accepted it with this answer; the event that proves it is awaited.
    Accepted {
        answer: RawAnswer,
        until: Instant,
    },
}

/// A call that is done, and the exchange that is to be abandoned with it.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) id: CallId,
    pub(crate) outcome: Outcome,
    pub(crate) abandoned: Option<RequestId>,
}

/// What an answer leads to.
#[derive(Debug)]
pub(crate) enum Step {
    Done(Done),
    /// The call waits: for its repeat, or for the event that proves it.
    Waits,
    /// Refused with 401.
    Unauthorized {
        id: CallId,
        /// The token that was shown.
        generation: u64,
        /// Whether other tokens were tried already.
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

    /// Whether the controller may have acted on an attempt at it.
    fn may_have_been_carried_out(&self) -> bool {
        let sent = self.phase().is_some_and(|phase| phase >= CallPhase::Sent)
            || matches!(self.stage, Stage::Accepted { .. });
        let refused = self.refused.as_ref().map(|refused| refused.status);
        let reached = sent || refused.is_some_and(is_doubtful);
        reached && self.request.command().is_some()
    }

    fn ended(self, problem: CallProblem) -> Done {
        if self.confirmed {
            // Whatever became of the exchange.
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

    /// When something is due for it.
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

/// Whether the controller may have acted although it refused: a busy one answers 404, and a server
/// error may come after the command was carried out.
fn is_doubtful(status: u16) -> bool {
    status == 404 || (status >= 500 && status != 503)
}

impl CallQueue {
    pub(crate) fn new(limit: usize, timing: &Timing) -> Self {
        Self {
            pending: Vec::new(),
            limit,
            first_byte: timing.call_first_byte,
            in_all: timing.call,
            repeats: timing.call_repeats.clone(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Takes a call. Returns a call that is over with that: this one if there is no room, or an
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

    /// Takes a read of the stream's own, which the limit for callers does not concern.
    pub(crate) fn push_own(&mut self, now: Instant, id: CallId, request: Request) {
        self.pending.push(Pending {
            id,
            request,
            stage: Stage::Queued,
            ends: now + self.in_all,
            attempts: 0,
            refused: None,
            superseded: false,
            renewed: false,
            confirmed: false,
        });
    }

    /// A newer command to this target has come. At most one older one waits for its repeat, since
    /// commands to one target are sent one after the other.
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
        Some(call.ended(CallProblem::Superseded { status }))
    }

    /// The call that may be sent now, if one may be with this many in flight at most.
    pub(crate) fn next(&self, in_flight: usize) -> Option<(CallId, &Request)> {
        let under_way = self.pending.iter().filter_map(Pending::exchange).count();
        if under_way >= in_flight {
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

    /// A call is sent by this exchange, with this token.
    pub(crate) fn sent(&mut self, now: Instant, id: CallId, exchange: RequestId, generation: u64) {
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

    /// Whether an exchange is that of a call.
    pub(crate) fn owns(&self, exchange: RequestId) -> bool {
        self.place(exchange).is_some()
    }

    fn place(&self, exchange: RequestId) -> Option<usize> {
        let mut calls = self.pending.iter();
        calls.position(|call| call.exchange() == Some(exchange))
    }

    /// The exchange has come this far. It never goes back.
    pub(crate) fn reached(&mut self, exchange: RequestId, reached: CallPhase) {
        let Some(place) = self.place(exchange) else {
            return;
        };
        if let Stage::InFlight { phase, .. } = &mut self.pending[place].stage {
            *phase = reached.max(*phase);
        }
    }

    /// The exchange failed.
    pub(crate) fn failed(&mut self, exchange: RequestId, failure: Failure) -> Option<Done> {
        let call = self.pending.remove(self.place(exchange)?);
        Some(Done {
            abandoned: None,
            ..call.ended(CallProblem::Failed(failure))
        })
    }

    /// The exchange was answered.
    pub(crate) fn answered(
        &mut self,
        now: Instant,
        exchange: RequestId,
        answer: Result<Response<Vec<u8>>, ExchangeError>,
    ) -> Option<Step> {
        let place = self.place(exchange)?;
        self.reached(exchange, CallPhase::Answering);
        let answer = match answer {
            Ok(answer) => RawAnswer::of(answer),
            Err(error) => {
                let call = self.pending.remove(place);
                return Some(Step::Done(Done {
                    abandoned: None,
                    ..call.ended(CallProblem::NotHttp(error))
                }));
            }
        };
        let call = &mut self.pending[place];
        let Stage::InFlight { generation, .. } = call.stage else {
            return None;
        };
        let refused = match (answer.status, refusal(&answer.body)) {
            (200..=299, None) => return Some(self.accepted(now, place, answer)),
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
            return Some(self.done(place, Ok(none)));
        }
        if refused.status == 401 {
            return Some(Step::Unauthorized {
                id: call.id,
                generation,
                renewed: call.renewed,
            });
        }
        if call.confirmed && is_doubtful(refused.status) {
            return Some(self.done(place, Ok(RawAnswer::confirmed())));
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
        let call = &self.pending[place];
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
        Some(self.done(place, Err(error)))
    }

    /// The controller has accepted what was asked for. A command may have to be proved yet.
    fn accepted(&mut self, now: Instant, place: usize, mut answer: RawAnswer) -> Step {
        let call = &mut self.pending[place];
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
        self.done(place, Ok(answer))
    }

    /// A live event came. What was sent may be proved by it.
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

    fn done(&mut self, place: usize, outcome: Outcome) -> Step {
        let call = self.pending.remove(place);
        Step::Done(Done {
            id: call.id,
            outcome,
            abandoned: None,
        })
    }

    /// A call that was refused with 401 is sent again, with other tokens.
    pub(crate) fn renew(&mut self, id: CallId) {
        if let Some(call) = self.pending.iter_mut().find(|call| call.id == id) {
            call.stage = Stage::Queued;
            call.renewed = true;
        }
    }

    /// A call that was refused with 401 has no other tokens to try.
    pub(crate) fn refuse(&mut self, id: CallId) -> Option<Done> {
        let place = self.pending.iter().position(|call| call.id == id)?;
        let mut call = self.pending.remove(place);
        // This attempt was refused clearly; an earlier one may have been carried out.
        call.stage = Stage::Queued;
        Some(call.ended(CallProblem::CredentialsRefused { status: 401 }))
    }

    /// The caller takes a call back.
    pub(crate) fn cancel(&mut self, id: CallId) -> Option<Done> {
        let place = self.pending.iter().position(|call| call.id == id)?;
        Some(self.pending.remove(place).ended(CallProblem::Cancelled))
    }

    /// Ends every call that is not under way: it cannot be sent.
    pub(crate) fn fail_unsent(&mut self, reason: &Reason) -> Vec<Done> {
        let unsent = self
            .pending
            .extract_if(.., |call| call.exchange().is_none());
        unsent
            .map(|call| call.ended(CallProblem::NotSignedIn(reason.clone())))
            .collect()
    }

    /// Ends every call.
    pub(crate) fn end_all(&mut self, problem: &CallProblem) -> Vec<Done> {
        let pending = self.pending.drain(..);
        pending.map(|call| call.ended(problem.clone())).collect()
    }

    /// When to look again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.pending.iter().map(Pending::due).min()
    }

    /// Time has passed: what is over, and what may be repeated.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<Done> {
        for call in &mut self.pending {
            if matches!(call.stage, Stage::Waiting { until } if until <= now) {
                call.stage = Stage::Queued;
            }
        }
        let overdue = self.pending.extract_if(.., |call| call.due() <= now);
        let overdue: Vec<Pending> = overdue.collect();
        let done = overdue.into_iter().map(|call| self.overdue(now, call));
        done.collect()
    }

    /// Ends a call whose time is up.
    fn overdue(&self, now: Instant, call: Pending) -> Done {
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
            // The refusal explains more than the time limit.
            (Some(Refused { status, text }), None) => CallProblem::Refused {
                status: *status,
                text: text.clone(),
                attempts: call.attempts,
            },
            (_, phase) => CallProblem::TimedOut {
                phase,
                after: match call.ends <= now {
                    true => self.in_all,
                    false => self.first_byte,
                },
            },
        };
        call.ended(problem)
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

    /// The answer of a command that an event has confirmed whatever became of its exchange.
    fn confirmed() -> Self {
        Self {
            status: 200,
            content_type: String::new(),
            body: Vec::new(),
            confirmation: Some(Confirmation::Confirmed),
        }
    }
}
