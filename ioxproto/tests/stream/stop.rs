//! Stop, from any state.

use ioxproto::{Account, ConfigError, FailureKind, Profile, Status};
use pretend::{Done, Driver};

#[test]
fn a_stop_while_connecting_is_immediate() {
    let mut driver = Driver::local();
    driver.start();
    driver.stop();
    assert_eq!(driver.done, [Done::Abort]);
    assert_eq!(driver.statuses(), ["stream_initializing", "disconnected"]);
    assert_eq!(driver.last_reason().code(), "stop_requested");
    assert_eq!(driver.stream.poll_timeout(driver.now), None);
}

#[test]
fn a_stop_during_the_backoff_is_immediate() {
    let mut driver = Driver::local();
    driver.start();
    driver.fail(FailureKind::ConnectionRefused);
    driver.stop();
    assert_eq!(driver.status(), Status::Disconnected);
    driver.pass(1e4);
    assert_eq!(driver.attempts.len(), 1);
}

#[test]
fn a_stop_while_syncing_or_connected_sends_a_close_frame() {
    for mut driver in [Driver::syncing(), Driver::connected()] {
        driver.done.clear();
        driver.stop();
        assert_eq!(driver.done, [Done::Close(1000)]);
        assert_ne!(driver.status(), Status::Disconnected);
        driver.closed();
        assert_eq!(driver.status(), Status::Disconnected);
    }
}

#[test]
fn a_stop_lasts_until_the_controller_has_closed() {
    let mut driver = Driver::connected();
    assert!(!driver.stream.is_stopping());
    driver.stop();
    assert!(driver.stream.is_stopping());
    driver.closed();
    assert!(!driver.stream.is_stopping());
}

#[test]
fn a_controller_that_does_not_answer_the_close_is_abandoned_after_a_second_and_a_half() {
    let mut driver = Driver::connected();
    driver.stop();
    driver.pass(1.499);
    assert_eq!(driver.statuses(), [""; 0]);
    driver.pass(0.001);
    assert_eq!(driver.done, [Done::Close(1000), Done::Abort]);
    assert_eq!(driver.statuses(), ["disconnected"]);
}

#[test]
fn frames_after_the_stop_are_not_delivered() {
    let mut driver = Driver::connected();
    driver.stop();
    driver.event(0, "ST", "1", "11 22 33 1");
    assert!(driver.events().is_empty());
}

#[test]
fn a_failure_while_stopping_is_a_stop() {
    let mut driver = Driver::connected();
    driver.stop();
    driver.fail(FailureKind::ConnectionReset);
    assert_eq!(driver.statuses(), ["disconnected"]);
}

#[test]
fn stop_at_rest_and_stop_twice_do_nothing() {
    let mut driver = Driver::local();
    driver.stop();
    assert_eq!(driver.status(), Status::NotStarted);
    driver.start();
    driver.stop();
    driver.stop();
    assert_eq!(driver.statuses(), ["stream_initializing", "disconnected"]);
}

#[test]
fn a_start_after_a_stop_or_a_failure_begins_a_new_session() {
    let mut driver = Driver::connected();
    driver.stop();
    driver.closed();
    driver.start();
    driver.refuse(401, "");
    driver.start();
    driver.accept();
    driver.pass(1.0);
    let expected = [
        "disconnected",
        "stream_initializing",
        "reconnect_failed",
        "stream_initializing",
        "stream_syncing",
        "connected",
    ];
    assert_eq!(driver.statuses(), expected);
}

#[test]
fn start_while_running_does_nothing() {
    let mut driver = Driver::connected();
    driver.start();
    assert_eq!(driver.attempts.len(), 1);
    assert!(driver.notifications.is_empty());
}

#[test]
fn a_start_after_a_failure_uses_the_account_set_in_between() {
    let mut driver = Driver::local();
    driver.start();
    let refused = driver.request();
    driver.refuse(401, "");
    assert_eq!(driver.status(), Status::ReconnectFailed);
    let replaced = driver
        .stream
        .replace_account(Account::local("admin", "another"));
    assert_eq!(replaced, Ok(()));
    driver.start();
    assert_ne!(driver.request(), refused);
    let value = basic("admin", "another");
    assert!(driver.request().contains(&value), "{value}");
    driver.accept();
    driver.become_connected();
}

#[test]
fn an_account_set_while_running_is_used_from_the_next_start() {
    let mut driver = Driver::connected();
    let replaced = driver.stream.replace_account(Account::local("new", "x"));
    assert_eq!(replaced, Ok(()));
    driver.closed();
    driver.pass(1.0);
    assert!(!driver.request().contains(&basic("new", "x")));
    driver.stop();
    driver.start();
    assert!(driver.request().contains(&basic("new", "x")));
}

#[test]
fn an_invalid_account_is_refused_and_the_old_one_stays() {
    let mut driver = Driver::with(|config| config.profile(Profile::Isy994));
    let portal = Account::portal("me@example.com", "x");
    let refused = driver.stream.replace_account(portal);
    assert_eq!(refused, Err(ConfigError::ProfileNeedsLocal));
    driver.start();
    assert!(driver.request().contains("Authorization: Basic"));
}

fn basic(username: &str, password: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"))
}
