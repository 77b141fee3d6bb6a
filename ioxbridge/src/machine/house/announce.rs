//! What Home Assistant is told of a house.

use serde_json::Value;

use super::{House, Record};
use crate::discovery::kind::Facts;
use crate::discovery::{Announcement, Node, Place, PropertyFacts, VariableFacts};
use crate::machine::{Shared, command};
use crate::slug::{slug, uuid_slug};

impl House {
    pub(super) fn place<'a>(&'a self, shared: &'a Shared, uuid: &'a str) -> Option<Place<'a>> {
        Some(Place {
            prefix: shared.settings.prefix.as_deref()?,
            uuid,
            name: &self.name,
            firmware: &self.firmware,
            topics: &self.topics,
            bridge: &shared.topics.state,
            commands: shared.settings.commands,
        })
    }

    /// The facts that decide what a node is.
    pub(super) fn facts<'a>(&'a self, record: &'a Record) -> Facts<'a> {
        let status = self.state.property(&record.address, "ST");
        let part = record.address.rsplit([' ', '_']).next().unwrap_or_default();
        Facts {
            is_scene: record.is_scene,
            definition: &record.definition,
            device_type: &record.device_type,
            family: record.family,
            zwave_category: record.zwave_category,
            part: u32::from_str_radix(part, 16).unwrap_or(0),
            uom: status.map_or("", |status| status.uom()),
            has_setpoint: ["CLISPH", "CLISPC"]
                .iter()
                .any(|control| self.state.property(&record.address, control).is_some()),
        }
    }

    pub(in crate::machine) fn announce_all(&self, shared: &mut Shared) {
        self.announce_house(shared, |place| vec![place.controller()]);
        self.announce_nodes(shared);
        self.announce_programs(shared);
        self.announce_variables(shared);
    }

    pub(super) fn announce_nodes(&self, shared: &mut Shared) {
        let nodes: Vec<String> = self.records.keys().cloned().collect();
        for node in nodes {
            self.announce_node(shared, &node);
        }
    }

    pub(super) fn announce_programs(&self, shared: &mut Shared) {
        self.announce_house(shared, |place| {
            let programs = self.programs.iter();
            programs
                .map(|(id, name)| place.program(*id, name))
                .collect()
        });
    }

    pub(super) fn announce_variables(&self, shared: &mut Shared) {
        self.announce_house(shared, |place| {
            let variables = self
                .variables
                .iter()
                .map(|(id, (name, places))| VariableFacts {
                    id: *id,
                    name,
                    places: *places,
                });
            variables
                .map(|variable| place.variable(&variable))
                .collect()
        });
    }

    pub(super) fn announce_house(
        &self,
        shared: &mut Shared,
        announcements: impl FnOnce(&Place<'_>) -> Vec<Announcement>,
    ) {
        let uuid = self.uuid.as_deref().map(uuid_slug);
        let place = uuid.as_deref().and_then(|uuid| self.place(shared, uuid));
        let announcements = place.map(|place| announcements(&place)).unwrap_or_default();
        for announcement in announcements {
            self.announce(shared, announcement);
        }
    }

    pub(super) fn announce_node(&self, shared: &mut Shared, node: &str) {
        let Some(uuid) = self.uuid.as_deref().map(uuid_slug) else {
            return;
        };
        let Some(record) = self.records.get(node) else {
            return;
        };
        let Some(place) = self.place(shared, &uuid) else {
            return;
        };
        let properties: Vec<PropertyFacts<'_>> = self
            .state
            .properties(&record.address)
            .map(|(control, property)| PropertyFacts {
                control,
                uom: property.uom(),
                name: property.name(),
            })
            .collect();
        let named = self.names.node(&record.address);
        let folder = self.names.folder(&record.address);
        let primary = match record.primary.as_str() {
            "" => node.to_owned(),
            primary => slug(primary),
        };
        let moved = self.moved(node, record);
        let announced = place.node(&Node {
            slug: node,
            name: named.map_or(record.address.as_str(), |named| &named.name),
            folder: folder.rsplit('/').next().unwrap_or_default(),
            primary: &primary,
            facts: self.facts(record),
            properties: &properties,
            commands: command::check_allowed(moved, &shared.settings.allowed).is_ok(),
            change: shared.settings.overrides.get(node),
        });
        match announced {
            Some(announcement) => self.announce(shared, announcement),
            None => self.withdraw(shared, node),
        }
    }

    /// Publishes a discovery message. Components that the message before it had and this one has
    /// not are named without options: so Home Assistant removes them.
    pub(super) fn announce(&self, shared: &mut Shared, mut announcement: Announcement) {
        let known = shared.outbox.held(&announcement.topic);
        let known: Option<Value> = known.and_then(|known| serde_json::from_slice(known).ok());
        let old = known
            .as_ref()
            .and_then(|known| known["components"].as_object());
        if let (Some(old), Some(new)) = (old, announcement.payload["components"].as_object_mut()) {
            for (id, component) in old {
                let is_leftover = component
                    .as_object()
                    .is_none_or(|options| options.len() == 1);
                if !new.contains_key(id) && !is_leftover {
                    new.insert(
                        id.clone(),
                        serde_json::json!({ "platform": component["platform"] }),
                    );
                }
            }
        }
        let payload = announcement.payload.to_string().into_bytes();
        shared
            .outbox
            .set(self.owner(), &announcement.topic, payload);
    }
}
