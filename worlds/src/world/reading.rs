//! The reading half of the simulated driver: reads what arrives on a connection, and passes it to
//! the core.

use std::time::Duration;

use ioxproto::rest::CallPhase;
use ioxproto::{
    Action, ConnectionId, Failure, FailureKind, Message, Notification, Phase, Progress,
};

use super::World;
use crate::checker::Handled;
use crate::link::{ClientEnd, Owner};
use crate::wire::{Arrival, Payload, Sent, Truth};

impl World {
    pub(super) fn read(&mut self, index: usize) {
        let now = self.clock.world();
        let owner = self.network.links[index].owner;
        let Some((available, arrival)) = self.network.links[index].read(now) else {
            return;
        };
        self.enter_core();
        match &mut self.network.links[index].client {
            ClientEnd::Exchange(_) => self.read_answer(index, owner, arrival),
            ClientEnd::Open => self.read_message(index, owner, available, arrival),
            // The core decides first whether the connection is used.
            ClientEnd::Answered | ClientEnd::Gone => {}
        }
    }

    /// Passes an arrival to the exchange. Returns `true` once the answer is complete.
    fn exchange(&mut self, index: usize, arrival: Arrival) -> Result<bool, Failure> {
        let world = self.clock.world();
        let failed = |kind| Failure::transport(kind, "the attempt failed");
        if let Arrival::Certificate(shown) = arrival
            && let Some(problem) = self.site.identity.problem(shown)
        {
            self.checker.note_refused_identity(problem);
            self.totals.refused_certificates += 1;
            let what = "the certificate is refused";
            return Err(Failure::identity(problem, "sha256:00", what));
        }
        let link = &mut self.network.links[index];
        let ClientEnd::Exchange(exchange) = &mut link.client else {
            return Ok(false);
        };
        match arrival {
            Arrival::Reached(Phase::Upgrading) | Arrival::Certificate(_) => {
                let request = Sent::Request(exchange.request().to_vec());
                let owner = link.owner;
                self.network.send(world, owner, request);
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
            Arrival::Piece | Arrival::Message(..) | Arrival::Close(_) => {
                Ok(exchange.receive(b"\x81\x02") == Progress::Done)
            }
        }
    }

    fn read_answer(&mut self, index: usize, owner: Owner, arrival: Arrival) {
        let now = self.clock.client();
        if let (Owner::Connection(id), Arrival::Reached(phase)) = (owner, &arrival) {
            self.client.core.phase(now, id, *phase);
        }
        let reached = match &arrival {
            Arrival::Reached(Phase::Upgrading) | Arrival::Certificate(_) => Some(CallPhase::Sent),
            Arrival::Bytes(_) => Some(CallPhase::Answering),
            _ => None,
        };
        let exchanged = self.exchange(index, arrival);
        if let (Owner::Request(id), Some(reached), Ok(_)) = (owner, reached, &exchanged) {
            self.client.core.call_phase(now, id, reached);
        }
        match exchanged {
            Ok(false) => return,
            Ok(true) => self.pass_answer(index, owner),
            Err(failure) => {
                if let Owner::Request(_) = owner {
                    let is_call = self.network.links[index].call_path().is_some();
                    self.checker.note_identity_refused_to_call(is_call);
                }
                self.hang_up(index);
                match owner {
                    Owner::Connection(id) => self.client.core.failed(now, id, failure),
                    Owner::Request(id) => self.client.core.http_failed(now, id, failure),
                }
            }
        }
        self.perform_actions();
        self.checker.check_refused_identity();
    }

    /// Passes a complete answer to the core.
    fn pass_answer(&mut self, index: usize, owner: Owner) {
        let now = self.clock.client();
        let link = &mut self.network.links[index];
        let is_call = link.call_path().is_some();
        let end = std::mem::replace(&mut link.client, ClientEnd::Answered);
        let ClientEnd::Exchange(exchange) = end else {
            return;
        };
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
            Owner::Connection(id) => self.client.core.upgrade_answered(now, id, answer),
            Owner::Request(id) => {
                self.hang_up(index);
                self.client.core.http_answered(now, id, answer);
            }
        }
    }

    fn hang_up(&mut self, index: usize) {
        self.network.hang_up(self.clock.world(), index);
        if let Owner::Connection(_) = self.network.links[index].owner {
            self.client.received = None;
        }
    }

    fn read_message(&mut self, index: usize, owner: Owner, available: Duration, arrival: Arrival) {
        let Owner::Connection(id) = owner else { return };
        let now = self.clock.client();
        let available = self.clock.client_reading(available);
        match arrival {
            Arrival::Piece => {
                self.client.received = Some(true);
                self.checker.piece(available);
            }
            Arrival::Message(payload, truth) => {
                self.client.received = Some(false);
                self.message(id, available, payload, truth);
            }
            Arrival::Close(code) => {
                self.hang_up(index);
                self.client.core.closed(now, id, Some(code), "bye");
            }
            Arrival::Fin => {
                self.hang_up(index);
                self.client.core.closed(now, id, None, "");
            }
            other => {
                let kind = match other {
                    Arrival::Reset => FailureKind::ConnectionReset,
                    _ => FailureKind::Protocol,
                };
                self.hang_up(index);
                let failure = Failure::transport(kind, "the connection broke");
                self.client.core.failed(now, id, failure);
            }
        }
        self.perform_actions();
    }

    fn message(&mut self, id: ConnectionId, available: Duration, payload: Payload, truth: Truth) {
        let now = self.clock.client();
        let stopping = self.client.core.is_stopping();
        let message = match &payload {
            Payload::Text(bytes) => Message::Text(bytes),
            Payload::Binary(bytes) => Message::Binary(bytes),
            Payload::Ping => Message::Ping,
            Payload::Pong => Message::Pong,
        };
        self.checker.receives(available, &payload);
        let returned = self.client.core.message(now, id, message);
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
        let last_event_at = self.client.core.last_event_at();
        if matches!(payload, Payload::Text(_)) && returned.is_some() {
            self.checker.check(
                last_event_at == Some(now.utc),
                "last_event_at is not the time of the last event",
            );
        }
    }

    /// Delivers input for what the core has abandoned. It must change nothing.
    pub(super) fn deliver_late_input(&mut self, index: usize) {
        let Some((_, arrival)) = self.network.links[index].read(self.clock.world()) else {
            return;
        };
        self.log(|| format!("  late input: {arrival:?}"));
        self.totals.late_inputs += 1;
        let owner = self.network.links[index].owner;
        let now = self.enter_core();
        let mut returned = None;
        let core = &mut self.client.core;
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
                Arrival::Failed(_) | Arrival::Reset => {
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
        if self.network.links[index].readable().is_none() {
            self.network.links[index].drop_client_end();
        }
    }

    /// Checks that the last input, which concerned something abandoned, had no effect.
    pub(super) fn check_no_effect(&mut self, returned: bool) {
        let core = &mut self.client.core;
        let mut effects = usize::from(returned);
        while let Some(action) = core.poll_action() {
            // A ping is no effect: any input may show the core that time has passed unnoticed.
            effects += usize::from(!matches!(action, Action::Ping { .. }));
            if let Action::Ping { id } = action {
                self.checker.pings();
                let (now, owner) = (self.clock.world(), Owner::Connection(id));
                self.network.send(now, owner, Sent::Ping);
            }
        }
        self.checker
            .check(effects == 0, "input for something abandoned had an effect");
    }
}
