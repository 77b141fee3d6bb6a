//! Calls in a wrong order and late answers do no harm.

use ioxproto::{Failure, FailureKind, Message, Phase, Status};
use pretend::{Done, Driver, event};

#[test]
fn late_answers_to_an_abandoned_attempt_change_nothing() {
    let mut driver = Driver::local();
    driver.start();
    let (old, old_upgrade) = (driver.id(), driver.upgrade.take());
    driver.pass(11.0);
    assert_eq!(driver.status(), Status::StreamInitializing);
    driver.notifications.clear();
    driver.done.clear();
    let now = driver.now;
    driver.stream.phase(now, old, Phase::Upgrading);
    driver
        .stream
        .upgrade_answered(now, old, old_upgrade.unwrap().into_answer().0);
    driver
        .stream
        .failed(now, old, Failure::transport(FailureKind::Other, "late"));
    driver.stream.closed(now, old, Some(1000), "late");
    driver.stream.bytes_received(now, old, true);
    assert!(
        driver
            .stream
            .message(now, old, Message::Text(b"null"))
            .is_none()
    );
    driver.drain();
    assert!(driver.notifications.is_empty() && driver.done.is_empty());
    driver.accept();
    assert_eq!(driver.status(), Status::StreamSyncing);
}

#[test]
fn messages_before_the_upgrade_and_two_answers_are_ignored() {
    let mut driver = Driver::local();
    driver.start();
    driver.text(&event(0, "ST", "0", "a"));
    assert!(driver.events().is_empty());
    driver.accept();
    let id = driver.id();
    let refused = http::Response::builder()
        .status(401)
        .body(Vec::new())
        .unwrap();
    driver.stream.upgrade_answered(driver.now, id, Ok(refused));
    driver.drain();
    assert_eq!(driver.status(), Status::StreamSyncing);
}

#[test]
fn unexpected_ticks_do_nothing() {
    let mut driver = Driver::syncing();
    for _ in 0..1000 {
        driver.tick();
    }
    assert_eq!(driver.statuses(), ["stream_initializing", "stream_syncing"]);
}

#[test]
fn a_driver_that_never_ticks_or_drains_is_tolerated() {
    let mut driver = Driver::local();
    driver.stream.start(driver.now);
    driver.stream.stop(driver.now);
    driver.stream.start(driver.now);
    driver.tick();
    assert_eq!(driver.done, [Done::Abort]);
    assert_eq!(
        driver.statuses(),
        ["stream_initializing", "disconnected", "stream_initializing"]
    );
    driver.accept();
    assert_eq!(driver.status(), Status::StreamSyncing);
}

#[test]
fn a_deadline_with_pending_actions_is_due_at_once() {
    let mut driver = Driver::local();
    driver.stream.start(driver.now);
    let deadline = driver.stream.poll_timeout(driver.now).unwrap();
    assert_eq!(deadline.at, driver.now.monotonic);
}

#[test]
fn time_that_runs_backwards_is_tolerated() {
    let mut driver = Driver::connected();
    let later = driver.now;
    driver.pass(5.0);
    driver.now = later;
    driver.event(0, "ST", "0", "a");
    driver.pass(1.0);
    assert_eq!(driver.live(), [true]);
}
