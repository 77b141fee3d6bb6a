//! Tests of battery sensors, whose state is the last one that they reported.

use std::time::Duration;

use super::world::{World, command, lifecycle, options};

const HOUR: Duration = Duration::from_secs(60 * 60);
const CONTACT: &str = "2A 2B 2C 1";
const OPPOSITE: &str = "2A 2B 2C 2";
const BATTERY: &str = "2A 2B 2C 3";
const HEARTBEAT: &str = "2A 2B 2C 4";

/// Creates a world with a door sensor and its nodes.
fn door() -> World {
    let nodes = [CONTACT, OPPOSITE, BATTERY, HEARTBEAT].map(|node| (node, node, "16.2.1.0"));
    World::settled(&options(), &nodes)
}

fn value(world: &World, part: u8) -> Option<u64> {
    world.json(&format!("iox/home/2A_2B_2C_0{part}/active"))["value"].as_u64()
}

fn entity(world: &World, part: u8) -> serde_json::Value {
    let topic = format!("homeassistant/device/iox_0021b9000001/2A_2B_2C_0{part}/config");
    world.json(&topic)["components"]["binary_sensor"].clone()
}

#[test]
fn a_contact_follows_its_commands_and_those_of_its_opposite() {
    let mut world = door();
    assert_eq!(value(&world, 1), Some(0), "the status, before any command");
    world.press(1, CONTACT, "DON");
    assert_eq!(value(&world, 1), Some(1));
    // The status is only a guess of the controller and is ignored.
    world.level(1, CONTACT, 0);
    assert_eq!(value(&world, 1), Some(1));
    world.press(1, OPPOSITE, "DON");
    assert_eq!((value(&world, 1), value(&world, 2)), (Some(0), Some(1)));
    let contact = entity(&world, 1);
    assert_eq!(contact["state_topic"], "iox/home/2A_2B_2C_01/active");
    assert_eq!(contact["device_class"], "opening");
    assert_eq!(entity(&world, 2)["enabled_by_default"], false);
}

#[test]
fn a_replay_and_a_restart_keep_the_last_state_of_a_sensor() {
    let mut world = door();
    world.press(1, CONTACT, "DON");
    world.disconnect(1);
    world.connect(1);
    assert_eq!(value(&world, 1), Some(1));
    let before = world.retained["iox/home/2A_2B_2C_01/active"].clone();
    world.restart(&options());
    let nodes = [CONTACT, OPPOSITE, BATTERY, HEARTBEAT].map(|node| (node, node, "16.2.1.0"));
    world.add(1, "home", &nodes);
    world.connect_broker();
    world.connect(1);
    world.pass(Duration::from_secs(5));
    assert_eq!(world.retained["iox/home/2A_2B_2C_01/active"], before);
    // A broker that has lost the state receives it again.
    world.lose_broker();
    world.retained.clear();
    world.connect_broker();
    assert_eq!(world.retained["iox/home/2A_2B_2C_01/active"], before);
}

#[test]
fn a_state_on_the_broker_is_used_only_if_a_bridge_can_have_published_it() {
    let topic = "iox/home/2A_2B_2C_01/active";
    for (held, expected) in [
        (r#"{"value":1,"time":"2026-11-27T10:00:00.000Z"}"#, Some(1)),
        (r#"{"value":2}"#, Some(0)),
        ("ON", Some(0)),
    ] {
        let mut world = World::new(&options());
        world.retained.insert(topic.to_owned(), held.to_owned());
        world.add(1, "home", &[(CONTACT, CONTACT, "16.2.1.0")]);
        world.connect_broker();
        world.connect(1);
        world.pass(Duration::from_secs(3));
        assert_eq!(value(&world, 1), expected, "{held}");
    }
}

#[test]
fn a_battery_is_low_from_its_on_to_its_off() {
    let mut world = door();
    assert_eq!(value(&world, 3), Some(0));
    world.press(1, BATTERY, "DON");
    assert_eq!(value(&world, 3), Some(1));
    world.press(1, BATTERY, "DOF");
    assert_eq!(value(&world, 3), Some(0));
    assert_eq!(entity(&world, 3)["device_class"], "battery");
}

#[test]
fn a_heartbeat_that_is_missing_for_25_hours_is_a_problem_until_the_next() {
    let mut world = door();
    assert_eq!(value(&world, 4), Some(0));
    for _ in 0..3 {
        world.pass(HOUR * 24);
        assert_eq!(value(&world, 4), Some(0));
        world.press(1, HEARTBEAT, "DON");
    }
    world.pass(HOUR * 26);
    assert_eq!(value(&world, 4), Some(1));
    world.press(1, HEARTBEAT, "DOF");
    assert_eq!(value(&world, 4), Some(0));
    let entity = entity(&world, 4);
    assert_eq!(entity["device_class"], "battery");
    assert_eq!(entity["entity_category"], "diagnostic");
}

#[test]
fn a_heartbeat_is_not_missed_while_the_controller_is_away() {
    let mut world = door();
    world.pass(HOUR * 20);
    world.disconnect(1);
    world.pass(HOUR * 48);
    world.connect(1);
    world.pass(HOUR * 4);
    assert_eq!(value(&world, 4), Some(0));
    world.pass(HOUR * 2);
    assert_eq!(value(&world, 4), Some(1));
}

#[test]
fn a_leak_sensor_is_on_while_it_is_dry() {
    let nodes = [CONTACT, OPPOSITE].map(|node| (node, node, "16.8.1.0"));
    let mut world = World::settled(&options(), &nodes);
    world.press(1, CONTACT, "DON");
    let leak = entity(&world, 1);
    assert_eq!(leak["device_class"], "moisture");
    assert_eq!(
        leak["value_template"],
        "{{ 'OFF' if value_json.value else 'ON' }}"
    );
    // The second node reports that it is wet.
    world.press(1, OPPOSITE, "DON");
    assert_eq!(value(&world, 1), Some(0));
}

#[test]
fn the_state_of_a_removed_sensor_is_removed() {
    let mut world = door();
    world.controller_mut(1).nodes.remove(HEARTBEAT);
    world.event(1, &lifecycle(HEARTBEAT, "NR", ""), true);
    world.event(1, &command(HEARTBEAT, "DON"), true);
    world.pass(HOUR * 60);
    assert_eq!(value(&world, 4), None);
}

#[test]
fn a_device_is_disabled_and_enabled_and_says_so() {
    let mut world = door();
    let topic = "iox/home/2A_2B_2C_01/enabled";
    assert_eq!(world.json(topic)["value"], true);
    assert!(world.json("iox/home/2A_2B_2C_02/enabled").is_null());
    world.publish(&format!("{topic}/set"), "OFF", false);
    world.publish(&format!("{topic}/set"), "maybe", false);
    assert_eq!(world.commands, ["/rest/nodes/2A%202B%202C%201/disable"]);
    let disabled = lifecycle(CONTACT, "EN", "<enabled>false</enabled>");
    world.event(1, &disabled, true);
    assert_eq!(world.json(topic)["value"], false);
    world.publish(&format!("{topic}/set"), "ON", false);
    assert_eq!(world.commands[1], "/rest/nodes/2A%202B%202C%201/enable");
}
