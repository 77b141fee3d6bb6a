//! A watch recovers from lost connections, and reports their reasons.

use crate::house::House;
use crate::iox::{Running, watch};

const JSON: [&str; 2] = ["--format", "json"];

#[test]
fn a_killed_controller_is_watched_again_after_its_restart() {
    let mut house = House::quiet();
    let running = Running::start(watch(&house.url, &JSON));
    running.wait_for_status("connected");
    house.kill();
    let reason = running.wait_for_status("lost_connection");
    assert!(reason.is_some());
    // The port is free for a moment only; the watch retries after a second.
    house.revive();
    for status in [
        "reconnecting",
        "stream_initializing",
        "stream_syncing",
        "connected",
    ] {
        running.wait_for_status(status);
    }
    house.switch("255");
    let line = running.wait_for(r#""live":true"#);
    assert!(line.contains(r#""control":"ST","action":"255""#), "{line}");
    let finished = running.stop();
    assert!(
        finished.stderr.contains("next attempt in 1 s"),
        "{finished:?}"
    );
}

#[test]
fn a_frozen_controller_is_reported_as_a_stall_and_recovers() {
    let house = House::quiet();
    let quick = [
        "--timing=stall_default=1",
        "--timing=stall_max=1",
        "--timing=stall_grace=0.5",
        "--timing=connect=1",
    ];
    let running = Running::start(watch(&house.url, &[&JSON[..], &quick].concat()));
    running.wait_for_status("connected");
    house.control().freeze();
    let reason = running.wait_for_status("lost_connection");
    assert_eq!(reason.as_deref(), Some("stalled"));
    house.control().thaw();
    running.wait_for_status("connected");
    let finished = running.stop();
    assert!(
        finished.stderr.contains("the connection is dead"),
        "{finished:?}"
    );
}
