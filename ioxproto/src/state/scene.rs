//! Which node is in which scene.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(super) struct Scenes {
    members: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// The other way round, in order.
    of: BTreeMap<Arc<str>, Vec<Arc<str>>>,
}

impl Scenes {
    pub(super) fn knows(&self, scene: &str) -> bool {
        self.members.contains_key(scene)
    }

    pub(super) fn contains(&self, scene: &str, node: &str) -> bool {
        self.members
            .get(scene)
            .is_some_and(|members| members.contains(node))
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(AsRef::as_ref)
    }

    pub(super) fn members(&self, scene: &str) -> impl Iterator<Item = &str> {
        self.members
            .get(scene)
            .into_iter()
            .flatten()
            .map(AsRef::as_ref)
    }

    pub(super) fn of(&self, node: &str) -> &[Arc<str>] {
        self.of.get(node).map_or(&[], Vec::as_slice)
    }

    pub(super) fn add(&mut self, scene: &str) {
        if !self.knows(scene) {
            self.members.insert(scene.into(), BTreeSet::new());
        }
    }

    pub(super) fn join(&mut self, scene: &str, node: &str) {
        self.add(scene);
        let Some((scene, _)) = self.members.get_key_value(scene) else {
            return;
        };
        let scene = Arc::clone(scene);
        let node: Arc<str> = match self.of.get_key_value(node) {
            Some((node, _)) => Arc::clone(node),
            None => node.into(),
        };
        if let Some(members) = self.members.get_mut(&scene)
            && members.insert(Arc::clone(&node))
        {
            let of = self.of.entry(node).or_default();
            let at = of.partition_point(|other| *other < scene);
            of.insert(at, scene);
        }
    }

    /// Whether it was a member.
    pub(super) fn leave(&mut self, scene: &str, node: &str) -> bool {
        let left = self
            .members
            .get_mut(scene)
            .is_some_and(|members| members.remove(node));
        if left && let Some(of) = self.of.get_mut(node) {
            of.retain(|other| other.as_ref() != scene);
            if of.is_empty() {
                self.of.remove(node);
            }
        }
        left
    }

    /// How many entries went: the scene and its members.
    pub(super) fn remove(&mut self, scene: &str) -> usize {
        let members: Vec<Arc<str>> = match self.members.get(scene) {
            Some(members) => members.iter().cloned().collect(),
            None => return 0,
        };
        for node in &members {
            self.leave(scene, node);
        }
        self.members.remove(scene);
        members.len() + 1
    }

    /// How many memberships went.
    pub(super) fn remove_node(&mut self, node: &str) -> usize {
        let scenes = self.of.remove(node).unwrap_or_default();
        for scene in &scenes {
            if let Some(members) = self.members.get_mut(scene) {
                members.remove(node);
            }
        }
        scenes.len()
    }
}
