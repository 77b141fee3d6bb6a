//! The simulated driver. It follows `ioxproto::driver`, with queues in place of sockets. Faults
//! make it wake late, block on a slow consumer, or stop running.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ioxproto::rest::{CallId, Request};
use ioxproto::{
    Action, Exchange, FailureKind, Notification, Phase, Profile, StreamMachine, Timing,
};

use crate::checker::CallKind;
use crate::link::{ClientEnd, Link, Owner};
use crate::network::Names;
use crate::wire::{Arrival, Sent};
use crate::world::World;

/// More rounds than this at one instant are a hot loop. Rounds that read something do not count.
const MAX_ROUNDS: usize = 24;
/// How many notifications a driver queues beyond the capacity while calls are pending.
const BEYOND_FULL_QUEUE: usize = 4096;
/// The most actions that one input may cause, not counting those of calls.
const MAX_ACTIONS: usize = 8;

#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) core: StreamMachine,
    pub(crate) timing: Timing,
    pub(crate) max_message_bytes: usize,
    pub(crate) commands: VecDeque<Command>,
    /// The core's deadline; `None` if the core must be asked again.
    pub(crate) wait: Option<Instant>,
    at_rest: bool,
    /// The process does not run before this time.
    pub(crate) asleep_until: Duration,
    /// By how much it oversleeps the next wake-up.
    pub(crate) late: Duration,
    /// Set if bytes arrived since the last wait; `true` if they end in the middle of a message.
    pub(crate) received: Option<bool>,
    pub(crate) wake_ups: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum Command {
    Start,
    Stop,
    Call(Box<Request>, CallKind),
    Cancel(CallId),
}

/// The consumer of the notifications.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) queued: usize,
    pub(crate) capacity: usize,
    /// The time it needs for each notification.
    pub(crate) pace: Duration,
    /// It blocks the driver instead of taking from a queue.
    pub(crate) blocking: bool,
    pub(crate) next_take: Duration,
}

impl Driver {
    pub(crate) fn new(core: StreamMachine, timing: Timing, max_message_bytes: usize) -> Self {
        Self {
            core,
            timing,
            max_message_bytes,
            commands: VecDeque::new(),
            wait: None,
            at_rest: true,
            asleep_until: Duration::ZERO,
            late: Duration::ZERO,
            received: None,
            wake_ups: 0,
        }
    }

    pub(crate) fn is_at_rest(&self) -> bool {
        self.at_rest
    }
}

impl World {
    /// Returns when the driver has something to do next; `None` if it waits for ever.
    pub(crate) fn driver_wakes(&self) -> Option<Duration> {
        let driver = &self.driver;
        let now = self.clock.world();
        let runs = |at: Duration| at.max(driver.asleep_until);
        if !driver.commands.is_empty() {
            return Some(runs(now));
        }
        let late = self.links.iter().filter(|link| link.abandoned);
        let late = late.filter_map(Link::readable);
        let late = late.chain(self.caller.due(true)).min();
        if !driver.at_rest && self.waits_for_room() {
            // Calls continue, and must end in time.
            let deadline = driver.core.call_deadline();
            let due = deadline.map(|deadline| self.clock.of_client(deadline.at));
            let answers = self.links.iter().filter(|link| link.is_for_request());
            let answers = answers.filter_map(Link::readable);
            return answers.chain(due).chain(late).min().map(runs);
        }
        if driver.at_rest {
            return late.map(runs);
        }
        let Some(wait) = driver.wait else {
            return Some(runs(now));
        };
        let readable = self.links.iter().filter_map(Link::readable);
        let readable = readable.chain(self.caller.due(false)).chain(late).min();
        let due = self.clock.of_client(wait);
        let first = readable.map_or(due, |at| at.min(due));
        Some(runs(first + driver.late))
    }

    fn waits_for_room(&self) -> bool {
        // While calls are pending, a driver reads although the queue is full: the consumer may be
        // waiting for a call.
        let more = if self.calls.are_pending() {
            BEYOND_FULL_QUEUE
        } else {
            0
        };
        self.consumer.queued >= self.consumer.capacity + more && !self.driver.core.is_stopping()
    }

    /// Runs the driver until it has to wait.
    pub(crate) fn turn(&mut self) {
        self.driver.wake_ups += 1;
        self.driver.late = Duration::ZERO;
        let mut rounds = 0;
        while self.checker.is_passing() && self.driver.asleep_until <= self.clock.world() {
            rounds += 1;
            if rounds > MAX_ROUNDS {
                return self.checker.fail("hot loop: the driver never waits");
            }
            if let Some(command) = self.driver.commands.pop_front() {
                self.command(command);
                rounds = 0;
                continue;
            }
            if let Some(index) = self.find_late_input() {
                self.deliver_late_input(index);
                rounds -= 1;
                continue;
            }
            if self.caller_answers() {
                rounds -= 1;
                continue;
            }
            if self.driver.core.status().is_at_rest() {
                self.driver.at_rest = true;
                self.driver.wait = None;
                let held = self
                    .links
                    .iter()
                    .any(|link| !link.abandoned && !matches!(link.client, ClientEnd::Gone));
                self.checker.check(!held, "at rest with an open connection");
                self.checker.check_no_calls_pending();
                return;
            }
            if self.waits_for_room() {
                self.driver.wait = None;
                if !self.continue_calls() {
                    return;
                }
                rounds -= 1;
                continue;
            }
            if let Some(index) = self.find_readable() {
                self.read(index);
                rounds -= 1;
                continue;
            }
            let now = self.clock.client();
            if let Some(at) = self.driver.wait
                && at <= now.monotonic
            {
                self.driver.wait = None;
                self.entered();
                self.driver.core.tick(now);
                self.perform_actions();
                self.checker.ticked();
                continue;
            }
            self.begin_wait();
            if self.driver.wait.is_none_or(|at| at > now.monotonic) {
                self.driver.late = self.lateness();
                return;
            }
        }
    }

    /// Reads answers and runs deadlines of calls while the queue is full. Returns whether there was
    /// one.
    fn continue_calls(&mut self) -> bool {
        let now = self.clock.world();
        let is_there = |link: &Link| {
            link.is_for_request() && !link.abandoned && link.readable().is_some_and(|at| at <= now)
        };
        if let Some(index) = self.links.iter().position(is_there) {
            self.read(index);
            return true;
        }
        let now = self.clock.client();
        let deadline = self.driver.core.call_deadline();
        if deadline.is_none_or(|deadline| deadline.at > now.monotonic) {
            return false;
        }
        self.entered();
        self.driver.core.tick_calls(now);
        self.perform_actions();
        true
    }

    fn lateness(&mut self) -> Duration {
        if self.rng.f64() >= self.network.sluggish {
            return Duration::ZERO;
        }
        let most = *crate::site::pick(&mut self.rng, &[5, 200, 490, 700, 3000, 20_000]);
        Duration::from_millis(self.rng.u64(..most))
    }

    fn begin_wait(&mut self) {
        let now = self.clock.client();
        if let Some(mid_message) = self.driver.received.take()
            && let Some(id) = self.connection()
        {
            self.entered();
            self.driver.core.bytes_received(now, id, mid_message);
        }
        self.entered();
        let deadline = self.driver.core.poll_timeout(now);
        self.driver.wait = deadline.map(|deadline| deadline.at);
        let until = self.driver.wait.map(|at| self.clock.reading(at));
        self.checker.listens(self.clock.client_ran(), until);
        self.checker
            .check_call_limits(self.clock.client_ran(), until);
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

    /// Must run before each call into the core.
    pub(crate) fn entered(&mut self) {
        self.checker
            .entered(self.clock.client_ran(), self.clock.client().utc);
    }

    fn connection(&self) -> Option<ioxproto::ConnectionId> {
        self.links.iter().find_map(|link| match link.owner {
            Owner::Connection(id) if !link.abandoned && matches!(link.client, ClientEnd::Open) => {
                Some(id)
            }
            _ => None,
        })
    }

    fn find_readable(&self) -> Option<usize> {
        let now = self.clock.world();
        let readable = |link: &Link| link.readable().is_some_and(|at| at <= now);
        self.links
            .iter()
            .position(|link| !link.abandoned && readable(link))
    }

    fn find_late_input(&self) -> Option<usize> {
        let now = self.clock.world();
        let readable = |link: &Link| link.readable().is_some_and(|at| at <= now);
        self.links
            .iter()
            .position(|link| link.abandoned && readable(link))
    }

    fn command(&mut self, command: Command) {
        let now = self.clock.client();
        if !matches!(command, Command::Call(..)) {
            self.log(|| format!("user: {command:?}"));
        }
        self.entered();
        self.driver.wait = None;
        match command {
            Command::Start => {
                if self.driver.at_rest && (self.healthy || self.rng.bool()) {
                    self.identity.pin_current();
                }
                self.driver.at_rest = false;
                self.checker.starts(self.clock.client_ran());
                self.driver.core.start(now);
            }
            Command::Call(request, kind) => self.call(*request, kind),
            Command::Cancel(id) => self.driver.core.cancel_call(now, id),
            Command::Stop => {
                self.checker.stops(self.clock.client_ran());
                self.driver.core.stop(now);
            }
        }
        self.perform_actions();
    }

    /// Performs all pending actions of the core, and returns its notifications.
    pub(crate) fn perform_actions(&mut self) -> Vec<Notification> {
        let mut notifications = Vec::new();
        let mut actions = 0;
        // Each call may end, be abandoned, and let another begin: 3 actions.
        let most = MAX_ACTIONS + 3 * (self.calls.pending_count() + 4);
        while let Some(action) = self.driver.core.poll_action() {
            actions += 1;
            if actions > most {
                self.checker
                    .fail("the queue of actions grows without bound");
                break;
            }
            if !matches!(action, Action::Notify(_)) {
                self.checker.check_no_secrets(&action);
                self.log(|| format!("  core: {action:?}"));
            }
            match action {
                Action::Connect {
                    id,
                    address,
                    upgrade,
                } => {
                    self.totals.attempts += 1;
                    let host = address.host().to_owned();
                    let open = self.connection().is_some();
                    self.checker
                        .attempts(self.clock.client_ran(), &host, upgrade.request(), open);
                    self.dial(Owner::Connection(id), upgrade);
                }
                Action::Request {
                    id,
                    address,
                    exchange,
                } => {
                    self.requests(address.host(), exchange.request());
                    self.dial(Owner::Request(id), exchange);
                }
                Action::OpenWebSocket { id, .. } => {
                    self.checker.opened(self.clock.client_ran());
                    if let Some(link) = self.link(Owner::Connection(id)) {
                        link.client = ClientEnd::Open;
                    }
                    self.driver.received = Some(false);
                }
                Action::CallDone { id, outcome } => self.call_done(id, &outcome),
                Action::ProvideToken { id, rejected } => self.queue_question(id, rejected),
                Action::SendText { id, text } => {
                    let text = text.expose().to_owned();
                    self.checker.check_first_frame_token(&text);
                    self.send(Owner::Connection(id), Sent::Text(text));
                }
                Action::Ping { id } => {
                    self.checker.pings();
                    self.send(Owner::Connection(id), Sent::Ping);
                }
                Action::Close { id, code } => self.send(Owner::Connection(id), Sent::Close(code)),
                Action::Abort { id } => self.abandon(Owner::Connection(id)),
                Action::Abandon { id } => {
                    self.abandon_question(id);
                    self.abandon(Owner::Request(id));
                }
                Action::Notify(notification) => {
                    self.deliver(&notification);
                    notifications.push(notification);
                }
                other => self.checker.fail(format!(
                    "an action that the driver does not support: {other:?}"
                )),
            }
        }
        notifications
    }

    /// Checks a request beside the stream: of a call, or of an account.
    fn requests(&mut self, host: &str, request: &[u8]) {
        if !request.starts_with(b"GET ") {
            let for_call = self.driver.core.has_calls();
            return self
                .checker
                .requests(self.clock.client_ran(), host, request, for_call);
        }
        let under_way = self.links.iter().filter_map(Link::call_path);
        let under_way: Vec<String> = under_way.collect();
        let most = match (self.driver.core.address().has_tls(), self.profile) {
            (true, Profile::Isy994) => 1,
            (false, Profile::Isy994) => 2,
            _ => 4,
        };
        self.checker.sends_call(host, request, &under_way, most);
    }

    pub(crate) fn deliver(&mut self, notification: &Notification) {
        self.calls.hear(notification);
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
        if self.consumer.blocking {
            let until = self.clock.world() + self.consumer.pace;
            self.driver.asleep_until = self.driver.asleep_until.max(until);
        } else if !self.consumer.pace.is_zero() {
            if self.consumer.queued == 0 {
                let first = self.clock.world() + self.consumer.pace;
                self.consumer.next_take = self.consumer.next_take.max(first);
            }
            self.consumer.queued += 1;
        }
    }

    fn dial(&mut self, owner: Owner, exchange: Exchange) {
        let now = self.clock.world();
        let mut link = Link::new(owner, exchange, self.network.bytes_per_second);
        let looked_up = now + Duration::from_millis(self.rng.u64(..20));
        match self.network.names {
            Names::Resolve => {
                link.send_to_client(looked_up, Arrival::Reached(Phase::Connecting));
                let at = self.arrival_time() + (looked_up - now);
                link.send_to_controller(at, Sent::Dial);
            }
            Names::Fail => {
                link.send_to_client(looked_up, Arrival::Failed(FailureKind::NameNotResolved));
            }
            Names::Hang => {}
        }
        self.links.push(link);
    }

    fn link(&mut self, owner: Owner) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.owner == owner)
    }

    fn send(&mut self, owner: Owner, sent: Sent) {
        let at = self.arrival_time();
        if let Some(link) = self.link(owner) {
            link.send_to_controller(at, sent);
        }
    }

    /// Drops the socket. With the probability `lingering`, its input still arrives for a while, as
    /// with a driver that has threads.
    fn abandon(&mut self, owner: Owner) {
        if let Owner::Connection(_) = owner {
            self.driver.received = None;
        }
        let lingers = self.rng.f64() < self.network.lingering;
        let (now, at) = (self.clock.world(), self.arrival_time());
        let delayed_to = now + Duration::from_millis(self.rng.u64(..20_000));
        if let Some(link) = self.link(owner) {
            link.send_to_controller(at, Sent::Gone);
            if lingers {
                link.hold(now, delayed_to);
                link.abandoned = true;
            } else {
                link.drop_client_end();
            }
        }
    }
}
