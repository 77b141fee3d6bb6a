//! Measures the bridge for `PERFORMANCE.md`: memory per controller, latency of an event from a
//! controller to a subscriber, and events per second.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::time::sleep;

use crate::bridges::{Bridge, create_bridges};
use crate::broker::{Broker, Logging};
use crate::expected::{differences, expected};
use crate::houses::{FIRST_TAG, House, houses};
use crate::subscriber::{Observer, retained};
use crate::{LIMIT, allow_descriptors, setting, until};

/// How long to wait before the memory of a bridge is measured.
const SETTLING: Duration = Duration::from_secs(10);
/// The number of events whose latency is measured, and the time between two of them.
const EVENTS: u64 = 2000;
const EVENT_INTERVAL: Duration = Duration::from_millis(5);
/// The number of events in flight while the rate is measured, and the time of the measurement.
const IN_FLIGHT: usize = 256;
const MEASURING: Duration = Duration::from_secs(10);

#[test]
#[ignore = "takes minutes: cargo test --release -p ioxcli --test fleet figures -- --ignored --nocapture"]
fn figures() {
    let controllers: usize = setting("IOX_CONTROLLERS", 300);
    let Some(broker) = Broker::new(Logging::Off) else {
        return;
    };
    allow_descriptors(1000 + 8 * controllers as u64);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure(broker, controllers));
}

async fn measure(mut broker: Broker, controllers: usize) {
    broker.run().await;
    let load = || fs::read_to_string("/proc/loadavg").unwrap();
    println!("load of the machine before: {}", load().trim());
    let mut houses = houses(controllers, 1).await;
    let rest = houses.split_off(1);
    let (alone, _) = started(&houses, &mut broker).await;
    houses.extend(rest);
    let (all, bridge) = started(&houses, &mut broker).await;
    let each = (all - alone) as f64 / (controllers - 1) as f64;
    println!(
        "memory: {alone} KiB with one controller, {all} KiB with {controllers}: {each:.1} KiB for each more"
    );

    let observer = Observer::start(broker.port());
    until("the observer is connected", LIMIT, async || {
        observer.seen().is_connected
    })
    .await;
    let mut sent = BTreeMap::new();
    let mut tag = FIRST_TAG;
    let mut press = |sent: &mut BTreeMap<u64, Instant>| {
        let house = &houses[tag as usize % houses.len()];
        sent.insert(tag, Instant::now());
        house.press(tag);
        tag += 1;
    };
    for _ in 0..EVENTS {
        press(&mut sent);
        sleep(EVENT_INTERVAL).await;
    }
    until("each event has arrived", LIMIT, async || {
        observer.seen().tags.len() as u64 == EVENTS
    })
    .await;
    let mut times: Vec<Duration> = {
        let seen = observer.seen();
        let time = |(tag, at): (&u64, &Instant)| seen.tags[tag].duration_since(*at);
        sent.iter().map(time).collect()
    };
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "latency of {EVENTS} events, one each {EVENT_INTERVAL:?}: median {:.2} ms, 99th percentile {:.2} ms, longest {:.2} ms",
        at(0.5),
        at(0.99),
        at(1.0),
    );

    let before = sent.len();
    let began = Instant::now();
    while began.elapsed() < MEASURING {
        let arrived = observer.seen().tags.len();
        while sent.len() - arrived < IN_FLIGHT {
            press(&mut sent);
        }
        sleep(Duration::from_millis(1)).await;
    }
    let arrived = observer.seen().tags.len() - before;
    let rate = arrived as f64 / began.elapsed().as_secs_f64();
    println!("rate, with {IN_FLIGHT} events in flight: {rate:.0} events a second");
    println!("load of the machine after: {}", load().trim());
    assert!(observer.seen().errors.is_empty());
    drop(bridge);
}

/// Starts one bridge for these houses. Returns its memory in KiB after everything is published.
async fn started(houses: &[House], broker: &mut Broker) -> (u64, (Bridge, TempDir)) {
    let folder = tempfile::tempdir().unwrap();
    let mut bridges = create_bridges(&folder, houses, broker.port(), 1);
    bridges[0].start();
    let expected = expected(houses, &bridges).await;
    let port = broker.port();
    until("everything is published", 5 * LIMIT, async || {
        let found = retained(port).await;
        found.is_ok_and(|found| differences(&expected, &found).is_empty())
    })
    .await;
    sleep(SETTLING).await;
    let mut bridge = bridges.remove(0);
    bridge.sample();
    let memory = bridge.memory[0];
    (memory, (bridge, folder))
}
