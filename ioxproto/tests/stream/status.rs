//! The order of the statuses, and their reasons and counts.

use ioxproto::{
    AddressError, Config, ConfigError, FailureKind, Status, StatusChange, StreamMachine,
};
use pretend::{Driver, seconds};

#[test]
fn a_successful_start_initializes_syncs_and_connects() {
    let mut driver = Driver::local();
    assert_eq!(driver.status(), Status::NotStarted);
    driver.start();
    assert_eq!(driver.statuses(), ["stream_initializing"]);
    driver.accept();
    assert_eq!(driver.statuses(), ["stream_initializing", "stream_syncing"]);
    driver.pass(1.0);
    assert_eq!(
        driver.statuses(),
        ["stream_initializing", "stream_syncing", "connected"]
    );
    assert!(
        driver
            .changes()
            .iter()
            .all(|change| change.reason.is_none())
    );
}

#[test]
fn a_loss_is_reported_with_its_reason_and_followed_by_a_new_attempt() {
    let mut driver = Driver::connected();
    driver.fail(FailureKind::ConnectionReset);
    assert_eq!(driver.statuses(), ["lost_connection"]);
    assert_eq!(driver.last_reason().code(), "connection_reset");
    driver.pass(0.999);
    assert_eq!(driver.statuses(), ["lost_connection"]);
    driver.pass(0.001);
    assert_eq!(
        driver.statuses(),
        ["lost_connection", "reconnecting", "stream_initializing"]
    );
    driver.accept();
    driver.pass(1.0);
    assert_eq!(driver.statuses()[3..], ["stream_syncing", "connected"]);
}

#[test]
fn a_loss_while_syncing_never_reports_connected() {
    let mut driver = Driver::syncing();
    driver.event(0, "ST", "0", "11 22 33 1");
    driver.closed();
    driver.pass(0.5);
    assert_eq!(
        driver.statuses(),
        ["stream_initializing", "stream_syncing", "lost_connection"]
    );
}

#[test]
fn a_status_change_that_concerns_an_event_comes_before_it() {
    let mut driver = Driver::syncing();
    driver.pass(1.0);
    driver.event(0, "ST", "0", "11 22 33 1");
    let lines: Vec<_> = driver
        .notifications
        .iter()
        .map(|notification| format!("{notification:?}"))
        .collect();
    assert!(lines[lines.len() - 2].contains("Connected"), "{lines:?}");
    assert!(lines[lines.len() - 1].contains("live: true"), "{lines:?}");
}

#[test]
fn time_in_each_status_adds_up() {
    let mut driver = Driver::connected();
    driver.pass(4.0);
    driver.closed();
    driver.pass(1.0);
    let stats = driver.stats();
    assert_eq!(stats.time_in(Status::StreamSyncing).as_secs_f64(), 1.0);
    assert_eq!(stats.time_in(Status::Connected).as_secs_f64(), 4.0);
    assert_eq!(stats.time_in(Status::LostConnection).as_secs_f64(), 1.0);
    driver.pass(3.0);
    assert_eq!(
        driver
            .stats()
            .time_in(Status::StreamInitializing)
            .as_secs_f64(),
        3.0
    );
}

#[test]
fn time_is_added_only_to_the_current_status() {
    let mut driver = Driver::connected();
    driver.pass(4.0);
    let stats = driver.stats();
    let later = stats.and_in(Status::Connected, seconds(2.5));
    assert_eq!(later.time_in(Status::Connected), seconds(6.5));
    assert_eq!(later.time_in(Status::StreamSyncing), seconds(1.0));
    assert_eq!(later.attempts, stats.attempts);
}

#[test]
fn stats_count_attempts_and_reconnects() {
    let mut driver = Driver::connected();
    driver.closed();
    driver.pass(1.0);
    driver.refuse(503, "");
    driver.pass(2.0);
    driver.accept();
    driver.pass(1.0);
    let stats = driver.stats();
    assert_eq!((stats.attempts, stats.reconnects), (3, 1));
}

#[test]
fn a_change_is_shown_with_its_reason_and_the_next_attempt() {
    let mut driver = Driver::connected();
    driver.fail(FailureKind::ConnectionReset);
    let reason = driver.last_reason();
    let changes = driver.changes();
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
