//! Events and changes of status, taken up.

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

/// Where changes go, if someone wants to know.
pub(super) type Out<'a> = Option<&'a mut Vec<Change>>;

pub(super) fn tell(out: &mut Out<'_>, occasion: Occasion, kind: ChangeKind) {
    if let Some(out) = out {
        out.push(Change { occasion, kind });
    }
}

impl ControllerState {
    /// Takes up what happened on a stream, and says what changed by it.
    pub fn apply(&mut self, notification: &Notification) -> Vec<Change> {
        match notification {
            Notification::Event(event) => self.apply_event(event),
            Notification::Status(change) => self.apply_status(change),
            Notification::Names(read) => self.apply_names(&read.names),
            Notification::Drift(drift) => self.apply_drift(drift),
            _ => Vec::new(),
        }
    }

    /// Takes up a change of the stream's status: a replay begins, breaks off, or has ended. Says
    /// what changed while away when it has ended.
    pub fn apply_status(&mut self, change: &StatusChange) -> Vec<Change> {
        match change.status {
            Status::StreamSyncing => self.away.begin(),
            Status::Connected => {
                let incomplete = matches!(change.reason, Some(Reason::ReplayIncomplete { .. }));
                let before = self.away.connected(!incomplete);
                return self.changed_since(before);
            }
            Status::LostConnection | Status::ReconnectFailed | Status::Disconnected => {
                self.away.broken_off();
            }
            Status::NotStarted | Status::StreamInitializing | Status::Reconnecting => {}
        }
        Vec::new()
    }

    /// Corrects a property that a self-audit has found to have another value. A property that is
    /// not known stays so.
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
            self.tell_property(out, Occasion::Drift, &node, &control, Some(before), after);
        }
        changes
    }

    /// Takes up an event, and says what changed by it: nothing, mostly one thing, then the scenes
    /// of its node.
    pub fn apply_event(&mut self, event: &Event) -> Vec<Change> {
        let mut changes = Vec::new();
        self.take(event, Some(&mut changes));
        changes
    }

    /// Takes up an event without saying what changed by it: an update of a known property allocates
    /// nothing.
    pub fn update(&mut self, event: &Event) {
        self.take(event, None);
    }

    /// Ends the replay, for a caller that feeds events without a stream's statuses. Says what
    /// changed while away. The next replayed event begins another replay.
    pub fn end_replay(&mut self) -> Vec<Change> {
        let before = self.away.end();
        self.changed_since(before)
    }

    fn changed_since(&self, before: Before) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut out = Some(&mut changes);
        let occasion = Occasion::WhileAway;
        for ((node, control), before) in before.properties {
            let Some(after) = self.property(&node, &control) else {
                continue;
            };
            let touched = |before: &Property| self.change_times && before.time() < after.time();
            if before
                .as_ref()
                .is_some_and(|before| before.has_same_value(after) && !touched(before))
            {
                continue;
            }
            let after = after.clone();
            self.tell_property(&mut out, occasion, &node, &control, before, after);
        }
        for (id, before) in before.programs {
            if let Some(Kept { value: after, .. }) = self.programs.get(&id).copied()
                && before != Some(after)
            {
                let change = ProgramChange { id, before, after };
                tell(&mut out, occasion, ChangeKind::Program(change));
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
            tell(&mut out, occasion, ChangeKind::Variable(change));
        }
        changes
    }

    fn take(&mut self, event: &Event, out: Out<'_>) {
        let occasion = if event.is_live() {
            Occasion::Live
        } else {
            self.away.replayed();
            Occasion::Replay
        };
        if event.is_node_property() {
            self.take_property(event, occasion, out);
            self.hear(event, occasion);
            return;
        }
        if event.is_of_node() {
            self.hear(event, occasion);
        }
        match event.view() {
            Ok(View::Program(frame)) => self.take_program(frame.id, &frame, occasion, out),
            Ok(View::Variable(frame)) => self.take_variable(&frame, occasion, out),
            Ok(View::VariableTable(table)) => {
                let mut out = out;
                tell(&mut out, occasion, ChangeKind::VariableTable(table.kind));
            }
            Ok(View::Lifecycle(_)) => self.take_lifecycle(event, occasion, out),
            Ok(_) => {}
            Err(error) => {
                debug!(%error, control = event.control(), "an update cannot be read and is left out");
                self.left_out += 1;
            }
        }
    }

    fn full(&mut self) -> bool {
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

    fn take_property(&mut self, event: &Event, occasion: Occasion, mut out: Out<'_>) {
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
            if self.grows && !self.full() {
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
        let (born, number) = (slot.born, self.away.number());
        slot.replay = number;
        // Keep the pre-replay value, to report the change when the replay completes, or at once if
        // it has.
        let known_before = occasion == Occasion::Replay && born != number;
        let late = known_before && self.away.is_late();
        let remembers = (update.changes || self.change_times) && known_before && !late;
        let changes = update.changes
            || late
                && self.change_times
                && slot.property.time() < Timestamp::parse(event.timestamp());
        let before = (remembers || changes && out.is_some()).then(|| slot.property.clone());
        slot.property.update(&update, event, &mut self.texts);
        let after = (changes && out.is_some()).then(|| slot.property.clone());
        let known = &mut self.away.before.properties;
        if remembers {
            known
                .entry((Arc::clone(&node), Arc::clone(&control)))
                .or_insert_with(|| before.clone());
        } else if occasion == Occasion::Live && !known.is_empty() {
            known.remove(&(Arc::clone(&node), Arc::clone(&control)));
        }
        if let Some(after) = after {
            let occasion = if late { Occasion::WhileAway } else { occasion };
            self.tell_property(&mut out, occasion, &node, &control, before, after);
        }
    }

    /// Adds a property to a node that is known.
    fn add_property(&mut self, event: &Event, occasion: Occasion, mut out: Out<'_>) {
        if self.full() {
            return;
        }
        let property = Property::of(event, &mut self.texts);
        let control = self.texts.shared(event.control());
        let Some((node, _)) = self.nodes.get_key_value(event.node()) else {
            return;
        };
        let node = Arc::clone(node);
        let number = self.away.number();
        let born = if occasion == Occasion::Replay {
            number
        } else {
            0
        };
        if let Some(Node { slots, .. }) = self.nodes.get_mut(&node)
            && let Err(at) = find(slots, &control)
        {
            slots.reserve_exact(1);
            let mut slot = Slot::new(Arc::clone(&control), property.clone(), born);
            slot.replay = number;
            slots.insert(at, slot);
            self.entries += 1;
        }
        let occasion = self.occasion_of(occasion, self.remembers(false, born, occasion));
        if occasion == Occasion::Replay && self.away.new_is_news() {
            let key = (Arc::clone(&node), Arc::clone(&control));
            self.away.before.properties.entry(key).or_insert(None);
        }
        self.tell_property(&mut out, occasion, &node, &control, None, property);
    }

    /// The node's own change, then its scenes.
    fn tell_property(
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
        tell(out, occasion, ChangeKind::Property(change));
        for scene in self.scenes.of(node) {
            let kind = ChangeKind::Scene {
                scene: Arc::clone(scene),
                node: Arc::clone(node),
                control: Arc::clone(control),
            };
            tell(out, occasion, kind);
        }
    }

    fn take_program(
        &mut self,
        id: ProgramId,
        frame: &ProgramStatus,
        occasion: Occasion,
        mut out: Out<'_>,
    ) {
        let kept = self.programs.get(&id).copied();
        if kept.is_none() && (!self.grows || self.full()) {
            return;
        }
        let before = kept.map(|kept| kept.value);
        let after: Program = before.unwrap_or_default().updated(frame);
        let born = self.born(kept.map(|kept| kept.born), occasion);
        self.programs.insert(id, Kept { value: after, born });
        if kept.is_none() {
            self.entries += 1;
        }
        if before == Some(after) {
            return;
        }
        let remembers = self.remembers(before.is_some(), born, occasion);
        let occasion = self.occasion_of(occasion, remembers);
        if remembers && occasion == Occasion::Replay {
            self.away.before.programs.entry(id).or_insert(before);
        } else if occasion == Occasion::Live {
            self.away.before.programs.remove(&id);
        }
        let change = ProgramChange { id, before, after };
        tell(&mut out, occasion, ChangeKind::Program(change));
    }

    fn take_variable(&mut self, frame: &VariableChange<'_>, occasion: Occasion, mut out: Out<'_>) {
        let id = frame.id;
        let kept = self.variables.get(&id).copied();
        if kept.is_none() && (!self.grows || self.full()) {
            return;
        }
        let before = kept.map(|kept| kept.value);
        let after: Variable = before.unwrap_or_default().updated(frame);
        let born = self.born(kept.map(|kept| kept.born), occasion);
        self.variables.insert(id, Kept { value: after, born });
        if kept.is_none() {
            self.entries += 1;
        }
        if before.is_some_and(|before| before.has_same_value(&after)) {
            return;
        }
        let remembers = self.remembers(before.is_some(), born, occasion);
        let occasion = self.occasion_of(occasion, remembers);
        if remembers && occasion == Occasion::Replay {
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
        tell(&mut out, occasion, ChangeKind::Variable(change));
    }

    fn born(&self, known: Option<u32>, occasion: Occasion) -> u32 {
        match (known, occasion) {
            (Some(born), _) => born,
            (None, Occasion::Replay) => self.away.number(),
            (None, _) => 0,
        }
    }

    /// How a change is reported: one that would be remembered until the end of the replay is of an
    /// outage if that end has passed.
    fn occasion_of(&self, occasion: Occasion, remembers: bool) -> Occasion {
        if remembers && self.away.is_late() {
            Occasion::WhileAway
        } else {
            occasion
        }
    }

    /// Whether a changed value's former one is news when the replay has ended.
    fn remembers(&self, known: bool, born: u32, occasion: Occasion) -> bool {
        let news = if known {
            born != self.away.number()
        } else {
            self.away.new_is_news()
        };
        occasion == Occasion::Replay && news
    }

    /// A replayed lifecycle event is history, which may be undone since: only a live one changes
    /// the structure.
    fn take_lifecycle(&mut self, event: &Event, occasion: Occasion, mut out: Out<'_>) {
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
                (Lifecycle::SceneAdded, _) => _ = self.scene(address),
                (_, Ok(LifecycleDetails::MovedIntoScene { node, .. })) => self.join(address, &node),
                (_, Ok(LifecycleDetails::RemovedFromScene { node })) => {
                    self.entries -= usize::from(self.scenes.leave(address, &node));
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
            tell(&mut out, occasion, kind);
        }
    }

    /// Whether a scene is known, or can be made so.
    fn scene(&mut self, address: &str) -> bool {
        if self.scenes.knows(address) {
            return true;
        }
        if !self.grows || self.full() {
            return false;
        }
        self.scenes.add(address);
        self.entries += 1;
        true
    }

    fn join(&mut self, scene: &str, node: &str) {
        if node.len() > self.limits.texts || self.scenes.contains(scene, node) {
            return;
        }
        if self.scene(scene) && !self.full() {
            self.scenes.join(scene, node);
            self.entries += 1;
        }
    }
}
