//! Tests of the removal of nodes.

use std::time::Duration;

use super::world::{World, lifecycle, options};

const LAMP: (&str, &str, &str) = ("1A 2B 3C 1", "Hall lamp", "DimmerLampSwitch_ADV");
const OTHER: (&str, &str, &str) = ("1A 2B 3D 1", "Porch", "RelayLampSwitch_ADV");
/// The number of a node's topics: its discovery message, its status, and whether it is enabled.
const ALL: usize = 3;
const MINUTE: Duration = Duration::from_secs(60);

/// Returns the number of a node's topics on the broker.
fn topics(world: &World, node: &str) -> usize {
    let levels = |topic: &&String| topic.split('/').any(|level| level == node);
    world.retained.keys().filter(levels).count()
}

#[test]
fn a_live_removal_removes_all_messages_of_the_node_and_no_others() {
    let mut world = World::settled(&options(), &[LAMP, OTHER]);
    assert_eq!(topics(&world, "1A_2B_3C_01"), ALL);
    world.controller_mut(1).nodes.remove(LAMP.0);
    world.event(1, &lifecycle(LAMP.0, "NR", ""), true);
    assert_eq!(topics(&world, "1A_2B_3C_01"), 0);
    assert_eq!(topics(&world, "1A_2B_3D_01"), ALL);
    // A late event of the node does not bring it back.
    world.event(1, &super::world::property(LAMP.0, 5), true);
    world.pass(MINUTE * 3);
    assert_eq!(topics(&world, "1A_2B_3C_01"), 0);
}

#[test]
fn a_replayed_removal_is_ignored() {
    let mut world = World::settled(&options(), &[LAMP]);
    world.event(1, &lifecycle(LAMP.0, "NR", ""), false);
    world.pass(MINUTE * 3);
    assert_eq!(topics(&world, "1A_2B_3C_01"), ALL);
}

#[test]
fn an_object_that_two_readings_in_a_row_lack_is_removed() {
    let mut world = World::settled(&options(), &[LAMP, OTHER]);
    world.restart(&options());
    // The node was removed while the bridge was down.
    world.add(1, "home", &[OTHER]);
    world.connect_broker();
    world.connect(1);
    world.pass(Duration::from_secs(20));
    assert_eq!(
        topics(&world, "1A_2B_3C_01"),
        ALL,
        "one reading is not enough"
    );
    world.pass(MINUTE);
    assert_eq!(topics(&world, "1A_2B_3C_01"), 0);
    assert_eq!(topics(&world, "1A_2B_3D_01"), ALL);
}

#[test]
fn a_failed_reading_removes_nothing() {
    let mut world = World::settled(&options(), &[LAMP, OTHER]);
    world.controller_mut(1).nodes.remove(LAMP.0);
    world.disconnect(1);
    world.connect(1);
    world.controller_mut(1).fails = true;
    world.pass(MINUTE * 5);
    assert_eq!(topics(&world, "1A_2B_3C_01"), ALL);
    world.controller_mut(1).fails = false;
    world.pass(MINUTE * 3);
    assert_eq!(topics(&world, "1A_2B_3C_01"), 0);
}

#[test]
fn a_node_that_is_missing_once_stays() {
    let mut world = World::settled(&options(), &[LAMP, OTHER]);
    let lamp = world.controller_mut(1).nodes.remove(LAMP.0).unwrap();
    world.disconnect(1);
    world.connect(1);
    world.pass(Duration::from_secs(5));
    world
        .controller_mut(1)
        .nodes
        .insert(LAMP.0.to_owned(), lamp);
    world.pass(MINUTE * 3);
    assert_eq!(topics(&world, "1A_2B_3C_01"), ALL);
}

#[test]
fn the_nodes_of_another_controller_are_never_removed() {
    let mut world = World::settled(&options(), &[LAMP]);
    world.add(2, "barn", &[LAMP]);
    world.connect(2);
    world.pass(Duration::from_secs(3));
    world.controller_mut(1).nodes.remove(LAMP.0);
    world.event(1, &lifecycle(LAMP.0, "NR", ""), true);
    world.pass(MINUTE * 3);
    assert_eq!(topics(&world, "1A_2B_3C_01"), ALL, "the barn's");
    assert!(world.retained.contains_key("iox/barn/1A_2B_3C_01/ST"));
}

#[test]
fn a_node_that_was_renamed_and_moved_while_the_bridge_was_down_has_its_new_name() {
    let mut world = World::settled(&options(), &[LAMP]);
    world.restart(&options());
    world.add(
        1,
        "home",
        &[("1A 2B 3C 1", "Porch lamp", "DimmerLampSwitch_ADV")],
    );
    world.connect_broker();
    world.connect(1);
    world.pass(Duration::from_secs(5));
    let config = world.json("homeassistant/device/iox_0021b9000001/1A_2B_3C_01/config");
    assert_eq!(config["device"]["name"], "Porch lamp");
}

#[test]
fn a_component_that_a_node_has_lost_is_listed_without_options_once() {
    let mut world = World::settled(&options(), &[LAMP]);
    let topic = "homeassistant/device/iox_0021b9000001/1A_2B_3C_01/config";
    world.node_mut(1, LAMP.0).definition = "RelayLampSwitch_ADV";
    world.disconnect(1);
    world.connect(1);
    world.pass(Duration::from_secs(1));
    let seen: Vec<_> = world
        .taken
        .iter()
        .filter(|taken| taken.topic == topic)
        .collect();
    let removal = seen.iter().any(|taken| {
        let config: serde_json::Value = serde_json::from_str(&taken.payload).unwrap();
        config["components"]["light"] == serde_json::json!({ "platform": "light" })
    });
    assert!(removal, "{seen:?}");
    assert!(world.json(topic)["components"]["switch"].is_object());
}
