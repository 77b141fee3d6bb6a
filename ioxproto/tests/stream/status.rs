//! The order of the statuses, and their reasons and counts.

use ioxproto::{
    AddressError, Config, ConfigError, FailureKind, Status, StatusChange, StreamMachine,
};

use crate::harness::{Harness, seconds};

#[test]
fn a_successful_start_initializes_syncs_and_connects() {
    let mut harness = Harness::new();
    assert_eq!(harness.stream.status(), Status::NotStarted);
    harness.start();
    assert_eq!(harness.statuses(), ["stream_initializing"]);
    harness.accept();
    assert_eq!(
        harness.statuses(),
        ["stream_initializing", "stream_syncing"]
    );
    harness.pass(1.0);
    assert_eq!(
        harness.statuses(),
        ["stream_initializing", "stream_syncing", "connected"]
    );
    assert!(
        harness
            .changes()
            .iter()
            .all(|change| change.reason.is_none())
    );
}

#[test]
fn a_loss_is_reported_with_its_reason_and_followed_by_a_new_attempt() {
    let mut harness = Harness::connected();
    harness.fail(FailureKind::ConnectionReset);
    assert_eq!(harness.statuses(), ["lost_connection"]);
    assert_eq!(harness.last_reason().code(), "connection_reset");
    harness.pass(0.999);
    assert_eq!(harness.statuses(), ["lost_connection"]);
    harness.pass(0.001);
    assert_eq!(
        harness.statuses(),
        ["lost_connection", "reconnecting", "stream_initializing"]
    );
    harness.accept();
    harness.pass(1.0);
    assert_eq!(harness.statuses()[3..], ["stream_syncing", "connected"]);
}

#[test]
fn a_loss_while_syncing_never_reports_connected() {
    let mut harness = Harness::syncing();
    harness.event(0, "ST", "0", "11 22 33 1");
    harness.closed();
    harness.pass(0.5);
    assert_eq!(
        harness.statuses(),
        ["stream_initializing", "stream_syncing", "lost_connection"]
    );
}

#[test]
fn a_status_change_that_concerns_an_event_comes_before_it() {
    let mut harness = Harness::syncing();
    harness.pass(1.0);
    harness.event(0, "ST", "0", "11 22 33 1");
    let lines: Vec<_> = harness
        .notifications
        .iter()
        .map(|notification| format!("{notification:?}"))
        .collect();
    assert!(lines[lines.len() - 2].contains("Connected"), "{lines:?}");
    assert!(lines[lines.len() - 1].contains("live: true"), "{lines:?}");
}

#[test]
fn time_in_each_status_adds_up() {
    let mut harness = Harness::connected();
    harness.pass(4.0);
    harness.closed();
    harness.pass(1.0);
    let stats = harness.stream.stats(harness.now);
    assert_eq!(stats.time_in(Status::StreamSyncing).as_secs_f64(), 1.0);
    assert_eq!(stats.time_in(Status::Connected).as_secs_f64(), 4.0);
    assert_eq!(stats.time_in(Status::LostConnection).as_secs_f64(), 1.0);
    harness.pass(3.0);
    assert_eq!(
        harness
            .stream
            .stats(harness.now)
            .time_in(Status::StreamInitializing)
            .as_secs_f64(),
        3.0
    );
}

#[test]
fn time_is_added_only_to_the_current_status() {
    let mut harness = Harness::connected();
    harness.pass(4.0);
    let stats = harness.stats();
    let later = stats.and_in(Status::Connected, seconds(2.5));
    assert_eq!(later.time_in(Status::Connected), seconds(6.5));
    assert_eq!(later.time_in(Status::StreamSyncing), seconds(1.0));
    assert_eq!(later.attempts, stats.attempts);
}

#[test]
fn stats_count_attempts_and_reconnects() {
    let mut harness = Harness::connected();
    harness.closed();
    harness.pass(1.0);
    harness.refuse(503, "");
    harness.pass(2.0);
    harness.accept();
    harness.pass(1.0);
    let stats = harness.stream.stats(harness.now);
    assert_eq!((stats.attempts, stats.reconnects), (3, 1));
}

#[test]
fn a_change_is_shown_with_its_reason_and_the_next_attempt() {
    let mut harness = Harness::connected();
    harness.fail(FailureKind::ConnectionReset);
    let reason = harness.last_reason();
    let changes = harness.changes();
    let mut change = (*changes.last().unwrap()).clone();
    let line = format!("lost_connection: {reason}; next attempt in 1 s");
    assert_eq!(change.to_string(), line);
    change.retry_in = Some(seconds(0.25));
    assert!(change.to_string().ends_with("; next attempt in 0.2 s"));
    let change = StatusChange::new(Status::Connected);
    assert_eq!(change.to_string(), "connected");
}

#[test]
fn the_debug_output_of_an_error_is_its_message() {
    let error = StreamMachine::new(Config::new("eisy")).unwrap_err();
    let ConfigError::Address(AddressError::NoScheme { .. }) = &error else {
        panic!("{error}")
    };
    assert!(error.to_string().starts_with("\"eisy\" has no scheme"));
    assert_eq!(format!("{error:?}"), error.to_string());
}
