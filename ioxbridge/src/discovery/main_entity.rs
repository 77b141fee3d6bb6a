//! The main entity of a node, which represents its own state.

use serde_json::{Value, json};

use super::class::{is_accepted, is_class_of, measure};
use super::kind::{self, Kind, Sense};
use super::{Announcer, Entities, Node, PropertyFacts, parts, templates};

/// The control of a node's own state.
pub(super) const STATUS: &str = "ST";

/// Adds the main entity.
pub(super) fn add(
    entities: &mut Entities<'_>,
    announcer: &Announcer<'_>,
    node: &Node<'_>,
    kind: Kind,
) {
    let state = announcer.topics.property(node.slug, STATUS);
    let set = announcer.topics.set(node.slug);
    let uom = node.facts.uom;
    let is_settable = announcer.commands && node.commands;
    let (platform, mut entity) = match kind {
        Kind::Button => {
            parts::add_buttons(entities, announcer, node, None);
            return;
        }
        Kind::BinarySensor(class) => (
            "binary_sensor",
            match kind::sense(&node.facts) {
                Some(sense) => battery_sensor(announcer, node, class, sense),
                None => binary(&state, uom, class),
            },
        ),
        Kind::Heartbeat => (
            "binary_sensor",
            battery_sensor(announcer, node, Some("battery"), Sense::Heartbeat),
        ),
        Kind::Sensor => ("sensor", sensor(&state, STATUS, uom)),
        Kind::Climate if is_settable => ("climate", climate(announcer, node)),
        Kind::Climate | Kind::Number if !is_settable => ("sensor", sensor(&state, STATUS, uom)),
        Kind::Lock { .. } if !is_settable => {
            let mut lock = binary(&state, uom, Some("lock"));
            if uom != "11" {
                // An Insteon lock is on when it is locked; a binary sensor for a lock is on when it
                // is unlocked.
                lock["value_template"] = json!(templates::either(uom, "OFF", "ON"));
            }
            ("binary_sensor", lock)
        }
        Kind::Cover if !is_settable => ("binary_sensor", binary(&state, uom, Some("opening"))),
        _ if !is_settable => ("binary_sensor", binary(&state, uom, None)),
        Kind::Light => ("light", light(&state, &set, uom)),
        Kind::Fan => ("fan", fan(&state, &set, uom)),
        Kind::Cover => ("cover", cover(&state, &set, uom)),
        Kind::Lock { .. } => ("lock", lock(&state, &set, uom)),
        Kind::Number => ("number", level(&state, &set, uom)),
        Kind::Switch | Kind::Alarm | Kind::Relay | Kind::Scene | Kind::Climate => (
            "switch",
            json!({
                "state_topic": state,
                "value_template": templates::on_off(uom),
                "command_topic": set,
            }),
        ),
    };
    let class = node
        .node_override
        .and_then(|node_override| node_override.device_class.as_deref());
    if let Some(class) = class.filter(|class| is_class_of(platform, class)) {
        let unit = entity.get("unit_of_measurement").and_then(Value::as_str);
        if !matches!(platform, "sensor" | "number") || is_accepted(class, unit) {
            entity["device_class"] = json!(class);
        }
    }
    entities.add(platform, platform, None, entity);
}

fn binary(state: &str, uom: &str, class: Option<&str>) -> Value {
    let mut entity = json!({ "state_topic": state, "value_template": templates::on_off(uom) });
    if let Some(class) = class {
        entity["device_class"] = json!(class);
    }
    entity
}

/// The entity of a battery sensor's node, which reports its state with commands.
fn battery_sensor(
    announcer: &Announcer<'_>,
    node: &Node<'_>,
    class: Option<&str>,
    sense: Sense,
) -> Value {
    let mut entity = json!({
        "state_topic": announcer.topics.active(node.slug),
        "value_template": templates::flag(kind::is_inverted(&node.facts)),
    });
    if let Some(class) = class {
        entity["device_class"] = json!(class);
    }
    if sense == Sense::Heartbeat || matches!(class, Some("battery" | "tamper")) {
        entity["entity_category"] = json!("diagnostic");
    }
    if sense == Sense::Opposite {
        entity["entity_category"] = json!("diagnostic");
        entity["enabled_by_default"] = json!(false);
    }
    entity
}

/// The sensor of a property's value: a number with class and unit, or a string.
pub(super) fn sensor(state: &str, control: &str, uom: &str) -> Value {
    let measure = measure(control, uom);
    let is_number = measure.unit.is_some() || measure.state_class.is_some();
    let template = if is_number {
        templates::NUMBER
    } else {
        templates::TEXT
    };
    let mut entity = json!({ "state_topic": state, "value_template": template });
    for (key, value) in [
        ("device_class", measure.class),
        ("unit_of_measurement", measure.unit),
        ("state_class", measure.state_class),
    ] {
        if let Some(value) = value.filter(|_| is_number) {
            entity[key] = json!(value);
        }
    }
    entity
}

fn light(state: &str, set: &str, uom: &str) -> Value {
    json!({
        "schema": "template",
        "state_topic": state,
        "state_template": templates::either(uom, "on", "off"),
        "brightness_template": templates::brightness(uom),
        "command_topic": set,
        "command_on_template": templates::turn_on(uom),
        "command_off_template": "OFF",
    })
}

fn fan(state: &str, set: &str, uom: &str) -> Value {
    let is_percent = uom == "51";
    json!({
        "state_topic": state,
        "state_value_template": templates::on_off(uom),
        "command_topic": set,
        "percentage_state_topic": state,
        "percentage_value_template": templates::NUMBER,
        "percentage_command_topic": set,
        "percentage_command_template": if is_percent { "{{ value }}%" } else { "{{ value }}" },
        "speed_range_min": 1,
        "speed_range_max": if is_percent { 100 } else { 255 },
    })
}

fn cover(state: &str, set: &str, uom: &str) -> Value {
    let mut cover = json!({
        "state_topic": state,
        "value_template": templates::cover_state(uom),
        "command_topic": set,
        "payload_open": "OPEN",
        "payload_close": "CLOSE",
        "payload_stop": "STOP",
    });
    if matches!(uom, "51" | "97" | "100") {
        cover["position_topic"] = json!(state);
        cover["position_template"] = json!(templates::position(uom));
        cover["set_position_topic"] = json!(set);
        cover["set_position_template"] = json!("{{ position }}%");
    }
    cover
}

fn lock(state: &str, set: &str, uom: &str) -> Value {
    json!({
        "state_topic": state,
        "value_template": templates::lock_state(uom),
        "command_topic": set,
        "payload_lock": "LOCK",
        "payload_unlock": "UNLOCK",
    })
}

/// The number entity of a level that can be set.
pub(super) fn level(state: &str, set: &str, uom: &str) -> Value {
    let is_percent = uom == "51";
    json!({
        "state_topic": state,
        "value_template": templates::NUMBER,
        "command_topic": set,
        "command_template": if is_percent { "{{ value | int }}%" } else { "{{ value | int }}" },
        "min": 0,
        "max": if is_percent { 100 } else { 255 },
        "step": 1,
    })
}

fn climate(announcer: &Announcer<'_>, node: &Node<'_>) -> Value {
    let find = |control: &str| -> Option<&PropertyFacts<'_>> {
        node.properties
            .iter()
            .find(|property| property.control == control)
    };
    let state = |control: &str| announcer.topics.property(node.slug, control);
    let set = |control: &str| announcer.topics.set_control(node.slug, control);
    let mut climate = json!({
        "current_temperature_topic": state(STATUS),
        "current_temperature_template": templates::NUMBER,
        "temp_step": 0.5,
        // Without this, Home Assistant would offer its default modes for a thermostat without
        // modes.
        "modes": ["off"],
    });
    let degrees = find("CLISPH")
        .or_else(|| find("CLISPC"))
        .or_else(|| find(STATUS));
    match degrees.map(|property| property.uom) {
        Some("4") => climate["temperature_unit"] = json!("C"),
        Some("17") => climate["temperature_unit"] = json!("F"),
        _ => {}
    }
    if let Some(mode) = find("CLIMD") {
        climate["modes"] = json!(["off", "heat", "cool", "auto", "fan_only"]);
        climate["mode_state_topic"] = json!(state("CLIMD"));
        climate["mode_state_template"] = json!(templates::climate_mode(mode.uom));
        climate["mode_command_topic"] = json!(set("CLIMD"));
    }
    for (control, bound) in [("CLISPH", "low"), ("CLISPC", "high")] {
        if find(control).is_some() {
            climate[format!("temperature_{bound}_state_topic")] = json!(state(control));
            climate[format!("temperature_{bound}_state_template")] = json!(templates::NUMBER);
            climate[format!("temperature_{bound}_command_topic")] = json!(set(control));
        }
    }
    if let Some(fan) = find("CLIFS") {
        climate["fan_modes"] = json!(["on", "auto"]);
        climate["fan_mode_state_topic"] = json!(state("CLIFS"));
        climate["fan_mode_state_template"] = json!(templates::climate_fan(fan.uom));
        climate["fan_mode_command_topic"] = json!(set("CLIFS"));
    }
    if find("CLIHCS").is_some() {
        climate["action_topic"] = json!(state("CLIHCS"));
        climate["action_template"] = json!(templates::CLIMATE_ACTION);
    }
    if find("CLIHUM").is_some() {
        climate["current_humidity_topic"] = json!(state("CLIHUM"));
        climate["current_humidity_template"] = json!(templates::NUMBER);
    }
    climate
}
