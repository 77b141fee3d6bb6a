//! The discovery messages of a house for Home Assistant (device-based discovery): one retained
//! message for each node, scene, program and variable, and one for the controller.
//!
//! Rules:
//!
//! * Ids consist of the controller's UUID and of addresses, never of names. A rename changes only
//!   displayed names.
//! * The folder of a node is its suggested area. `default_entity_id` keeps it out of entity ids.
//! * An entity is available if the bridge and the controller are ([`Announcer::availability`]). The
//!   entities of the controller itself need only the bridge.
//! * An entity to which commands are not allowed is read-only.
//! * The main entity of a node has the node's name. Other entities have a name of their own.

pub(crate) mod class;
pub(crate) mod kind;
mod main_entity;
mod parts;
mod templates;

use ioxproto::view::{ProgramId, VariableId};
use serde_json::{Map, Value, json};

use self::kind::{Facts, Kind};
use crate::NodeOverride;
use crate::topics::ControllerTopics;

/// A node with this text in its name is hidden, as in Home Assistant's own integration.
const IGNORED: &str = "{IGNORE ME}";

/// Creates the discovery messages of a house.
#[derive(Debug)]
pub(crate) struct Announcer<'a> {
    /// The discovery prefix.
    pub(crate) prefix: &'a str,
    /// The slug of the controller's UUID.
    pub(crate) uuid: &'a str,
    /// The controller's name.
    pub(crate) name: &'a str,
    /// The controller's firmware; empty if unknown.
    pub(crate) firmware: &'a str,
    pub(crate) topics: &'a ControllerTopics,
    /// The topic of the bridge's own state.
    pub(crate) bridge: &'a str,
    /// Whether commands from MQTT are carried out.
    pub(crate) commands: bool,
}

/// The data of a node or scene for its discovery message.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(crate) slug: &'a str,
    pub(crate) name: &'a str,
    /// The innermost folder of the node; empty at the top level.
    pub(crate) folder: &'a str,
    /// The slug of the first node of the device, which may be the node itself.
    pub(crate) primary: &'a str,
    pub(crate) facts: Facts<'a>,
    pub(crate) properties: &'a [PropertyFacts<'a>],
    /// Whether commands to the node are allowed.
    pub(crate) commands: bool,
    pub(crate) node_override: Option<&'a NodeOverride>,
}

/// The data of a property for a discovery message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PropertyFacts<'a> {
    pub(crate) control: &'a str,
    pub(crate) uom: &'a str,
    /// The controller's name for it; may be empty.
    pub(crate) name: &'a str,
}

/// The data of a variable for its discovery message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VariableFacts<'a> {
    pub(crate) id: VariableId,
    pub(crate) name: &'a str,
    /// The number of decimal places.
    pub(crate) places: u32,
}

/// A discovery message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Announcement {
    pub(crate) topic: String,
    pub(crate) payload: Value,
}

/// The components of one message, by their ids.
pub(crate) type Components = Map<String, Value>;

impl Announcer<'_> {
    /// The id of the controller's device, and the prefix of all other ids.
    pub(crate) fn id(&self) -> String {
        format!("iox_{}", self.uuid)
    }

    /// The topic filter for all discovery messages of this controller.
    pub(crate) fn filter(prefix: &str, uuid: &str) -> String {
        format!("{prefix}/device/iox_{uuid}/+/config")
    }

    /// The prefix of the topics of all discovery messages of this controller.
    pub(crate) fn base(prefix: &str, uuid: &str) -> String {
        format!("{prefix}/device/iox_{uuid}/")
    }

    /// The topic of the discovery message of this object.
    pub(crate) fn topic(&self, object: &str) -> String {
        format!("{}{object}/config", Self::base(self.prefix, self.uuid))
    }

    fn availability(&self, is_controller_needed: bool) -> Value {
        let mut topics = vec![json!({ "topic": self.bridge })];
        if is_controller_needed {
            topics.push(json!({ "topic": self.topics.availability() }));
        }
        Value::Array(topics)
    }

    fn announce(
        &self,
        object: &str,
        device: Value,
        is_controller_needed: bool,
        components: Components,
    ) -> Announcement {
        let payload = json!({
            "device": device,
            "origin": { "name": "iox", "sw_version": env!("CARGO_PKG_VERSION") },
            "availability": self.availability(is_controller_needed),
            "availability_mode": "all",
            "qos": 1,
            "components": components,
        });
        Announcement {
            topic: self.topic(object),
            payload,
        }
    }

    /// The message of a node or scene; `None` if it is hidden.
    pub(crate) fn node(&self, node: &Node<'_>) -> Option<Announcement> {
        let is_hidden = node
            .node_override
            .is_some_and(|node_override| node_override.is_hidden);
        if is_hidden || node.name.contains(IGNORED) {
            return None;
        }
        let natural = Kind::of(&node.facts);
        let component = node
            .node_override
            .and_then(|node_override| node_override.component);
        let kind = component.map_or(natural, |component| natural.overridden(component));
        let name = node
            .node_override
            .and_then(|node_override| node_override.name.as_deref());
        let name = name.unwrap_or(node.name);
        let device_id = format!("{}_{}", self.id(), node.slug);
        let mut entities = Entities {
            device_id: &device_id,
            device_name: name,
            components: Components::new(),
        };
        main_entity::add(&mut entities, self, node, kind);
        parts::add(&mut entities, self, node, kind);
        let via = if node.primary == node.slug {
            self.id()
        } else {
            format!("{}_{}", self.id(), node.primary)
        };
        let mut device = json!({
            "identifiers": [device_id],
            "name": name,
            "manufacturer": manufacturer(&node.facts),
            "model": model(&node.facts),
            "via_device": via,
        });
        if !node.folder.is_empty() {
            device["suggested_area"] = json!(node.folder);
        }
        let components = entities.components;
        Some(self.announce(node.slug, device, true, components))
    }

    /// The message of the controller itself.
    pub(crate) fn controller(&self) -> Announcement {
        let device_id = self.id();
        let mut entities = Entities {
            device_id: &device_id,
            device_name: self.name,
            components: Components::new(),
        };
        let state = self.topics.state();
        for (id, name, template, class) in [
            ("status", "Stream status", "{{ value_json.status }}", None),
            (
                "reconnects",
                "Reconnects",
                "{{ value_json.reconnects }}",
                Some("total_increasing"),
            ),
            (
                "drift",
                "Drift",
                "{{ value_json.drift }}",
                Some("total_increasing"),
            ),
        ] {
            let mut sensor = json!({
                "state_topic": state,
                "value_template": template,
                "entity_category": "diagnostic",
            });
            if let Some(class) = class {
                sensor["state_class"] = json!(class);
            }
            entities.add(id, "sensor", Some(name), sensor);
        }
        let mut device = json!({
            "identifiers": [device_id],
            "name": self.name,
            "manufacturer": "Universal Devices",
        });
        if !self.firmware.is_empty() {
            device["sw_version"] = json!(self.firmware);
        }
        self.announce("controller", device, false, entities.components)
    }

    /// The message of a program. All programs are one device.
    pub(crate) fn program(&self, id: ProgramId, name: &str) -> Announcement {
        let device_id = format!("{}_programs", self.id());
        let device_name = format!("{} programs", self.name);
        let mut entities = Entities {
            device_id: &device_id,
            device_name: &device_name,
            components: Components::new(),
        };
        let topic = self.topics.program(id);
        let status = json!({ "state_topic": topic, "value_template": templates::PROGRAM });
        entities.add(&format!("{id}_status"), "sensor", Some(name), status);
        if self.commands {
            let set = format!("{topic}/set");
            for (order, payload, title) in [
                ("run", "RUN", "run"),
                ("run_then", "RUN_THEN", "run then"),
                ("run_else", "RUN_ELSE", "run else"),
            ] {
                let button = json!({ "command_topic": set, "payload_press": payload });
                let title = format!("{name} {title}");
                entities.add(&format!("{id}_{order}"), "button", Some(&title), button);
            }
        }
        let device = self.shared_device(&device_id, &device_name);
        self.announce(&format!("program_{id}"), device, true, entities.components)
    }

    /// The message of a variable. All variables are one device.
    pub(crate) fn variable(&self, variable: &VariableFacts<'_>) -> Announcement {
        let device_id = format!("{}_variables", self.id());
        let device_name = format!("{} variables", self.name);
        let mut entities = Entities {
            device_id: &device_id,
            device_name: &device_name,
            components: Components::new(),
        };
        let id = variable.id;
        let object = format!("variable_{}_{}", id.kind, id.number);
        let topic = self.topics.variable(id);
        let mut entity = json!({
            "state_topic": topic,
            "value_template": templates::NUMBER,
            // As in Home Assistant's own integration: a house may have hundreds of variables that
            // only programs use.
            "enabled_by_default": variable.name.contains("HA."),
        });
        let mut init = None;
        let platform = if self.commands {
            let unit = 10_f64.powi(-i32::try_from(variable.places).unwrap_or(0));
            entity["command_topic"] = json!(format!("{topic}/set"));
            entity["min"] = json!(f64::from(i32::MIN) * unit);
            entity["max"] = json!(f64::from(i32::MAX) * unit);
            // Home Assistant accepts no smaller step.
            entity["step"] = json!(unit.max(0.001));
            entity["mode"] = json!("box");
            let mut at_start = entity.clone();
            at_start["value_template"] = json!(templates::INIT);
            at_start["command_topic"] = json!(format!("{topic}/init/set"));
            at_start["entity_category"] = json!("config");
            at_start["enabled_by_default"] = json!(false);
            init = Some(at_start);
            "number"
        } else {
            "sensor"
        };
        entities.add(&object, platform, Some(variable.name), entity);
        if let Some(init) = init {
            let name = format!("{} at start", variable.name);
            entities.add(&format!("{object}_init"), "number", Some(&name), init);
        }
        let device = self.shared_device(&device_id, &device_name);
        self.announce(&object, device, true, entities.components)
    }

    fn shared_device(&self, id: &str, name: &str) -> Value {
        json!({
            "identifiers": [id],
            "name": name,
            "manufacturer": "Universal Devices",
            "via_device": self.id(),
        })
    }
}

/// Collects the entities of one device.
pub(crate) struct Entities<'a> {
    device_id: &'a str,
    device_name: &'a str,
    components: Components,
}

impl Entities<'_> {
    /// Adds an entity. `id` must be a slug. An entity without a name is the device's main entity.
    pub(crate) fn add(&mut self, id: &str, platform: &str, name: Option<&str>, options: Value) {
        let Value::Object(mut entity) = options else {
            return;
        };
        let title = match name {
            Some(name) => format!("{} {name}", self.device_name),
            None => self.device_name.to_owned(),
        };
        entity.insert("platform".to_owned(), json!(platform));
        let unique = format!("{}_{id}", self.device_id);
        entity.insert("unique_id".to_owned(), json!(unique));
        entity.insert("name".to_owned(), json!(name));
        let entity_id = format!("{platform}.{}", entity_name(&title));
        entity.insert("default_entity_id".to_owned(), json!(entity_id));
        self.components.insert(id.to_owned(), Value::Object(entity));
    }
}

/// Returns a name in the form of Home Assistant's entity ids: lower-case letters, digits and `_`.
fn entity_name(name: &str) -> String {
    let mut slug = String::new();
    for character in name.chars() {
        let character = character.to_ascii_lowercase();
        if character.is_ascii_alphanumeric() {
            slug.push(character);
        } else if !slug.is_empty() && !slug.ends_with('_') {
            slug.push('_');
        }
    }
    let slug = slug.trim_end_matches('_');
    if slug.is_empty() {
        "iox".to_owned()
    } else {
        slug.to_owned()
    }
}

fn manufacturer(facts: &Facts<'_>) -> &'static str {
    match facts.family {
        1 => "Insteon",
        2 => "UPB",
        4 | 12 => "Z-Wave",
        10 => "Plug-in",
        14 => "Zigbee",
        15 => "Matter",
        _ => "Universal Devices",
    }
}

fn model(facts: &Facts<'_>) -> String {
    if facts.is_scene {
        return "Scene".to_owned();
    }
    match (facts.definition, facts.device_type) {
        ("", "" | "0.0.0.0") => "Node".to_owned(),
        ("", kind) => kind.to_owned(),
        (definition, "" | "0.0.0.0") => definition.to_owned(),
        (definition, kind) => format!("{definition} ({kind})"),
    }
}

#[cfg(test)]
#[path = "../../tests/unit/announcements.rs"]
mod announcements;
