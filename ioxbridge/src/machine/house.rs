//! One controller on the broker: what is published of it, and what it is told.
//!
//! ```text
//!                 UUID read, states listed                 listed              mark
//!   Listing states ───────────────────────► Listing discovery ───► Opening commands ───► Open
//!        ▲ broker connected                                                 ▲
//!        └──────────── broker connected, once everything was listed ────────┘
//! ```
//!
//! Rules:
//!
//! * A replay refreshes states and is no event. A value that it repeats keeps the time that it has on
//!   the broker.
//! * The controller is online once its stream is live, and offline after it was away for as long as
//!   the options say.
//! * Removed is what a live event names, or what two complete readings in a row lack; never after a
//!   reading that failed. What was removed is not published again before a reading has it.
//! * A command waits at most 10 s for its controller. A newer one to the same topic replaces it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ioxproto::mirror::{ChangeKind, ControllerState, Limits};
use ioxproto::names::Names;
use ioxproto::rest::{Call, Confirmation, Nodes};
use ioxproto::view::{LifecycleDetails, NodeCommand, ProgramId, VariableId, View};
use ioxproto::vocabulary::{CommandWord, Lifecycle};
use ioxproto::{Event, Notification, Now, Status, StatusChange};
use serde_json::Value;
use tracing::{info, warn};

use super::command::{self, Recipient, Refusal};
use super::loading::Loading;
use super::outbox::Owner;
use super::{Answer, CallNumber, LONGEST_FOUND, Message, Output, Request, Shared, Step, payload};
use crate::discovery::kind::{Facts, Kind};
use crate::discovery::{Announcement, Node, Place, PropertyFacts, VariableFacts};
use crate::slug::{slug, uuid_slug};
use crate::topics::{CommandTarget, ControllerTopics, Subject};
use crate::watch::WatchId;

/// How long a command waits for its controller.
const COMMAND_WAITS: Duration = Duration::from_secs(10);
/// How long the event is waited for that confirms a command.
const CONFIRM_WITHIN: Duration = Duration::from_secs(5);
/// How many commands wait for a controller.
const MOST_WAITING: usize = 64;
/// How many entries of a controller are kept and published.
const MOST_ENTRIES: usize = 50_000;

#[derive(Debug)]
pub(crate) struct House {
    watch: WatchId,
    name: String,
    topics: ControllerTopics,
    uuid: Option<String>,
    firmware: String,
    status: StatusChange,
    state: ControllerState,
    names: Names,
    /// Nodes and scenes, by slug.
    records: BTreeMap<String, Record>,
    programs: BTreeMap<ProgramId, String>,
    /// Names and decimal places.
    variables: BTreeMap<VariableId, (String, u32)>,
    /// What the last complete reading lacked.
    missing: BTreeSet<String>,
    /// The slugs of nodes that are gone.
    removed: BTreeSet<String>,
    loading: Loading,
    away_since: Option<Instant>,
    is_available: Option<bool>,
    connects: u64,
    sync: Sync,
    waiting: BTreeMap<String, Waiting>,
    sent: BTreeMap<CallNumber, String>,
}

/// A node or scene as it was read.
#[derive(Clone, Debug, Default)]
struct Record {
    address: String,
    is_scene: bool,
    definition: String,
    device_type: String,
    family: u32,
    zwave_category: Option<u32>,
    primary: String,
    /// The slugs of a scene's members.
    members: Vec<String>,
}

/// How far the house has come with the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sync {
    states_listed: bool,
    discovery_listed: bool,
    /// A mark of the listing of the discovery messages is on its way.
    is_listing_discovery: bool,
    is_connected: bool,
    /// Commands that come now were not sent while the bridge was away.
    is_open: bool,
}

/// A command that waits for its controller.
#[derive(Debug)]
struct Waiting {
    call: Call<Confirmation>,
    until: Instant,
}

impl House {
    pub(super) fn new(watch: WatchId, name: &str, now: Now) -> Self {
        let limits = Limits {
            entries: MOST_ENTRIES,
            ..Limits::default()
        };
        Self {
            watch,
            name: name.to_owned(),
            topics: ControllerTopics::new(name),
            uuid: None,
            firmware: String::new(),
            status: StatusChange::new(Status::NotStarted),
            state: ControllerState::new().with_limits(limits),
            names: Names::default(),
            records: BTreeMap::new(),
            programs: BTreeMap::new(),
            variables: BTreeMap::new(),
            missing: BTreeSet::new(),
            removed: BTreeSet::new(),
            loading: Loading::default(),
            away_since: Some(now.monotonic),
            is_available: None,
            connects: 0,
            sync: Sync::default(),
            waiting: BTreeMap::new(),
            sent: BTreeMap::new(),
        }
    }

    pub(super) fn owner(&self) -> Owner {
        Owner(self.watch.0 + 1)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn uuid(&self) -> Option<&str> {
        self.uuid.as_deref()
    }

    pub(crate) fn is_available(&self) -> bool {
        self.is_available == Some(true)
    }

    pub(crate) fn nodes(&self) -> usize {
        self.records.len()
    }
}

/// With the broker.
impl House {
    /// The broker is there.
    pub(super) fn begin(&mut self, shared: &mut Shared, now: Now) {
        self.sync.is_connected = true;
        if self.sync.states_listed {
            self.proceed(shared, now);
        } else {
            shared.outbox.hold(self.owner());
            shared.subscribe(self.topics.all(), false, true);
            shared.mark(now, Some(self.watch), Step::States);
        }
    }

    /// The broker is away.
    pub(super) fn broker_lost(&mut self) {
        self.sync.is_connected = false;
        self.sync.is_open = false;
        self.sync.is_listing_discovery = false;
    }

    /// A mark came back.
    pub(super) fn passed(&mut self, shared: &mut Shared, now: Now, step: Step) {
        match step {
            Step::BridgeState => {}
            Step::States => {
                self.sync.states_listed = true;
                shared
                    .outputs
                    .push_back(Output::Unsubscribe(self.topics.all()));
                shared.outbox.release(self.owner());
                // Nobody sees the controller as available at the moment: let it stay so until it is.
                if shared.was_offline && self.status.status != Status::Connected {
                    self.go_offline(shared);
                }
                self.proceed(shared, now);
            }
            Step::Discovery => {
                self.sync.is_listing_discovery = false;
                self.sync.discovery_listed = true;
                if let (Some(prefix), Some(uuid)) = (&shared.settings.prefix, &self.uuid) {
                    let filter = Place::filter(prefix, &uuid_slug(uuid));
                    shared.outputs.push_back(Output::Unsubscribe(filter));
                }
                shared.outbox.release(self.owner());
                self.proceed(shared, now);
            }
            Step::Commands => self.sync.is_open = true,
        }
    }

    /// Goes on with the next step that is possible.
    fn proceed(&mut self, shared: &mut Shared, now: Now) {
        if !self.sync.is_connected || !self.sync.states_listed || self.sync.is_listing_discovery {
            return;
        }
        let Some(uuid) = &self.uuid else { return };
        match &shared.settings.prefix {
            Some(prefix) if !self.sync.discovery_listed => {
                let filter = Place::filter(prefix, &uuid_slug(uuid));
                self.sync.is_listing_discovery = true;
                shared.outbox.hold(self.owner());
                shared.subscribe(filter, false, true);
                shared.mark(now, Some(self.watch), Step::Discovery);
            }
            _ => self.open_commands(shared, now),
        }
    }

    fn open_commands(&self, shared: &mut Shared, now: Now) {
        if !shared.settings.commands || self.sync.is_open {
            return;
        }
        for filter in self.topics.commands() {
            shared.subscribe(filter, true, false);
        }
        shared.mark(now, Some(self.watch), Step::Commands);
    }

    /// The bridge leaves the controller.
    pub(super) fn end(&mut self, shared: &mut Shared) {
        if self.sync.is_connected && shared.settings.commands {
            for filter in self.topics.commands() {
                shared.outputs.push_back(Output::Unsubscribe(filter));
            }
        }
        shared.outbox.release(self.owner());
        self.go_offline(shared);
    }

    /// A message of one of the controller's topics.
    pub(super) fn message(&mut self, shared: &mut Shared, now: Now, message: &Message) {
        let Some(target) = self.topics.command(&message.topic) else {
            if message.retain && message.payload.len() <= LONGEST_FOUND {
                let owner = self.owner();
                shared.outbox.found(owner, &message.topic, &message.payload);
            }
            return;
        };
        shared.commands += 1;
        let command = if message.retain {
            Err(Refusal::Retained)
        } else if !self.sync.is_open {
            Err(Refusal::Late)
        } else {
            command::text(&message.payload)
                .and_then(|payload| self.command(shared, &target, payload))
        };
        match command {
            Ok(call) => self.wait(shared, now, &message.topic, call),
            Err(refusal) => shared.ignore(&self.name, &message.topic, &refusal),
        }
    }

    /// What a message asks for.
    fn command(
        &self,
        shared: &Shared,
        target: &CommandTarget<'_>,
        payload: &str,
    ) -> Result<Call<Confirmation>, Refusal> {
        let command = match target {
            CommandTarget::Node(node) | CommandTarget::Control(node, _) => {
                let record = self.records.get(*node).ok_or(Refusal::UnknownTarget)?;
                let kind = self.commanded_kind(shared, record);
                let recipient = Recipient {
                    address: &record.address,
                    kind,
                };
                if !payload.eq_ignore_ascii_case("QUERY") {
                    let moved = self.moved(node, record);
                    command::check_allowed(moved, &shared.settings.allowed)?;
                }
                match target {
                    CommandTarget::Control(_, control) => {
                        let property = self.state.property(&record.address, control);
                        let uom = property.map(|property| property.uom());
                        let uom = uom.ok_or(Refusal::UnknownTarget)?;
                        command::to_control(recipient, control, uom, payload)?
                    }
                    _ => command::to_node(recipient, payload)?,
                }
            }
            CommandTarget::Program(id) => {
                self.programs.get(id).ok_or(Refusal::UnknownTarget)?;
                command::to_program(*id, payload)?
            }
            CommandTarget::Variable(id) => {
                let (_, places) = self.variables.get(id).ok_or(Refusal::UnknownTarget)?;
                command::to_variable(*id, *places, payload)?
            }
        };
        Ok(command.confirmed(CONFIRM_WITHIN, &self.state))
    }

    /// What a node is commanded as: an override may make a light of a switch, never anything of a lock.
    fn commanded_kind(&self, shared: &Shared, record: &Record) -> Kind {
        let natural = Kind::of(&self.facts(record));
        let change = shared.settings.overrides.get(&slug(&record.address));
        match change.and_then(|change| change.component) {
            Some(component) if natural.allowance().is_none() => natural.overridden(component),
            _ => natural,
        }
    }

    /// The kinds of all that a command moves: the node, and the members of a scene.
    fn moved(&self, node: &str, record: &Record) -> Vec<Kind> {
        let own = (node, record);
        let members = record.members.iter().filter_map(|member| {
            let record = self.records.get(member)?;
            Some((member.as_str(), record))
        });
        let moved = std::iter::once(own).chain(members);
        moved
            .map(|(_, record)| Kind::of(&self.facts(record)))
            .collect()
    }

    /// Sends a command, or lets it wait for the controller.
    fn wait(&mut self, shared: &mut Shared, now: Now, topic: &str, call: Call<Confirmation>) {
        if self.status.status == Status::Connected {
            self.send(shared, topic, call);
            return;
        }
        if self.waiting.len() >= MOST_WAITING && !self.waiting.contains_key(topic) {
            shared.ignore(&self.name, topic, &Refusal::TooMany);
            return;
        }
        let until = now.monotonic + COMMAND_WAITS;
        let waiting = Waiting { call, until };
        if self.waiting.insert(topic.to_owned(), waiting).is_some() {
            shared.ignore(&self.name, topic, &Refusal::Replaced);
        }
    }

    fn send(&mut self, shared: &mut Shared, topic: &str, call: Call<Confirmation>) {
        let number = shared.call(self.watch, Request::Command(call));
        self.sent.insert(number, topic.to_owned());
    }
}

/// With the controller.
impl House {
    pub(super) fn notified(&mut self, shared: &mut Shared, now: Now, notification: &Notification) {
        match notification {
            Notification::Status(change) => self.status_changed(shared, now, change),
            Notification::Event(event) => self.happened(shared, now, event),
            // What was dropped may have changed anything.
            Notification::Dropped(_) => self.loading.changed(now.monotonic),
            _ => {}
        }
        self.read_next(shared, now);
    }

    fn status_changed(&mut self, shared: &mut Shared, now: Now, change: &StatusChange) {
        self.state.apply_status(change);
        self.status = change.clone();
        match change.status {
            Status::Connected => {
                self.connects += 1;
                self.away_since = None;
                self.loading.connected(now.monotonic);
                for (topic, waiting) in std::mem::take(&mut self.waiting) {
                    self.send(shared, &topic, waiting.call);
                }
                self.go_online(shared);
            }
            _ => {
                self.loading.lost();
                self.away_since.get_or_insert(now.monotonic);
            }
        }
        self.tell_status(shared);
    }

    fn tell_status(&self, shared: &mut Shared) {
        if let Some(uuid) = &self.uuid {
            let reconnects = self.connects.saturating_sub(1);
            let payload = payload::status(&self.status, uuid, reconnects, 0);
            shared
                .outbox
                .set(self.owner(), &self.topics.state(), payload);
        }
    }

    fn go_online(&mut self, shared: &mut Shared) {
        if self.uuid.is_some() && self.status.status == Status::Connected {
            self.is_available = Some(true);
            let topic = self.topics.availability();
            shared.outbox.set(self.owner(), &topic, b"online".to_vec());
        }
    }

    /// Says that the controller is away, if it is known or was there for an earlier process.
    fn go_offline(&mut self, shared: &mut Shared) {
        let topic = self.topics.availability();
        if self.uuid.is_some() || shared.outbox.payload(&topic) == Some(b"online") {
            self.is_available = Some(false);
            shared.outbox.set(self.owner(), &topic, b"offline".to_vec());
        }
    }

    fn happened(&mut self, shared: &mut Shared, now: Now, event: &Event) {
        let changes = self.state.apply_event(event);
        if event.is_node_property() {
            let is_new = changes.iter().any(|change| match &change.kind {
                ChangeKind::Property(property) => property.before.is_none(),
                _ => false,
            });
            self.publish_property(shared, now, event.node(), event.control(), event.live());
            if is_new || event.control() == "ST" {
                self.publish_scenes_of(shared, now, event.node());
            }
            if is_new {
                self.announce_node(shared, &slug(event.node()));
            }
            return;
        }
        match event.view() {
            Ok(View::Command(command)) if event.live() => self.tell_event(shared, now, &command),
            Ok(View::Program(program)) => {
                self.publish_program(shared, program.id);
                if !self.programs.contains_key(&program.id) {
                    self.loading.changed(now.monotonic);
                }
            }
            Ok(View::Variable(variable)) => self.publish_variable(shared, variable.id),
            Ok(View::VariableTable(_)) if event.live() => self.loading.changed(now.monotonic),
            Ok(View::Lifecycle(change)) if event.live() => {
                let verb = change.verb.known();
                if change.requires_reload() {
                    self.loading.changed(now.monotonic);
                }
                if matches!(verb, Some(Lifecycle::NodeRemoved | Lifecycle::SceneRemoved)) {
                    self.names.update(event);
                    self.remove(shared, &slug(event.node()));
                    return;
                }
                let is_known = self.names.node(event.node()).is_some();
                if self.names.update(event) && is_known {
                    self.renamed(shared, event, &change.details().ok());
                }
            }
            _ => {}
        }
    }

    /// A name, folder or flag changed: what Home Assistant is told of it changes too.
    fn renamed(&self, shared: &mut Shared, event: &Event, details: &Option<LifecycleDetails<'_>>) {
        let node = slug(event.node());
        if self.records.contains_key(&node) {
            self.announce_node(shared, &node);
        } else if matches!(
            details,
            Some(LifecycleDetails::Renamed { .. } | LifecycleDetails::ParentChanged { .. })
        ) {
            // A folder.
            self.announce_all(shared);
        }
    }

    fn tell_event(&self, shared: &mut Shared, now: Now, command: &NodeCommand<'_>) {
        if self.uuid.is_none() || matches!(command.command, CommandWord::Beep | CommandWord::Query)
        {
            return;
        }
        let topic = self.topics.event(&slug(command.node));
        shared.outbox.event(&topic, payload::event(command, now));
    }

    /// What a call came to.
    pub(super) fn answered(
        &mut self,
        shared: &mut Shared,
        now: Now,
        number: CallNumber,
        answer: Answer,
        uuids: &[String],
    ) {
        if let Some(topic) = self.sent.remove(&number) {
            let controller = &self.name;
            match answer {
                Answer::Failed(error) => {
                    warn!(controller, topic, "a command was not carried out: {error}");
                }
                Answer::Command(Confirmation::Unconfirmed) => {
                    warn!(
                        controller,
                        topic, "a command was accepted, and no event confirmed it"
                    );
                }
                answer => tracing::debug!(controller, topic, ?answer, "a command was carried out"),
            }
            return;
        }
        let is_good = !matches!(answer, Answer::Failed(_));
        if self.loading.answered(now.monotonic, number, is_good) {
            self.loaded(shared, now, answer, uuids);
        }
        self.read_next(shared, now);
    }

    fn read_next(&mut self, shared: &mut Shared, now: Now) {
        if let Some(read) = self.loading.next(now.monotonic) {
            let number = shared.call(self.watch, Request::Read(read));
            self.loading.asked(number);
        }
    }

    fn loaded(&mut self, shared: &mut Shared, now: Now, answer: Answer, uuids: &[String]) {
        match answer {
            Answer::Config(config) => {
                self.firmware = config.firmware;
                self.identified(shared, now, &config.root_id, uuids);
            }
            Answer::Nodes(nodes) => self.take_nodes(shared, now, &nodes),
            Answer::Programs(programs) => {
                self.programs.clear();
                for entry in programs.programs.iter().filter(|entry| !entry.is_folder) {
                    self.programs.insert(entry.id, entry.name.clone());
                    if self.state.program(entry.id).is_none() {
                        let mut program = ioxproto::mirror::Program::default();
                        program.status = entry.status;
                        program.enabled = entry.enabled;
                        program.run_at_reboot = entry.run_at_startup;
                        program.run_state = entry.running;
                        program.last_run = entry.last_run;
                        program.last_finish = entry.last_finish;
                        program.next_run = entry.next_run;
                        self.state.seed_program(entry.id, program);
                    }
                    self.publish_program(shared, entry.id);
                }
                self.look_for_ghosts(shared, now, |subject| {
                    matches!(subject, Subject::Program(_))
                });
            }
            Answer::Definitions(kind, definitions) => {
                let old = std::mem::take(&mut self.variables);
                let places = |id| old.get(id).map_or(0, |(_, places)| *places);
                self.variables = old
                    .iter()
                    .filter(|(id, _)| id.kind != kind)
                    .map(|(id, known)| (*id, known.clone()))
                    .collect();
                for definition in &definitions.definitions {
                    let known = (definition.name.clone(), places(&definition.id));
                    self.variables.insert(definition.id, known);
                }
                let is_meant = |subject: &Subject<'_>| matches!(subject, Subject::Variable(id) if id.kind == kind);
                self.look_for_ghosts(shared, now, is_meant);
            }
            Answer::Variables(variables) => {
                for entry in variables.variables {
                    if let Some((_, places)) = self.variables.get_mut(&entry.id) {
                        *places = u32::try_from(entry.prec).unwrap_or(0).min(9);
                    }
                    if self.state.variable(entry.id).is_none() {
                        let mut variable = ioxproto::mirror::Variable::default();
                        variable.value = entry.number();
                        variable.init = entry.init_number();
                        variable.time = entry.changed_at;
                        self.state.seed_variable(entry.id, variable);
                    }
                    self.publish_variable(shared, entry.id);
                }
            }
            Answer::Command(_) | Answer::Failed(_) => {}
        }
        self.announce_all(shared);
    }

    /// The controller has said who it is.
    fn identified(&mut self, shared: &mut Shared, now: Now, uuid: &str, uuids: &[String]) {
        let controller = &self.name;
        if uuid.is_empty() {
            warn!(
                controller,
                "the controller does not say its UUID: nothing is published of it"
            );
            return;
        }
        match &self.uuid {
            Some(known) if known == uuid => return,
            Some(known) => {
                warn!(
                    controller,
                    known,
                    uuid,
                    "another controller answers: restart the bridge if it takes the place of the old one"
                );
                return;
            }
            None if uuids.iter().any(|other| other == uuid) => {
                warn!(
                    controller,
                    uuid,
                    "this controller is watched already, under another name: nothing is published of it"
                );
                return;
            }
            None => {}
        }
        info!(
            controller,
            uuid,
            firmware = self.firmware,
            "the controller is known"
        );
        self.uuid = Some(uuid.to_owned());
        self.publish_all(shared, now);
        self.tell_status(shared);
        self.go_online(shared);
        self.proceed(shared, now);
    }

    fn take_nodes(&mut self, shared: &mut Shared, now: Now, nodes: &Nodes) {
        self.names.take_nodes(nodes);
        self.records.clear();
        for node in &nodes.nodes {
            let record = Record {
                address: node.address.clone(),
                definition: node.node_def_id.clone(),
                device_type: node.device_type.clone(),
                family: node.family.id,
                zwave_category: node.zwave_category,
                primary: node.primary_node.clone(),
                ..Record::default()
            };
            self.records.insert(slug(&node.address), record);
        }
        for scene in &nodes.scenes {
            let members = scene.members.iter();
            let record = Record {
                address: scene.address.clone(),
                is_scene: true,
                family: scene.family.id,
                members: members.map(|member| slug(&member.address)).collect(),
                ..Record::default()
            };
            self.records.insert(slug(&scene.address), record);
        }
        let returned = self
            .removed
            .iter()
            .filter(|gone| self.records.contains_key(*gone));
        let returned: Vec<String> = returned.cloned().collect();
        for node in returned {
            self.removed.remove(&node);
            self.publish_node(shared, now, &node);
        }
        let scenes: Vec<String> = self
            .records
            .iter()
            .filter(|(_, record)| record.is_scene)
            .map(|(scene, _)| scene.clone())
            .collect();
        for scene in scenes {
            self.publish_scene(shared, now, &scene);
        }
        self.look_for_ghosts(shared, now, |subject| matches!(subject, Subject::Node(_)));
    }

    pub(super) fn tick(&mut self, shared: &mut Shared, now: Now) {
        let delay = shared.settings.availability_delay;
        let is_away = self
            .away_since
            .is_some_and(|since| since + delay <= now.monotonic);
        if is_away && self.is_available != Some(false) {
            self.go_offline(shared);
            // Once is enough, whether or not there was anything to say.
            self.is_available = Some(false);
        }
        let expired: Vec<String> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| waiting.until <= now.monotonic)
            .map(|(topic, _)| topic.clone())
            .collect();
        for topic in expired {
            self.waiting.remove(&topic);
            shared.ignore(&self.name, &topic, &Refusal::Expired);
        }
        self.read_next(shared, now);
    }

    pub(super) fn deadline(&self, shared: &Shared) -> Option<Instant> {
        let delay = shared.settings.availability_delay;
        let away = self.away_since.map(|since| since + delay);
        let away = away.filter(|_| self.is_available != Some(false));
        let waiting = self.waiting.values().map(|waiting| waiting.until);
        waiting.chain(away).chain(self.loading.deadline()).min()
    }
}

/// What is published.
impl House {
    fn publish_all(&self, shared: &mut Shared, now: Now) {
        let nodes: Vec<String> = self.state.nodes().map(str::to_owned).collect();
        for node in nodes {
            self.publish_node(shared, now, &slug(&node));
        }
        for (id, _) in self.state.programs() {
            self.publish_program(shared, id);
        }
        for (id, _) in self.state.variables() {
            self.publish_variable(shared, id);
        }
    }

    fn publish_node(&self, shared: &mut Shared, now: Now, node: &str) {
        let address = self.records.get(node).map(|record| record.address.as_str());
        let address = address.or_else(|| self.state.nodes().find(|address| slug(address) == node));
        let Some(address) = address else { return };
        let controls: Vec<&str> = self
            .state
            .properties(address)
            .map(|(control, _)| control)
            .collect();
        for control in controls {
            self.publish_property(shared, now, address, control, false);
        }
    }

    /// Publishes a property. What is not live keeps the time of the same value.
    fn publish_property(
        &self,
        shared: &mut Shared,
        now: Now,
        address: &str,
        control: &str,
        is_live: bool,
    ) {
        let node = slug(address);
        if self.uuid.is_none() || self.removed.contains(&node) {
            return;
        }
        let Some(property) = self.state.property(address, control) else {
            return;
        };
        let topic = self.topics.property(&node, control);
        let mut payload = payload::property(property, now);
        if !is_live
            && let Some(known) = shared.outbox.payload(&topic)
            && payload::is_same_value(known, &payload)
        {
            payload = known.to_vec();
        }
        shared.outbox.set(self.owner(), &topic, payload);
    }

    fn publish_scenes_of(&self, shared: &mut Shared, now: Now, address: &str) {
        let node = slug(address);
        let scenes = self.records.iter();
        let scenes = scenes.filter(|(_, record)| record.members.contains(&node));
        for (scene, _) in scenes {
            self.publish_scene(shared, now, scene);
        }
    }

    /// Publishes a scene's state: on if a member is. Controllers say nothing of scenes themselves.
    fn publish_scene(&self, shared: &mut Shared, now: Now, scene: &str) {
        if self.uuid.is_none() || self.removed.contains(scene) {
            return;
        }
        let Some(record) = self.records.get(scene) else {
            return;
        };
        let numbers = record.members.iter().filter_map(|member| {
            let member = self.records.get(member)?;
            self.state.property(&member.address, "ST")?.number()
        });
        let numbers: Vec<_> = numbers.collect();
        if numbers.is_empty() {
            return;
        }
        let is_on = numbers.iter().any(|number| number.mantissa() != 0);
        let topic = self.topics.property(scene, "ST");
        let mut payload = payload::scene(is_on, now);
        if let Some(known) = shared.outbox.payload(&topic)
            && payload::is_same_value(known, &payload)
        {
            payload = known.to_vec();
        }
        shared.outbox.set(self.owner(), &topic, payload);
    }

    fn publish_program(&self, shared: &mut Shared, id: ProgramId) {
        if self.uuid.is_some()
            && let Some(program) = self.state.program(id)
        {
            let topic = self.topics.program(id);
            shared
                .outbox
                .set(self.owner(), &topic, payload::program(program));
        }
    }

    fn publish_variable(&self, shared: &mut Shared, id: VariableId) {
        if self.uuid.is_some()
            && let Some(variable) = self.state.variable(id)
        {
            let topic = self.topics.variable(id);
            shared
                .outbox
                .set(self.owner(), &topic, payload::variable(variable));
        }
    }
}

/// What is gone.
impl House {
    /// Notes what this reading lacks of what is published, and removes what the one before it lacked
    /// too.
    fn look_for_ghosts(
        &mut self,
        shared: &mut Shared,
        now: Now,
        is_meant: impl Fn(&Subject<'_>) -> bool,
    ) {
        let mut lacking: BTreeSet<String> = BTreeSet::new();
        for topic in shared.outbox.topics_under(&self.topics.base()) {
            if let Some(subject) = self.topics.subject(&topic).filter(&is_meant)
                && !self.is_known(&subject)
            {
                lacking.insert(object(&subject));
            }
        }
        for object in self.announced(shared) {
            let subject = subject_of(&object);
            if subject
                .as_ref()
                .is_some_and(|subject| is_meant(subject) && !self.is_known(subject))
            {
                lacking.insert(object);
            }
        }
        let is_of_this_reading = |name: &String| subject_of(name).is_some_and(|s| is_meant(&s));
        let before: BTreeSet<String> = self
            .missing
            .iter()
            .filter(|name| is_of_this_reading(name))
            .cloned()
            .collect();
        self.missing.retain(|name| !before.contains(name));
        for name in lacking {
            if before.contains(&name) {
                self.remove(shared, &name);
            } else {
                self.missing.insert(name);
                self.loading.doubted(now.monotonic);
            }
        }
    }

    fn is_known(&self, subject: &Subject<'_>) -> bool {
        match subject {
            Subject::Node(node) => self.records.contains_key(*node),
            Subject::Program(id) => self.programs.contains_key(id),
            Subject::Variable(id) => self.variables.contains_key(id),
        }
    }

    /// The objects that discovery messages on the broker are of.
    fn announced(&self, shared: &Shared) -> Vec<String> {
        let (Some(prefix), Some(uuid)) = (&shared.settings.prefix, &self.uuid) else {
            return Vec::new();
        };
        let base = Place::base(prefix, &uuid_slug(uuid));
        let topics = shared.outbox.topics_under(&base);
        let object = |topic: &str| {
            topic
                .strip_prefix(&base)?
                .strip_suffix("/config")
                .map(str::to_owned)
        };
        let objects = topics.iter().filter_map(|topic| object(topic));
        objects.filter(|object| object != "controller").collect()
    }

    /// Removes everything of a node, scene, program or variable.
    fn remove(&mut self, shared: &mut Shared, name: &str) {
        let Some(subject) = subject_of(name) else {
            return;
        };
        info!(
            controller = self.name,
            name, "gone from the controller: removed from the broker"
        );
        match &subject {
            Subject::Node(node) => {
                if let Some(record) = self.records.remove(*node) {
                    self.state.forget_node(&record.address);
                }
                self.removed.insert((*node).to_owned());
            }
            Subject::Program(id) => {
                self.programs.remove(id);
            }
            Subject::Variable(id) => {
                self.variables.remove(id);
            }
        }
        let owner = self.owner();
        for topic in shared.outbox.topics_under(&self.topics.base()) {
            if self.topics.subject(&topic).as_ref() == Some(&subject) {
                shared.outbox.clear(owner, &topic);
            }
        }
        self.withdraw(shared, name);
    }

    /// Removes a discovery message, if there is one.
    fn withdraw(&self, shared: &mut Shared, object: &str) {
        let (Some(prefix), Some(uuid)) = (&shared.settings.prefix, &self.uuid) else {
            return;
        };
        let topic = format!("{}{object}/config", Place::base(prefix, &uuid_slug(uuid)));
        if shared.outbox.payload(&topic).is_some() {
            shared.outbox.clear(self.owner(), &topic);
        }
    }
}

/// The object of a discovery message.
fn object(subject: &Subject<'_>) -> String {
    match subject {
        Subject::Node(node) => (*node).to_owned(),
        Subject::Program(id) => format!("program_{id}"),
        Subject::Variable(id) => format!("variable_{}_{}", id.kind, id.number),
    }
}

fn subject_of(object: &str) -> Option<Subject<'_>> {
    if let Some(id) = object.strip_prefix("program_") {
        return Some(Subject::Program(id.parse().ok()?));
    }
    if let Some(id) = object.strip_prefix("variable_") {
        let (kind, number) = id.split_once('_')?;
        return Some(Subject::Variable(crate::topics::variable(kind, number)?));
    }
    Some(Subject::Node(object))
}

/// What Home Assistant is told.
impl House {
    fn place<'a>(&'a self, shared: &'a Shared, uuid: &'a str) -> Option<Place<'a>> {
        Some(Place {
            prefix: shared.settings.prefix.as_deref()?,
            uuid,
            name: &self.name,
            firmware: &self.firmware,
            topics: &self.topics,
            bridge: &shared.topics.state,
            commands: shared.settings.commands,
        })
    }

    /// The facts that decide what a node is.
    fn facts<'a>(&'a self, record: &'a Record) -> Facts<'a> {
        let status = self.state.property(&record.address, "ST");
        let part = record.address.rsplit([' ', '_']).next().unwrap_or_default();
        Facts {
            is_scene: record.is_scene,
            definition: &record.definition,
            device_type: &record.device_type,
            family: record.family,
            zwave_category: record.zwave_category,
            part: u32::from_str_radix(part, 16).unwrap_or(0),
            uom: status.map_or("", |status| status.uom()),
            has_setpoint: ["CLISPH", "CLISPC"]
                .iter()
                .any(|control| self.state.property(&record.address, control).is_some()),
        }
    }

    fn announce_all(&self, shared: &mut Shared) {
        let Some(uuid) = self.uuid.as_deref().map(uuid_slug) else {
            return;
        };
        let nodes: Vec<String> = self.records.keys().cloned().collect();
        for node in nodes {
            self.announce_node(shared, &node);
        }
        let mut announcements = Vec::new();
        if let Some(place) = self.place(shared, &uuid) {
            announcements.push(place.controller());
            for (id, name) in &self.programs {
                announcements.push(place.program(*id, name));
            }
            for (id, (name, places)) in &self.variables {
                let variable = VariableFacts {
                    id: *id,
                    name,
                    places: *places,
                };
                announcements.push(place.variable(&variable));
            }
        }
        for announcement in announcements {
            self.announce(shared, announcement);
        }
    }

    fn announce_node(&self, shared: &mut Shared, node: &str) {
        let Some(uuid) = self.uuid.as_deref().map(uuid_slug) else {
            return;
        };
        let Some(record) = self.records.get(node) else {
            return;
        };
        let Some(place) = self.place(shared, &uuid) else {
            return;
        };
        let properties: Vec<PropertyFacts<'_>> = self
            .state
            .properties(&record.address)
            .map(|(control, property)| PropertyFacts {
                control,
                uom: property.uom(),
                name: property.name(),
            })
            .collect();
        let named = self.names.node(&record.address);
        let folder = self.names.folder(&record.address);
        let primary = match record.primary.as_str() {
            "" => node.to_owned(),
            primary => slug(primary),
        };
        let moved = self.moved(node, record);
        let announced = place.node(&Node {
            slug: node,
            name: named.map_or(record.address.as_str(), |named| &named.name),
            folder: folder.rsplit('/').next().unwrap_or_default(),
            primary: &primary,
            facts: self.facts(record),
            properties: &properties,
            commands: command::check_allowed(moved, &shared.settings.allowed).is_ok(),
            change: shared.settings.overrides.get(node),
        });
        match announced {
            Some(announcement) => self.announce(shared, announcement),
            None => self.withdraw(shared, node),
        }
    }

    /// Publishes a discovery message. Components that the message before it had and this one has not
    /// are named without options: so Home Assistant removes them.
    fn announce(&self, shared: &mut Shared, mut announcement: Announcement) {
        let known = shared.outbox.payload(&announcement.topic);
        let known: Option<Value> = known.and_then(|known| serde_json::from_slice(known).ok());
        let old = known
            .as_ref()
            .and_then(|known| known["components"].as_object());
        if let (Some(old), Some(new)) = (old, announcement.payload["components"].as_object_mut()) {
            for (id, component) in old {
                let is_leftover = component
                    .as_object()
                    .is_none_or(|options| options.len() == 1);
                if !new.contains_key(id) && !is_leftover {
                    new.insert(
                        id.clone(),
                        serde_json::json!({ "platform": component["platform"] }),
                    );
                }
            }
        }
        let payload = announcement.payload.to_string().into_bytes();
        shared
            .outbox
            .set(self.owner(), &announcement.topic, payload);
    }
}
