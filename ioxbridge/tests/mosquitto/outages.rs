//! Tests of outages of brokers and controllers.

use std::time::Duration;

use ioxbridge::{Broker, Options};
use ioxsim::{Ending, Event, OnConnect, Times};

use crate::broker::{Mosquitto, Watcher, eventually};
use crate::house::{Bridge, Proxy, Setup, controller, house, house_at, lamp};

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_starts_late_or_is_killed_gets_everything_in_the_end() {
    let Some(mut broker) = Mosquitto::configured("allow_anonymous true\n") else {
        return;
    };
    let server = house(5).await;
    let lamp = lamp(&server);
    let bridge = Bridge::of(&broker, &server);
    eventually("the controller is live", || {
        bridge
            .handle
            .stats()
            .controllers
            .get("home")
            .is_some_and(|home| home.uuid.is_some())
    })
    .await;
    broker.run().await;
    let state = format!("iox/home/{}/ST", lamp.slug);
    for level in [1, 2] {
        let mut watcher = Watcher::start(&broker, &["#"]).await;
        eventually("everything is there", || {
            watcher.take();
            watcher.retained("iox/bridge/bridge/state").as_deref() == Some("online")
        })
        .await;
        assert!(watcher.retained(&state).is_some());
        assert_eq!(
            watcher.retained("iox/home/availability").as_deref(),
            Some("online")
        );
        let configs = watcher
            .all()
            .keys()
            .filter(|topic| topic.ends_with("/config"));
        assert!(configs.count() >= 5);
        let seen = watcher.drain();
        assert!(
            seen.iter().all(|seen| seen.payload != "offline"),
            "nothing was unavailable"
        );
        assert!(seen.iter().all(|seen| !seen.topic.ends_with("/event")));
        broker.kill();
        eventually("the loss is noticed", || !bridge.is_connected()).await;
        // During the outage, the state is kept and the event is dropped.
        let on = Event::new("ST", level.to_string())
            .node(&lamp.address)
            .uom("100", "0");
        server.control().emit(&on);
        server
            .control()
            .emit(&Event::new("DON", "0").node(&lamp.address));
        broker.run().await;
        let mut watcher = Watcher::start(&broker, &["#"]).await;
        eventually("the latest state is there", || {
            watcher.take();
            let value = format!("\"value\":{level},");
            watcher
                .retained(&state)
                .is_some_and(|state| state.contains(&value))
        })
        .await;
        assert!(
            watcher
                .drain()
                .iter()
                .all(|seen| !seen.topic.ends_with("/event"))
        );
    }
    assert!(bridge.handle.stats().broker.unwrap().dropped_events >= 2);
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_after_a_reconnect_refreshes_states_and_publishes_no_event() {
    let Some(setup) = Setup::of(5, "iox/#").await else {
        return;
    };
    let (bridge, mut watcher) = (setup.bridge, setup.watcher);
    let (lamp, state) = (setup.lamp, setup.state);
    let control = setup.server.control();
    control.emit(&Event::new("DON", "0").node(&lamp.address));
    let mut seen = Vec::new();
    eventually("a live event is published", || {
        seen.extend(watcher.drain());
        seen.iter().any(|seen| seen.topic.ends_with("/event"))
    })
    .await;
    control.end(Ending::Reset);
    eventually("the stream is back", || {
        let home = bridge.handle.stats().controllers.remove("home").unwrap();
        home.stream.reconnects == 1 && home.status == ioxproto::Status::Connected
    })
    .await;
    // This message follows everything that the replay may have caused.
    control.emit(&Event::new("ST", "201").node(&lamp.address).uom("100", "0"));
    let mut after = Vec::new();
    eventually("what comes after the replay is published", || {
        after.extend(watcher.drain());
        after
            .iter()
            .any(|seen| seen.topic == state && seen.payload.contains("201"))
    })
    .await;
    assert!(
        after.iter().all(|seen| !seen.topic.ends_with("/event")),
        "{after:?}"
    );
    assert!(
        after
            .iter()
            .all(|seen| !seen.topic.ends_with("/availability")),
        "{after:?}"
    );
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_stays_away_is_offline_and_comes_back() {
    let Some(broker) = Mosquitto::start().await else {
        return;
    };
    let server = house(3).await;
    let port = server.address().port();
    let options = Options::new()
        .broker(broker.options())
        .availability_delay(Duration::from_secs(1));
    let bridge = Bridge::start(options, vec![controller("home", server.url())]);
    let mut watcher = Watcher::start(&broker, &["iox/#"]).await;
    let is = |watcher: &mut Watcher, text: &str| {
        watcher.take();
        watcher.retained("iox/home/availability").as_deref() == Some(text)
    };
    eventually("it is online", || is(&mut watcher, "online")).await;
    server.shutdown().await;
    eventually("it is offline", || is(&mut watcher, "offline")).await;
    assert_eq!(
        watcher.retained("iox/bridge/bridge/state").as_deref(),
        Some("online")
    );
    let _server = house_at(port, 3).await;
    eventually("it is online again", || is(&mut watcher, "online")).await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_the_broker_that_is_lost_for_five_seconds_changes_no_availability() {
    let Some(broker) = Mosquitto::start().await else {
        return;
    };
    let server = house(3).await;
    let address = ([127, 0, 0, 1], broker.port()).into();
    let proxy = Proxy::start(address).await;
    let options = Options::new().broker(Broker::new("127.0.0.1", proxy.port));
    let bridge = Bridge::start(options, vec![controller("home", server.url())]);
    let setup = Setup::with(broker, server, bridge, "iox/#").await;
    let (server, bridge, lamp) = (setup.server, setup.bridge, setup.lamp);
    let mut watcher = setup.watcher;
    watcher.drain();
    proxy.close();
    eventually("the loss is noticed", || !bridge.is_connected()).await;
    // A command that was sent during the outage is not carried out later.
    watcher.publish(&setup.set, "99", false).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    proxy.open();
    eventually("the broker is back", || bridge.is_connected()).await;
    // This message follows all earlier ones.
    server
        .control()
        .emit(&Event::new("ST", "201").node(&lamp.address).uom("100", "0"));
    let mut seen = Vec::new();
    eventually("all is sent", || {
        seen.extend(watcher.drain());
        let mut topics = seen.iter().filter(|seen| seen.payload.contains("201"));
        topics.any(|seen| seen.topic.ends_with("/ST"))
            && seen
                .iter()
                .any(|seen| seen.topic == "iox/bridge/bridge/state")
    })
    .await;
    assert!(
        seen.iter().all(|seen| seen.payload != "offline"),
        "{seen:?}"
    );
    let stats = bridge.handle.stats().broker.unwrap();
    assert_eq!(stats.ignored_commands.get("late"), Some(&1), "{stats:?}");
    assert!(
        !seen
            .iter()
            .any(|seen| seen.payload.contains("\"value\":99,"))
    );
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_stops_reading_is_left_and_has_everything_later() {
    let Some(setup) = Setup::of(5, "iox/#").await else {
        return;
    };
    let stats = || setup.bridge.handle.stats();
    // The statistics may be up to 1 s old: without this wait, they could predate the connect.
    eventually("the bridge counts the connection", || {
        setup.bridge.is_connected()
    })
    .await;
    setup.broker.freeze(true);
    let control = setup.server.control();
    // Send more than sockets and queues can hold.
    for level in 0..20_000_u32 {
        let level = Event::new("ST", (level % 200).to_string()).node(&setup.lamp.address);
        control.emit(&level.uom("100", "0"));
        control.emit(&Event::new("DON", "0").node(&setup.lamp.address));
    }
    let last = Event::new("ST", "201").node(&setup.lamp.address);
    control.emit(&last.uom("100", "0"));
    eventually("the bridge drops the broker's connection", || {
        !setup.bridge.is_connected()
    })
    .await;
    let broker = stats().broker.unwrap();
    assert!(broker.waiting < 2000, "{broker:?}");
    eventually("the presses are dropped", || {
        stats()
            .broker
            .is_some_and(|broker| broker.dropped_events > 10_000)
    })
    .await;
    assert!(stats().controllers["home"].is_available);
    setup.broker.freeze(false);
    eventually("the broker is back", || setup.bridge.is_connected()).await;
    let mut watcher = Watcher::start(&setup.broker, &["iox/#"]).await;
    eventually("the latest state is there", || {
        watcher.take();
        let state = watcher.retained(&setup.state);
        state.is_some_and(|state| state.contains("\"value\":201,"))
    })
    .await;
    setup.bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_is_lost_for_five_seconds_changes_no_availability() {
    let Some(mut setup) = Setup::of(3, "iox/#").await else {
        return;
    };
    setup.watcher.drain();
    let control = setup.server.control();
    control.on_connect(OnConnect::Close, Times::Always);
    control.end(Ending::Reset);
    let home = || setup.bridge.handle.stats().controllers.remove("home");
    let is_connected = || home().is_some_and(|home| home.status == ioxproto::Status::Connected);
    eventually("the loss is noticed", || !is_connected()).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    control.accept_normally();
    eventually("the controller is back", is_connected).await;
    // This message follows all earlier ones.
    let mark = Event::new("ST", "201").node(&setup.lamp.address);
    control.emit(&mark.uom("100", "0"));
    let mut seen = Vec::new();
    eventually("all is sent", || {
        seen.extend(setup.watcher.drain());
        seen.iter()
            .any(|seen| seen.payload.contains("\"value\":201,"))
    })
    .await;
    let is_about = |topic: &str| topic.ends_with("/availability") || topic.ends_with("/event");
    assert!(seen.iter().all(|seen| !is_about(&seen.topic)), "{seen:?}");
    setup.bridge.stop().await;
}
