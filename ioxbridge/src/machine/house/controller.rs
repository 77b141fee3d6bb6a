//! Handles what a house learns from its controller: notifications of the stream, and answers to
//! calls.

use std::time::Instant;

use ioxproto::rest::{Confirmation, Nodes};
use ioxproto::state::{ChangeKind, Program, Variable};
use ioxproto::view::{LifecycleDetails, NodeCommand, View};
use ioxproto::vocabulary::{CommandWord, Lifecycle};
use ioxproto::{Event, Notification, Now, Status, StatusChange};
use tracing::{info, warn};

use super::{House, Record};
use crate::machine::command::Refusal;
use crate::machine::{Answer, CallNumber, Request, Shared, payload};
use crate::slug::slug;
use crate::topics::Subject;

impl House {
    pub(in crate::machine) fn notified(
        &mut self,
        shared: &mut Shared,
        now: Now,
        notification: &Notification,
    ) {
        match notification {
            Notification::Status(change) => self.status_changed(shared, now, change),
            Notification::Event(event) => self.handle_event(shared, now, event),
            Notification::Drift(drift) => {
                self.drift += 1;
                let (node, control) = (&*drift.node, &*drift.control);
                warn!(
                    controller = self.name,
                    node, control, "a value was outdated: no event had reported it"
                );
                self.state.apply_drift(drift);
                self.publish_property(shared, now, node, control, false);
                self.publish_scenes_of(shared, now, node);
                self.publish_status(shared);
            }
            // Any object may have changed in the dropped notifications.
            Notification::Dropped(_) => self.loading.changed(now.monotonic),
            _ => {}
        }
        self.read_next(shared, now);
    }

    pub(super) fn status_changed(&mut self, shared: &mut Shared, now: Now, change: &StatusChange) {
        self.state.apply_status(change);
        self.status = change.clone();
        match change.status {
            Status::Connected => {
                self.connects += 1;
                if let Some(since) = self.away_since.take() {
                    self.extend_heartbeats(now, since);
                }
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
        self.publish_status(shared);
    }

    pub(super) fn publish_status(&self, shared: &mut Shared) {
        if let Some(uuid) = &self.uuid {
            let reconnects = self.connects.saturating_sub(1);
            let payload = payload::status(&self.status, uuid, reconnects, self.drift);
            shared
                .outbox
                .set(self.owner(), &self.topics.state(), payload);
        }
    }

    pub(super) fn go_online(&mut self, shared: &mut Shared) {
        if self.uuid.is_some() && self.status.status == Status::Connected {
            self.is_available = Some(true);
            let topic = self.topics.availability();
            shared.outbox.set(self.owner(), &topic, b"online".to_vec());
        }
    }

    /// Publishes the controller as offline, if its UUID is known or the broker holds `online` from
    /// an earlier process.
    pub(super) fn go_offline(&mut self, shared: &mut Shared) {
        let topic = self.topics.availability();
        if self.uuid.is_some() || shared.outbox.payload(&topic) == Some(b"online") {
            self.is_available = Some(false);
            shared.outbox.set(self.owner(), &topic, b"offline".to_vec());
        }
    }

    pub(super) fn handle_event(&mut self, shared: &mut Shared, now: Now, event: &Event) {
        let changes = self.state.apply_event(event);
        if event.is_node_property() {
            let is_new = changes.iter().any(|change| match &change.kind {
                ChangeKind::Property(property) => property.before.is_none(),
                _ => false,
            });
            self.publish_property(shared, now, event.node(), event.control(), event.is_live());
            if is_new || event.control() == "ST" {
                self.publish_scenes_of(shared, now, event.node());
            }
            if is_new {
                let node = slug(event.node());
                self.announce_node(shared, &node);
                self.publish_sensor(shared, now, &node);
            }
            return;
        }
        match event.view() {
            Ok(View::Command(command)) if event.is_live() => {
                self.publish_event(shared, now, &command);
                self.handle_sensor_command(shared, now, &command);
            }
            Ok(View::Program(program)) => {
                self.publish_program(shared, program.id);
                if !self.programs.contains_key(&program.id) {
                    self.loading.changed(now.monotonic);
                }
            }
            Ok(View::Variable(variable)) => self.publish_variable(shared, variable.id),
            Ok(View::VariableTable(_)) if event.is_live() => self.loading.changed(now.monotonic),
            Ok(View::Lifecycle(change)) if event.is_live() => {
                let verb = change.verb.known();
                if change.is_reload_needed() {
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

    /// Updates the discovery messages after a change of a name, folder or flag.
    pub(super) fn renamed(
        &self,
        shared: &mut Shared,
        event: &Event,
        details: &Option<LifecycleDetails<'_>>,
    ) {
        let node = slug(event.node());
        if self.records.contains_key(&node) {
            self.announce_node(shared, &node);
            self.publish_enabled(shared, &node);
        } else if matches!(
            details,
            Some(LifecycleDetails::Renamed { .. } | LifecycleDetails::ParentChanged { .. })
        ) {
            // A folder: it may appear in the message of any node.
            self.announce_all(shared);
        }
    }

    pub(super) fn publish_event(&self, shared: &mut Shared, now: Now, command: &NodeCommand<'_>) {
        if self.uuid.is_none() || matches!(command.command, CommandWord::Beep | CommandWord::Query)
        {
            return;
        }
        let topic = self.topics.event(&slug(command.node));
        shared.outbox.event(&topic, payload::event(command, now));
    }

    /// Handles the outcome of a call.
    pub(in crate::machine) fn answered(
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
                        topic, "a command was accepted, but no event confirmed it"
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

    pub(super) fn read_next(&mut self, shared: &mut Shared, now: Now) {
        if let Some(read) = self.loading.next(now.monotonic) {
            let number = shared.call(self.watch, Request::Read(read));
            self.loading.note_sent(number);
        }
    }

    pub(super) fn loaded(
        &mut self,
        shared: &mut Shared,
        now: Now,
        answer: Answer,
        uuids: &[String],
    ) {
        match answer {
            Answer::Config(config) => {
                self.firmware = config.firmware;
                self.identified(shared, now, &config.root_id, uuids);
                self.announce_with(shared, |announcer| vec![announcer.controller()]);
            }
            Answer::Nodes(nodes) => self.take_nodes(shared, now, &nodes),
            Answer::Programs(programs) => {
                self.programs.clear();
                for entry in programs.programs.iter().filter(|entry| !entry.is_folder) {
                    self.programs.insert(entry.id, entry.name.clone());
                    if self.state.program(entry.id).is_none() {
                        let mut program = Program::default();
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
                self.announce_programs(shared);
                self.compare_reading(shared, now, |subject| {
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
                self.announce_variables(shared);
                let is_selected = |subject: &Subject<'_>| matches!(subject, Subject::Variable(id) if id.kind == kind);
                self.compare_reading(shared, now, is_selected);
            }
            Answer::Variables(variables) => {
                for entry in variables.variables {
                    if let Some((_, places)) = self.variables.get_mut(&entry.id) {
                        *places = u32::try_from(entry.prec).unwrap_or(0).min(9);
                    }
                    if self.state.variable(entry.id).is_none() {
                        let mut variable = Variable::default();
                        variable.value = entry.number();
                        variable.init = entry.init_number();
                        variable.time = entry.changed_at;
                        self.state.seed_variable(entry.id, variable);
                    }
                    self.publish_variable(shared, entry.id);
                }
                // The decimal places are known only now.
                self.announce_variables(shared);
            }
            Answer::Command(_) | Answer::Failed(_) => {}
        }
    }

    /// Handles the UUID that the controller reports.
    pub(super) fn identified(
        &mut self,
        shared: &mut Shared,
        now: Now,
        uuid: &str,
        uuids: &[String],
    ) {
        let controller = &self.name;
        if uuid.is_empty() {
            warn!(
                controller,
                "the controller does not report its UUID: nothing is published for it"
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
                    "another controller answers: restart the bridge if it replaces the old one"
                );
                return;
            }
            None if uuids.iter().any(|other| other == uuid) => {
                warn!(
                    controller,
                    uuid,
                    "this controller is already watched under another name: nothing is published for it"
                );
                return;
            }
            None => {}
        }
        info!(
            controller,
            uuid,
            firmware = self.firmware,
            "the controller is identified"
        );
        self.uuid = Some(uuid.to_owned());
        self.publish_all(shared, now);
        self.publish_nodes_enabled(shared);
        self.publish_sensors(shared, now);
        self.publish_status(shared);
        self.go_online(shared);
        self.proceed(shared, now);
    }

    pub(super) fn take_nodes(&mut self, shared: &mut Shared, now: Now, nodes: &Nodes) {
        self.names.take_nodes(nodes);
        self.records.clear();
        self.scenes_of.clear();
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
            let scene = slug(&scene.address);
            for member in &record.members {
                let scenes = self.scenes_of.entry(member.clone()).or_default();
                scenes.push(scene.clone());
            }
            self.records.insert(scene, record);
        }
        let returned = self
            .removed
            .iter()
            .filter(|gone| self.records.contains_key(*gone));
        let returned: Vec<String> = returned.cloned().collect();
        for node in returned {
            self.removed.remove(&node);
            let record = self.records.get(&node);
            let address = record.map(|record| record.address.clone());
            self.publish_node(shared, now, &address.unwrap_or_default());
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
        self.announce_nodes(shared);
        self.publish_nodes_enabled(shared);
        self.publish_sensors(shared, now);
        self.compare_reading(shared, now, |subject| matches!(subject, Subject::Node(_)));
    }

    pub(in crate::machine) fn tick(&mut self, shared: &mut Shared, now: Now) {
        let delay = shared.settings.availability_delay;
        let is_away = self
            .away_since
            .is_some_and(|since| since + delay <= now.monotonic);
        if is_away && self.is_available != Some(false) {
            self.go_offline(shared);
            // Set it even if nothing was published, so that this is not due again.
            self.is_available = Some(false);
        }
        self.report_missing_heartbeats(shared, now);
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

    pub(in crate::machine) fn deadline(&self, shared: &Shared) -> Option<Instant> {
        let delay = shared.settings.availability_delay;
        let away = self.away_since.map(|since| since + delay);
        let away = away.filter(|_| self.is_available != Some(false));
        let waiting = self.waiting.values().map(|waiting| waiting.until);
        let others = away.into_iter().chain(self.heartbeat_due());
        waiting.chain(others).chain(self.loading.deadline()).min()
    }
}
