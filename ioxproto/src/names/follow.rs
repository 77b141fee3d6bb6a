//! Updates the names from lifecycle events.
//!
//! | event | effect on the names | names must be read again |
//! |---|---|---|
//! | renamed, enabled or disabled, parent changed | updated | if the address is unknown |
//! | node stopped answering, answers again | error flag of the node updated | no |
//! | node, scene or folder removed | removed | no |
//! | node added or revised, with the whole `<node>` | replaced by this node | if it cannot be parsed |
//! | node or scene added, with only a name | added with this name | yes |
//! | node added to a scene | members of the scene updated | if the scene is unknown |
//! | node removed from a scene | members of the scene updated | no |
//! | folder added, type information or links changed, discovery complete | none | yes |
//!
//! The caller decides which events to apply. It should not apply replayed events, because later
//! events may have undone them.

use super::change;
use super::{NameChange, NameChangeKind, Named, NamedItem, NamedKind, Names};
use crate::Event;
use crate::rest::{Family, LinkType, NodeEntry, SceneMember};
use crate::spelling::Spelling;
use crate::view::{LifecycleChange, LifecycleDetails};
use crate::vocabulary::{Code, Lifecycle};

/// The limit for the number of nodes, scenes and folders; events do not add more.
const MAX_ENTRIES: usize = 100_000;
/// The maximum length of a name or address from an event, in bytes.
const MAX_LENGTH: usize = 4096;

/// The effect of an event on the names.
#[derive(Debug, Default)]
pub(crate) struct NameEffects {
    pub(crate) changes: Vec<NameChange>,
    /// Whether the names must be read again, because the event does not contain everything that
    /// changed.
    pub(crate) needs_reading: bool,
}

impl Names {
    /// Applies a lifecycle event. Returns whether something changed or the names should be read
    /// again.
    pub fn update(&mut self, event: &Event) -> bool {
        let Ok(change) = event.lifecycle() else {
            return false;
        };
        let members = self.members.clone();
        let effects = self.follow(&change);
        effects.needs_reading || !effects.changes.is_empty() || members != self.members
    }

    pub(crate) fn follow(&mut self, change: &LifecycleChange<'_>) -> NameEffects {
        let mut effects = NameEffects::default();
        let Code::Known(verb) = change.verb else {
            return effects;
        };
        let Ok(details) = change.details() else {
            effects.needs_reading = change.is_reload_needed();
            return effects;
        };
        let address = change.address;
        match (verb, details) {
            (Lifecycle::NodeRemoved | Lifecycle::SceneRemoved | Lifecycle::FolderRemoved, _) => {
                self.remove(address, &mut effects);
            }
            (_, LifecycleDetails::Renamed { name }) if name.len() <= MAX_LENGTH => {
                self.change(address, &mut effects, |entry| {
                    entry.name = name.into_owned();
                });
            }
            (_, LifecycleDetails::Enabled(enabled)) => {
                self.change(address, &mut effects, |entry| entry.is_enabled = enabled);
            }
            (Lifecycle::CommError, _) => self.set_error(address, true),
            (Lifecycle::CommErrorCleared, _) => self.set_error(address, false),
            (_, LifecycleDetails::ParentChanged { node, parent, .. }) => {
                let address = match (address, &node) {
                    ("", Some(node)) => node,
                    _ => address,
                };
                let parent = parent.filter(|parent| parent.len() <= MAX_LENGTH);
                self.change(address, &mut effects, |entry| {
                    entry.parent = parent.map_or_else(String::new, |parent| parent.into_owned());
                });
            }
            (
                _,
                LifecycleDetails::NodeAdded {
                    node_xml: Some(xml),
                    ..
                }
                | LifecycleDetails::NodeRevised {
                    node_xml: Some(xml),
                },
            ) => self.take_node(xml, &mut effects),
            (
                _,
                LifecycleDetails::NodeAdded {
                    name: Some(name), ..
                },
            ) => {
                self.add(NamedKind::Node, address, &name, 1, &mut effects);
            }
            (
                _,
                LifecycleDetails::SceneAdded {
                    name: Some(name), ..
                },
            ) => {
                self.add(NamedKind::Scene, address, &name, 6, &mut effects);
            }
            (_, LifecycleDetails::MovedIntoScene { node, link_type }) => {
                let number = link_type.and_then(|text| text.trim().parse().ok());
                effects.needs_reading =
                    !self.add_member(address, &node, LinkType::of(number.unwrap_or(0)));
            }
            (_, LifecycleDetails::RemovedFromScene { node }) => self.remove_member(address, &node),
            (Lifecycle::SceneLinkUpdated, _) => effects.needs_reading = true,
            _ => effects.needs_reading = change.is_reload_needed(),
        }
        effects
    }

    fn change(&mut self, address: &str, effects: &mut NameEffects, to: impl FnOnce(&mut Named)) {
        let Some(entry) = self.entries.get_mut(&Spelling::of(address)) else {
            effects.needs_reading = true;
            return;
        };
        let before = entry.clone();
        to(entry);
        change::of_entry(Some(&before), Some(entry), &mut effects.changes);
    }

    fn set_error(&mut self, address: &str, is_in_error: bool) {
        if let Some(entry) = self.entries.get_mut(&Spelling::of(address)) {
            entry.is_in_error = is_in_error;
        }
    }

    fn remove(&mut self, address: &str, effects: &mut NameEffects) {
        let gone = self.entries.remove(&Spelling::of(address));
        change::of_entry(gone.as_ref(), None, &mut effects.changes);
        if let Some(gone) = gone {
            self.members.remove(&gone.address);
            for members in self.members.values_mut() {
                members.retain(|member| member.address != gone.address);
            }
        }
    }

    /// Adds or replaces a node, given its whole element.
    fn take_node(&mut self, xml: &str, effects: &mut NameEffects) {
        let Ok(node) = NodeEntry::parse(xml.as_bytes()) else {
            effects.needs_reading = true;
            return;
        };
        let spelling = Spelling::of(&node.address);
        let before = self.entries.get(&spelling).cloned();
        if before.is_none() && self.entries.len() >= MAX_ENTRIES || node.name.len() > MAX_LENGTH {
            return;
        }
        let after = Named::of_node(&node);
        change::of_entry(before.as_ref(), Some(&after), &mut effects.changes);
        self.entries.insert(spelling, after);
    }

    /// Adds a node or scene of which the event contains only the name.
    fn add(
        &mut self,
        kind: NamedKind,
        address: &str,
        name: &str,
        family: u32,
        effects: &mut NameEffects,
    ) {
        effects.needs_reading = true;
        let spelling = Spelling::of(address);
        let fits =
            self.entries.len() < MAX_ENTRIES && name.len() <= MAX_LENGTH && !address.is_empty();
        if !fits || self.entries.contains_key(&spelling) {
            return;
        }
        let family = Family {
            id: family,
            instance: None,
        };
        let entry = Named::new(kind, address, name, None, &family);
        effects
            .changes
            .push(NamedItem::of(&entry).changed(NameChangeKind::Added));
        self.entries.insert(spelling, entry);
    }

    /// Adds a node to a scene, or updates its link. Returns whether the scene is known.
    fn add_member(&mut self, scene: &str, node: &str, link: LinkType) -> bool {
        let Some(scene) = self.node(scene).map(|scene| scene.address.clone()) else {
            return false;
        };
        let address = self
            .node(node)
            .map_or(node, |node| &node.address)
            .to_owned();
        let members = self.members.entry(scene).or_default();
        let fits = members.len() < MAX_ENTRIES && address.len() <= MAX_LENGTH;
        match members.iter_mut().find(|member| member.address == address) {
            Some(member) => member.link = link,
            None if fits => members.push(SceneMember { address, link }),
            None => {}
        }
        true
    }

    fn remove_member(&mut self, scene: &str, node: &str) {
        let Some(scene) = self.node(scene).map(|scene| scene.address.clone()) else {
            return;
        };
        let node = Spelling::of(node);
        if let Some(members) = self.members.get_mut(&scene) {
            members.retain(|member| Spelling::of(&member.address) != node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Found;
    use crate::rest::Nodes;
    use crate::{Frame, FrameReader};

    fn names() -> Names {
        let nodes = r#"<nodes><root>My home</root>
            <folder flag="0"><address>7</address><name>Hall</name></folder>
            <folder flag="0"><address>8</address><name>Upstairs</name><parent type="3">7</parent></folder>
            <node flag="128"><address>1A 2B 3C 1</address><name>Lamp</name><parent type="3">7</parent></node>
            <node flag="128"><address>1A 2B 3C 2</address><name>Lamp</name><parent type="3">8</parent></node>
            <node flag="128"><address>n003_t1</address><name>Attic</name><enabled>false</enabled></node>
            <group flag="132"><address>20481</address><name>Evening</name><members><link type="16">1A 2B 3C 1</link></members></group></nodes>"#;
        let mut names = Names::default();
        names.take_nodes(&Nodes::parse(nodes.as_bytes()).unwrap());
        names
    }

    fn lifecycle(action: &str, node: &str, info: &str) -> Event {
        let text = format!(
            "<Event><control>_3</control><action>{action}</action><node>{node}</node><eventInfo>{info}</eventInfo></Event>"
        );
        match FrameReader::new().read(&text) {
            Frame::Event(event) => event,
            other => panic!("{other:?}"),
        }
    }

    /// Applies an event. Returns the changes as text, and whether the names must be read again.
    fn follow(names: &mut Names, action: &str, node: &str, info: &str) -> (Vec<String>, bool) {
        let event = lifecycle(action, node, info);
        let effects = names.follow(&event.lifecycle().unwrap());
        let changes = effects.changes.iter().map(ToString::to_string);
        (changes.collect(), effects.needs_reading)
    }

    fn only(text: &str) -> (Vec<String>, bool) {
        (vec![text.to_owned()], false)
    }

    #[test]
    fn renames_moves_and_enabling_need_no_reading() {
        let mut names = names();
        assert_eq!(
            follow(
                &mut names,
                "NN",
                "1a 2b 3c 1",
                "<newName>Hall lamp</newName>"
            ),
            only("node 1A 2B 3C 1: renamed from Lamp to Hall lamp")
        );
        assert_eq!(names.find("Hall lamp"), Found::One("1A 2B 3C 1"));
        assert_eq!(
            follow(&mut names, "FN", "7", "<newName>Entrance</newName>"),
            only("folder 7: renamed from Hall to Entrance")
        );
        assert_eq!(names.folder("1A 2B 3C 2"), "Entrance/Upstairs");
        let moved = "<node>1A 2B 3C 2</node><nodeType>1</nodeType>";
        assert_eq!(
            follow(&mut names, "PC", "1A 2B 3C 2", moved),
            only("node 1A 2B 3C 2: moved from 8 to the top")
        );
        assert_eq!(
            follow(&mut names, "EN", "n003_t1", "<enabled>true</enabled>"),
            only("node n003_t1: enabled")
        );
        assert!(names.node("n003_t1").is_some_and(|node| node.is_enabled));
        // A repeated event is not a change.
        let same = follow(&mut names, "EN", "n003_t1", "<enabled>true</enabled>");
        assert_eq!(same, (vec![], false));
    }

    #[test]
    fn a_removed_item_has_no_name_and_is_in_no_scene() {
        let mut names = names();
        assert_eq!(
            follow(&mut names, "NR", "1A 2B 3C 1", ""),
            only("node 1A 2B 3C 1: removed")
        );
        assert_eq!(names.node("1A 2B 3C 1"), None);
        assert_eq!(names.scenes().next(), Some(("20481", &[][..])));
        assert_eq!(
            follow(&mut names, "GR", "20481", ""),
            only("scene 20481: removed")
        );
        assert_eq!(names.scenes().next(), None);
    }

    #[test]
    fn a_whole_node_in_an_event_needs_no_reading() {
        let mut names = names();
        let node = r#"<node flag="128" nodeDefId="Dimmer"><address>1A 2B 3D 1</address><name>New</name><parent type="3">8</parent></node>"#;
        assert_eq!(
            follow(&mut names, "ND", "1A 2B 3D 1", node),
            only("node 1A 2B 3D 1: added")
        );
        assert_eq!(names.find("hall/upstairs/new"), Found::One("1A 2B 3D 1"));
        let node = node.replace("New", "Newer");
        assert_eq!(
            follow(&mut names, "RV", "1A 2B 3D 1", &node),
            only("node 1A 2B 3D 1: renamed from New to Newer")
        );
    }

    #[test]
    fn names_that_an_event_does_not_contain_must_be_read() {
        let mut names = names();
        let added = follow(
            &mut names,
            "ND",
            "1A 2B 3D 1",
            "<nodeName>New</nodeName><nodeType>1.2.3.4</nodeType>",
        );
        assert_eq!(added, (vec!["node 1A 2B 3D 1: added".to_owned()], true));
        assert_eq!(names.find("new"), Found::One("1A 2B 3D 1"));
        for (verb, node) in [("AA", "1A 2B 3D 1"), ("FD", "9"), ("SC", ""), ("RV", "x")] {
            assert_eq!(follow(&mut names, verb, node, ""), (vec![], true), "{verb}");
        }
        let unknown = follow(&mut names, "NN", "9 9 9 1", "<newName>X</newName>");
        assert_eq!(unknown, (vec![], true));
        assert_eq!(follow(&mut names, "WH", "1A 2B 3C 1", ""), (vec![], false));
        assert_eq!(follow(&mut names, "NE", "1A 2B 3C 1", ""), (vec![], false));
        assert!(
            names
                .node("1A 2B 3C 1")
                .is_some_and(|node| node.is_in_error)
        );
    }

    #[test]
    fn nodes_are_added_to_and_removed_from_scenes() {
        let mut names = names();
        let moved = "<movedNode>1A 2B 3C 2</movedNode><linkType>16</linkType>";
        assert!(names.update(&lifecycle("MV", "20481", moved)));
        let (_, members) = names.scenes().next().unwrap();
        assert_eq!(
            (&*members[1].address, members[1].link),
            ("1A 2B 3C 2", LinkType::Controller)
        );
        let removed = "<removedNode>1a 2b 3c 1</removedNode>";
        assert!(names.update(&lifecycle("RG", "20481", removed)));
        assert_eq!(names.scenes().next().unwrap().1.len(), 1);
        assert!(
            names.update(&lifecycle("MV", "1", moved)),
            "an unknown scene is to be read"
        );
    }
}
