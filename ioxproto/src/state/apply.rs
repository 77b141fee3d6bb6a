//! Applies events and changes of the stream's status.

use std::sync::Arc;

use tracing::debug;

use super::away::{Before, Kept};
use super::heard::Node;
use super::property::{Slot, Update};
use super::{
    Change, ChangeKind, ControllerState, Invalidated, Occasion, Program, ProgramChange, Property,
    PropertyChange, Variable, VariableChanged, find,
};
use crate::view::{
    LifecycleDetails, ProgramId, ProgramStatus, Timestamp, VariableChange, VariableField, View,
};
use crate::vocabulary::{Code, Lifecycle, LifecycleSubject};
use crate::{Drift, Event, Notification, Reason, Status, StatusChange};

/// Collects the changes; `None` if the caller does not need them.
pub(super) type Out<'a> = Option<&'a mut Vec<Change>>;

pub(super) fn report(out: &mut Out<'_>, occasion: Occasion, kind: ChangeKind) {
    if let Some(out) = out {
        out.push(Change { occasion, kind });
    }
}

impl ControllerState {
    /// Applies a stream's notification. Returns what it changed.
    pub fn apply(&mut self, notification: &Notification) -> Vec<Change> {
        match notification {
            Notification::Event(event) => self.apply_event(event),
            Notification::Status(change) => self.apply_status(change),
            Notification::Names(read) => self.apply_names(&read.names),
            Notification::Drift(drift) => self.apply_drift(drift),
            _ => Vec::new(),
        }
    }

    /// Applies a change of the stream's status, which may begin, abort or end a replay. If a replay
    /// ends, returns what changed while away.
    pub fn apply_status(&mut self, change: &StatusChange) -> Vec<Change> {
        match change.status {
            Status::StreamSyncing => self.away.begin(),
            Status::Connected => {
                let incomplete = matches!(change.reason, Some(Reason::ReplayIncomplete { .. }));
                let before = self.away.finish(!incomplete);
                return self.changed_since(before);
            }
            Status::LostConnection | Status::ReconnectFailed | Status::Disconnected => {
                self.away.abort();
            }
            Status::NotStarted | Status::StreamInitializing | Status::Reconnecting => {}
        }
        Vec::new()
    }

    /// Corrects the value of a property for which a self-audit found another value. Ignores an
    /// unknown property.
    pub fn apply_drift(&mut self, drift: &Drift) -> Vec<Change> {
        let Some((node, kept)) = self.nodes.get_key_value(&drift.node) else {
            return Vec::new();
        };
        let (node, at) = (Arc::clone(node), find(&kept.slots, &drift.control));
        let slots = self.nodes.get_mut(&node).map(|kept| &mut kept.slots);
        let (Some(slots), Ok(at)) = (slots, at) else {
            return Vec::new();
        };
        let slot = &mut slots[at];
        let before = slot.property.clone();
        slot.property.correct(&drift.property, &mut self.texts);
        let (control, after) = (Arc::clone(&slot.control), slot.property.clone());
        let mut changes = Vec::new();
        if !before.has_same_value(&after) {
            let out = &mut Some(&mut changes);
            self.report_property(out, Occasion::Drift, &node, &control, Some(before), after);
        }
        changes
    }

    /// Applies an event. Returns what it changed: usually nothing or one change, and one more for
    /// each scene of the node.
    pub fn apply_event(&mut self, event: &Event) -> Vec<Change> {
        let mut changes = Vec::new();
        self.process_event(event, Some(&mut changes));
        changes
    }

    /// Applies an event without returning the changes. An update of a known property does not
    /// allocate.
    pub fn update(&mut self, event: &Event) {
        self.process_event(event, None);
    }

    /// Ends the replay, for a caller that feeds events but no status changes. Returns what changed
    /// while away. The next replayed event begins another replay.
    pub fn end_replay(&mut self) -> Vec<Change> {
        let before = self.away.end();
        self.changed_since(before)
    }

    /// Compares the values before a replay with the current ones.
    fn changed_since(&self, before: Before) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut out = Some(&mut changes);
        let occasion = Occasion::WhileAway;
        for ((node, control), before) in before.properties {
            let Some(after) = self.property(&node, &control) else {
                continue;
            };
            let is_older = |before: &Property| self.change_times && before.time() < after.time();
            if before
                .as_ref()
                .is_some_and(|before| before.has_same_value(after) && !is_older(before))
            {
                continue;
            }
            let after = after.clone();
            self.report_property(&mut out, occasion, &node, &control, before, after);
        }
        for (id, before) in before.programs {
            if let Some(Kept { value: after, .. }) = self.programs.get(&id).copied()
                && before != Some(after)
            {
                let change = ProgramChange { id, before, after };
                report(&mut out, occasion, ChangeKind::Program(change));
            }
        }
        for (id, before) in before.variables {
            let Some(Kept { value: after, .. }) = self.variables.get(&id).copied() else {
                continue;
            };
            if before.is_some_and(|before| before.has_same_value(&after)) {
                continue;
            }
            let value_stayed = before.map(|before| before.value) == Some(after.value);
            let field = if value_stayed {
                VariableField::Init
            } else {
                VariableField::Value
            };
            let change = VariableChanged {
                id,
                field,
                before,
                after,
            };
            report(&mut out, occasion, ChangeKind::Variable(change));
        }
        changes
    }

    fn process_event(&mut self, event: &Event, out: Out<'_>) {
        let occasion = if event.is_live() {
            Occasion::Live
        } else {
            self.away.begin_if_steady();
            Occasion::Replay
        };
        if event.is_node_property() {
            self.process_property(event, occasion, out);
            self.record_report(event, occasion);
            return;
        }
        if event.is_of_node() {
            self.record_report(event, occasion);
        }
        match event.view() {
            Ok(View::Program(frame)) => self.process_program(frame.id, &frame, occasion, out),
            Ok(View::Variable(frame)) => self.process_variable(&frame, occasion, out),
            Ok(View::VariableTable(table)) => {
                let mut out = out;
                report(&mut out, occasion, ChangeKind::VariableTable(table.kind));
            }
            Ok(View::Lifecycle(_)) => self.process_lifecycle(event, occasion, out),
            Ok(_) => {}
            Err(error) => {
                debug!(%error, control = event.control(), "an update cannot be read and is left out");
                self.left_out += 1;
            }
        }
    }

    /// Counts the update as left out if the state is full. Returns whether it is full.
    fn refuse_if_full(&mut self) -> bool {
        let full = self.entries >= self.limits.entries;
        if full {
            debug!(
                entries = self.entries,
                "the state is full, an update is left out"
            );
            self.left_out += 1;
        }
        full
    }

    fn process_property(&mut self, event: &Event, occasion: Occasion, mut out: Out<'_>) {
        let texts = [
            event.node(),
            event.control(),
            event.uom(),
            event.action(),
            event.fmt_act(),
            event.fmt_name(),
        ];
        if texts.iter().map(|text| text.len()).sum::<usize>() > self.limits.texts {
            debug!(
                node = event.node(),
                "an update with texts over the limit is left out"
            );
            self.left_out += 1;
            return;
        }
        let Some((node, kept)) = self.nodes.get_key_value(event.node()) else {
            if self.grows && !self.refuse_if_full() {
                self.seed_node(event.node());
                self.add_property(event, occasion, out);
            }
            return;
        };
        let Ok(at) = find(&kept.slots, event.control()) else {
            self.add_property(event, occasion, out);
            return;
        };
        let node = Arc::clone(node);
        let Some(slot) = self
            .nodes
            .get_mut(&node)
            .and_then(|kept| kept.slots.get_mut(at))
        else {
            return;
        };
        let control = Arc::clone(&slot.control);
        let uom = slot.property.uom_shared();
        let update = Update::of(event, &uom, &slot.property);
        let (first_replay, number) = (slot.first_replay, self.away.number());
        slot.last_replay = number;
        // Keep the pre-replay value, to report the change when the replay ends. If it has already
        // ended, report the change immediately.
        let known_before = occasion == Occasion::Replay && first_replay != number;
        let late = known_before && self.away.is_late();
        let is_remembered = (update.changes || self.change_times) && known_before && !late;
        let changes = update.changes
            || late
                && self.change_times
                && slot.property.time() < Timestamp::parse(event.timestamp());
        let before = (is_remembered || changes && out.is_some()).then(|| slot.property.clone());
        slot.property.update(&update, event, &mut self.texts);
        let after = (changes && out.is_some()).then(|| slot.property.clone());
        let known = &mut self.away.before.properties;
        if is_remembered {
            known
                .entry((Arc::clone(&node), Arc::clone(&control)))
                .or_insert_with(|| before.clone());
        } else if occasion == Occasion::Live && !known.is_empty() {
            known.remove(&(Arc::clone(&node), Arc::clone(&control)));
        }
        if let Some(after) = after {
            let occasion = if late { Occasion::WhileAway } else { occasion };
            self.report_property(&mut out, occasion, &node, &control, before, after);
        }
    }

    /// Adds a property to a known node.
    fn add_property(&mut self, event: &Event, occasion: Occasion, mut out: Out<'_>) {
        if self.refuse_if_full() {
            return;
        }
        let property = Property::of(event, &mut self.texts);
        let control = self.texts.intern(event.control());
        let Some((node, _)) = self.nodes.get_key_value(event.node()) else {
            return;
        };
        let node = Arc::clone(node);
        let number = self.away.number();
        let first_replay = if occasion == Occasion::Replay {
            number
        } else {
            0
        };
        if let Some(Node { slots, .. }) = self.nodes.get_mut(&node)
            && let Err(at) = find(slots, &control)
        {
            slots.reserve_exact(1);
            let mut slot = Slot::new(Arc::clone(&control), property.clone(), first_replay);
            slot.last_replay = number;
            slots.insert(at, slot);
            self.entries += 1;
        }
        let occasion =
            self.occasion_of(occasion, self.is_remembered(false, first_replay, occasion));
        if occasion == Occasion::Replay && self.away.has_baseline() {
            let key = (Arc::clone(&node), Arc::clone(&control));
            self.away.before.properties.entry(key).or_insert(None);
        }
        self.report_property(&mut out, occasion, &node, &control, None, property);
    }

    /// Reports the change of a node's property, then a change of each scene of the node.
    fn report_property(
        &self,
        out: &mut Out<'_>,
        occasion: Occasion,
        node: &Arc<str>,
        control: &Arc<str>,
        before: Option<Property>,
        after: Property,
    ) {
        let change = PropertyChange {
            node: Arc::clone(node),
            control: Arc::clone(control),
            before,
            after,
        };
        report(out, occasion, ChangeKind::Property(change));
        for scene in self.scenes.scenes_of(node) {
            let kind = ChangeKind::Scene {
                scene: Arc::clone(scene),
                node: Arc::clone(node),
                control: Arc::clone(control),
            };
            report(out, occasion, kind);
        }
    }

    fn process_program(
        &mut self,
        id: ProgramId,
        frame: &ProgramStatus,
        occasion: Occasion,
        mut out: Out<'_>,
    ) {
        let kept = self.programs.get(&id).copied();
        if kept.is_none() && (!self.grows || self.refuse_if_full()) {
            return;
        }
        let before = kept.map(|kept| kept.value);
        let after: Program = before.unwrap_or_default().updated(frame);
        let first_replay = self.first_replay_of(kept.map(|kept| kept.first_replay), occasion);
        self.programs.insert(
            id,
            Kept {
                value: after,
                first_replay,
            },
        );
        if kept.is_none() {
            self.entries += 1;
        }
        if before == Some(after) {
            return;
        }
        let is_remembered = self.is_remembered(before.is_some(), first_replay, occasion);
        let occasion = self.occasion_of(occasion, is_remembered);
        if is_remembered && occasion == Occasion::Replay {
            self.away.before.programs.entry(id).or_insert(before);
        } else if occasion == Occasion::Live {
            self.away.before.programs.remove(&id);
        }
        let change = ProgramChange { id, before, after };
        report(&mut out, occasion, ChangeKind::Program(change));
    }

    fn process_variable(
        &mut self,
        frame: &VariableChange<'_>,
        occasion: Occasion,
        mut out: Out<'_>,
    ) {
        let id = frame.id;
        let kept = self.variables.get(&id).copied();
        if kept.is_none() && (!self.grows || self.refuse_if_full()) {
            return;
        }
        let before = kept.map(|kept| kept.value);
        let after: Variable = before.unwrap_or_default().updated(frame);
        let first_replay = self.first_replay_of(kept.map(|kept| kept.first_replay), occasion);
        self.variables.insert(
            id,
            Kept {
                value: after,
                first_replay,
            },
        );
        if kept.is_none() {
            self.entries += 1;
        }
        if before.is_some_and(|before| before.has_same_value(&after)) {
            return;
        }
        let is_remembered = self.is_remembered(before.is_some(), first_replay, occasion);
        let occasion = self.occasion_of(occasion, is_remembered);
        if is_remembered && occasion == Occasion::Replay {
            self.away.before.variables.entry(id).or_insert(before);
        } else if occasion == Occasion::Live {
            self.away.before.variables.remove(&id);
        }
        let field = frame.field;
        let change = VariableChanged {
            id,
            field,
            before,
            after,
        };
        report(&mut out, occasion, ChangeKind::Variable(change));
    }

    /// Returns the number of the replay that first brought a value.
    fn first_replay_of(&self, known: Option<u32>, occasion: Occasion) -> u32 {
        match (known, occasion) {
            (Some(first_replay), _) => first_replay,
            (None, Occasion::Replay) => self.away.number(),
            (None, _) => 0,
        }
    }

    /// Returns the occasion to report. A change that would be remembered until the replay ends is
    /// reported as [`Occasion::WhileAway`] if the replay has already ended.
    fn occasion_of(&self, occasion: Occasion, is_remembered: bool) -> Occasion {
        if is_remembered && self.away.is_late() {
            Occasion::WhileAway
        } else {
            occasion
        }
    }

    /// Whether to keep the value from before this change, to report the change when the replay
    /// ends.
    fn is_remembered(&self, known: bool, first_replay: u32, occasion: Occasion) -> bool {
        let is_change = if known {
            first_replay != self.away.number()
        } else {
            self.away.has_baseline()
        };
        occasion == Occasion::Replay && is_change
    }

    /// Applies a lifecycle event. Only a live one changes the structure, because a later event may
    /// have undone a replayed one.
    fn process_lifecycle(&mut self, event: &Event, occasion: Occasion, mut out: Out<'_>) {
        let Ok(change) = event.lifecycle() else {
            return;
        };
        let Code::Known(verb) = change.verb else {
            return;
        };
        let address = change.address;
        if address.len() > self.limits.texts {
            self.left_out += 1;
            return;
        }
        if occasion == Occasion::Live {
            match (verb, change.details()) {
                (Lifecycle::NodeRemoved, _) => self.forget_node(address),
                (Lifecycle::CommError, _) => self.set_comm_error(address, true, &mut out),
                (Lifecycle::CommErrorCleared, _) => self.set_comm_error(address, false, &mut out),
                (Lifecycle::SceneRemoved, _) => self.forget_scene(address),
                (Lifecycle::SceneAdded, _) => _ = self.ensure_scene(address),
                (_, Ok(LifecycleDetails::MovedIntoScene { node, .. })) => {
                    self.add_to_scene(address, &node);
                }
                (_, Ok(LifecycleDetails::RemovedFromScene { node })) => {
                    self.entries -= usize::from(self.scenes.remove_member(address, &node));
                }
                (_, Err(error)) => {
                    debug!(%error, verb = verb.label(), "a lifecycle event's payload cannot be read");
                    self.left_out += 1;
                }
                _ => {}
            }
        }
        if occasion == Occasion::Live {
            self.follow_names(&change, &mut out);
        }
        if verb.is_reload_needed() {
            let invalidates = match verb.subject() {
                LifecycleSubject::Folder => Invalidated::Folders,
                LifecycleSubject::Scene => Invalidated::Scenes,
                LifecycleSubject::Node | LifecycleSubject::Resource => Invalidated::Nodes,
            };
            let kind = ChangeKind::Structure {
                verb,
                address: address.into(),
                invalidates,
            };
            report(&mut out, occasion, kind);
        }
    }

    /// Adds a scene if it is not known. Returns `false` if it cannot be added.
    fn ensure_scene(&mut self, address: &str) -> bool {
        if self.scenes.is_known(address) {
            return true;
        }
        if !self.grows || self.refuse_if_full() {
            return false;
        }
        self.scenes.add(address);
        self.entries += 1;
        true
    }

    /// Adds a node to a scene.
    fn add_to_scene(&mut self, scene: &str, node: &str) {
        if node.len() > self.limits.texts || self.scenes.contains(scene, node) {
            return;
        }
        if self.ensure_scene(scene) && !self.refuse_if_full() {
            self.scenes.add_member(scene, node);
            self.entries += 1;
        }
    }
}
