//! The names of a house: of its nodes, scenes, folders, programs and variables.
//!
//! Events have addresses and numbers, but people use names. REST calls such as
//! [`rest::nodes`](crate::rest::nodes) read the names. [`Names`] stores them, and lifecycle events
//! update them. An unknown item has no name; this is not an error.
//!
//! If [`Config::read_names`](crate::Config::read_names) is set, a stream reads the names itself and
//! delivers them as [`Notification::Names`](crate::Notification::Names). A
//! [`ControllerState`](crate::state::ControllerState) that receives this notification stores the
//! names, updates them from lifecycle events, and reports what changed.
//!
//! ```
//! use ioxproto::names::{Found, Names};
//! use ioxproto::rest::Nodes;
//!
//! let answer = br#"<nodes><folder><address>7</address><name>Hall</name></folder>
//!     <node><address>1A 2B 3C 1</address><name>Ceiling lamp</name><parent type="3">7</parent></node></nodes>"#;
//! let mut names = Names::default();
//! names.take_nodes(&Nodes::parse(answer)?);
//!
//! assert_eq!(names.node("1a.2b.3c.1").map(|node| node.name.as_str()), Some("Ceiling lamp"));
//! assert_eq!(names.folder("1A 2B 3C 1"), "Hall");
//! assert_eq!(names.find("hall/ceiling lamp"), Found::One("1A 2B 3C 1"));
//! # Ok::<(), ioxproto::rest::AnswerError>(())
//! ```

mod change;
mod follow;
mod read;

use std::collections::{BTreeMap, BTreeSet};

pub use self::change::{NameChange, NameChangeKind, NamedItem};
pub use self::read::{Missing, NamesPart, NamesRead};
use crate::NodePattern;
use crate::rest::{
    Family, NodeEntry, Nodes, Parent, Programs, SceneEntry, SceneMember, VariableDefinitions,
};
use crate::spelling::Spelling;
use crate::view::{ProgramId, VariableId, VariableType};

/// The maximum nesting depth of folders in a path.
const MAX_DEPTH: usize = 16;

/// The names of the nodes, scenes, folders, programs and variables of a house.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Nodes, scenes and folders, by their normalized address.
    entries: BTreeMap<Spelling, Named>,
    /// The members of each scene, by its address.
    members: BTreeMap<String, Vec<SceneMember>>,
    programs: BTreeMap<ProgramId, String>,
    variables: BTreeMap<VariableId, String>,
    /// The parts that were read, including empty ones.
    read: BTreeSet<NamesPart>,
}

/// A node, a scene or a folder, with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Named {
    /// Whether it is a node, a scene or a folder.
    pub kind: NamedKind,
    /// Its address, as the controller writes it.
    pub address: String,
    /// Its name.
    pub name: String,
    /// The address of its parent, a folder or a node; empty at the top level.
    pub parent: String,
    /// Whether it is enabled; always `true` for a scene or folder.
    pub is_enabled: bool,
    /// Whether it does not answer the controller.
    pub is_in_error: bool,
    /// Its device family, and for a plug-in node the slot of the plug-in.
    pub family: Family,
    /// Its node definition (`nodeDefId`), such as `DimmerLampSwitch_ADV`; empty on old firmware and
    /// for a folder.
    pub node_def_id: String,
    /// Its device type (`type`), such as `1.32.69.0`; empty for a scene or folder.
    pub device_type: String,
    /// The first node of its device (`pnode`); empty if it is not known, and for a folder.
    pub primary: String,
}

impl Named {
    fn new(
        kind: NamedKind,
        address: &str,
        name: &str,
        parent: Option<&Parent>,
        family: &Family,
    ) -> Self {
        Self {
            kind,
            address: address.to_owned(),
            name: name.to_owned(),
            parent: parent.map_or_else(String::new, |parent| parent.address.clone()),
            is_enabled: true,
            is_in_error: false,
            family: family.clone(),
            node_def_id: String::new(),
            device_type: String::new(),
            primary: String::new(),
        }
    }

    fn of_node(node: &NodeEntry) -> Self {
        let parent = node.parent.as_ref();
        let (address, name) = (&node.address, &node.name);
        Self {
            is_enabled: node.enabled,
            is_in_error: node.flags.is_in_error(),
            node_def_id: node.node_def_id.clone(),
            device_type: node.device_type.clone(),
            primary: node.primary_node.clone(),
            ..Self::new(NamedKind::Node, address, name, parent, &node.family)
        }
    }

    fn of_scene(scene: &SceneEntry) -> Self {
        let parent = scene.parent.as_ref();
        let (address, name) = (&scene.address, &scene.name);
        Self {
            node_def_id: scene.node_def_id.clone(),
            primary: scene.primary_node.clone(),
            ..Self::new(NamedKind::Scene, address, name, parent, &scene.family)
        }
    }
}

/// The kind of a [`Named`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum NamedKind {
    /// A node.
    Node,
    /// A scene.
    Scene,
    /// A folder.
    Folder,
}

/// The result of a lookup by name or address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "there is none, one, or more than one"
)]
pub enum Found<T> {
    /// No match.
    None,
    /// Exactly one match.
    One(T),
    /// Several matches: at least two.
    Several(Vec<T>),
}

impl<T> Found<T> {
    fn of(mut found: Vec<T>) -> Self {
        match found.len() {
            0 | 1 => found.pop().map_or(Self::None, Self::One),
            _ => Self::Several(found),
        }
    }
}

impl Names {
    /// Replaces all nodes, scenes and folders with those of an answer.
    pub fn take_nodes(&mut self, nodes: &Nodes) {
        self.entries.clear();
        self.members.clear();
        for folder in &nodes.folders {
            let parent = folder.parent.as_ref();
            let (address, name) = (&folder.address, &folder.name);
            self.insert(Named::new(
                NamedKind::Folder,
                address,
                name,
                parent,
                &folder.family,
            ));
        }
        for scene in &nodes.scenes {
            self.insert(Named::of_scene(scene));
            let members = scene.members.clone();
            self.members.insert(scene.address.clone(), members);
        }
        for node in &nodes.nodes {
            self.insert(Named::of_node(node));
        }
        self.read.insert(NamesPart::Nodes);
    }

    /// Replaces all programs with those of an answer. Skips program folders.
    pub fn take_programs(&mut self, programs: &Programs) {
        let programs = programs.programs.iter();
        let programs = programs.filter(|program| !program.is_folder);
        self.programs = programs
            .map(|program| (program.id, program.name.clone()))
            .collect();
        self.read.insert(NamesPart::Programs);
    }

    /// Replaces the variables of this type with those of an answer.
    pub fn take_variables(&mut self, kind: VariableType, definitions: &VariableDefinitions) {
        self.variables.retain(|id, _| id.kind != kind);
        for definition in &definitions.definitions {
            self.variables
                .insert(definition.id, definition.name.clone());
        }
        self.read.insert(NamesPart::Variables(kind));
    }

    /// Whether this part was ever read or seeded.
    #[must_use]
    pub fn has(&self, part: NamesPart) -> bool {
        self.read.contains(&part)
    }

    /// Replaces each part that the other has.
    pub(crate) fn take_parts(&mut self, other: &Self) {
        for part in &other.read {
            match part {
                NamesPart::Nodes => {
                    self.entries.clone_from(&other.entries);
                    self.members.clone_from(&other.members);
                }
                NamesPart::Programs => self.programs.clone_from(&other.programs),
                NamesPart::Variables(kind) => {
                    self.variables.retain(|id, _| id.kind != *kind);
                    let of_kind = other.variables.iter().filter(|(id, _)| id.kind == *kind);
                    self.variables
                        .extend(of_kind.map(|(id, name)| (*id, name.clone())));
                }
            }
            self.read.insert(*part);
        }
    }

    /// Whether the other has every part that this one has.
    pub(crate) fn is_covered_by(&self, other: &Self) -> bool {
        self.read.is_subset(&other.read)
    }

    fn insert(&mut self, named: Named) {
        self.entries.insert(Spelling::of(&named.address), named);
    }

    /// Looks up a node, scene or folder by its address, in any spelling.
    #[must_use]
    pub fn node(&self, address: &str) -> Option<&Named> {
        self.entries.get(&Spelling::of(address))
    }

    /// The folders that contain a node, scene or folder, outermost first, joined by `/`. Empty at
    /// the top level.
    #[must_use]
    pub fn folder(&self, address: &str) -> String {
        let mut path: Vec<&str> = Vec::new();
        let mut at = self.node(address).map(|entry| entry.parent.as_str());
        while let Some(entry) = at.and_then(|address| self.node(address)) {
            if path.len() == MAX_DEPTH {
                break;
            }
            if entry.kind == NamedKind::Folder {
                path.push(&entry.name);
            }
            at = Some(&entry.parent);
        }
        path.reverse();
        path.join("/")
    }

    /// The name of a program.
    #[must_use]
    pub fn program(&self, id: ProgramId) -> Option<&str> {
        self.programs.get(&id).map(String::as_str)
    }

    /// The name of a variable.
    #[must_use]
    pub fn variable(&self, id: VariableId) -> Option<&str> {
        self.variables.get(&id).map(String::as_str)
    }

    /// All nodes, scenes and folders, by address.
    pub fn entries(&self) -> impl Iterator<Item = &Named> {
        self.entries.values()
    }

    /// The address of each scene, with its members and the type of their links.
    pub fn scenes(&self) -> impl Iterator<Item = (&str, &[SceneMember])> {
        let scenes = self.members.iter();
        scenes.map(|(scene, members)| (scene.as_str(), members.as_slice()))
    }

    /// All programs and their names, by id.
    pub fn programs(&self) -> impl Iterator<Item = (ProgramId, &str)> {
        self.programs.iter().map(|(id, name)| (*id, name.as_str()))
    }

    /// All variables and their names, by type and number.
    pub fn variables(&self) -> impl Iterator<Item = (VariableId, &str)> {
        self.variables.iter().map(|(id, name)| (*id, name.as_str()))
    }

    /// Finds nodes and scenes by address in any spelling, by name, or by folder and name
    /// (`Hall/Ceiling lamp`). Returns their addresses. Ignores case. If an address matches, names
    /// are not compared.
    #[must_use]
    pub fn find(&self, written: &str) -> Found<&str> {
        let targets = || {
            let entries = self.entries.values();
            entries.filter(|entry| entry.kind != NamedKind::Folder)
        };
        let spelling = Spelling::of(written);
        let by_address = self.entries.get(&spelling);
        if let Some(entry) = by_address.filter(|entry| entry.kind != NamedKind::Folder) {
            return Found::One(&entry.address);
        }
        let pattern = NodePattern::new(written);
        let by_device: Vec<&str> = targets()
            .map(|entry| entry.address.as_str())
            .filter(|address| pattern.is_match(address))
            .collect();
        if !by_device.is_empty() {
            return Found::of(by_device);
        }
        let wanted = written.trim().to_lowercase();
        let by_name = targets().filter(|entry| {
            entry.name.to_lowercase() == wanted || self.path(entry).to_lowercase() == wanted
        });
        Found::of(by_name.map(|entry| entry.address.as_str()).collect())
    }

    /// Finds programs by id or name. Ignores case.
    #[must_use]
    pub fn find_program(&self, written: &str) -> Found<ProgramId> {
        let wanted = written.trim().to_lowercase();
        let by_name: BTreeSet<ProgramId> = self
            .programs()
            .filter(|(id, name)| {
                name.to_lowercase() == wanted || id.to_string().eq_ignore_ascii_case(written.trim())
            })
            .map(|(id, _)| id)
            .collect();
        Found::of(by_name.into_iter().collect())
    }

    /// Finds variables by name, or by type and number (`state 12`, `2/12`). Ignores case.
    #[must_use]
    pub fn find_variable(&self, written: &str) -> Found<VariableId> {
        let wanted = written.trim().to_lowercase();
        let is_it = |id: VariableId, name: &str| {
            let number = format!("{}/{}", id.kind.number(), id.number);
            name.to_lowercase() == wanted || id.to_string() == wanted || number == wanted
        };
        let found = self.variables().filter(|(id, name)| is_it(*id, name));
        Found::of(found.map(|(id, _)| id).collect())
    }

    /// The folder path and name of an entry, such as `Hall/Ceiling lamp`.
    #[must_use]
    pub fn path(&self, entry: &Named) -> String {
        match self.folder(&entry.address) {
            folder if folder.is_empty() => entry.name.clone(),
            folder => format!("{folder}/{}", entry.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::LinkType;

    fn names() -> Names {
        let nodes = r#"<nodes><root>My home</root>
            <folder flag="0"><address>7</address><name>Hall &amp; stairs</name></folder>
            <folder flag="0"><address>8</address><name>Upstairs</name><parent type="3">7</parent></folder>
            <node flag="128"><address>1A 2B 3C 1</address><name>Lamp</name><parent type="3">7</parent><enabled>true</enabled></node>
            <node flag="128"><address>1A 2B 3C 2</address><name>Lamp</name><parent type="3">8</parent><enabled>true</enabled></node>
            <node flag="128"><address>n003_t1</address><name>Attic</name><enabled>false</enabled></node>
            <group flag="132"><address>20481</address><name>Evening</name><members/></group></nodes>"#;
        let programs = r#"<programs><program id="0001" folder="true"><name>My programs</name></program>
            <program id="008D" parentId="0001" folder="false"><name>Porch at dusk</name></program></programs>"#;
        let variables = r#"<CList type="VAR_INT"><e id="3" name="Guests"/></CList>"#;
        let mut names = Names::default();
        names.take_nodes(&Nodes::parse(nodes.as_bytes()).unwrap());
        names.take_programs(&Programs::parse(programs.as_bytes()).unwrap());
        let definitions = VariableDefinitions::parse(variables.as_bytes(), VariableType::Integer);
        names.take_variables(VariableType::Integer, &definitions.unwrap());
        names
    }

    #[test]
    fn a_node_is_found_by_address_name_or_folder_and_name() {
        let names = names();
        assert_eq!(names.find("1a.2b.3c.1"), Found::One("1A 2B 3C 1"));
        assert_eq!(names.find("attic"), Found::One("n003_t1"));
        assert_eq!(names.find("Evening"), Found::One("20481"));
        assert_eq!(names.find("hall & stairs/lamp"), Found::One("1A 2B 3C 1"));
        assert_eq!(
            names.find("Hall & stairs/Upstairs/Lamp"),
            Found::One("1A 2B 3C 2")
        );
        let both = Found::Several(vec!["1A 2B 3C 1", "1A 2B 3C 2"]);
        assert_eq!(names.find("Lamp"), both);
        assert_eq!(names.find("1A 2B 3C"), both);
        // Folders are not found, because they accept no commands.
        assert_eq!(names.find("Hall & stairs"), Found::None);
        assert_eq!(names.find("7"), Found::None);
        assert_eq!(names.find(""), Found::None);
    }

    #[test]
    fn scenes_have_their_members() {
        let nodes = r#"<nodes><group><address>20481</address><name>Evening</name>
            <members><link type="16">1A 2B 3C 1</link><link type="0">1A 2B 3C 2</link></members></group></nodes>"#;
        let mut names = Names::default();
        names.take_nodes(&Nodes::parse(nodes.as_bytes()).unwrap());
        let (scene, members) = names.scenes().next().unwrap();
        let members = members
            .iter()
            .map(|member| (member.address.as_str(), member.link));
        assert_eq!(scene, "20481");
        assert_eq!(
            members.collect::<Vec<_>>(),
            [
                ("1A 2B 3C 1", LinkType::Controller),
                ("1A 2B 3C 2", LinkType::Responder)
            ]
        );
    }

    #[test]
    fn a_node_has_its_definition_type_family_and_device() {
        let nodes = r#"<nodes><node nodeDefId="KeypadButton_ADV"><address>1A 2B 3C 2</address><name>B</name>
            <type>1.66.68.0</type><pnode>1A 2B 3C 1</pnode></node>
            <node nodeDefId="thermo"><address>n003_t1</address><name>Attic</name><family instance="3">10</family></node></nodes>"#;
        let mut names = Names::default();
        names.take_nodes(&Nodes::parse(nodes.as_bytes()).unwrap());
        let button = names.node("1a.2b.3c.2").unwrap();
        assert_eq!(
            (
                &*button.node_def_id,
                &*button.device_type,
                &*button.primary,
                button.family.id
            ),
            ("KeypadButton_ADV", "1.66.68.0", "1A 2B 3C 1", 1)
        );
        let attic = names.node("n003_t1").unwrap();
        assert_eq!(
            (attic.family.id, attic.family.instance.as_deref()),
            (10, Some("3"))
        );
    }

    #[test]
    fn programs_and_variables_are_found_by_id_or_name() {
        let names = names();
        let program = ProgramId::new(0x8d);
        assert_eq!(names.find_program("porch at dusk"), Found::One(program));
        assert_eq!(names.find_program("008d"), Found::One(program));
        assert_eq!(names.find_program("My programs"), Found::None);
        let guests = VariableId {
            kind: VariableType::Integer,
            number: 3,
        };
        for written in ["guests", "integer 3", "1/3"] {
            assert_eq!(
                names.find_variable(written),
                Found::One(guests),
                "{written}"
            );
        }
        assert_eq!(names.variable(guests), Some("Guests"));
        let none = VariableDefinitions::parse(b"<CList/>", VariableType::Integer).unwrap();
        let mut later = names.clone();
        later.take_variables(VariableType::State, &none);
        assert_eq!(later.variable(guests), Some("Guests"), "of the other type");
        later.take_variables(VariableType::Integer, &none);
        assert_eq!(later.variable(guests), None);
        assert_eq!(names.program(program), Some("Porch at dusk"));
    }

    #[test]
    fn folders_that_contain_each_other_end() {
        let nodes = r#"<nodes><folder><address>1</address><name>a</name><parent type="3">2</parent></folder>
            <folder><address>2</address><name>b</name><parent type="3">1</parent></folder></nodes>"#;
        let mut names = Names::default();
        names.take_nodes(&Nodes::parse(nodes.as_bytes()).unwrap());
        assert!(names.folder("1").len() < 100);
    }
}
