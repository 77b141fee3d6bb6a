//! Lets the caller seed known values and forget nodes and scenes.

use std::sync::Arc;

use super::away::Kept;
use super::property::Slot;
use super::{ControllerState, Program, Property, Variable, find};
use crate::view::{ProgramId, VariableId};

impl ControllerState {
    /// Adds a node without properties. Seeding ignores the limits.
    pub fn seed_node(&mut self, address: &str) {
        self.ensure_node(address);
    }

    /// Sets a property of a node. Adds the node if it is unknown.
    pub fn seed_property(&mut self, node: &str, control: &str, mut property: Property) {
        property.share(&mut self.texts);
        let control = self.texts.intern(control);
        let slots = self.ensure_node(node);
        match find(slots, &control) {
            Ok(at) => slots[at].property = property,
            Err(at) => {
                slots.reserve_exact(1);
                slots.insert(at, Slot::new(control, property, 0));
                self.entries += 1;
            }
        }
    }

    /// Sets a program.
    pub fn seed_program(&mut self, id: ProgramId, program: Program) {
        let kept = Kept {
            value: program,
            first_replay: 0,
        };
        if self.programs.insert(id, kept).is_none() {
            self.entries += 1;
        }
    }

    /// Sets a variable.
    pub fn seed_variable(&mut self, id: VariableId, variable: Variable) {
        let kept = Kept {
            value: variable,
            first_replay: 0,
        };
        if self.variables.insert(id, kept).is_none() {
            self.entries += 1;
        }
    }

    /// Sets a scene and its members. Replaces the previous members.
    pub fn seed_scene<'a>(&mut self, address: &str, members: impl IntoIterator<Item = &'a str>) {
        self.forget_scene(address);
        self.scenes.add(address);
        self.entries += 1;
        for node in members {
            if !self.scenes.contains(address, node) {
                self.scenes.add_member(address, node);
                self.entries += 1;
            }
        }
    }

    /// Forgets a node, its properties and its membership in scenes. Does nothing if it is unknown.
    pub fn forget_node(&mut self, address: &str) {
        if let Some(node) = self.nodes.remove(address) {
            self.entries -= 1 + node.slots.len();
        }
        self.comm_errors.remove(address);
        self.entries -= self.scenes.remove_node(address);
        self.away
            .before
            .properties
            .retain(|(node, _), _| node.as_ref() != address);
    }

    /// Forgets a scene. Does nothing if it is unknown.
    pub fn forget_scene(&mut self, address: &str) {
        self.entries -= self.scenes.remove(address);
    }

    /// Returns the properties of a node. Adds the node if it is unknown.
    fn ensure_node(&mut self, address: &str) -> &mut Vec<Slot> {
        if !self.nodes.contains_key(address) {
            self.entries += 1;
        }
        let node = self.nodes.entry(Arc::from(address)).or_default();
        &mut node.slots
    }
}
