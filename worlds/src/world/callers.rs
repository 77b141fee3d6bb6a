//! What the program that uses the stream does beside it: it makes calls, and provides tokens.

use ioxproto::rest::{CallError, CallId, RawAnswer, Request};
use ioxproto::{RequestId, Secret};
use ioxsim::Times;

use super::World;
use crate::calls::Round;
use crate::checker::CallKind;

impl World {
    pub(super) fn make_due_calls(&mut self) {
        let now = self.clock.world();
        if self.client.calls.next > now {
            return;
        }
        let nodes = self.site.controller.nodes();
        match self.client.calls.draw_round(now, &nodes) {
            Round::Commands(commands) => self.client.commands.extend(commands),
            Round::Fail(fault, times) => {
                self.log(|| format!("faults: calls meet {fault:?}, {times} times"));
                self.site.controller.on_call(fault, Times::Next(times));
            }
            Round::Change(change) => {
                self.log(|| format!("house: {change:?}"));
                self.site.change_house(self.clock.controller(), &change);
                self.forward();
            }
        }
    }

    pub(super) fn call(&mut self, request: Request, kind: CallKind) {
        let path = request.path().to_owned();
        let id = self.client.core.call(self.clock.client(), request);
        self.log(|| format!("caller: {path} as {id:?}"));
        self.client.calls.pending.push(id);
        self.totals.calls += 1;
        self.checker.calls(self.clock.client_ran(), id, &path, kind);
    }

    pub(super) fn call_done(&mut self, id: CallId, outcome: &Result<RawAnswer, CallError>) {
        self.log(|| match outcome {
            Ok(answer) => format!("CALL {id:?}: {} {:?}", answer.status, answer.confirmation),
            Err(error) => format!("CALL {id:?}: {error}"),
        });
        let confirmation = outcome.as_ref().ok().and_then(|answer| answer.confirmation);
        self.totals.call_done(outcome);
        self.client.calls.pending.retain(|pending| *pending != id);
        self.checker.call_ends(id, confirmation);
    }

    pub(super) fn queue_token_request(&mut self, id: RequestId, rejected: bool) {
        let for_call = self.client.core.has_calls();
        self.checker
            .asks(self.clock.client_ran(), rejected, for_call);
        let now = self.clock.world();
        let request = self.client.provider.ask(now, id, self.faults.are_over);
        self.log(|| format!("caller: queues {request:?}"));
    }

    /// Gives an answer that is due. Returns whether there was one.
    pub(super) fn answer_token_request(&mut self) -> bool {
        let provider = &mut self.client.provider;
        let Some(request) = provider.take_due(self.clock.world()) else {
            return false;
        };
        let controller_now = self.clock.controller();
        let token = provider.answer(request, || self.site.fresh_token(controller_now));
        self.log(|| format!("caller: answers {request:?}"));
        let now = self.enter_core();
        let secret = token.clone().map(Secret::new);
        self.client.core.token(now, request.id, secret);
        if request.abandoned {
            self.totals.late_inputs += 1;
            self.check_no_effect(false);
        } else {
            self.checker.supplied(token);
            self.perform_actions();
        }
        true
    }
}
