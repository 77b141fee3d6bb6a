//! Tests of known defects of other bridges. The comment on each test describes the defect.

use std::time::Duration;

use ioxproto::Status;

use super::world::{World, options};

const LAMP: (&str, &str, &str) = ("1A 2B 3C 1", "Hall lamp", "DimmerLampSwitch_ADV");
const STATE: &str = "iox/home/1A_2B_3C_01/ST";
const EVENT: &str = "iox/home/1A_2B_3C_01/event";
const SET: &str = "iox/home/1A_2B_3C_01/set";
const CONFIG: &str = "homeassistant/device/iox_0021b9000001/1A_2B_3C_01/config";
const AVAILABLE: &str = "iox/home/availability";

/// A retained or replayed button press triggers automations after a restart.
#[test]
fn events_are_never_retained_and_never_from_a_replay() {
    let mut world = World::settled(&options(), &[LAMP]);
    assert!(
        world.taken.iter().all(|taken| taken.topic != EVENT),
        "the replay has a DON"
    );
    world.press(1, LAMP.0, "DON");
    let events: Vec<_> = world
        .taken
        .iter()
        .filter(|taken| taken.topic == EVENT)
        .collect();
    assert_eq!(events.len(), 1);
    assert!(!events[0].retain && events[0].payload.contains(r#""event_type":"on""#));
    world.drain();
    world.disconnect(1);
    world.pass(Duration::from_secs(5));
    world.connect(1);
    world.pass(Duration::from_secs(5));
    assert!(world.drain().iter().all(|taken| taken.topic != EVENT));
    assert!(!world.retained.contains_key(EVENT));
}

/// A state that is not retained is unknown after a restart of Home Assistant.
#[test]
fn states_are_retained() {
    let mut world = World::settled(&options(), &[LAMP]);
    world.level(1, LAMP.0, 128);
    assert_eq!(world.json(STATE)["value"], 128);
    assert!(
        world
            .taken
            .iter()
            .filter(|taken| taken.topic == STATE)
            .all(|taken| taken.retain)
    );
}

/// A retained command is carried out whenever the bridge subscribes.
#[test]
fn a_retained_command_is_ignored() {
    let mut world = World::settled(&options(), &[LAMP]);
    world.publish(SET, "ON", true);
    assert!(world.commands.is_empty());
    assert_eq!(world.machine.broker_stats().ignored_commands["retained"], 1);
    // Also ignore a retained command that the listing at the start finds.
    world.retained.insert(SET.to_owned(), "ON".to_owned());
    world.restart(&options());
    world.add(1, "home", &[LAMP]);
    world.connect_broker();
    world.connect(1);
    world.pass(Duration::from_secs(90));
    assert!(world.commands.is_empty());
    world.publish(SET, "ON", false);
    assert_eq!(world.commands.len(), 1);
}

/// After a restart of the broker, the availability stays `offline`.
#[test]
fn on_every_connection_online_discovery_and_all_states_are_sent() {
    let mut world = World::settled(&options(), &[LAMP]);
    world.lose_broker();
    // The broker has lost all retained messages and published the last will.
    world.retained.clear();
    world
        .retained
        .insert("iox/bridge/bridge/state".to_owned(), "offline".to_owned());
    world.level(1, LAMP.0, 200);
    world.connect_broker();
    world.pass(Duration::from_secs(1));
    assert_eq!(world.retained["iox/bridge/bridge/state"], "online");
    assert_eq!(world.retained[AVAILABLE], "online");
    assert_eq!(world.json(STATE)["value"], 200);
    assert!(world.json(CONFIG)["components"]["light"].is_object());
    let last = world.taken.iter().rev().find(|taken| taken.retain).unwrap();
    assert!(
        last.topic.starts_with("iox/bridge/bridge/"),
        "the bridge's own state comes last"
    );
}

/// Nothing is sent in response to Home Assistant's birth message.
#[test]
fn at_home_assistants_birth_discovery_and_states_are_sent_after_a_random_delay() {
    let mut world = World::settled(&options(), &[LAMP]);
    world.drain();
    world.publish("homeassistant/status", "offline", false);
    world.pass(Duration::from_secs(6));
    assert!(world.drain().is_empty());
    world.publish("homeassistant/status", "online", false);
    world.publish("homeassistant/status", "online", false);
    assert!(world.drain().is_empty(), "sent immediately");
    world.pass(Duration::from_secs(6));
    let sent = world.drain();
    let at = |topic: &str| sent.iter().position(|taken| taken.topic == topic);
    assert!(
        at(CONFIG) < at(STATE) && at(CONFIG).is_some(),
        "discovery first: {sent:?}"
    );
    assert_eq!(sent.iter().filter(|taken| taken.topic == CONFIG).count(), 1);
}

/// A burst of discovery messages overflows the queues of the broker and Home Assistant.
#[test]
fn discovery_is_one_message_a_node_bounded_in_flight_and_only_when_changed() {
    let nodes: Vec<(String, String)> = (0..300)
        .map(|number| {
            (
                format!("1A 2B {number:X} 1").replace("1A 2B 1", "1A 2C 1"),
                format!("Lamp {number}"),
            )
        })
        .collect();
    let nodes: Vec<(&str, &str, &'static str)> = nodes
        .iter()
        .map(|(address, name)| (address.as_str(), name.as_str(), "DimmerLampSwitch_ADV"))
        .collect();
    let mut world = World::settled(&options(), &nodes);
    let configs = world
        .taken
        .iter()
        .filter(|taken| taken.topic.starts_with("homeassistant/device/"));
    // 300 nodes, the controller, a program and a variable.
    assert_eq!(configs.count(), 303);
    assert!(world.max_in_flight <= 32, "{}", world.max_in_flight);
    world.drain();
    world.disconnect(1);
    world.connect(1);
    world.pass(Duration::from_secs(60));
    let again = world.drain();
    assert!(
        again
            .iter()
            .all(|taken| !taken.topic.starts_with("homeassistant")),
        "nothing changed"
    );
}

/// A rename creates new or duplicate entities.
#[test]
fn a_rename_changes_names_and_no_id_and_no_topic() {
    let mut world = World::settled(&options(), &[LAMP]);
    let before = world.json(CONFIG);
    let topics: Vec<String> = world.retained.keys().cloned().collect();
    let renamed = super::world::lifecycle(LAMP.0, "NN", "<newName>Porch lamp</newName>");
    world.event(1, &renamed, true);
    world.node_mut(1, LAMP.0).name = "Porch lamp".to_owned();
    let after = world.json(CONFIG);
    assert_eq!(after["device"]["name"], "Porch lamp");
    assert_eq!(
        after["device"]["identifiers"],
        before["device"]["identifiers"]
    );
    let id = |config: &serde_json::Value| config["components"]["light"]["unique_id"].clone();
    assert_eq!(id(&after), id(&before));
    assert_eq!(topics, world.retained.keys().cloned().collect::<Vec<_>>());
}

/// Everything is shown as available although the bridge has lost the controller.
#[test]
fn a_long_outage_makes_a_controller_offline_and_a_short_one_does_not() {
    let mut world = World::settled(&options(), &[LAMP]);
    let availability = world.json(CONFIG)["availability"].clone();
    assert_eq!(availability[0]["topic"], "iox/bridge/bridge/state");
    assert_eq!(availability[1]["topic"], AVAILABLE);
    world.drain();
    world.disconnect(1);
    world.pass(Duration::from_secs(5));
    world.connect(1);
    world.pass(Duration::from_secs(5));
    assert!(
        world
            .drain()
            .iter()
            .all(|taken| !taken.topic.ends_with("/availability")),
        "5 s are nothing"
    );
    world.disconnect(1);
    world.status(1, Status::Reconnecting);
    world.pass(Duration::from_secs(59));
    assert_eq!(world.retained[AVAILABLE], "online");
    world.pass(Duration::from_secs(2));
    assert_eq!(world.retained[AVAILABLE], "offline");
    world.connect(1);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.retained[AVAILABLE], "online");
}

/// Names with `/`, `+` or `#` end up in topics.
#[test]
fn names_appear_only_in_payloads() {
    let odd = ("n003 a/+#", "Küche / + #", "DimmerLampSwitch_ADV");
    let world = World::settled(&options(), &[odd]);
    assert_eq!(world.json("iox/home/n003-20a-2F-2B-23/ST")["value"], 0);
    let config = "homeassistant/device/iox_0021b9000001/n003-20a-2F-2B-23/config";
    assert_eq!(world.json(config)["device"]["name"], "Küche / + #");
    assert!(world.retained.keys().all(|topic| !topic.contains("K")));
}

/// Programs and variables appear only after a restart of Home Assistant.
#[test]
fn programs_and_variables_are_announced_once_they_are_read() {
    let world = World::settled(&options(), &[LAMP]);
    let object = |object: &str| {
        world.json(&format!(
            "homeassistant/device/iox_0021b9000001/{object}/config"
        ))
    };
    let program = object("program_0012");
    assert_eq!(
        program["components"]["0012_status"]["name"],
        "Porch at dusk"
    );
    assert_eq!(world.json("iox/home/program/0012")["status"], true);
    let variable = object("variable_integer_3");
    assert_eq!(variable["device"]["name"], "home variables");
}
