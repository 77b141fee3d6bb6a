//! The controller's half of the world: it receives what arrives from the client, and its output is
//! sent back.

use std::time::Duration;

use ioxsim::{AfterAnswer, Answer, Ending, Event, Output};

use super::World;
use crate::site::Condition;
use crate::wire::{Arrival, Payload, Sent, Truth};

impl World {
    /// Takes the controller down.
    pub(crate) fn go_down(&mut self, how: Condition) {
        self.site.condition = how;
        self.network.lose_controller(self.clock.world());
    }

    /// Emits an event that must reach the client.
    pub(crate) fn probe(&mut self, value: &str) {
        let event = Event::new("ST", value).node("PROBE 1");
        self.site.controller.emit(self.clock.controller(), &event);
        self.forward();
    }

    /// Gives the controller what has arrived, and runs its due timers.
    pub(super) fn controller_due(&mut self) {
        let now = self.clock.world();
        for index in 0..self.network.links.len() {
            while let Some(sent) = self.network.links[index].at_controller(now) {
                self.received_by_controller(index, sent);
            }
        }
        self.network.links.retain(|link| !link.is_over());
        if self.site.is_up() {
            self.site.controller.tick(self.clock.controller());
            self.forward();
        }
    }

    /// Returns when the controller has something to do next.
    pub(super) fn controller_timeout(&self) -> Option<Duration> {
        let own = self.site.timeout().map(|at| self.clock.of_controller(at));
        self.network.controller_due().into_iter().chain(own).min()
    }

    fn received_by_controller(&mut self, index: usize, sent: Sent) {
        let (world, now) = (self.clock.world(), self.clock.controller());
        let link = &mut self.network.links[index];
        if !matches!(sent, Sent::Dial | Sent::Gone) {
            self.checker.check(
                !self.site.identity.secured || link.trusted,
                "bytes sent to a peer whose identity was not accepted",
            );
        }
        if let Sent::Close(_) | Sent::Gone = sent
            && let Some(id) = link.subscriber.take()
        {
            self.site.controller.closed(now, id);
            if let Sent::Close(code) = sent {
                let close = Arrival::Close(code);
                self.network.send_to_client(world, index, close);
                self.network.send_to_client(world, index, Arrival::Fin);
            }
            return;
        }
        match (sent, link.subscriber) {
            (Sent::Dial, _) => self.accept_dial(index),
            (Sent::Request(request), _) => self.answer_request(index, &request),
            (Sent::Text(text), Some(id)) => {
                let replay = self.site.replay_frames(true);
                link.subscription.accept(world, now.utc, replay);
                self.site.controller.text(now, id, &text);
                self.forward();
            }
            (Sent::Ping, Some(id)) => {
                self.site.controller.ping(now, id, b"");
                self.forward();
            }
            _ => {}
        }
    }

    fn accept_dial(&mut self, index: usize) {
        let now = self.clock.world();
        for arrival in self.site.meet_dial() {
            if let Arrival::Certificate(shown) = arrival {
                let trusted = self.site.identity.problem(shown).is_none();
                self.network.links[index].trusted = trusted;
            }
            self.network.send_to_client(now, index, arrival);
        }
    }

    fn answer_request(&mut self, index: usize, bytes: &[u8]) {
        match self.site.condition {
            Condition::Up => {}
            Condition::Booting => return self.refuse(index, "503 Service Unavailable"),
            _ => return,
        }
        if bytes.first() == Some(&0x16) {
            // A probe for TLS, which the controller does not speak.
            return self.refuse(index, "400 Bad Request");
        }
        let now = self.clock.controller();
        let Ok(Some((request, length))) = ioxsim::parse_request(bytes) else {
            self.checker.fail("the client sent a malformed request");
            return;
        };
        if request.method().as_str() == "POST" {
            let body = bytes[length..].to_vec();
            let answer = self.site.controller.post(now, &request.map(|()| body));
            return self.answer(index, &answer);
        }
        let replay = self.site.replay_frames(false);
        let answer = self.site.controller.upgrade(now, &request);
        let path = request.uri().path();
        if !path.ends_with("/subscribe") {
            self.checker.controller_received(path, answer.status);
        }
        let link = &mut self.network.links[index];
        link.subscriber = answer.subscriber;
        let world = self.clock.world();
        link.subscription.accept(world, now.utc, replay);
        self.answer(index, &answer);
        self.forward();
    }

    fn answer(&mut self, index: usize, answer: &Answer) {
        let at = self.clock.world() + answer.delay;
        self.network.answer(at, index, &answer.bytes);
        if let (None, AfterAnswer::End(ending)) = (answer.subscriber, answer.then) {
            self.network.end(at, index, ending);
        }
    }

    fn refuse(&mut self, index: usize, status: &str) {
        let now = self.clock.world();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        self.network.answer(now, index, answer.as_bytes());
        self.network.end(now, index, Ending::Fin);
    }

    /// Sends the controller's pending output to the client.
    pub(crate) fn forward(&mut self) {
        let (now, utc) = (self.clock.world(), self.clock.controller().utc);
        let api = self.client.settings.access.is_api();
        while let Some((id, output)) = self.site.controller.poll_output() {
            let Some(index) = self.network.find_subscriber(id) else {
                continue;
            };
            let subscription = &mut self.network.links[index].subscription;
            let message = match output {
                Output::Text(text) => {
                    let truth = subscription.truth(now, utc, api, &text);
                    Arrival::Message(Payload::Text(text.into_bytes()), truth)
                }
                Output::Pong(_) => Arrival::Message(Payload::Pong, Truth::default()),
                Output::End(ending) => {
                    self.network.end(now, index, ending);
                    continue;
                }
                _ => {
                    let what = "an output that the world does not support";
                    return self.checker.fail(what);
                }
            };
            self.network.send_to_client(now, index, message);
        }
    }
}
