//! The members of the scenes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The members of all scenes, and the scenes of all nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Scenes {
    members: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// The scenes of each node, in order.
    scenes_of: BTreeMap<Arc<str>, Vec<Arc<str>>>,
}

impl Scenes {
    pub(super) fn is_known(&self, scene: &str) -> bool {
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

    pub(super) fn scenes_of(&self, node: &str) -> &[Arc<str>] {
        self.scenes_of.get(node).map_or(&[], Vec::as_slice)
    }

    pub(super) fn add(&mut self, scene: &str) {
        if !self.is_known(scene) {
            self.members.insert(scene.into(), BTreeSet::new());
        }
    }

    pub(super) fn add_member(&mut self, scene: &str, node: &str) {
        self.add(scene);
        let Some((scene, _)) = self.members.get_key_value(scene) else {
            return;
        };
        let scene = Arc::clone(scene);
        let node: Arc<str> = match self.scenes_of.get_key_value(node) {
            Some((node, _)) => Arc::clone(node),
            None => node.into(),
        };
        if let Some(members) = self.members.get_mut(&scene)
            && members.insert(Arc::clone(&node))
        {
            let scenes = self.scenes_of.entry(node).or_default();
            let at = scenes.partition_point(|other| *other < scene);
            scenes.insert(at, scene);
        }
    }

    /// Removes a node from a scene. Returns whether it was a member.
    pub(super) fn remove_member(&mut self, scene: &str, node: &str) -> bool {
        let left = self
            .members
            .get_mut(scene)
            .is_some_and(|members| members.remove(node));
        if left && let Some(scenes) = self.scenes_of.get_mut(node) {
            scenes.retain(|other| other.as_ref() != scene);
            if scenes.is_empty() {
                self.scenes_of.remove(node);
            }
        }
        left
    }

    /// Removes a scene. Returns the number of removed entries: the scene and its members.
    pub(super) fn remove(&mut self, scene: &str) -> usize {
        let members: Vec<Arc<str>> = match self.members.get(scene) {
            Some(members) => members.iter().cloned().collect(),
            None => return 0,
        };
        for node in &members {
            self.remove_member(scene, node);
        }
        self.members.remove(scene);
        members.len() + 1
    }

    /// Removes a node from all scenes. Returns the number of removed memberships.
    pub(super) fn remove_node(&mut self, node: &str) -> usize {
        let scenes = self.scenes_of.remove(node).unwrap_or_default();
        for scene in &scenes {
            if let Some(members) = self.members.get_mut(scene) {
                members.remove(node);
            }
        }
        scenes.len()
    }
}
