//! The reading half of the simulated driver: reads what arrives on a connection, and passes it to
//! the core.

use std::time::Duration;

use ioxproto::rest::CallPhase;
use ioxproto::{
    Action, ConnectionId, Failure, FailureKind, Message, Notification, Phase, Progress,
};

use crate::checker::Handled;
use crate::link::{ClientEnd, Owner};
use crate::wire::{Arrival, Payload, Sent, Truth};
use crate::world::World;

impl World {
    pub(crate) fn read(&mut self, index: usize) {
        let now = self.clock.world();
        let owner = self.links[index].owner;
        let Some((available, arrival)) = self.links[index].read(now) else {
            return;
        };
        self.entered();
        self.driver.wait = None;
        match &mut self.links[index].client {
            ClientEnd::Exchange(_) => self.read_answer(index, owner, arrival),
            ClientEnd::Open => self.read_message(index, owner, available, arrival),
            // The core decides first whether the connection is used.
            ClientEnd::Answered | ClientEnd::Gone => {}
        }
    }

    /// Passes an arrival to the exchange. Returns `true` once the answer is complete.
    fn exchange(&mut self, index: usize, arrival: Arrival) -> Result<bool, Failure> {
        let at = self.arrival_time();
        let failed = |kind| Failure::transport(kind, "the attempt failed");
        if let Arrival::Certificate(shown) = arrival
            && let Some(problem) = self.identity.problem(shown)
        {
            return Err(self.identity_failure(problem));
        }
        let link = &mut self.links[index];
        let ClientEnd::Exchange(exchange) = &mut link.client else {
            return Ok(false);
        };
        match arrival {
            Arrival::Reached(Phase::Upgrading) | Arrival::Certificate(_) => {
                let request = exchange.request().to_vec();
                link.send_to_controller(at, Sent::Request(request));
                Ok(false)
            }
            Arrival::Reached(_) => Ok(false),
            Arrival::Failed(kind) => Err(failed(kind)),
            Arrival::Reset => Err(failed(FailureKind::ConnectionReset)),
            Arrival::Bytes(bytes) => Ok(exchange.receive(&bytes) == Progress::Done),
            Arrival::Fin => {
                exchange.end_of_input();
                Ok(true)
            }
            Arrival::Piece | Arrival::Message(..) | Arrival::Close(_) | Arrival::Junk => {
                Ok(exchange.receive(b"\x81\x02") == Progress::Done)
            }
        }
    }

    fn read_answer(&mut self, index: usize, owner: Owner, arrival: Arrival) {
        let now = self.clock.client();
        if let (Owner::Connection(id), Arrival::Reached(phase)) = (owner, &arrival) {
            self.driver.core.phase(now, id, *phase);
        }
        let reached = match &arrival {
            Arrival::Reached(Phase::Upgrading) | Arrival::Certificate(_) => Some(CallPhase::Sent),
            Arrival::Bytes(_) => Some(CallPhase::Answering),
            _ => None,
        };
        let exchanged = self.exchange(index, arrival);
        if let (Owner::Request(id), Some(reached), Ok(_)) = (owner, reached, &exchanged) {
            self.driver.core.call_phase(now, id, reached);
        }
        match exchanged {
            Ok(false) => return,
            Ok(true) => {
                let end = std::mem::replace(&mut self.links[index].client, ClientEnd::Answered);
                let ClientEnd::Exchange(exchange) = end else {
                    return;
                };
                let is_call =
                    exchange.request().starts_with(b"GET ") && matches!(owner, Owner::Request(_));
                let answer = exchange.into_answer().0;
                if is_call {
                    let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
                    self.checker.call_answered(status);
                } else if let Ok(answer) = &answer {
                    let after = answer.headers().get("retry-after");
                    let after = after.and_then(|after| after.to_str().ok());
                    self.checker.answered(answer.status().as_u16(), after);
                }
                match owner {
                    Owner::Connection(id) => self.driver.core.upgrade_answered(now, id, answer),
                    Owner::Request(id) => {
                        self.hang_up(index);
                        self.driver.core.http_answered(now, id, answer);
                    }
                }
            }
            Err(failure) => {
                if let Owner::Request(_) = owner {
                    let is_call = self.links[index].call_path().is_some();
                    self.checker.note_identity_refused_to_call(is_call);
                }
                self.hang_up(index);
                match owner {
                    Owner::Connection(id) => self.driver.core.failed(now, id, failure),
                    Owner::Request(id) => self.driver.core.http_failed(now, id, failure),
                }
            }
        }
        self.perform_actions();
        self.checker.check_refused_identity();
    }

    fn hang_up(&mut self, index: usize) {
        let at = self.arrival_time();
        self.links[index].send_to_controller(at, Sent::Gone);
        self.links[index].drop_client_end();
        if let Owner::Connection(_) = self.links[index].owner {
            self.driver.received = None;
        }
    }

    fn read_message(&mut self, index: usize, owner: Owner, available: Duration, arrival: Arrival) {
        let Owner::Connection(id) = owner else { return };
        let now = self.clock.client();
        let available = self.clock.client_reading(available);
        match arrival {
            Arrival::Piece => {
                self.driver.received = Some(true);
                self.checker.piece(available);
            }
            Arrival::Message(payload, truth) => {
                self.driver.received = Some(false);
                self.message(id, available, payload, truth);
            }
            Arrival::Close(code) => {
                self.hang_up(index);
                self.driver.core.closed(now, id, Some(code), "bye");
            }
            Arrival::Fin => {
                self.hang_up(index);
                self.driver.core.closed(now, id, None, "");
            }
            other => {
                let kind = match other {
                    Arrival::Reset => FailureKind::ConnectionReset,
                    _ => FailureKind::Protocol,
                };
                self.hang_up(index);
                let failure = Failure::transport(kind, "the connection broke");
                self.driver.core.failed(now, id, failure);
            }
        }
        self.perform_actions();
    }

    fn message(&mut self, id: ConnectionId, available: Duration, payload: Payload, truth: Truth) {
        let now = self.clock.client();
        let stopping = self.driver.core.is_stopping();
        let message = match &payload {
            Payload::Text(bytes) => Message::Text(bytes),
            Payload::Binary(bytes) => Message::Binary(bytes),
            Payload::Ping => Message::Ping,
            Payload::Pong => Message::Pong,
        };
        self.checker.receives(available, &payload);
        let returned = self.driver.core.message(now, id, message);
        if let (Payload::Text(bytes), Some(Notification::Event(event))) = (&payload, &returned) {
            let text = String::from_utf8_lossy(bytes);
            self.checker.note_shown_value(&text, event.is_live());
        }
        let before = self.perform_actions();
        if let Some(notification) = &returned {
            self.deliver(notification);
            self.log(|| format!("  {truth:?} {notification:?}"));
        }
        self.totals.message(returned.as_ref());
        let handled = Handled {
            payload: &payload,
            truth,
            stopping,
            before: &before,
            returned: returned.as_ref(),
        };
        self.checker.handled(&handled);
        let last_event_at = self.driver.core.last_event_at();
        if matches!(payload, Payload::Text(_)) && returned.is_some() {
            self.checker.check(
                last_event_at == Some(now.utc),
                "last_event_at is not the time of the last event",
            );
        }
    }

    /// Delivers input for what the core has abandoned. It must change nothing.
    pub(crate) fn deliver_late_input(&mut self, index: usize) {
        let now = self.clock.client();
        let Some((_, arrival)) = self.links[index].read(self.clock.world()) else {
            return;
        };
        self.log(|| format!("  late news: {arrival:?}"));
        self.totals.late_news += 1;
        let owner = self.links[index].owner;
        // A call into the core ends the wait.
        self.entered();
        self.driver.wait = None;
        let mut returned = None;
        let core = &mut self.driver.core;
        match owner {
            Owner::Connection(id) => match arrival {
                Arrival::Reached(phase) => core.phase(now, id, phase),
                Arrival::Certificate(_) => {
                    let problem = ioxproto::IdentityProblem::WrongPin;
                    core.failed(now, id, Failure::identity(problem, "", "late"));
                }
                Arrival::Piece => core.bytes_received(now, id, true),
                Arrival::Message(Payload::Text(bytes), _) => {
                    returned = core.message(now, id, Message::Text(&bytes));
                }
                Arrival::Message(..) => returned = core.message(now, id, Message::Pong),
                Arrival::Close(code) => core.closed(now, id, Some(code), ""),
                Arrival::Fin => core.closed(now, id, None, ""),
                Arrival::Bytes(_) => {
                    let answer = Err(ioxproto::ExchangeError::Truncated);
                    core.upgrade_answered(now, id, answer);
                }
                Arrival::Failed(_) | Arrival::Reset | Arrival::Junk => {
                    let failure = Failure::transport(FailureKind::Other, "late");
                    core.failed(now, id, failure);
                }
            },
            Owner::Request(id) => {
                let answer = Err(ioxproto::ExchangeError::Truncated);
                core.http_answered(now, id, answer);
            }
        }
        self.check_no_effect(returned.is_some());
        if self.links[index].readable().is_none() {
            self.links[index].drop_client_end();
        }
    }

    /// Checks that the last input, which concerned something abandoned, had no effect.
    pub(crate) fn check_no_effect(&mut self, returned: bool) {
        let core = &mut self.driver.core;
        let mut effects = usize::from(returned);
        while let Some(action) = core.poll_action() {
            // A ping is no effect: any input may show the core that time has passed unnoticed.
            effects += usize::from(!matches!(action, Action::Ping { .. }));
            if let Action::Ping { id } = action {
                self.checker.pings();
                let at = self.clock.world() + self.network.latency;
                if let Some(link) = self
                    .links
                    .iter_mut()
                    .find(|link| link.owner == Owner::Connection(id))
                {
                    link.send_to_controller(at, Sent::Ping);
                }
            }
        }
        self.checker
            .check(effects == 0, "input for something abandoned had an effect");
    }
}
