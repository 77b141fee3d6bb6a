//! Tests of commands from MQTT.

use std::time::Duration;

use super::world::{World, options};
use crate::{Allowance, Broker, Component, NodeOverride, Options};

const LAMP: (&str, &str, &str) = ("1A 2B 3C 1", "Hall lamp", "DimmerLampSwitch_ADV");
const LOCK: (&str, &str, &str) = ("4A 2B 3C 1", "Front door", "DoorLock");
const SET: &str = "iox/home/1A_2B_3C_01/set";

fn ignored(world: &World, code: &str) -> u64 {
    let stats = world.machine.broker_stats();
    stats.ignored_commands.get(code).copied().unwrap_or(0)
}

#[test]
fn a_command_goes_to_its_controller() {
    let mut world = World::settled(&options(), &[LAMP]);
    for payload in ["ON", "50%", "128", "OFF"] {
        world.publish(SET, payload, false);
    }
    world.publish("iox/home/variable/integer/3/set", "7", false);
    world.publish("iox/home/variable/integer/3/init/set", "8", false);
    world.publish("iox/home/1A_2B_3C_01/BL/set", "40", false);
    assert_eq!(
        world.commands,
        [
            "/rest/nodes/1A%202B%203C%201/cmd/DON",
            "/rest/nodes/1A%202B%203C%201/cmd/DON/50/51",
            "/rest/nodes/1A%202B%203C%201/cmd/DON/128",
            "/rest/nodes/1A%202B%203C%201/cmd/DOF",
            "/rest/vars/set/1/3/7",
            "/rest/vars/init/1/3/8",
            "/rest/nodes/1A%202B%203C%201/cmd/BL/40/51",
        ]
    );
}

#[test]
fn a_payload_that_is_not_understood_does_nothing() {
    let mut world = World::settled(&options(), &[LAMP]);
    world.publish(SET, "101%", false);
    world.publish(SET, "NaN", false);
    world.publish(SET, "", false);
    world.publish(SET, vec![0xff, 0xfe], false);
    world.publish(SET, vec![b'1'; 1 << 20], false);
    world.publish("iox/home/9A_2B_3C_01/set", "ON", false);
    world.publish("iox/home/1A_2B_3C_01/GV9/set", "1", false);
    world.publish("iox/home/program/0001/set", "RUN", false);
    world.publish("iox/home/variable/integer/4/set", "1", false);
    assert!(world.commands.is_empty());
    assert_eq!(ignored(&world, "not_understood"), 3);
    assert_eq!(ignored(&world, "not_text"), 1);
    assert_eq!(ignored(&world, "too_long"), 1);
    assert_eq!(ignored(&world, "unknown_target"), 4);
    assert_eq!(world.machine.broker_stats().commands, 9);
}

#[test]
fn a_command_waits_ten_seconds_for_its_controller_and_the_newest_counts() {
    let mut world = World::settled(&options(), &[LAMP]);
    world.disconnect(1);
    world.publish(SET, "ON", false);
    world.publish(SET, "OFF", false);
    assert_eq!(ignored(&world, "replaced"), 1);
    world.pass(Duration::from_secs(9));
    world.connect(1);
    assert_eq!(world.commands, ["/rest/nodes/1A%202B%203C%201/cmd/DOF"]);
    world.disconnect(1);
    world.publish(SET, "ON", false);
    world.pass(Duration::from_secs(11));
    assert_eq!(ignored(&world, "expired"), 1);
    world.connect(1);
    assert_eq!(world.commands.len(), 1);
}

#[test]
fn a_command_that_was_sent_while_the_bridge_was_disconnected_is_ignored() {
    let mut world = World::settled(&options(), &[LAMP]);
    world.lose_broker();
    world.is_connected = true;
    world.machine.connected(world.now, world.limits);
    // The broker delivers the messages that the session kept before it returns the mark.
    let kept = crate::machine::Message {
        topic: SET.to_owned(),
        payload: b"ON".to_vec(),
        retain: false,
    };
    world.machine.message(world.now, &kept);
    world.run();
    assert!(world.commands.is_empty());
    assert_eq!(ignored(&world, "late"), 1);
    world.publish(SET, "ON", false);
    assert_eq!(world.commands.len(), 1);
}

#[test]
fn locks_need_a_permission_even_with_an_override() {
    let set = "iox/home/4A_2B_3C_01/set";
    let change = NodeOverride::new().component(Component::Switch);
    let disguised = options().override_node(LOCK.0, change);
    for options in [options(), disguised] {
        let mut world = World::settled(&options, &[LAMP, LOCK]);
        for payload in ["UNLOCK", "OFF", "ON"] {
            world.publish(set, payload, false);
        }
        assert!(world.commands.is_empty());
        assert_eq!(ignored(&world, "not_allowed"), 3);
        world.publish(set, "QUERY", false);
        assert_eq!(world.commands.len(), 1, "a query moves nothing");
    }
    let allowed = options().allow([Allowance::Locks]);
    let mut world = World::settled(&allowed, &[LAMP, LOCK]);
    world.publish(set, "UNLOCK", false);
    assert_eq!(world.commands, ["/rest/nodes/4A%202B%203C%201/cmd/DOF"]);
}

#[test]
fn without_permission_nothing_is_subscribed_and_nothing_can_be_set() {
    let remote = Options::new().broker(Broker::new("broker.example", 1883));
    let mut world = World::settled(&remote, &[LAMP]);
    world.publish(SET, "ON", false);
    assert_eq!(world.machine.broker_stats().commands, 0);
    let config = world.json("homeassistant/device/iox_0021b9000001/1A_2B_3C_01/config");
    assert!(config["components"]["binary_sensor"].is_object());
    assert!(!config.to_string().contains("command_topic"));
}
