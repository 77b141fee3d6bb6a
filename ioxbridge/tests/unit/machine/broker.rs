//! Tests of brokers that are disconnected, slow or limited.

use std::collections::BTreeMap;
use std::time::Duration;

use super::world::{World, options};
use crate::machine::BrokerLimits;

const LAMP: (&str, &str, &str) = ("1A 2B 3C 1", "Hall lamp", "DimmerLampSwitch_ADV");
const STATE: &str = "iox/home/1A_2B_3C_01/ST";
const EVENT: &str = "iox/home/1A_2B_3C_01/event";

#[test]
fn while_the_broker_is_away_the_latest_state_is_kept_and_events_are_dropped() {
    let mut world = World::settled(&options(), &[LAMP]);
    world.lose_broker();
    for level in 1..=100 {
        world.level(1, LAMP.0, level);
        world.press(1, LAMP.0, "DON");
    }
    world.drain();
    world.connect_broker();
    world.pass(Duration::from_secs(1));
    let sent = world.drain();
    let states: Vec<_> = sent.iter().filter(|taken| taken.topic == STATE).collect();
    assert_eq!(states.len(), 1);
    assert_eq!(world.json(STATE)["value"], 100);
    assert!(sent.iter().all(|taken| taken.topic != EVENT));
    assert_eq!(world.machine.broker_stats().dropped_events, 100);
}

#[test]
fn a_broker_that_acknowledges_nothing_bounds_what_is_in_flight_and_what_waits() {
    let mut world = World::settled(&options(), &[LAMP]);
    world.acknowledges = false;
    for round in 0..5000_u32 {
        world.level(1, LAMP.0, (round % 256) as u8);
        world.press(1, LAMP.0, "DON");
    }
    let stats = world.machine.broker_stats();
    assert!(stats.in_flight <= 32, "{}", stats.in_flight);
    assert!(stats.waiting <= 1001, "{}", stats.waiting);
    assert!(stats.dropped_events > 3000);
    world.acknowledges = true;
    world.run();
    assert_eq!(world.json(STATE)["value"], (4999 % 256) as u8);
    assert_eq!(world.machine.broker_stats().waiting, 0);
}

#[test]
fn a_broker_with_a_receive_maximum_of_1_gets_one_at_a_time() {
    let mut world = World::new(&options());
    world.limits = BrokerLimits {
        in_flight: 1,
        ..BrokerLimits::default()
    };
    world.add(1, "home", &[LAMP]);
    world.connect_broker();
    world.connect(1);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.max_in_flight, 1);
    assert_eq!(world.json(STATE)["value"], 0);
    assert_eq!(world.retained["iox/bridge/bridge/state"], "online");
}

#[test]
fn a_message_that_is_too_large_for_the_broker_is_dropped_and_counted() {
    let mut world = World::new(&options());
    world.limits = BrokerLimits {
        packet: 512,
        ..BrokerLimits::default()
    };
    world.add(1, "home", &[LAMP]);
    world.connect_broker();
    world.connect(1);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.json(STATE)["value"], 0);
    assert!(
        world
            .taken
            .iter()
            .all(|taken| taken.topic.len() + taken.payload.len() < 512)
    );
    assert!(world.machine.broker_stats().refused >= 1);
    assert_eq!(world.machine.broker_stats().waiting, 0);
}

#[test]
fn a_restarted_bridge_sends_only_what_changed() {
    let mut world = World::settled(
        &options(),
        &[LAMP, ("1A 2B 3D 1", "Other", "RelayLampSwitch_ADV")],
    );
    world.drain();
    world.level(1, LAMP.0, 77);
    world.drain();
    world.pass(Duration::from_secs(60));
    world.restart(&options());
    world.add(
        1,
        "home",
        &[LAMP, ("1A 2B 3D 1", "Other", "RelayLampSwitch_ADV")],
    );
    world.node_mut(1, LAMP.0).level = 78;
    world.connect_broker();
    world.connect(1);
    world.pass(Duration::from_secs(90));
    let sent = world.drain();
    let topics: Vec<&str> = sent.iter().map(|taken| taken.topic.as_str()).collect();
    // The bridge always publishes its own state.
    let own = ["iox/bridge/bridge/info", "iox/bridge/bridge/state"];
    assert_eq!(topics, [STATE, own[0], own[1]], "{sent:#?}");
}

#[test]
fn a_bridge_that_was_offline_lets_nothing_be_available_before_its_controllers_are() {
    let mut world = World::settled(&options(), &[LAMP]);
    world
        .retained
        .insert("iox/bridge/bridge/state".to_owned(), "offline".to_owned());
    world.restart(&options());
    world.add(1, "home", &[LAMP]);
    world.drain();
    world.connect_broker();
    let topics: Vec<(String, String)> = world
        .drain()
        .into_iter()
        .map(|taken| (taken.topic, taken.payload))
        .collect();
    let at = |topic: &str, payload: &str| {
        topics
            .iter()
            .position(|taken| taken.0 == topic && taken.1 == payload)
    };
    assert!(at("iox/home/availability", "offline") < at("iox/bridge/bridge/state", "online"));
    assert!(at("iox/home/availability", "offline").is_some());
    world.connect(1);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.retained["iox/home/availability"], "online");
}

#[test]
fn a_controller_that_does_not_come_back_with_the_bridge_goes_offline() {
    let mut world = World::settled(&options(), &[LAMP]);
    world.restart(&options());
    world.add(1, "home", &[LAMP]);
    world.connect_broker();
    world.pass(Duration::from_secs(59));
    assert_eq!(world.retained["iox/home/availability"], "online");
    world.pass(Duration::from_secs(2));
    assert_eq!(world.retained["iox/home/availability"], "offline");
}

#[test]
fn nothing_is_published_before_the_uuid_is_known() {
    let mut world = World::new(&options());
    world.add(1, "home", &[LAMP]);
    world.controller_mut(1).fails = true;
    world.connect_broker();
    world.connect(1);
    world.level(1, LAMP.0, 9);
    world.press(1, LAMP.0, "DON");
    world.pass(Duration::from_secs(120));
    assert!(
        world
            .taken
            .iter()
            .all(|taken| taken.topic.starts_with("iox/bridge/")),
        "{:?}",
        world.taken
    );
    world.controller_mut(1).fails = false;
    world.pass(Duration::from_secs(15));
    assert_eq!(world.json(STATE)["value"], 9);
}

#[test]
fn two_controllers_with_the_same_addresses_do_not_interfere() {
    let mut world = World::settled(&options(), &[LAMP]);
    world.add(2, "barn", &[LAMP]);
    world.connect(2);
    world.level(1, LAMP.0, 11);
    world.level(2, LAMP.0, 22);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.json(STATE)["value"], 11);
    assert_eq!(world.json("iox/barn/1A_2B_3C_01/ST")["value"], 22);
    let configs = world
        .retained
        .keys()
        .filter(|topic| topic.ends_with("/1A_2B_3C_01/config"));
    assert_eq!(configs.count(), 2);
    world.publish("iox/barn/1A_2B_3C_01/set", "ON", false);
    assert_eq!(world.commands.len(), 1);
}

#[test]
fn a_controller_that_is_configured_twice_is_published_once() {
    let mut world = World::settled(&options(), &[LAMP]);
    world.add(2, "twin", &[LAMP]);
    world.controller_mut(2).uuid = world.controllers[&1].uuid.clone();
    world.connect(2);
    world.pass(Duration::from_secs(1));
    assert!(
        world
            .retained
            .keys()
            .all(|topic| !topic.starts_with("iox/twin/"))
    );
}

#[test]
fn a_removed_controller_goes_offline_and_its_topics_stay() {
    let mut world = World::settled(&options(), &[LAMP]);
    world.machine.remove(world.now, crate::watch::WatchId(1));
    world.run();
    assert_eq!(world.retained["iox/home/availability"], "offline");
    assert!(world.retained.contains_key(STATE));
    world.publish("iox/home/1A_2B_3C_01/set", "ON", false);
    assert!(world.commands.is_empty());
    world.add(3, "home", &[LAMP]);
    world.controller_mut(3).uuid = "00:21:b9:00:00:01".to_owned();
    world.connect(3);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.retained["iox/home/availability"], "online");
}

#[test]
fn another_broker_gets_everything_and_what_it_holds_of_gone_nodes_is_removed() {
    let mut world = World::settled(&options(), &[LAMP]);
    let expected = world.retained.clone();
    world.retained.clear();
    let gone = "iox/home/1F_1F_1F_01/ST";
    world
        .retained
        .insert(gone.to_owned(), "{\"value\":1}".to_owned());
    world.replace_broker(true);
    world.pass(Duration::from_secs(180));
    assert!(!world.retained.contains_key(gone), "{:?}", world.retained);
    let keys = |retained: &BTreeMap<String, String>| retained.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&world.retained), keys(&expected));
    world.publish("iox/home/1A_2B_3C_01/set", "ON", false);
    assert_eq!(world.commands.len(), 1);
    // What was known of the first broker does not apply to a later one.
    world.retained.clear();
    world.replace_broker(true);
    world.pass(Duration::from_secs(5));
    assert_eq!(world.retained["iox/bridge/bridge/state"], "online");
    assert_eq!(world.json(STATE)["value"], 0);
}

#[test]
fn a_broker_without_commands_gets_read_only_entities() {
    let mut world = World::settled(&options(), &[LAMP]);
    let config = "homeassistant/device/iox_0021b9000001/1A_2B_3C_01/config";
    assert!(world.json(config)["components"]["light"]["command_topic"].is_string());
    world.retained.clear();
    world.replace_broker(false);
    world.pass(Duration::from_secs(5));
    let components = world.json(config)["components"].clone();
    assert!(components["binary_sensor"].is_object(), "{components}");
    assert!(
        !components.to_string().contains("command_topic"),
        "{components}"
    );
    assert_eq!(world.json("iox/bridge/bridge/info")["commands"], false);
    world.publish("iox/home/1A_2B_3C_01/set", "ON", false);
    assert!(world.commands.is_empty());
}
