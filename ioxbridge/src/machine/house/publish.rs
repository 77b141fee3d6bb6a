//! Publishes the states of a house.

use ioxproto::Now;
use ioxproto::view::{ProgramId, VariableId};

use super::House;
use crate::machine::{Shared, payload};
use crate::slug::slug;

impl House {
    pub(super) fn publish_all(&self, shared: &mut Shared, now: Now) {
        let nodes: Vec<String> = self.state.nodes().map(str::to_owned).collect();
        for node in nodes {
            self.publish_node(shared, now, &node);
        }
        for (id, _) in self.state.programs() {
            self.publish_program(shared, id);
        }
        for (id, _) in self.state.variables() {
            self.publish_variable(shared, id);
        }
    }

    pub(super) fn publish_node(&self, shared: &mut Shared, now: Now, address: &str) {
        let controls: Vec<&str> = self
            .state
            .properties(address)
            .map(|(control, _)| control)
            .collect();
        for control in controls {
            self.publish_property(shared, now, address, control, false);
        }
    }

    /// Publishes a property. If the value is not live and has not changed, the payload on the
    /// broker keeps its time.
    pub(super) fn publish_property(
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

    pub(super) fn publish_scenes_of(&self, shared: &mut Shared, now: Now, address: &str) {
        for scene in self.scenes_of.get(&slug(address)).into_iter().flatten() {
            self.publish_scene(shared, now, scene);
        }
    }

    /// Publishes a scene's state: on if a member is on. Controllers report no state of scenes.
    pub(super) fn publish_scene(&self, shared: &mut Shared, now: Now, scene: &str) {
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

    pub(super) fn publish_program(&self, shared: &mut Shared, id: ProgramId) {
        if self.uuid.is_some()
            && let Some(program) = self.state.program(id)
        {
            let topic = self.topics.program(id);
            shared
                .outbox
                .set(self.owner(), &topic, payload::program(program));
        }
    }

    pub(super) fn publish_variable(&self, shared: &mut Shared, id: VariableId) {
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
