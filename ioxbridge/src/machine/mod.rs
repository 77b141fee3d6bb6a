//! The bridge as a pure state machine: it takes inputs and returns the outputs to carry out.
//!
//! ```text
//!  notifications, answers ──► ┌─────────────────────────────┐ ──► calls
//!                             │  House per controller       │
//!  time ────────────────────► │    │ set, clear    ▲ command│ ──► next deadline
//!                             │    ▼               │        │
//!  broker connected, lost ──► │  Outbox          Machine    │ ──► publications
//!  messages, acknowledgements └─────────────────────────────┘ ──► subscriptions
//! ```
//!
//! It has no socket and no clock, and its only randomness comes from the seed in the options: the
//! same inputs give the same outputs. Rules:
//!
//! * Nothing about a controller is published before its UUID is known. The exception is `offline`,
//!   if the broker still holds `online` from an earlier process.
//! * On each connection to the broker, the bridge publishes a mark: a message to a topic of its
//!   own, to which it has subscribed. Commands that arrive before the mark were sent while the
//!   bridge was disconnected, and are ignored. Retained commands are always ignored.
//! * On the first connection, it lists the retained messages of each controller (subscriptions with
//!   `+` and `#` filters, ended by marks). It then sends only what has changed, and removes what is
//!   gone.
//! * On later connections it sends everything again, because the broker may have lost it.
//! * The bridge's own `online` is published last, so that no client takes an outdated state for a
//!   current one.
//! * When Home Assistant starts, discovery messages and states are sent again after a random delay.

mod command;
mod house;
mod loading;
mod outbox;
mod payload;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ioxproto::rest::{
    Call, Confirmation, ControllerInfo, Nodes, Programs, VariableDefinitions, Variables,
};
use ioxproto::view::VariableType;
use ioxproto::{Notification, Now};
use tracing::{debug, info};

pub(crate) use self::command::{Refusal, text as command_text};
use self::house::{House, View};
pub(crate) use self::outbox::BrokerLimits;
use self::outbox::{Outbox, Owner};
use crate::discovery::Announcer;
use crate::slug::{slug, uuid_slug};
use crate::topics::{BridgeTopics, CommandTarget};
use crate::watch::WatchId;
use crate::{Allowance, BrokerStats, NodeOverride, Options};

/// How long to wait for a mark to come back.
const MARK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the bridge's own `online` waits for the other messages.
const ONLINE_TIMEOUT: Duration = Duration::from_secs(15);
/// The maximum delay after Home Assistant's birth message.
const MAX_BIRTH_DELAY: Duration = Duration::from_secs(5);
/// The maximum payload of a retained message that a listing accepts, in bytes.
const MAX_FOUND: usize = 256 * 1024;

const BRIDGE: Owner = Owner(0);

/// Identifies a publication until it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PublicationId(pub(crate) u64);

/// Identifies a call until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CallNumber(pub(crate) u64);

/// An output of the machine, to be carried out in order.
#[derive(Debug)]
pub(crate) enum Output {
    Publish(Publication),
    /// A message from the bridge to itself: QoS 1, not retained.
    Mark {
        topic: Arc<str>,
        payload: String,
    },
    Subscribe(Subscription),
    Unsubscribe(String),
    Call {
        watch: WatchId,
        number: CallNumber,
        request: Request,
    },
}

/// A message to publish with QoS 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publication {
    pub(crate) id: PublicationId,
    pub(crate) topic: Arc<str>,
    pub(crate) payload: Arc<[u8]>,
    pub(crate) retain: bool,
}

/// A subscription that keeps the retain flag as published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) filter: String,
    /// Whether messages are delivered at least once and in order (QoS 1), or at most once (QoS 0).
    pub(crate) is_reliable: bool,
    /// Whether the broker sends the retained messages on subscription.
    pub(crate) with_retained: bool,
}

/// A call to a controller.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Read(Read),
    Command(Call<Confirmation>),
}

/// A read request to a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Config,
    Nodes,
    Programs,
    Definitions(VariableType),
    Variables(VariableType),
}

/// The outcome of a call.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Config(ControllerInfo),
    Nodes(Nodes),
    Programs(Programs),
    Definitions(VariableType, VariableDefinitions),
    Variables(Variables),
    Command(Confirmation),
    Failed(String),
}

/// A message received from the broker.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) retain: bool,
}

/// The options that the machine needs.
#[derive(Debug)]
struct Settings {
    prefix: Option<String>,
    commands: bool,
    allowed: BTreeSet<Allowance>,
    /// The overrides of nodes, by the slugs of their addresses.
    overrides: BTreeMap<String, NodeOverride>,
    availability_delay: Duration,
}

/// The state that all houses share.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    topics: BridgeTopics,
    outbox: Outbox,
    outputs: VecDeque<Output>,
    marks: BTreeMap<u64, Mark>,
    /// Distinguishes the marks of this process from those of earlier ones.
    nonce: u64,
    next_mark: u64,
    next_call: u64,
    /// Whether the broker held `offline` for the bridge when this process started.
    was_offline: bool,
    commands: u64,
    ignored_commands: BTreeMap<&'static str, u64>,
}

/// A mark that has not come back.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// The controller; `None` for the bridge itself.
    watch: Option<WatchId>,
    step: Step,
    /// When the mark counts as overdue.
    due: Instant,
}

/// The step that a mark ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Listing the bridge's own state.
    BridgeState,
    /// Listing a controller's states.
    States,
    /// Listing a controller's discovery messages.
    Discovery,
    /// Skipping the commands that were sent while the bridge was disconnected.
    Commands,
}

/// The state machine that the module documentation describes.
#[derive(Debug)]
pub(crate) struct Machine {
    shared: Shared,
    houses: BTreeMap<WatchId, House>,
    /// The watches, by the controller's level in topics.
    by_level: BTreeMap<String, WatchId>,
    random: fastrand::Rng,
    has_listed: bool,
    /// When the bridge's own `online` is published even if other messages still wait.
    online_due: Option<Instant>,
    /// When everything is sent again after Home Assistant's birth message.
    birth_due: Option<Instant>,
    connects: u64,
}

impl Machine {
    pub(crate) fn new(options: &Options) -> Self {
        let mut random = fastrand::Rng::with_seed(options.seed);
        let nonce = random.u64(..);
        let overrides = options.overrides.iter();
        let overrides = overrides.map(|(address, change)| (slug(address), change.clone()));
        let settings = Settings {
            prefix: options.home_assistant.clone(),
            commands: options.are_commands_allowed(),
            allowed: options.allowed.clone(),
            overrides: overrides.collect(),
            availability_delay: options.availability_delay,
        };
        let shared = Shared {
            settings,
            topics: BridgeTopics::new(&options.instance),
            outbox: Outbox::new(),
            outputs: VecDeque::new(),
            marks: BTreeMap::new(),
            nonce,
            next_mark: 0,
            next_call: 0,
            was_offline: false,
            commands: 0,
            ignored_commands: BTreeMap::new(),
        };
        Self {
            shared,
            houses: BTreeMap::new(),
            by_level: BTreeMap::new(),
            random,
            has_listed: false,
            online_due: None,
            birth_due: None,
            connects: 0,
        }
    }

    /// Adds a controller.
    pub(crate) fn add(&mut self, now: Now, watch: WatchId, name: &str) {
        self.by_level.insert(slug(name), watch);
        let mut house = House::new(watch, name, now);
        if self.shared.outbox.is_connected() {
            house.begin(&mut self.shared, now);
        }
        self.houses.insert(watch, house);
        self.publish_info();
    }

    /// Removes a controller and publishes it as offline.
    pub(crate) fn remove(&mut self, now: Now, watch: WatchId) {
        if let Some(mut house) = self.houses.remove(&watch) {
            self.by_level.retain(|_, other| *other != watch);
            self.shared
                .marks
                .retain(|_, mark| mark.watch != Some(watch));
            house.end(&mut self.shared);
            self.publish_info();
            self.settle(now);
        }
    }

    /// Handles a notification from a controller's stream.
    pub(crate) fn notified(&mut self, now: Now, watch: WatchId, notification: &Notification) {
        if let Some(house) = self.houses.get_mut(&watch) {
            house.notified(&mut self.shared, now, notification);
        }
    }

    /// Handles the outcome of a call.
    pub(crate) fn answered(
        &mut self,
        now: Now,
        watch: WatchId,
        number: CallNumber,
        answer: Answer,
    ) {
        let uuids: Vec<String> = self
            .houses
            .values()
            .filter_map(House::uuid)
            .map(str::to_owned)
            .collect();
        if let Some(house) = self.houses.get_mut(&watch) {
            house.answered(&mut self.shared, now, number, answer, &uuids);
        }
    }

    /// Handles a new connection to the broker.
    pub(crate) fn connected(&mut self, now: Now, limits: BrokerLimits) {
        info!("the broker is connected");
        self.connects += 1;
        self.shared.marks.clear();
        self.shared.outbox.connected(limits);
        self.shared.outbox.hold(BRIDGE);
        self.online_due = Some(now.monotonic + ONLINE_TIMEOUT);
        let sync = self.shared.topics.sync.clone();
        self.shared.subscribe(sync, true, false);
        if let Some(prefix) = &self.shared.settings.prefix {
            let birth = format!("{prefix}/status");
            self.shared.subscribe(birth, false, false);
        }
        if !self.has_listed {
            let state = self.shared.topics.state.clone();
            self.shared.subscribe(state, false, true);
            self.shared.mark(now, None, Step::BridgeState);
        }
        let state = self.shared.topics.state.clone();
        self.shared.outbox.set(BRIDGE, &state, b"online".to_vec());
        self.publish_info();
        for house in self.houses.values_mut() {
            house.begin(&mut self.shared, now);
        }
    }

    /// Handles the loss of the connection to the broker.
    pub(crate) fn lost(&mut self) {
        self.shared.marks.clear();
        self.shared.outbox.lost();
        self.shared
            .outputs
            .retain(|output| matches!(output, Output::Call { .. }));
        self.online_due = None;
        self.birth_due = None;
        for house in self.houses.values_mut() {
            house.broker_lost();
        }
    }

    /// Switches to another broker, or to none. `commands` is whether commands from it are carried
    /// out.
    pub(crate) fn replace_broker(&mut self, commands: bool) {
        self.lost();
        self.has_listed = false;
        self.shared.was_offline = false;
        self.shared.outbox.forget_found();
        let is_other = std::mem::replace(&mut self.shared.settings.commands, commands) != commands;
        for house in self.houses.values_mut() {
            house.forget_broker();
            if is_other {
                // Without commands, entities are announced as read-only.
                house.announce_all(&mut self.shared);
            }
        }
        self.publish_info();
    }

    /// Handles the broker's acknowledgement, or refusal, of a publication.
    pub(crate) fn acknowledged(&mut self, now: Now, id: PublicationId, is_taken: bool) {
        self.shared.outbox.acknowledged(id, is_taken);
        self.settle(now);
    }

    /// Handles a message from the broker.
    pub(crate) fn message(&mut self, now: Now, message: &Message) {
        if message.topic == self.shared.topics.sync {
            self.handle_mark(now, &message.payload);
            return;
        }
        if message.topic == self.shared.topics.state {
            if message.retain && !self.has_listed {
                self.shared.was_offline = message.payload == b"offline";
            }
            return;
        }
        if let Some(prefix) = &self.shared.settings.prefix
            && let Some(rest) = message.topic.strip_prefix(prefix.as_str())
        {
            if rest == "/status" {
                self.handle_birth(now, &message.payload);
            } else {
                self.found(message);
            }
            return;
        }
        let level = message.topic.split('/').nth(1);
        let watch = level.and_then(|level| self.by_level.get(level));
        if let Some(house) = watch.and_then(|watch| self.houses.get_mut(watch)) {
            house.message(&mut self.shared, now, message);
        }
    }

    /// Handles a discovery message from the broker.
    fn found(&mut self, message: &Message) {
        if !message.retain || message.payload.len() > MAX_FOUND {
            return;
        }
        let Some(prefix) = self.shared.settings.prefix.as_deref() else {
            return;
        };
        let of_topic = |house: &&House| {
            house.uuid().is_some_and(|uuid| {
                message
                    .topic
                    .starts_with(&Announcer::base(prefix, &uuid_slug(uuid)))
            })
        };
        if let Some(owner) = self.houses.values().find(of_topic).map(House::owner) {
            self.shared
                .outbox
                .found(owner, &message.topic, &message.payload);
        }
    }

    /// Handles the birth message or last will of Home Assistant.
    fn handle_birth(&mut self, now: Now, payload: &[u8]) {
        if payload == b"online" && self.birth_due.is_none() {
            let delay = MAX_BIRTH_DELAY.mul_f64(self.random.f64());
            debug!(
                ?delay,
                "Home Assistant has started: discovery and states follow"
            );
            self.birth_due = Some(now.monotonic + delay);
        }
    }

    /// Handles a mark that came back.
    fn handle_mark(&mut self, now: Now, payload: &[u8]) {
        let number = std::str::from_utf8(payload).ok().and_then(|text| {
            let (nonce, number) = text.split_once('-')?;
            (nonce.parse() == Ok(self.shared.nonce)).then(|| number.parse::<u64>().ok())?
        });
        if let Some(mark) = number.and_then(|number| self.shared.marks.remove(&number)) {
            self.pass(now, mark);
        }
        self.settle(now);
    }

    fn pass(&mut self, now: Now, mark: Mark) {
        match mark.watch {
            None => {
                self.has_listed = true;
                let state = self.shared.topics.state.clone();
                self.shared.outputs.push_back(Output::Unsubscribe(state));
            }
            Some(watch) => {
                if let Some(house) = self.houses.get_mut(&watch) {
                    house.passed(&mut self.shared, now, mark.step);
                }
            }
        }
    }

    /// Handles the passing of time.
    pub(crate) fn tick(&mut self, now: Now) {
        let due = |at: Instant| at <= now.monotonic;
        let overdue: Vec<u64> = self
            .shared
            .marks
            .iter()
            .filter(|(_, mark)| due(mark.due))
            .map(|(number, _)| *number)
            .collect();
        for number in overdue {
            if let Some(mark) = self.shared.marks.remove(&number) {
                debug!(step = ?mark.step, "a mark did not come back in time");
                self.pass(now, mark);
            }
        }
        if self.birth_due.is_some_and(due) {
            self.birth_due = None;
            self.repeat_all();
        }
        for house in self.houses.values_mut() {
            house.tick(&mut self.shared, now);
        }
        self.settle(now);
    }

    /// Sends everything again, discovery messages before states.
    fn repeat_all(&mut self) {
        let prefix = self.shared.settings.prefix.clone().unwrap_or_default();
        let is_discovery = |topic: &str| topic.starts_with(&prefix);
        for house in self.houses.values() {
            self.shared.outbox.repeat(house.owner(), is_discovery);
            self.shared
                .outbox
                .repeat(house.owner(), |topic| !is_discovery(topic));
        }
        self.shared.outbox.repeat(BRIDGE, |_| true);
    }

    /// Releases the bridge's own state once everything else is on the broker.
    fn settle(&mut self, now: Now) {
        let Some(due) = self.online_due else { return };
        let is_settled = self.shared.marks.is_empty()
            && self.shared.outputs.is_empty()
            && self.shared.outbox.is_idle_except(BRIDGE);
        if is_settled || due <= now.monotonic {
            self.online_due = None;
            self.shared.outbox.release(BRIDGE);
        }
    }

    fn publish_info(&mut self) {
        let controllers: Vec<&str> = self.houses.values().map(House::name).collect();
        let info = serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "controllers": controllers,
            "commands": self.shared.settings.commands,
        });
        let topic = self.shared.topics.info.clone();
        self.shared
            .outbox
            .set(BRIDGE, &topic, info.to_string().into_bytes());
    }

    /// Takes the next output, or `None` if there is none for now.
    pub(crate) fn poll(&mut self) -> Option<Output> {
        if let Some(output) = self.shared.outputs.pop_front() {
            return Some(output);
        }
        self.shared.outbox.next().map(Output::Publish)
    }

    /// When [`tick`](Self::tick) is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let marks = self.shared.marks.values().map(|mark| mark.due);
        let houses = self
            .houses
            .values()
            .filter_map(|house| house.deadline(&self.shared));
        let own = self.birth_due.into_iter().chain(self.online_due);
        marks.chain(houses).chain(own).min()
    }

    /// Returns the broker statistics.
    pub(crate) fn broker_stats(&self) -> BrokerStats {
        let counts = self.shared.outbox.counts();
        BrokerStats {
            is_connected: self.shared.outbox.is_connected(),
            connects: self.connects,
            published: counts.published,
            dropped_events: counts.dropped_events,
            in_flight: self.shared.outbox.in_flight(),
            waiting: self.shared.outbox.waiting(),
            refused: counts.refused,
            commands: self.shared.commands,
            ignored_commands: self.shared.ignored_commands.clone(),
        }
    }

    /// Sends a command from the page. Returns the number of the call.
    pub(crate) fn page_command(
        &mut self,
        controller: &str,
        target: &CommandTarget<'_>,
        payload: &str,
    ) -> Result<CallNumber, Refusal> {
        let house = self.houses.values_mut();
        let house = house.into_iter().find(|house| house.name() == controller);
        let house = house.ok_or(Refusal::UnknownTarget)?;
        house.page_command(&mut self.shared, target, payload)
    }

    /// Returns the page's view of a house.
    pub(crate) fn view(&self, watch: WatchId) -> Option<View<'_>> {
        let settings = &self.shared.settings;
        Some(View {
            house: self.houses.get(&watch)?,
            allowed: &settings.allowed,
            overrides: &settings.overrides,
        })
    }

    pub(crate) fn house(&self, watch: WatchId) -> Option<&House> {
        self.houses.get(&watch)
    }
}

impl Shared {
    fn subscribe(&mut self, filter: String, is_reliable: bool, with_retained: bool) {
        self.outputs.push_back(Output::Subscribe(Subscription {
            filter,
            is_reliable,
            with_retained,
        }));
    }

    /// Publishes a mark that ends a step: messages before it were already on the broker.
    fn mark(&mut self, now: Now, watch: Option<WatchId>, step: Step) {
        let number = self.next_mark;
        self.next_mark += 1;
        let due = now.monotonic + MARK_TIMEOUT;
        self.marks.insert(number, Mark { watch, step, due });
        self.outputs.push_back(Output::Mark {
            topic: self.topics.sync.as_str().into(),
            payload: format!("{}-{number}", self.nonce),
        });
    }

    fn call(&mut self, watch: WatchId, request: Request) -> CallNumber {
        let number = CallNumber(self.next_call);
        self.next_call += 1;
        self.outputs.push_back(Output::Call {
            watch,
            number,
            request,
        });
        number
    }

    fn ignore(&mut self, controller: &str, topic: &str, refusal: &Refusal) {
        *self.ignored_commands.entry(refusal.code()).or_default() += 1;
        tracing::warn!(controller, topic, "a command is not carried out: {refusal}");
    }
}

#[cfg(test)]
#[path = "../../tests/unit/machine/mod.rs"]
mod tests;
