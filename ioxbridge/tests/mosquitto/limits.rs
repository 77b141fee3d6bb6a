//! Tests of brokers that refuse the bridge, and of invalid payloads.

use std::time::Duration;

use ioxbridge::{Broker, Options};
use ioxdriver::{Fingerprint, Trust};
use ioxsim::{ControllerOptions, HouseOptions, OnConnect, Server, ServerOptions, Times, Tls, Uuid};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::broker::{Mosquitto, Watcher, eventually};
use crate::house::{Bridge, Setup, controller, house, lamp};

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_with_a_small_packet_limit_or_a_receive_maximum_of_1_is_respected() {
    for (lines, is_narrow) in [
        ("allow_anonymous true\nmax_packet_size 900\n", true),
        ("allow_anonymous true\nmax_inflight_messages 1\n", false),
    ] {
        let Some(broker) = Mosquitto::start_with(lines).await else {
            return;
        };
        let server = house(20).await;
        let lamp = lamp(&server);
        let bridge = Bridge::of(&broker, &server);
        let mut watcher = Watcher::start(&broker, &["iox/#"]).await;
        let state = format!("iox/home/{}/ST", lamp.slug);
        eventually(lines, || {
            watcher.take();
            watcher.retained("iox/bridge/bridge/state").as_deref() == Some("online")
                && watcher.retained(&state).is_some()
        })
        .await;
        let stats = || bridge.handle.stats().broker.unwrap();
        eventually("all is sent", || {
            stats().waiting == 0 && stats().published > 20
        })
        .await;
        let stats = stats();
        assert_eq!(stats.refused > 0, is_narrow, "{stats:?}");
        assert_eq!(stats.connects, 1, "the connection holds");
        bridge.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_password_is_retried_until_it_is_accepted() {
    let Some(mut broker) = Mosquitto::configured("") else {
        return;
    };
    let users = broker.write("users", "");
    let added = std::process::Command::new("mosquitto_passwd")
        .args(["-b", &users, "iox", "right"])
        .status();
    if added.is_err() {
        eprintln!("\n*** SKIPPED: mosquitto_passwd is not installed ***\n");
        return;
    }
    broker.configure(&format!("allow_anonymous false\npassword_file {users}\n"));
    broker.run().await;
    let server = house(3).await;
    let options =
        |password: &str| Options::new().broker(broker.options().credentials("iox", password));
    let wrong = Bridge::start(options("wrong"), vec![controller("home", server.url())]);
    eventually("the controller is live", || {
        wrong
            .handle
            .stats()
            .controllers
            .get("home")
            .is_some_and(|home| home.uuid.is_some())
    })
    .await;
    assert!(!wrong.is_connected());
    let right = Bridge::start(
        options("right").instance("other"),
        vec![controller("other", server.url())],
    );
    eventually("the right password is accepted", || right.is_connected()).await;
    right.stop().await;
    // From now on, the broker accepts the wrong password.
    broker.kill();
    broker.configure("allow_anonymous true\n");
    broker.run().await;
    eventually("the other password is accepted later", || {
        wrong.is_connected()
    })
    .await;
    wrong.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_refuses_mqtt_5_and_one_that_drops_at_once_are_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = house(3).await;
    let options = Options::new().broker(Broker::new("127.0.0.1", port));
    let bridge = Bridge::start(options, vec![controller("home", server.url())]);
    for answer in [&[0x20, 2, 0, 1][..], &[][..], &[0xff; 64][..]] {
        let accepted = tokio::time::timeout(Duration::from_secs(60), listener.accept()).await;
        let (mut socket, _) = accepted.unwrap().unwrap();
        let mut connect = vec![0; 1024];
        let length = socket.read(&mut connect).await.unwrap();
        assert!(length > 0 && connect[0] == 0x10, "it is a CONNECT");
        socket.write_all(answer).await.unwrap();
    }
    assert!(!bridge.is_connected());
    let home = bridge.handle.stats().controllers.remove("home");
    assert!(home.is_some(), "the controllers are watched all the same");
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_with_tls_is_pinned_and_a_wrong_pin_is_refused() {
    let identity = Tls::self_signed().unwrap();
    let Some(mut broker) = Mosquitto::configured("") else {
        return;
    };
    let pem = broker.write("identity.pem", &identity.to_pem());
    broker.configure(&format!(
        "allow_anonymous true\ncertfile {pem}\nkeyfile {pem}\n"
    ));
    broker.run().await;
    let server = house(3).await;
    let start = |pin: Fingerprint, instance: &str| {
        let trust = Trust::Pins(vec![pin]);
        let options = Options::new()
            .broker(broker.options().tls(trust))
            .instance(instance);
        Bridge::start(options, vec![controller(instance, server.url())])
    };
    let right = start(Fingerprint::of(identity.certificate()), "right");
    let wrong = start(Fingerprint::of(b"another"), "wrong");
    eventually("the right pin connects", || {
        right
            .handle
            .stats()
            .broker
            .is_some_and(|broker| broker.published > 3)
    })
    .await;
    assert!(!wrong.is_connected());
    right.stop().await;
    wrong.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_payloads_do_nothing_and_a_retained_command_is_ignored() {
    let Some(setup) = Setup::of(3, "iox/#").await else {
        return;
    };
    let (bridge, mut watcher) = (setup.bridge, setup.watcher);
    let (state, set) = (setup.state, setup.set);
    let before = watcher.retained(&state).unwrap();
    watcher.publish(&set, vec![b'9'; 1 << 20], false).await;
    watcher.publish(&set, vec![b'9'; 100_000], false).await;
    watcher.publish(&set, vec![0xff, 0xfe, 0x00], false).await;
    watcher.publish(&set, "NaN", false).await;
    watcher.publish(&set, "101%", false).await;
    watcher.publish(&set, "OFF", true).await;
    let ignored = || bridge.handle.stats().broker.unwrap().ignored_commands;
    eventually("all are ignored", || ignored().get("retained") == Some(&1)).await;
    let ignored = ignored();
    assert_eq!(ignored.get("not_understood"), Some(&2), "{ignored:?}");
    assert_eq!(ignored.get("not_text"), Some(&1), "{ignored:?}");
    // The broker does not deliver the message that exceeds the bridge's maximum packet size.
    assert_eq!(ignored.get("too_long"), Some(&1), "{ignored:?}");
    watcher.take();
    assert_eq!(watcher.retained(&state), Some(before));
    // The bridge still carries out commands.
    watcher.publish(&set, "33", false).await;
    eventually("a command is carried out", || {
        watcher.take();
        watcher
            .retained(&state)
            .is_some_and(|state| state.contains("\"value\":33,"))
    })
    .await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn controllers_that_flood_or_are_silent_do_not_affect_others() {
    let Some(broker) = Mosquitto::start().await else {
        return;
    };
    let home = house(3).await;
    let flood = Server::start(ServerOptions {
        controller: ControllerOptions {
            house: HouseOptions {
                rate_per_second: 20_000.0,
                ..HouseOptions::default()
            }
            .into(),
            uuid: Uuid::default().plus(1),
            ..ControllerOptions::default()
        },
        ..ServerOptions::default()
    });
    let (flood, mute) = (flood.await.unwrap(), house(3).await);
    mute.control().on_connect(OnConnect::Mute, Times::Always);
    let bridge = Bridge::start(
        Options::new().broker(broker.options()),
        vec![
            controller("flood", flood.url()),
            controller("mute", mute.url()),
            controller("home", home.url()),
        ],
    );
    let setup = Setup::with(broker, home, bridge, "iox/#").await;
    let stats = || setup.bridge.handle.stats();
    eventually("the flood has begun", || {
        stats().controllers["flood"].stream.frames > 5000
    })
    .await;
    let mut watcher = setup.watcher;
    for level in [77, 78, 79] {
        watcher.publish(&setup.set, level.to_string(), false).await;
        let value = format!("\"value\":{level},");
        eventually("the lamp of the other controller is commanded", || {
            watcher.take();
            watcher
                .retained(&setup.state)
                .is_some_and(|state| state.contains(&value))
        })
        .await;
    }
    let broker = stats().broker.unwrap();
    assert!(
        broker.in_flight <= 32 && broker.waiting < 3000,
        "{broker:?}"
    );
    setup.bridge.stop().await;
}
