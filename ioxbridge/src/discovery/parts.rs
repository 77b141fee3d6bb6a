//! The other entities of a node: its other properties, its buttons, and diagnostics.

use ioxproto::vocabulary::CommandWord;
use serde_json::json;

use super::kind::{self, Kind};
use super::main_entity::{STATUS, level, sensor};
use super::{Announcer, Entities, Node, templates};
use crate::slug::slug;
use crate::topics::BACKLIGHT;

/// The commands that may be published on a node's event topic.
pub(crate) const EVENTS: [CommandWord; 17] = [
    CommandWord::On,
    CommandWord::On3,
    CommandWord::On4,
    CommandWord::On5,
    CommandWord::Off,
    CommandWord::Off3,
    CommandWord::Off4,
    CommandWord::Off5,
    CommandWord::FastOn,
    CommandWord::FastOff,
    CommandWord::FadeUp,
    CommandWord::FadeDown,
    CommandWord::FadeStop,
    CommandWord::Brighten,
    CommandWord::Dim,
    CommandWord::ManualStart,
    CommandWord::ManualStop,
];

/// The properties that are part of a thermostat's main entity.
const CLIMATE_CONTROLS: [&str; 6] = ["CLISPH", "CLISPC", "CLIMD", "CLIFS", "CLIHCS", "CLIHUM"];

/// Adds all entities except the main one.
pub(super) fn add(
    entities: &mut Entities<'_>,
    announcer: &Announcer<'_>,
    node: &Node<'_>,
    kind: Kind,
) {
    let is_settable = announcer.commands && node.commands;
    if kind == Kind::Scene {
        if is_settable {
            let button = json!({
                "command_topic": announcer.topics.set(node.slug),
                "payload_press": "ON",
            });
            entities.add("activate", "button", Some("Activate"), button);
        }
        return;
    }
    if kind != Kind::Button && kind::has_buttons(&node.facts) {
        add_buttons(entities, announcer, node, Some("Button"));
    }
    for property in node.properties {
        let control = property.control;
        let is_shown = kind == Kind::Climate && is_settable && CLIMATE_CONTROLS.contains(&control);
        if is_shown || (control == STATUS && kind != Kind::Button) {
            continue;
        }
        let state = announcer.topics.property(node.slug, control);
        let id = slug(control);
        match control {
            "ERR" => {
                let error = json!({
                    "state_topic": state,
                    "value_template": templates::on_off(""),
                    "device_class": "problem",
                    "entity_category": "diagnostic",
                });
                entities.add(&id, "binary_sensor", Some("Communication error"), error);
            }
            "OL" if is_settable && matches!(property.uom, "51" | "100") => {
                let set = announcer.topics.set_control(node.slug, control);
                let mut number = level(&state, &set, property.uom);
                number["entity_category"] = json!("config");
                number["enabled_by_default"] = json!(false);
                entities.add(&id, "number", Some("On level"), number);
            }
            "RR" if is_settable && property.uom == "25" => {
                let set = announcer.topics.set_control(node.slug, control);
                let mut number = level(&state, &set, property.uom);
                number["max"] = json!(31);
                number["entity_category"] = json!("config");
                number["enabled_by_default"] = json!(false);
                entities.add(&id, "number", Some("Ramp rate"), number);
            }
            _ => {
                let mut sensor = sensor(&state, control, property.uom);
                if is_technical(control) {
                    sensor["enabled_by_default"] = json!(false);
                    sensor["entity_category"] = json!("diagnostic");
                }
                let name = match property.name.trim() {
                    "" => control,
                    name => name,
                };
                entities.add(&id, "sensor", Some(name), sensor);
            }
        }
    }
    if is_settable && let Some(backlight) = kind::backlight(&node.facts) {
        // There is no state topic, because the controller does not report the backlight.
        let number = json!({
            "command_topic": announcer.topics.set_control(node.slug, BACKLIGHT),
            "command_template": "{{ value | int }}",
            "min": 0,
            "max": backlight.max(),
            "step": 1,
            "entity_category": "config",
            "enabled_by_default": false,
        });
        entities.add("backlight", "number", Some("Backlight"), number);
    }
    add_diagnostics(entities, announcer, node);
}

fn add_diagnostics(entities: &mut Entities<'_>, announcer: &Announcer<'_>, node: &Node<'_>) {
    if node
        .properties
        .iter()
        .any(|property| property.control == STATUS)
    {
        let heard = json!({
            "state_topic": announcer.topics.property(node.slug, STATUS),
            "value_template": templates::TIME,
            "device_class": "timestamp",
            "entity_category": "diagnostic",
            "enabled_by_default": false,
        });
        entities.add("last_heard", "sensor", Some("Last heard"), heard);
    }
    let is_root = node.primary == node.slug;
    if !(announcer.commands && is_root) {
        return;
    }
    if node.commands {
        let enabled = json!({
            "state_topic": announcer.topics.enabled(node.slug),
            "value_template": templates::flag(false),
            "command_topic": announcer.topics.set_enabled(node.slug),
            "entity_category": "config",
            "enabled_by_default": false,
        });
        entities.add("enabled", "switch", Some("Enabled"), enabled);
    }
    let is_insteon = node.facts.family == 1;
    for (id, payload, name, is_supported) in [
        ("query", "QUERY", "Query", true),
        ("beep", "BEEP", "Beep", is_insteon),
    ] {
        if is_supported {
            let button = json!({
                "command_topic": announcer.topics.set(node.slug),
                "payload_press": payload,
                "entity_category": "diagnostic",
                "enabled_by_default": false,
            });
            entities.add(id, "button", Some(name), button);
        }
    }
}

/// Adds the event entity for presses of the node's physical buttons.
pub(super) fn add_buttons(
    entities: &mut Entities<'_>,
    announcer: &Announcer<'_>,
    node: &Node<'_>,
    name: Option<&str>,
) {
    let event = json!({
        "state_topic": announcer.topics.event(node.slug),
        "event_types": EVENTS.map(CommandWord::label),
        "device_class": "button",
    });
    entities.add("event", "event", name, event);
}

/// Whether a property is disabled by default, because it is of interest to few users.
fn is_technical(control: &str) -> bool {
    control.starts_with("GV")
        || control.starts_with("DO")
        || matches!(control, "CLIEMD" | "CLIHCS" | "OL" | "RR" | "ST")
}
