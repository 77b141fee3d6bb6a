//! A client and a controller, connected by a network without latency.

use std::time::{Duration, Instant, SystemTime};

use ioxproto::{
    Action, Config, ConnectionId, Event, Exchange, Failure, FailureKind, Message, Notification,
    Now, RequestId, Status, StreamMachine,
};
use ioxsim::{AfterAnswer, Answer, Controller, ControllerOptions, Ending, Output, SubscriberId};

pub(crate) struct World {
    pub(crate) client: StreamMachine,
    pub(crate) controller: Controller,
    pub(crate) now: Now,
    began: Instant,
    connection: Option<(ConnectionId, Option<SubscriberId>)>,
    /// Requests that are never answered.
    hanging: Vec<RequestId>,
    pub(crate) notifications: Vec<Notification>,
    /// The heads of all requests, with the time since the start.
    pub(crate) requests: Vec<(Duration, String)>,
    /// The texts that the controller sent.
    pub(crate) sent: Vec<String>,
}

impl World {
    pub(crate) fn new(
        options: ControllerOptions,
        configure: impl FnOnce(Config) -> Config,
    ) -> Self {
        let utc = SystemTime::UNIX_EPOCH + Duration::from_secs(1_778_000_000);
        let now = Now {
            monotonic: Instant::now(),
            utc,
        };
        let config = configure(Config::new("http://eisy.test:8080"));
        let mut world = Self {
            client: StreamMachine::new(config).unwrap(),
            controller: Controller::new(options, now),
            now,
            began: now.monotonic,
            connection: None,
            hanging: Vec::new(),
            notifications: Vec::new(),
            requests: Vec::new(),
            sent: Vec::new(),
        };
        world.start();
        world
    }

    pub(crate) fn start(&mut self) {
        self.client.start(self.now);
        self.settle();
    }

    pub(crate) fn stop(&mut self) {
        self.client.stop(self.now);
        self.settle();
    }

    pub(crate) fn end(&mut self, ending: Ending) {
        self.controller.end(ending);
        self.settle();
    }

    /// Runs everything that happens at this moment.
    pub(crate) fn settle(&mut self) {
        loop {
            if let Some(action) = self.client.poll_action() {
                self.carry_out(action);
            } else if let Some((id, output)) = self.controller.poll_output() {
                self.arrive(id, output);
            } else {
                return;
            }
        }
    }

    /// Lets this much time pass.
    pub(crate) fn pass(&mut self, seconds: f64) {
        let until = self.now.monotonic + Duration::from_secs_f64(seconds);
        for _ in 0..1_000_000 {
            self.settle();
            let client = self
                .client
                .poll_timeout(self.now)
                .map(|deadline| deadline.at);
            let due = [client, self.controller.poll_timeout()];
            let next = due.into_iter().flatten().min().unwrap_or(until).min(until);
            let passed = next.saturating_duration_since(self.now.monotonic);
            self.now = self.now.after(passed);
            // The controller's output is read before the client ticks.
            self.controller.tick(self.now);
            self.settle();
            self.client.tick(self.now);
            self.settle();
            if next == until {
                return;
            }
        }
        panic!("time does not pass");
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Connect { id, upgrade, .. } => {
                let (request, _) = self.parse(&upgrade);
                let answer = self.controller.upgrade(self.now, &request);
                self.connection = Some((id, answer.subscriber));
                if let Some(answer) = received(upgrade, &answer) {
                    self.client.upgrade_answered(self.now, id, answer);
                }
            }
            Action::Request { id, exchange, .. } => {
                let (request, body) = self.parse(&exchange);
                let answer = self.controller.post(self.now, &request.map(|()| body));
                match received(exchange, &answer) {
                    Some(answer) => self.client.http_answered(self.now, id, answer),
                    None => self.hanging.push(id),
                }
            }
            Action::SendText { id, text } => {
                let subscriber = self.subscriber(id).expect("there is a connection");
                self.controller.text(self.now, subscriber, text.expose());
            }
            Action::Ping { id } => {
                if let Some(subscriber) = self.subscriber(id) {
                    self.controller.ping(self.now, subscriber, b"");
                }
            }
            Action::Close { id, .. } => {
                if let Some(subscriber) = self.subscriber(id) {
                    self.controller.closed(self.now, subscriber);
                }
                self.client.closed(self.now, id, Some(1000), "");
            }
            Action::Abort { id } => {
                if let Some(subscriber) = self.subscriber(id) {
                    self.controller.closed(self.now, subscriber);
                }
            }
            Action::Notify(notification) => self.notifications.push(notification),
            Action::Abandon { .. } | Action::OpenWebSocket { .. } => {}
            other => panic!("an action that this world does not know: {other:?}"),
        }
    }

    fn arrive(&mut self, to: SubscriberId, output: Output) {
        let Some((id, _)) = self.connection.filter(|(_, id)| *id == Some(to)) else {
            return;
        };
        let now = self.now;
        let notification = match output {
            Output::Text(text) => {
                let came = self.client.message(now, id, Message::Text(text.as_bytes()));
                self.sent.push(text);
                came
            }
            Output::Pong(_) => self.client.message(now, id, Message::Pong),
            Output::End(Ending::Close(code)) => {
                self.client.closed(now, id, Some(code), "");
                None
            }
            Output::End(Ending::Fin) => {
                self.client.closed(now, id, None, "");
                None
            }
            Output::End(_) => {
                let failure = Failure::transport(FailureKind::ConnectionReset, "reset");
                self.client.failed(now, id, failure);
                None
            }
            other => panic!("an output that this world does not know: {other:?}"),
        };
        while let Some(action) = self.client.poll_action() {
            self.carry_out(action);
        }
        self.notifications.extend(notification);
    }

    fn parse(&mut self, exchange: &Exchange) -> (http::Request<()>, Vec<u8>) {
        let bytes = exchange.request();
        let (request, length) = ioxsim::parse_request(bytes).unwrap().unwrap();
        let since = self.now.monotonic - self.began;
        let head = String::from_utf8(bytes[..length].to_vec()).unwrap();
        self.requests.push((since, head));
        (request, bytes[length..].to_vec())
    }

    fn subscriber(&self, id: ConnectionId) -> Option<SubscriberId> {
        let (current, subscriber) = self.connection?;
        subscriber.filter(|_| current == id)
    }

    pub(crate) fn status(&self) -> Status {
        self.client.status()
    }

    pub(crate) fn statuses(&self) -> Vec<&'static str> {
        let mut statuses = Vec::new();
        for notification in &self.notifications {
            if let Notification::Status(change) = notification {
                statuses.push(change.status.as_str());
            }
        }
        statuses
    }

    /// Returns the codes of the reasons of all status changes.
    pub(crate) fn reasons(&self) -> Vec<&'static str> {
        let mut reasons = Vec::new();
        for notification in &self.notifications {
            if let Notification::Status(change) = notification {
                reasons.extend(change.reason.as_ref().map(|reason| reason.code()));
            }
        }
        reasons
    }

    pub(crate) fn events(&self) -> Vec<&Event> {
        let mut events = Vec::new();
        for notification in &self.notifications {
            if let Notification::Event(event) = notification {
                events.push(event);
            }
        }
        events
    }

    pub(crate) fn gaps(&self) -> usize {
        let gaps = self.notifications.iter();
        gaps.filter(|notification| matches!(notification, Notification::Gap(_)))
            .count()
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

/// Passes an answer to an exchange; `None` if nothing is ever answered.
fn received(
    mut exchange: Exchange,
    answer: &Answer,
) -> Option<Result<http::Response<Vec<u8>>, ioxproto::ExchangeError>> {
    if answer.bytes.is_empty() && answer.then == AfterAnswer::Mute {
        return None;
    }
    exchange.receive(&answer.bytes);
    exchange.end_of_input();
    Some(exchange.into_answer().0)
}
