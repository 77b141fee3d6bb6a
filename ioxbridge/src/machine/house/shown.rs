//! The page's view of a house.

use std::collections::{BTreeMap, BTreeSet};

use ioxproto::names::NamedKind;
use ioxproto::words;

use super::{House, Record};
use crate::discovery::kind::Kind;
use crate::machine::command;
use crate::page::{EntryKind, Key, ShownController, ShownEntry, ShownProperty, Source};
use crate::slug::slug;
use crate::{Allowance, NodeOverride};

/// A house with the settings that decide which commands its nodes take.
pub(crate) struct View<'a> {
    pub(in crate::machine) house: &'a House,
    pub(in crate::machine) allowed: &'a BTreeSet<Allowance>,
    pub(in crate::machine) overrides: &'a BTreeMap<String, NodeOverride>,
}

/// The maximum depth of nested folders.
const MAX_DEPTH: usize = 16;

impl Source for View<'_> {
    fn keys(&self) -> Vec<Key> {
        let house = self.house;
        let records = house.records.values();
        let known = records.map(|record| record.address.clone());
        // Nodes that reported a value before the list of nodes was read.
        let heard = house.state.nodes().filter(|address| {
            let node = slug(address);
            !house.records.contains_key(&node) && !house.removed.contains(&node)
        });
        known
            .chain(heard.map(str::to_owned))
            .map(Key::Node)
            .chain(house.programs.keys().copied().map(Key::Program))
            .chain(house.variables.keys().copied().map(Key::Variable))
            .collect()
    }

    fn entry(&self, key: &Key) -> Option<ShownEntry> {
        match key {
            Key::Node(address) => self.node(address),
            Key::Program(id) => {
                let name = self.house.programs.get(id)?;
                let program = self.house.state.program(*id);
                let mut shown = ShownEntry::new(EntryKind::Program, name);
                shown.value = program.map_or_else(String::new, words::of_program);
                shown.is_disabled = program.is_some_and(|program| program.enabled == Some(false));
                shown.commands = command::PROGRAM_OFFERS.to_vec();
                if let Some(program) = program {
                    let times = [
                        ("Last run", program.last_run),
                        ("Last finish", program.last_finish),
                        ("Next run", program.next_run),
                    ];
                    let known = times.into_iter().filter_map(|(what, at)| Some((what, at?)));
                    shown.facts = known.map(|(what, at)| (what, at.to_string())).collect();
                }
                Some(shown)
            }
            Key::Variable(id) => {
                let (name, _) = self.house.variables.get(id)?;
                let variable = self.house.state.variable(*id);
                let mut shown = ShownEntry::new(EntryKind::Variable, name);
                if let Some(variable) = variable {
                    let number = |value: Option<ioxproto::view::Decimal>| {
                        value.map_or_else(String::new, |value| value.to_string())
                    };
                    shown.value = number(variable.value);
                    shown.facts = vec![("Initial value", number(variable.init))];
                }
                Some(shown)
            }
        }
    }

    fn controller(&self) -> ShownController {
        ShownController {
            uuid: self.house.uuid.clone(),
            firmware: self.house.firmware.clone(),
            reconnects: self.house.connects.saturating_sub(1),
            drift: self.house.drift,
        }
    }
}

impl View<'_> {
    fn node(&self, address: &str) -> Option<ShownEntry> {
        let house = self.house;
        let node = slug(address);
        let change = self.overrides.get(&node);
        if change.is_some_and(|change| change.is_hidden) || house.removed.contains(&node) {
            return None;
        }
        let unread = Record {
            address: address.to_owned(),
            ..Record::default()
        };
        let record = match house.records.get(&node) {
            Some(record) => record,
            None if house.state.nodes().any(|known| known == address) => &unread,
            None => return None,
        };
        let address = record.address.as_str();
        let named = house.names.node(address);
        let kind = match record.is_scene {
            true => EntryKind::Scene,
            false => EntryKind::Node,
        };
        let name = named.map_or(address, |named| &named.name);
        let mut shown = ShownEntry::new(kind, name);
        shown.folders = self.folders(address);
        shown.value = match record.is_scene {
            true => self.value_of_scene(record).to_owned(),
            false => words::of_node(&house.state, address),
        };
        shown.is_on = self.is_on(record);
        shown.heard = house.state.node_heard(address).map(|heard| heard.time());
        shown.is_disabled = named.is_some_and(|named| !named.is_enabled);
        shown.has_comm_error =
            named.is_some_and(|named| named.is_in_error) || house.state.has_comm_error(address);
        let affected = house.affected(&node, record);
        if command::check_allowed(affected, self.allowed).is_ok() && !shown.is_disabled {
            let kind = house.commanded_kind(self.overrides, record);
            shown.commands = command::node_offers(kind).to_vec();
        }
        let properties = house.state.properties(address);
        shown.properties = properties
            .map(|(control, property)| {
                let heard = house.state.heard(address, control);
                ShownProperty::new(control, property).heard(heard.map(|heard| heard.time()))
            })
            .collect();
        shown.facts = self.facts(record);
        Some(shown)
    }

    fn facts(&self, record: &Record) -> Vec<(&'static str, String)> {
        let names = |slugs: Option<&Vec<String>>| {
            let slugs = slugs.into_iter().flatten();
            let names: Vec<&str> = slugs.map(|slug| self.name_of(slug)).collect();
            names.join(", ")
        };
        let facts = [
            ("Definition", record.definition.clone()),
            ("Type", record.device_type.clone()),
            ("Members", names(Some(&record.members))),
            (
                "Scenes",
                names(self.house.scenes_of.get(&slug(&record.address))),
            ),
        ];
        facts
            .into_iter()
            .filter(|(_, fact)| !fact.is_empty())
            .collect()
    }

    /// The name of a node or scene, given by its slug.
    fn name_of<'a>(&'a self, slug: &'a str) -> &'a str {
        let record = self.house.records.get(slug);
        let address = record.map_or(slug, |record| record.address.as_str());
        let named = self.house.names.node(address);
        named.map_or(address, |named| named.name.as_str())
    }

    /// Whether a node is on; `None` if its kind has no such state, or the state is unknown.
    fn is_on(&self, record: &Record) -> Option<bool> {
        let house = self.house;
        match Kind::of(&house.facts(record)) {
            Kind::Scene => {
                let members = record.members.iter();
                let known = members.filter_map(|member| house.records.get(member));
                let mut states = known.filter_map(|member| status_of(house, &member.address));
                let first = states.next()?;
                Some(first || states.any(|is_on| is_on))
            }
            Kind::Light
            | Kind::Switch
            | Kind::Alarm
            | Kind::Relay
            | Kind::Fan
            | Kind::BinarySensor(_) => status_of(house, &record.address),
            _ => None,
        }
    }

    fn value_of_scene(&self, record: &Record) -> &'static str {
        match self.is_on(record) {
            Some(true) => "On",
            Some(false) => "Off",
            None => "",
        }
    }

    /// The names of the folders that a node or scene is in, outermost first.
    fn folders(&self, address: &str) -> Vec<String> {
        let names = &self.house.names;
        let mut path = Vec::new();
        let mut at = names.node(address).map(|named| named.parent.as_str());
        for _ in 0..MAX_DEPTH {
            let Some(named) = at.and_then(|address| names.node(address)) else {
                break;
            };
            if named.kind == NamedKind::Folder {
                path.push(named.name.clone());
            }
            at = Some(&named.parent);
        }
        path.reverse();
        path
    }
}

fn status_of(house: &House, address: &str) -> Option<bool> {
    let number = house.state.property(address, "ST")?.number()?;
    Some(number.to_f64() != 0.0)
}
