//! Tests of a change of the broker while the bridge runs.

use std::time::{Duration, Instant};

use ioxsim::Event;

use crate::broker::{Mosquitto, Watcher, eventually};
use crate::house::Setup;

const STATE: &str = "iox/bridge/bridge/state";

fn level(setup: &Setup, level: u8) {
    let event = Event::new("ST", level.to_string()).node(&setup.lamp.address);
    setup.server.control().emit(&event.uom("100", "0"));
}

fn is_at(watcher: &mut Watcher, topic: &str, level: u8) -> bool {
    watcher.take();
    let value = format!("\"value\":{level},");
    watcher
        .retained(topic)
        .is_some_and(|state| state.contains(&value))
}

#[tokio::test(flavor = "multi_thread")]
async fn another_broker_is_used_once_it_is_there_and_the_old_one_until_then() {
    let Some(mut setup) = Setup::of(3, "iox/#").await else {
        return;
    };
    let Some(mut other) = Mosquitto::configured("allow_anonymous true\n") else {
        return;
    };
    let state = setup.state.clone();
    setup.bridge.handle.replace_broker(Some(other.options()));
    level(&setup, 77);
    eventually("the old broker is still in use", || {
        is_at(&mut setup.watcher, &state, 77)
    })
    .await;
    other.run().await;
    let mut watcher = Watcher::start(&other, &["#"]).await;
    eventually("the new broker has everything", || {
        is_at(&mut watcher, &state, 77)
            && watcher.retained(STATE).as_deref() == Some("online")
            && watcher.retained("iox/home/availability").as_deref() == Some("online")
            && watcher.all().keys().any(|topic| topic.ends_with("/config"))
    })
    .await;
    level(&setup, 78);
    eventually("the new broker is in use", || {
        is_at(&mut watcher, &state, 78)
    })
    .await;
    assert!(!is_at(&mut setup.watcher, &state, 78), "both are in use");
    watcher.publish(&setup.set, "33", false).await;
    eventually("a command from the new broker is carried out", || {
        is_at(&mut watcher, &state, 33)
    })
    .await;
    assert_eq!(
        setup.server.control().upgrades(),
        1,
        "the controller was touched"
    );
    // Switch to no broker.
    setup.bridge.handle.replace_broker(None);
    let stats = || setup.bridge.handle.stats();
    eventually("no broker is in use", || stats().broker.is_none()).await;
    assert!(stats().controllers["home"].is_available);
    setup.bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_client_id_at_the_same_broker_changes_no_availability() {
    let Some(mut setup) = Setup::of(3, "iox/#").await else {
        return;
    };
    let other = setup.broker.options().client_id("iox-other");
    let state = setup.state.clone();
    setup.watcher.drain();
    setup.bridge.handle.replace_broker(Some(other));
    let connects = || {
        let broker = setup.bridge.handle.stats().broker;
        broker.is_some_and(|broker| broker.connects == 2 && broker.is_connected)
    };
    eventually("the bridge has connected again", connects).await;
    let began = Instant::now();
    // Wait for longer than the delay of the old connection's last will.
    while began.elapsed() < Duration::from_secs(33) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    level(&setup, 99);
    eventually("the bridge is there", || {
        is_at(&mut setup.watcher, &state, 99)
    })
    .await;
    let seen = setup.watcher.drain();
    assert!(
        seen.iter().all(|seen| seen.payload != "offline"),
        "{seen:?}"
    );
    setup.bridge.stop().await;
}
