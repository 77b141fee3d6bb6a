//! Stop, from any state.

use ioxproto::{Account, ConfigError, FailureKind, Profile, Status};

use crate::harness::{Done, Harness};

#[test]
fn a_stop_while_connecting_is_immediate() {
    let mut harness = Harness::new();
    harness.start();
    harness.stop();
    assert_eq!(harness.done, [Done::Abort]);
    assert_eq!(harness.statuses(), ["stream_initializing", "disconnected"]);
    assert_eq!(harness.last_reason().code(), "stop_requested");
    assert_eq!(harness.stream.poll_timeout(harness.now), None);
}

#[test]
fn a_stop_during_the_backoff_is_immediate() {
    let mut harness = Harness::new();
    harness.start();
    harness.fail(FailureKind::ConnectionRefused);
    harness.stop();
    assert_eq!(harness.stream.status(), Status::Disconnected);
    harness.pass(1e4);
    assert_eq!(harness.attempts.len(), 1);
}

#[test]
fn a_stop_while_syncing_or_connected_sends_a_close_frame() {
    for mut harness in [Harness::syncing(), Harness::connected()] {
        harness.done.clear();
        harness.stop();
        assert_eq!(harness.done, [Done::Close(1000)]);
        assert_ne!(harness.stream.status(), Status::Disconnected);
        harness.closed();
        assert_eq!(harness.stream.status(), Status::Disconnected);
    }
}

#[test]
fn a_stop_lasts_until_the_controller_has_closed() {
    let mut harness = Harness::connected();
    assert!(!harness.stream.is_stopping());
    harness.stop();
    assert!(harness.stream.is_stopping());
    harness.closed();
    assert!(!harness.stream.is_stopping());
}

#[test]
fn a_controller_that_does_not_answer_the_close_is_abandoned_after_a_second_and_a_half() {
    let mut harness = Harness::connected();
    harness.stop();
    harness.pass(1.499);
    assert_eq!(harness.statuses(), [""; 0]);
    harness.pass(0.001);
    assert_eq!(harness.done, [Done::Close(1000), Done::Abort]);
    assert_eq!(harness.statuses(), ["disconnected"]);
}

#[test]
fn frames_after_the_stop_are_not_delivered() {
    let mut harness = Harness::connected();
    harness.stop();
    harness.event(0, "ST", "1", "11 22 33 1");
    assert!(harness.events().is_empty());
}

#[test]
fn a_failure_while_stopping_is_a_stop() {
    let mut harness = Harness::connected();
    harness.stop();
    harness.fail(FailureKind::ConnectionReset);
    assert_eq!(harness.statuses(), ["disconnected"]);
}

#[test]
fn stop_at_rest_and_stop_twice_do_nothing() {
    let mut harness = Harness::new();
    harness.stop();
    assert_eq!(harness.stream.status(), Status::NotStarted);
    harness.start();
    harness.stop();
    harness.stop();
    assert_eq!(harness.statuses(), ["stream_initializing", "disconnected"]);
}

#[test]
fn a_start_after_a_stop_or_a_failure_begins_a_new_session() {
    let mut harness = Harness::connected();
    harness.stop();
    harness.closed();
    harness.start();
    harness.refuse(401, "");
    harness.start();
    harness.accept();
    harness.pass(1.0);
    let expected = [
        "disconnected",
        "stream_initializing",
        "reconnect_failed",
        "stream_initializing",
        "stream_syncing",
        "connected",
    ];
    assert_eq!(harness.statuses(), expected);
}

#[test]
fn start_while_running_does_nothing() {
    let mut harness = Harness::connected();
    harness.start();
    assert_eq!(harness.attempts.len(), 1);
    assert!(harness.notifications.is_empty());
}

#[test]
fn a_start_after_a_failure_uses_the_account_set_in_between() {
    let mut harness = Harness::new();
    harness.start();
    let refused = harness.request();
    harness.refuse(401, "");
    assert_eq!(harness.stream.status(), Status::ReconnectFailed);
    let replaced = harness
        .stream
        .replace_account(Account::local("admin", "another"));
    assert_eq!(replaced, Ok(()));
    harness.start();
    assert_ne!(harness.request(), refused);
    let value = basic("admin", "another");
    assert!(harness.request().contains(&value), "{value}");
    harness.accept();
    harness.become_connected();
}

#[test]
fn an_account_set_while_running_is_used_from_the_next_start() {
    let mut harness = Harness::connected();
    let replaced = harness.stream.replace_account(Account::local("new", "x"));
    assert_eq!(replaced, Ok(()));
    harness.closed();
    harness.pass(1.0);
    assert!(!harness.request().contains(&basic("new", "x")));
    harness.stop();
    harness.start();
    assert!(harness.request().contains(&basic("new", "x")));
}

#[test]
fn an_invalid_account_is_refused_and_the_old_one_stays() {
    let mut harness = Harness::with(|config| config.profile(Profile::Isy994));
    let portal = Account::portal("me@example.com", "x");
    let refused = harness.stream.replace_account(portal);
    assert_eq!(refused, Err(ConfigError::ProfileNeedsLocal));
    harness.start();
    assert!(harness.request().contains("Authorization: Basic"));
}

fn basic(username: &str, password: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"))
}
