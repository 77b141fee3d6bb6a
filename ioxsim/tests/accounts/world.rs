//! A client and a controller, connected by a network without latency.

use std::time::Duration;

use ioxproto::{Config, Exchange, FailureKind, Message, Status};
use ioxsim::{AfterAnswer, Answer, Controller, ControllerOptions, Ending, Output, SubscriberId};
use pretend::{Done, Driver};

pub(crate) struct World {
    pub(crate) client: Driver,
    pub(crate) controller: Controller,
    subscriber: Option<SubscriberId>,
    /// The heads of all requests, with the time since the start.
    requests: Vec<(Duration, String)>,
    /// The texts that the controller sent.
    pub(crate) sent: Vec<String>,
}

impl World {
    pub(crate) fn new(
        options: ControllerOptions,
        configure: impl FnOnce(Config) -> Config,
    ) -> Self {
        let client = Driver::with(configure);
        let mut world = Self {
            controller: Controller::new(options, client.now),
            client,
            subscriber: None,
            requests: Vec::new(),
            sent: Vec::new(),
        };
        world.client.start();
        world.settle();
        world
    }

    pub(crate) fn stop(&mut self) {
        self.client.stop();
        self.settle();
    }

    pub(crate) fn end(&mut self, ending: Ending) {
        self.controller.end(ending);
        self.settle();
    }

    /// Runs everything that happens at this moment.
    pub(crate) fn settle(&mut self) {
        loop {
            self.client.drain();
            let now = self.client.now;
            if !self.client.done.is_empty() {
                let action = self.client.done.remove(0);
                self.carry_out(action);
            } else if let Some((id, exchange)) = self.client.http.take() {
                let (request, body) = self.parse(&exchange);
                let answer = self.controller.post(now, &request.map(|()| body));
                if !is_mute(&answer) {
                    let answer = pretend::received(exchange, &answer.bytes);
                    self.client.stream.http_answered(now, id, answer);
                }
            } else if let Some(upgrade) = self.client.upgrade.take() {
                let (request, _) = self.parse(&upgrade);
                let answer = self.controller.upgrade(now, &request);
                self.subscriber = answer.subscriber;
                if !is_mute(&answer) {
                    let (id, answer) =
                        (self.client.id(), pretend::received(upgrade, &answer.bytes));
                    self.client.stream.upgrade_answered(now, id, answer);
                }
            } else if let Some((id, output)) = self.controller.poll_output() {
                if self.subscriber == Some(id) {
                    self.arrive(output);
                }
            } else {
                return;
            }
        }
    }

    /// Lets this much time pass.
    pub(crate) fn pass(&mut self, seconds: f64) {
        let until = self.client.now.monotonic + Duration::from_secs_f64(seconds);
        for _ in 0..1_000_000 {
            self.settle();
            let now = self.client.now;
            let client = self.client.stream.poll_timeout(now);
            let due = [
                client.map(|deadline| deadline.at),
                self.controller.poll_timeout(),
            ];
            let next = due.into_iter().flatten().min().unwrap_or(until).min(until);
            let passed = next.saturating_duration_since(now.monotonic);
            self.client.now = now.after(passed);
            // The controller's output is read before the client ticks.
            self.controller.tick(self.client.now);
            self.settle();
            self.client.tick();
            self.settle();
            if next == until {
                return;
            }
        }
        panic!("time does not pass");
    }

    fn carry_out(&mut self, action: Done) {
        let now = self.client.now;
        match (action, self.subscriber) {
            (Done::SendText(text), subscriber) => {
                let subscriber = subscriber.expect("there is a connection");
                self.controller.text(now, subscriber, &text);
            }
            (Done::Ping, Some(subscriber)) => self.controller.ping(now, subscriber, b""),
            (Done::Close(_), _) => {
                self.hang_up();
                self.client.closed_with(Some(1000), "");
            }
            (Done::Abort, _) => self.hang_up(),
            _ => {}
        }
    }

    fn hang_up(&mut self) {
        if let Some(subscriber) = self.subscriber.take() {
            self.controller.closed(self.client.now, subscriber);
        }
    }

    fn arrive(&mut self, output: Output) {
        match output {
            Output::Text(text) => {
                self.client.text(&text);
                self.sent.push(text);
            }
            Output::Pong(_) => self.client.message(Message::Pong),
            Output::End(Ending::Close(code)) => self.client.closed_with(Some(code), ""),
            Output::End(Ending::Fin) => self.client.closed(),
            Output::End(_) => self.client.fail(FailureKind::ConnectionReset),
            other => panic!("an output that this world does not know: {other:?}"),
        }
    }

    fn parse(&mut self, exchange: &Exchange) -> (http::Request<()>, Vec<u8>) {
        let bytes = exchange.request();
        let (request, length) = ioxsim::parse_request(bytes).unwrap().unwrap();
        let since = self.client.now.monotonic - self.client.began;
        let head = String::from_utf8(bytes[..length].to_vec()).unwrap();
        self.requests.push((since, head));
        (request, bytes[length..].to_vec())
    }

    pub(crate) fn status(&self) -> Status {
        self.client.status()
    }

    /// Returns when each request to this path was made, in seconds since the start.
    pub(crate) fn times(&self, path: &str) -> Vec<f64> {
        let of_it = self
            .requests
            .iter()
            .filter(|(_, head)| head.split(' ').nth(1) == Some(path));
        of_it.map(|(at, _)| at.as_secs_f64()).collect()
    }
}

/// Whether nothing is ever answered.
fn is_mute(answer: &Answer) -> bool {
    answer.bytes.is_empty() && answer.then == AfterAnswer::Mute
}
