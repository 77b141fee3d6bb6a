//! Tests of restarts of the bridge and of Home Assistant.

use std::time::{Duration, Instant};

use crate::broker::{Mosquitto, Watcher, eventually};
use crate::house::{Bridge, Setup, house, house_at};

const STATE: &str = "iox/bridge/bridge/state";

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_bridge_is_offline_after_thirty_seconds_and_not_before() {
    let Some(broker) = Mosquitto::start().await else {
        return;
    };
    let server = house(3).await;
    let mut watcher = Watcher::start(&broker, &["iox/#"]).await;
    let is_online = |watcher: &mut Watcher| {
        watcher.take();
        watcher.retained(STATE).as_deref() == Some("online")
    };
    let bridge = Bridge::of(&broker, &server);
    eventually("the bridge is online", || is_online(&mut watcher)).await;
    // Killed and restarted at once: no availability changes.
    bridge.kill().await;
    let bridge = Bridge::of(&broker, &server);
    eventually("it is connected again", || bridge.is_connected()).await;
    eventually("the controller is available", || {
        bridge
            .handle
            .stats()
            .controllers
            .get("home")
            .is_some_and(|home| home.is_available)
    })
    .await;
    let seen = watcher.drain();
    assert!(
        seen.iter().all(|seen| seen.payload != "offline"),
        "{seen:?}"
    );
    // Killed and not restarted: the last will is published after its delay.
    bridge.kill().await;
    let killed = Instant::now();
    eventually("the last will is published", || {
        watcher.take();
        watcher.retained(STATE).as_deref() == Some("offline")
    })
    .await;
    assert!(
        killed.elapsed() >= Duration::from_secs(25),
        "{:?}",
        killed.elapsed()
    );
    // After a later start, nothing is available before the controller is.
    watcher.drain();
    let bridge = Bridge::of(&broker, &server);
    eventually("it is online again", || {
        watcher.take();
        watcher.retained(STATE).as_deref() == Some("online")
            && watcher.retained("iox/home/availability").as_deref() == Some("online")
    })
    .await;
    let seen = watcher.drain();
    let at = |topic: &str, payload: &str| {
        seen.iter()
            .position(|seen| seen.topic == topic && seen.payload == payload)
    };
    assert!(at("iox/home/availability", "offline").is_some(), "{seen:?}");
    assert!(
        at("iox/home/availability", "offline") < at(STATE, "online"),
        "{seen:?}"
    );
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_bridge_leaves_its_last_will_for_thirty_seconds() {
    let Some(broker) = Mosquitto::start().await else {
        return;
    };
    let server = house(3).await;
    let mut watcher = Watcher::start(&broker, &[STATE]).await;
    let bridge = Bridge::of(&broker, &server);
    eventually("the bridge is online", || {
        watcher.take();
        watcher.retained(STATE).as_deref() == Some("online")
    })
    .await;
    bridge.stop().await;
    let stopped = Instant::now();
    eventually("the last will is published", || {
        watcher.take();
        watcher.retained(STATE).as_deref() == Some("offline")
    })
    .await;
    assert!(
        stopped.elapsed() >= Duration::from_secs(25),
        "{:?}",
        stopped.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_bridge_sends_what_changed_and_removes_what_is_gone() {
    let Some(broker) = Mosquitto::start().await else {
        return;
    };
    let server = house(6).await;
    let port = server.address().port();
    let mut watcher = Watcher::start(&broker, &["#"]).await;
    let bridge = Bridge::of(&broker, &server);
    let configs = |watcher: &Watcher| {
        let topics = watcher
            .all()
            .keys()
            .filter(|topic| topic.ends_with("/config"));
        topics.cloned().collect::<Vec<_>>()
    };
    eventually("the house is there", || {
        watcher.take();
        watcher.retained(STATE).as_deref() == Some("online") && configs(&watcher).len() > 6
    })
    .await;
    let before = configs(&watcher);
    bridge.stop().await;
    // While the bridge is down, the controller loses some of its nodes.
    let gone: Vec<String> = server.control().nodes();
    server.shutdown().await;
    let server = house_at(port, 3).await;
    let left = server.control().nodes();
    let gone: Vec<&String> = gone.iter().filter(|node| !left.contains(node)).collect();
    assert!(!gone.is_empty());
    watcher.drain();
    let bridge = Bridge::of(&broker, &server);
    eventually("the bridge is back", || {
        bridge
            .handle
            .stats()
            .controllers
            .get("home")
            .is_some_and(|home| home.nodes > 0)
    })
    .await;
    let slug = |node: &str| {
        let parts: Vec<String> = node.split(' ').map(|part| format!("{part:0>2}")).collect();
        parts.join("_")
    };
    let mut seen = Vec::new();
    eventually("what is gone is removed, after a second reading", || {
        seen.extend(watcher.drain());
        gone.iter().all(|node| {
            let level = format!("/{}/", slug(node));
            watcher.all().keys().all(|topic| !topic.contains(&level))
        })
    })
    .await;
    // Nothing that still exists was announced again.
    let again: Vec<_> = seen
        .iter()
        .filter(|seen| before.contains(&seen.topic) && !seen.payload.is_empty())
        .filter(|seen| left.iter().any(|node| seen.topic.contains(&slug(node))))
        .collect();
    assert!(again.is_empty(), "{again:#?}");
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_sent_again_when_home_assistant_starts() {
    let Some(setup) = Setup::of(3, "#").await else {
        return;
    };
    let (bridge, mut watcher) = (setup.bridge, setup.watcher);
    let (lamp, state) = (setup.lamp, setup.state);
    watcher.drain();
    watcher
        .publish("homeassistant/status", "online", false)
        .await;
    let config = format!("homeassistant/device/iox_0021b9000001/{}/config", lamp.slug);
    let mut seen = Vec::new();
    eventually("discovery and states come again", || {
        seen.extend(watcher.drain());
        let has = |topic: &str| seen.iter().any(|seen| seen.topic == topic);
        has(&config) && has(&state) && has("iox/home/availability")
    })
    .await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_renamed_and_moved_while_the_bridge_was_down_is_announced_again() {
    let Some(mut setup) = Setup::of(5, "#").await else {
        return;
    };
    let config = format!(
        "homeassistant/device/iox_0021b9000001/{}/config",
        setup.lamp.slug
    );
    let device = |watcher: &mut Watcher| {
        watcher.take();
        let config: serde_json::Value = serde_json::from_str(&watcher.retained(&config)?).ok()?;
        Some(config["device"].clone())
    };
    eventually("the lamp is announced", || {
        device(&mut setup.watcher).is_some()
    })
    .await;
    let before = device(&mut setup.watcher).unwrap();
    setup.bridge.stop().await;
    let control = setup.server.control();
    assert!(control.rename(&setup.lamp.address, "Porch"));
    assert!(control.move_into(&setup.lamp.address, "31340"));
    let bridge = Bridge::of(&setup.broker, &setup.server);
    eventually("the lamp is announced again", || {
        let device = device(&mut setup.watcher).unwrap();
        device["name"] == "Porch" && device["suggested_area"] == "Garage"
    })
    .await;
    let after = device(&mut setup.watcher).unwrap();
    assert_eq!(after["identifiers"], before["identifiers"]);
    bridge.stop().await;
}
