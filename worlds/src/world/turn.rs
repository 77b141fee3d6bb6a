//! The loop of the simulated driver.

use std::time::Duration;

use ioxproto::{Action, Exchange, Notification, Now, RequestId};

use super::World;
use crate::client::Command;
use crate::link::{ClientEnd, Link, Owner};
use crate::wire::Sent;

/// This many rounds at one instant are a hot loop. Rounds that read something do not count.
const MAX_ROUNDS: usize = 24;
/// The most actions that one input may cause, not counting those of calls.
const MAX_ACTIONS: usize = 8;

/// What the driver did in one round of its loop.
enum Round {
    /// It passed on a command of the user.
    Command,
    /// It read something.
    Read,
    /// It ran a deadline.
    Tick,
    /// There was nothing to do.
    Wait,
}

impl World {
    /// Runs the driver until it has to wait.
    pub(super) fn turn(&mut self) {
        self.client.wake_ups += 1;
        self.client.late = Duration::ZERO;
        let mut rounds = 0;
        while self.checker.is_passing() && self.client.asleep_until <= self.clock.world() {
            match self.round() {
                Round::Command => rounds = 0,
                Round::Read => {}
                Round::Tick => rounds += 1,
                Round::Wait => return,
            }
            let is_hot = rounds >= MAX_ROUNDS;
            self.checker
                .check(!is_hot, "hot loop: the driver never waits");
        }
    }

    fn round(&mut self) -> Round {
        let world = self.clock.world();
        if let Some(command) = self.client.commands.pop_front() {
            self.command(command);
            return Round::Command;
        }
        if let Some(index) = self.network.find_arrival(world, |link| link.abandoned) {
            self.deliver_late_input(index);
            return Round::Read;
        }
        if self.answer_token_request() {
            return Round::Read;
        }
        if self.client.core.status().is_at_rest() {
            self.rest();
            return Round::Wait;
        }
        if self.client.waits_for_room() {
            self.client.wait = None;
            return if self.continue_calls() {
                Round::Read
            } else {
                Round::Wait
            };
        }
        if let Some(index) = self.network.find_arrival(world, |link| !link.abandoned) {
            self.read(index);
            return Round::Read;
        }
        let now = self.clock.client().monotonic;
        if self.client.wait.is_some_and(|at| at <= now) {
            let now = self.enter_core();
            self.client.core.tick(now);
            self.perform_actions();
            self.checker.ticked();
            return Round::Tick;
        }
        self.begin_wait();
        if self.client.wait.is_some_and(|at| at <= now) {
            return Round::Tick;
        }
        self.client.draw_lateness();
        Round::Wait
    }

    fn rest(&mut self) {
        self.client.at_rest = true;
        self.client.wait = None;
        let held = self.network.is_in_use();
        self.checker.check(!held, "at rest with an open connection");
        self.checker.check_no_calls_pending();
    }

    /// Reads answers and runs deadlines of calls while the queue is full. Returns whether there was
    /// one.
    fn continue_calls(&mut self) -> bool {
        let is_for_call = |link: &Link| link.is_for_request() && !link.abandoned;
        if let Some(index) = self.network.find_arrival(self.clock.world(), is_for_call) {
            self.read(index);
            return true;
        }
        let now = self.clock.client().monotonic;
        let deadline = self.client.core.call_deadline();
        if deadline.is_none_or(|deadline| deadline.at > now) {
            return false;
        }
        let now = self.enter_core();
        self.client.core.tick_calls(now);
        self.perform_actions();
        true
    }

    fn begin_wait(&mut self) {
        if let Some(mid_message) = self.client.received.take()
            && let Some(id) = self.network.open_connection()
        {
            let now = self.enter_core();
            self.client.core.bytes_received(now, id, mid_message);
        }
        let now = self.enter_core();
        let deadline = self.client.core.poll_timeout(now);
        self.client.wait = deadline.map(|deadline| deadline.at);
        let until = self.client.wait.map(|at| self.clock.reading(at));
        let ran = self.clock.client_ran();
        self.checker.listens(ran, until);
        self.checker.check_call_limits(ran, until);
        self.checker
            .check(deadline.is_some(), "no deadline although not at rest");
        self.log(|| match deadline {
            Some(deadline) => format!(
                "  waits {:?} for {}",
                deadline.at.saturating_duration_since(now.monotonic),
                deadline.reason
            ),
            None => "  waits for ever".to_owned(),
        });
    }

    /// Must run before each call into the core, which ends the driver's wait. Returns the client's
    /// time.
    pub(super) fn enter_core(&mut self) -> Now {
        self.client.wait = None;
        let now = self.clock.client();
        self.checker.entered(self.clock.client_ran(), now.utc);
        now
    }

    fn command(&mut self, command: Command) {
        if !matches!(command, Command::Call(..)) {
            self.log(|| format!("user: {command:?}"));
        }
        let now = self.enter_core();
        match command {
            Command::Start => {
                if self.client.at_rest && (self.faults.are_over || self.faults.rng.bool()) {
                    self.site.identity.pin_current();
                }
                self.client.at_rest = false;
                self.checker.starts(self.clock.client_ran());
                self.client.core.start(now);
            }
            Command::Call(request, kind) => self.call(*request, kind),
            Command::Cancel(id) => self.client.core.cancel_call(now, id),
            Command::Stop => {
                self.checker.stops(self.clock.client_ran());
                self.client.core.stop(now);
            }
        }
        self.perform_actions();
    }

    /// Performs all pending actions of the core, and returns its notifications.
    pub(super) fn perform_actions(&mut self) -> Vec<Notification> {
        let mut notifications = Vec::new();
        let mut actions = 0;
        // Each call may end, be abandoned, and let another begin: 3 actions.
        let most = MAX_ACTIONS + 3 * (self.client.calls.pending.len() + 4);
        while let Some(action) = self.client.core.poll_action() {
            actions += 1;
            if actions > most {
                self.checker
                    .fail("the queue of actions grows without bound");
                break;
            }
            if let Action::Notify(notification) = action {
                self.deliver(&notification);
                notifications.push(notification);
            } else {
                self.checker.check_no_secrets(&action);
                self.log(|| format!("  core: {action:?}"));
                self.perform(action);
            }
        }
        notifications
    }

    fn perform(&mut self, action: Action) {
        let world = self.clock.world();
        match action {
            Action::Connect {
                id,
                address,
                upgrade,
            } => {
                self.totals.attempts += 1;
                let ran = self.clock.client_ran();
                let open = self.network.open_connection().is_some();
                self.checker
                    .attempts(ran, address.host(), upgrade.request(), open);
                self.network.dial(world, Owner::Connection(id), upgrade);
            }
            Action::Request {
                id,
                address,
                exchange,
            } => self.request(id, address.host(), exchange),
            Action::OpenWebSocket { id, .. } => {
                self.checker.opened(self.clock.client_ran());
                if let Some(link) = self.network.link(Owner::Connection(id)) {
                    link.client = ClientEnd::Open;
                }
                self.client.received = Some(false);
            }
            Action::CallDone { id, outcome } => self.call_done(id, &outcome),
            Action::ProvideToken { id, rejected } => self.queue_token_request(id, rejected),
            Action::SendText { id, text } => {
                let text = text.expose().to_owned();
                self.checker.check_first_frame_token(&text);
                let owner = Owner::Connection(id);
                self.network.send(world, owner, Sent::Text(text));
            }
            Action::Ping { id } => {
                self.checker.pings();
                self.network.send(world, Owner::Connection(id), Sent::Ping);
            }
            Action::Close { id, code } => {
                let owner = Owner::Connection(id);
                self.network.send(world, owner, Sent::Close(code));
            }
            Action::Abort { id } => {
                self.client.received = None;
                let lingers = self.client.draw_lingers();
                self.network.abandon(world, Owner::Connection(id), lingers);
            }
            Action::Abandon { id } => {
                let lingers = self.client.draw_lingers();
                if self.client.provider.abandon(id, lingers) {
                    self.checker.token_request_abandoned();
                }
                self.network.abandon(world, Owner::Request(id), lingers);
            }
            other => self.checker.fail(format!(
                "an action that the driver does not support: {other:?}"
            )),
        }
    }

    /// Sends a request beside the stream: of a call, or of an account.
    fn request(&mut self, id: RequestId, host: &str, exchange: Exchange) {
        let request = exchange.request();
        if request.starts_with(b"GET ") {
            let in_flight = self.network.call_paths();
            let most = self.client.most_calls();
            self.checker.sends_call(host, request, &in_flight, most);
        } else {
            let ran = self.clock.client_ran();
            let for_call = self.client.core.has_calls();
            self.checker.requests(ran, host, request, for_call);
        }
        let now = self.clock.world();
        self.network.dial(now, Owner::Request(id), exchange);
    }

    /// Passes a notification to the consumer.
    pub(super) fn deliver(&mut self, notification: &Notification) {
        match notification {
            Notification::Status(change) => {
                let why = change.reason.as_ref().map(ToString::to_string);
                self.log(|| format!("STATUS {} {:?} {why:?}", change.status, change.retry_in));
                self.totals.changed(change);
                self.checker.changed(self.clock.client_ran(), change);
            }
            Notification::Gap(gap) => {
                self.totals.gaps += 1;
                self.log(|| format!("GAP expected {} got {}", gap.expected, gap.got));
            }
            _ => {}
        }
        self.client.calls.hear(notification);
        let blocked_until = self.client.consumer.receive(self.clock.world());
        self.client.sleep_until(blocked_until);
    }
}
