//! Tests of the bridge with a real broker and simulated controllers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails where something is not as it must be"
)]

mod broker;
mod house;
mod limits;
mod outages;
mod replaced;
mod restarts;

use ioxbridge::Options;
use ioxsim::Event;

use crate::broker::{Mosquitto, Watcher, eventually};
use crate::house::{Bridge, Setup, controller, house, lamp, twin};

#[tokio::test(flavor = "multi_thread")]
async fn a_house_appears_accepts_commands_and_reports_its_buttons() {
    let Some(setup) = Setup::of(5, "#").await else {
        return;
    };
    let (server, lamp, state, set) = (setup.server, setup.lamp, setup.state, setup.set);
    let (bridge, mut watcher) = (setup.bridge, setup.watcher);
    let config = format!("homeassistant/device/iox_0021b9000001/{}/config", lamp.slug);
    eventually("the lamp is announced", || {
        watcher.take();
        watcher.retained(&config).is_some()
    })
    .await;
    let value = |watcher: &Watcher| {
        let state: serde_json::Value = serde_json::from_str(&watcher.retained(&state)?).ok()?;
        state["value"].as_u64()
    };
    for (payload, level) in [("OFF", 0), ("128", 128)] {
        watcher.publish(&set, payload, false).await;
        eventually(payload, || {
            watcher.take();
            value(&watcher) == Some(level)
        })
        .await;
    }
    watcher.drain();
    server
        .control()
        .emit(&Event::new("DON", "0").node(&lamp.address));
    let event = format!("iox/home/{}/event", lamp.slug);
    let mut heard = Vec::new();
    eventually("the press is heard", || {
        heard.extend(watcher.drain());
        heard.iter().any(|seen| seen.topic == event)
    })
    .await;
    let press = heard.iter().find(|seen| seen.topic == event).unwrap();
    assert!(!press.retain && press.payload.contains(r#""event_type":"on""#));
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_controllers_with_the_same_addresses_do_not_interfere() {
    let Some(broker) = Mosquitto::start().await else {
        return;
    };
    let (home, barn) = (house(3).await, twin(3).await);
    let bridge = Bridge::start(
        Options::new().broker(broker.options()),
        vec![
            controller("home", home.url()),
            controller("barn", barn.url()),
        ],
    );
    let lamp = lamp(&home);
    let mut watcher = Watcher::start(&broker, &["#"]).await;
    let config = |uuid: &str| format!("homeassistant/device/iox_{uuid}/{}/config", lamp.slug);
    eventually("both houses are there", || {
        watcher.take();
        ["home", "barn"].iter().all(|name| {
            watcher
                .retained(&format!("iox/{name}/{}/ST", lamp.slug))
                .is_some()
        }) && ["0021b9000001", "0021b9000002"]
            .iter()
            .all(|uuid| watcher.retained(&config(uuid)).is_some())
    })
    .await;
    watcher
        .publish(&format!("iox/barn/{}/set", lamp.slug), "77", false)
        .await;
    eventually("the barn's lamp is at 77", || {
        watcher.take();
        let state = watcher.retained(&format!("iox/barn/{}/ST", lamp.slug));
        state.is_some_and(|state| state.contains("\"value\":77,"))
    })
    .await;
    let home_state = watcher
        .retained(&format!("iox/home/{}/ST", lamp.slug))
        .unwrap();
    assert!(!home_state.contains("\"value\":77,"), "{home_state}");
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_nodes_are_published_at_once() {
    let Some(broker) = Mosquitto::start().await else {
        return;
    };
    let server = house(5000).await;
    let bridge = Bridge::of(&broker, &server);
    let mut watcher = Watcher::start(&broker, &["#"]).await;
    let began = std::time::Instant::now();
    eventually("every node is announced", || {
        watcher.take();
        let configs = watcher
            .all()
            .keys()
            .filter(|topic| topic.ends_with("/config"));
        configs.count() >= 5000
            && watcher.retained("iox/bridge/bridge/state").as_deref() == Some("online")
    })
    .await;
    println!("{} topics after {:?}", watcher.all().len(), began.elapsed());
    let stats = bridge.handle.stats().broker.unwrap();
    assert_eq!(stats.refused, 0);
    bridge.stop().await;
}
