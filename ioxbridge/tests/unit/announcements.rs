//! Checks the discovery messages of every kind of entity against Home Assistant's own rules.

use std::collections::BTreeSet;

use ioxproto::view::{ProgramId, VariableId, VariableType};
use serde_json::Value;

use super::class::{self, UNITS};
use super::kind::{Facts, Kind};
use super::*;
use crate::{Component, NodeOverride};

fn rules() -> Value {
    serde_json::from_str(include_str!("home_assistant.json")).unwrap()
}

fn texts(list: &Value) -> BTreeSet<&str> {
    list.as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect()
}

/// Checks a message by the rules of Home Assistant. Returns its platforms.
fn check_message(rules: &Value, announcement: &Announcement) -> BTreeSet<String> {
    let message = &announcement.payload;
    let what = serde_json::to_string_pretty(message).unwrap();
    let check = |object: &Value, rule: &Value| {
        let keys: BTreeSet<&str> = object
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let missing: Vec<_> = texts(&rule["required"])
            .difference(&keys)
            .copied()
            .collect();
        assert!(
            missing.is_empty(),
            "{missing:?} missing in {object:#} of {what}"
        );
        let unknown: Vec<_> = keys.difference(&texts(&rule["allowed"])).copied().collect();
        assert!(
            unknown.is_empty(),
            "{unknown:?} unknown in {object:#} of {what}"
        );
    };
    let levels: Vec<&str> = announcement.topic.split('/').collect();
    let ["homeassistant", "device", node, object, "config"] = levels[..] else {
        panic!("{}", announcement.topic);
    };
    let is_id = |id: &str| {
        !id.is_empty()
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    assert!(is_id(node) && is_id(object), "{}", announcement.topic);
    check(message, &rules["device_message"]);
    for key in message["device"].as_object().unwrap().keys() {
        assert!(
            texts(&rules["device"]).contains(key.as_str()),
            "{key} in {what}"
        );
    }
    assert!(
        !message["device"]["identifiers"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert_ne!(
        message["device"]["via_device"],
        message["device"]["identifiers"][0]
    );
    let components = message["components"].as_object().unwrap();
    assert!(!components.is_empty(), "{what}");
    let mut platforms = BTreeSet::new();
    for (id, component) in components {
        assert!(is_id(id), "{id}");
        let platform = component["platform"].as_str().unwrap();
        platforms.insert(platform.to_owned());
        check(component, &rules["components"][platform]);
        let entity_id = component["default_entity_id"].as_str().unwrap();
        let (domain, name) = entity_id.split_once('.').unwrap();
        assert_eq!(domain, platform);
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        assert!(
            !name.is_empty() && name.bytes().all(is_plain),
            "{entity_id}"
        );
        let category = component["entity_category"].as_str();
        let is_read_only = matches!(platform, "sensor" | "binary_sensor");
        assert!(
            !(is_read_only && category == Some("config")),
            "{id} in {what}"
        );
        judge_class(rules, platform, component, &what);
        for (key, value) in component.as_object().unwrap() {
            if key.ends_with("_topic") {
                let topic = value.as_str().unwrap();
                assert!(
                    !topic.contains(['+', '#']) && topic.starts_with("iox/"),
                    "{topic}"
                );
            }
        }
        match platform {
            "number" => assert!(
                component["min"].as_f64() <= component["max"].as_f64(),
                "{what}"
            ),
            "fan" => {
                let (min, max) = (&component["speed_range_min"], &component["speed_range_max"]);
                assert!(
                    min.as_u64() > Some(0) && min.as_u64() < max.as_u64(),
                    "{what}"
                );
            }
            "cover" => {
                let has = |key: &str| component.get(key).is_some();
                assert!(
                    !has("set_position_topic") || has("position_topic"),
                    "{what}"
                );
                assert!(!has("position_template") || has("position_topic"), "{what}");
                assert!(
                    !has("set_position_template") || has("set_position_topic"),
                    "{what}"
                );
                assert!(!has("value_template") || has("state_topic"), "{what}");
            }
            _ => {}
        }
    }
    platforms
}

fn judge_class(rules: &Value, platform: &str, component: &Value, what: &str) {
    let Some(class) = component["device_class"].as_str() else {
        return;
    };
    let classes = match platform {
        "binary_sensor" => &rules["binary_sensor_classes"],
        "cover" => &rules["cover_classes"],
        "switch" => &rules["switch_classes"],
        "button" => &rules["button_classes"],
        "event" => &rules["event_classes"],
        "sensor" => &rules["sensor_classes"],
        other => panic!("no classes are listed for {other}: {what}"),
    };
    assert!(texts(classes).contains(class), "{class} in {what}");
    if platform == "sensor"
        && let Some(units) = rules["sensor_units"].get(class)
    {
        let unit = component.get("unit_of_measurement").unwrap_or(&Value::Null);
        // Home Assistant checks a unit only if there is one.
        assert!(
            unit.is_null() || units.as_array().unwrap().contains(unit),
            "{unit} in {what}"
        );
    }
    if class == "timestamp" {
        assert!(component.get("unit_of_measurement").is_none(), "{what}");
    }
}

/// Returns the discovery message of a node with these facts.
fn announce(
    facts: Facts<'_>,
    properties: &[(&str, &str)],
    node_override: Option<&NodeOverride>,
    commands: bool,
) -> Option<Announcement> {
    let topics = ControllerTopics::new("home");
    let announcer = Announcer {
        prefix: "homeassistant",
        uuid: "0021b9a1b2c3",
        name: "home",
        firmware: "6.0.5",
        topics: &topics,
        bridge: "iox/bridge/bridge/state",
        commands,
    };
    let properties: Vec<PropertyFacts<'_>> = properties
        .iter()
        .map(|(control, uom)| PropertyFacts {
            control,
            uom,
            name: "",
        })
        .collect();
    announcer.node(&Node {
        slug: "1A_2B_3C_01",
        name: "Hall lamp — Küche",
        folder: "Ground floor",
        primary: "1A_2B_3C_01",
        facts,
        properties: &properties,
        commands,
        node_override,
    })
}

fn facts<'a>(definition: &'a str, uom: &'a str) -> Facts<'a> {
    Facts {
        definition,
        device_type: "",
        family: 1,
        part: 1,
        uom,
        ..Facts::default()
    }
}

#[test]
fn every_kind_of_entity_follows_the_rules_of_home_assistant() {
    let rules = rules();
    let mut platforms = BTreeSet::new();
    for commands in [true, false] {
        for uom in [
            "", "2", "11", "17", "25", "51", "66", "78", "79", "97", "98", "100", "101", "145",
        ] {
            for component in Component::ALL {
                let change = NodeOverride::new().component(component);
                let announced = announce(
                    facts("", uom),
                    &[("ST", uom), ("OL", "100"), ("ERR", "0")],
                    Some(&change),
                    commands,
                );
                platforms.extend(check_message(&rules, &announced.unwrap()));
            }
        }
        for definition in [
            "DimmerLampSwitch_ADV",
            "RelayLampSwitch_ADV",
            "FanLincMotor",
            "DimmerMotorSwitch_ADV",
            "DoorLock",
            "Thermostat",
            "BinaryAlarm_ADV",
            "KeypadButton_ADV",
            "IMETER_SOLO",
            "Siren_ADV",
        ] {
            let announced = announce(
                facts(definition, "100"),
                &[
                    ("ST", "100"),
                    ("CLISPH", "101"),
                    ("CLISPC", "17"),
                    ("CLIMD", "98"),
                    ("CLIFS", "99"),
                    ("CLIHCS", "66"),
                    ("CLIHUM", "22"),
                    ("RR", "25"),
                    ("OL", "51"),
                    ("GV1", "56"),
                    ("ERR", "2"),
                ],
                None,
                commands,
            );
            platforms.extend(check_message(&rules, &announced.unwrap()));
        }
        let scene = Facts {
            is_scene: true,
            ..Facts::default()
        };
        platforms.extend(check_message(
            &rules,
            &announce(scene, &[], None, commands).unwrap(),
        ));
    }
    let all: BTreeSet<String> = Component::ALL
        .map(|component| component.as_str().to_owned())
        .into();
    assert_eq!(platforms, all, "each kind was judged");
}

#[test]
fn every_unit_gives_a_sensor_that_home_assistant_accepts() {
    let rules = rules();
    for unit in ioxproto::unit::Unit::all() {
        let uom = unit.id().to_string();
        for control in [
            "ST", "GV1", "CLITEMP", "CPW", "TPW", "BATLVL", "PF", "PM25", "SPEED", "RAINRT",
            "WEIGHT",
        ] {
            let announced = announce(facts("IMETER_SOLO", &uom), &[(control, &uom)], None, true);
            check_message(&rules, &announced.unwrap());
        }
    }
}

#[test]
fn the_table_of_units_is_part_of_home_assistants() {
    let rules = rules();
    for (class, units) in UNITS {
        assert!(texts(&rules["sensor_classes"]).contains(class), "{class}");
        let accepted = rules["sensor_units"][class].as_array().unwrap();
        for unit in *units {
            let unit = if unit.is_empty() {
                Value::Null
            } else {
                Value::from(*unit)
            };
            assert!(accepted.contains(&unit), "{class} {unit}");
        }
    }
    for (classes, own) in [
        ("binary_sensor_classes", class::BINARY_SENSOR_CLASSES),
        ("cover_classes", class::COVER_CLASSES),
        ("switch_classes", class::SWITCH_CLASSES),
        ("event_classes", class::EVENT_CLASSES),
        ("button_classes", class::BUTTON_CLASSES),
    ] {
        assert_eq!(
            texts(&rules[classes]),
            own.iter().copied().collect(),
            "{classes}"
        );
    }
}

#[test]
fn controllers_programs_and_variables_follow_the_rules_too() {
    let rules = rules();
    let topics = ControllerTopics::new("my home");
    for commands in [true, false] {
        let announcer = Announcer {
            prefix: "homeassistant",
            uuid: "0021b9a1b2c3",
            name: "my home",
            firmware: "",
            topics: &topics,
            bridge: "iox/bridge/bridge/state",
            commands,
        };
        check_message(&rules, &announcer.controller());
        check_message(
            &rules,
            &announcer.program(ProgramId::new(0x8d), "Porch at dusk"),
        );
        for places in [0, 1, 9] {
            let id = VariableId {
                kind: VariableType::State,
                number: 12,
            };
            let name = "HA.Guests";
            check_message(
                &rules,
                &announcer.variable(&VariableFacts { id, name, places }),
            );
        }
    }
}

#[test]
fn ids_are_of_addresses_and_the_area_stays_out_of_entity_ids() {
    let announced = announce(
        facts("DimmerLampSwitch_ADV", "100"),
        &[("ST", "100")],
        None,
        true,
    )
    .unwrap();
    assert_eq!(
        announced.topic,
        "homeassistant/device/iox_0021b9a1b2c3/1A_2B_3C_01/config"
    );
    let device = &announced.payload["device"];
    assert_eq!(device["identifiers"][0], "iox_0021b9a1b2c3_1A_2B_3C_01");
    assert_eq!(device["suggested_area"], "Ground floor");
    let light = &announced.payload["components"]["light"];
    assert_eq!(light["unique_id"], "iox_0021b9a1b2c3_1A_2B_3C_01_light");
    assert_eq!(light["default_entity_id"], "light.hall_lamp_k_che");
    assert!(light["name"].is_null());
    // A plain "on" has no level, so that the device's own on-level applies.
    let on = light["command_on_template"].as_str().unwrap();
    assert!(on.contains("'ON'") && !on.contains("255"), "{on}");
    let both = announced.payload["availability"].as_array().unwrap();
    assert_eq!(both.len(), 2);
    assert_eq!(announced.payload["availability_mode"], "all");
}

#[test]
fn overrides_hide_rename_and_change_what_a_node_is() {
    let relay = facts("RelayLampSwitch_ADV", "100");
    let properties = [("ST", "100")];
    assert_eq!(
        announce(relay, &properties, Some(&NodeOverride::new().hide()), true),
        None
    );
    let change = NodeOverride::new()
        .name("Gate")
        .component(Component::Cover)
        .device_class("gate");
    let announced = announce(relay, &properties, Some(&change), true)
        .unwrap()
        .payload;
    assert_eq!(announced["device"]["name"], "Gate");
    assert_eq!(announced["components"]["cover"]["device_class"], "gate");
    // A class that the component does not have is omitted: Home Assistant would refuse the entity.
    let wrong = NodeOverride::new().device_class("gate");
    let announced = announce(relay, &properties, Some(&wrong), true)
        .unwrap()
        .payload;
    assert!(
        announced["components"]["switch"]
            .get("device_class")
            .is_none()
    );
    assert_eq!(Kind::of(&relay), Kind::Switch);
}

#[test]
fn battery_sensors_enabled_switches_and_backlights_follow_the_rules() {
    let rules = rules();
    for commands in [true, false] {
        for device_type in ["16.1.1.0", "16.2.1.0", "16.8.1.0"] {
            for part in [1, 2, 3, 4, 10, 13, 16, 19] {
                let facts = Facts {
                    device_type,
                    part,
                    ..facts("", "100")
                };
                let announced = announce(facts, &[("ST", "100")], None, commands).unwrap();
                check_message(&rules, &announced);
                let sensor = &announced.payload["components"]["binary_sensor"];
                assert_eq!(
                    sensor["state_topic"], "iox/home/1A_2B_3C_01/active",
                    "{device_type} {part}"
                );
            }
        }
        for (definition, max) in [("DimmerLampSwitch_ADV", 100), ("KeypadRelay_ADV", 127)] {
            let properties = [("ST", "100")];
            let announced = announce(facts(definition, "100"), &properties, None, commands);
            let announced = announced.unwrap();
            check_message(&rules, &announced);
            let components = &announced.payload["components"];
            assert_eq!(components["enabled"].is_object(), commands);
            assert_eq!(components["backlight"].is_object(), commands);
            if commands {
                assert_eq!(components["backlight"]["max"], max);
                assert_eq!(
                    components["enabled"]["command_topic"],
                    "iox/home/1A_2B_3C_01/enabled/set"
                );
            }
        }
    }
}
