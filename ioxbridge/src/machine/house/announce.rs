//! Publishes the discovery messages of a house for Home Assistant.

use serde_json::Value;

use super::{House, Record};
use crate::discovery::kind::Facts;
use crate::discovery::{Announcement, Announcer, Node, PropertyFacts, VariableFacts};
use crate::machine::{Shared, command};
use crate::slug::{slug, uuid_slug};

impl House {
    pub(super) fn announcer<'a>(
        &'a self,
        shared: &'a Shared,
        uuid: &'a str,
    ) -> Option<Announcer<'a>> {
        Some(Announcer {
            prefix: shared.settings.prefix.as_deref()?,
            uuid,
            name: &self.name,
            firmware: &self.firmware,
            topics: &self.topics,
            bridge: &shared.topics.state,
            commands: shared.settings.commands,
        })
    }

    /// Returns the facts that determine the kind of a node.
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
        self.announce_with(shared, |announcer| vec![announcer.controller()]);
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
        self.announce_with(shared, |announcer| {
            let programs = self.programs.iter();
            programs
                .map(|(id, name)| announcer.program(*id, name))
                .collect()
        });
    }

    pub(super) fn announce_variables(&self, shared: &mut Shared) {
        self.announce_with(shared, |announcer| {
            let variables = self
                .variables
                .iter()
                .map(|(id, (name, places))| VariableFacts {
                    id: *id,
                    name,
                    places: *places,
                });
            variables
                .map(|variable| announcer.variable(&variable))
                .collect()
        });
    }

    /// Publishes the messages that `build` creates. Does nothing while discovery is off or the UUID
    /// is unknown.
    pub(super) fn announce_with(
        &self,
        shared: &mut Shared,
        build: impl FnOnce(&Announcer<'_>) -> Vec<Announcement>,
    ) {
        let uuid = self.uuid.as_deref().map(uuid_slug);
        let announcer = uuid
            .as_deref()
            .and_then(|uuid| self.announcer(shared, uuid));
        let announcements = announcer
            .map(|announcer| build(&announcer))
            .unwrap_or_default();
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
        let Some(announcer) = self.announcer(shared, &uuid) else {
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
        let affected = self.affected(node, record);
        let announced = announcer.node(&Node {
            slug: node,
            name: named.map_or(record.address.as_str(), |named| &named.name),
            folder: folder.rsplit('/').next().unwrap_or_default(),
            primary: &primary,
            facts: self.facts(record),
            properties: &properties,
            commands: command::check_allowed(affected, &shared.settings.allowed).is_ok(),
            node_override: shared.settings.overrides.get(node),
        });
        match announced {
            Some(announcement) => self.announce(shared, announcement),
            None => self.withdraw(shared, node),
        }
    }

    /// Publishes a discovery message. Components of the previous message that this one lacks are
    /// listed with their platform only, which makes Home Assistant remove them.
    pub(super) fn announce(&self, shared: &mut Shared, mut announcement: Announcement) {
        let held = shared.outbox.held_payload(&announcement.topic);
        let previous: Option<Value> = held.and_then(|payload| serde_json::from_slice(payload).ok());
        let old = previous
            .as_ref()
            .and_then(|previous| previous["components"].as_object());
        if let (Some(old), Some(new)) = (old, announcement.payload["components"].as_object_mut()) {
            for (id, component) in old {
                let is_removal = component
                    .as_object()
                    .is_none_or(|options| options.len() == 1);
                if !new.contains_key(id) && !is_removal {
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
