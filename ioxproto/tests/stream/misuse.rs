//! Calls in a wrong order and late answers do no harm.

use ioxproto::{Failure, FailureKind, Message, Phase, Status};

use crate::harness::{Done, Harness, event};

#[test]
fn late_answers_to_an_abandoned_attempt_change_nothing() {
    let mut harness = Harness::new();
    harness.start();
    let (old, old_upgrade) = (harness.id(), harness.upgrade.take());
    harness.pass(11.0);
    assert_eq!(harness.stream.status(), Status::StreamInitializing);
    harness.notifications.clear();
    harness.done.clear();
    let now = harness.now;
    harness.stream.phase(now, old, Phase::Upgrading);
    harness
        .stream
        .upgrade_answered(now, old, old_upgrade.unwrap().into_answer().0);
    harness
        .stream
        .failed(now, old, Failure::transport(FailureKind::Other, "late"));
    harness.stream.closed(now, old, Some(1000), "late");
    harness.stream.bytes_received(now, old, true);
    assert!(
        harness
            .stream
            .message(now, old, Message::Text(b"null"))
            .is_none()
    );
    harness.drain();
    assert!(harness.notifications.is_empty() && harness.done.is_empty());
    harness.accept();
    assert_eq!(harness.stream.status(), Status::StreamSyncing);
}

#[test]
fn messages_before_the_upgrade_and_two_answers_are_ignored() {
    let mut harness = Harness::new();
    harness.start();
    harness.text(&event(0, "ST", "0", "a"));
    assert!(harness.events().is_empty());
    harness.accept();
    let id = harness.id();
    let refused = http::Response::builder()
        .status(401)
        .body(Vec::new())
        .unwrap();
    harness
        .stream
        .upgrade_answered(harness.now, id, Ok(refused));
    harness.drain();
    assert_eq!(harness.stream.status(), Status::StreamSyncing);
}

#[test]
fn unexpected_ticks_do_nothing() {
    let mut harness = Harness::syncing();
    for _ in 0..1000 {
        harness.stream.tick(harness.now);
        harness.drain();
    }
    assert_eq!(
        harness.statuses(),
        ["stream_initializing", "stream_syncing"]
    );
}

#[test]
fn a_driver_that_never_ticks_or_drains_is_tolerated() {
    let mut harness = Harness::new();
    harness.stream.start(harness.now);
    harness.stream.stop(harness.now);
    harness.stream.start(harness.now);
    harness.stream.tick(harness.now);
    harness.drain();
    assert_eq!(harness.done, [Done::Abort]);
    assert_eq!(
        harness.statuses(),
        ["stream_initializing", "disconnected", "stream_initializing"]
    );
    harness.accept();
    assert_eq!(harness.stream.status(), Status::StreamSyncing);
}

#[test]
fn a_deadline_with_pending_actions_is_due_at_once() {
    let mut harness = Harness::new();
    harness.stream.start(harness.now);
    let deadline = harness.stream.poll_timeout(harness.now).unwrap();
    assert_eq!(deadline.at, harness.now.monotonic);
}

#[test]
fn time_that_runs_backwards_is_tolerated() {
    let mut harness = Harness::connected();
    let later = harness.now;
    harness.pass(5.0);
    harness.now = later;
    harness.event(0, "ST", "0", "a");
    harness.pass(1.0);
    assert_eq!(harness.live(), [true]);
}
