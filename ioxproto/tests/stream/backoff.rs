//! The waits between attempts.

use ioxproto::{FailureKind, Status};

use crate::harness::{Harness, seconds};

/// Lets this many attempts fail, and returns the waits between them.
fn waits(harness: &mut Harness, count: usize) -> Vec<f64> {
    (0..count)
        .map(|_| {
            harness.fail(FailureKind::ConnectionRefused);
            let wait = harness.last_wait();
            harness.pass(wait);
            wait
        })
        .collect()
}

#[test]
fn attempts_follow_the_schedule_and_never_stop() {
    let mut harness = Harness::new();
    harness.start();
    assert_eq!(
        waits(&mut harness, 9),
        [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 60.0, 60.0, 60.0]
    );
    let starts: Vec<_> = harness.attempts.iter().map(|at| at.as_secs()).collect();
    assert_eq!(starts, [0, 1, 3, 8, 18, 48, 108, 168, 228, 288]);
}

#[test]
fn the_waits_grow_if_a_controller_accepts_and_drops_at_once() {
    let mut harness = Harness::new();
    harness.start();
    let mut waits = Vec::new();
    for _ in 0..7 {
        harness.accept();
        harness.closed();
        waits.push(harness.last_wait());
        harness.pass(harness.last_wait());
    }
    assert_eq!(waits, [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 60.0]);
}

#[test]
fn the_waits_grow_if_a_controller_drops_just_after_connected() {
    let mut harness = Harness::new();
    harness.start();
    let mut waits = Vec::new();
    for _ in 0..4 {
        harness.accept();
        harness.event(0, "_0", "90", "");
        harness.pass(2.0);
        assert_eq!(harness.stream.status(), Status::Connected);
        harness.closed();
        waits.push(harness.last_wait());
        harness.pass(harness.last_wait());
    }
    assert_eq!(
        waits,
        [1.0, 2.0, 5.0, 10.0],
        "a heartbeat inside the replay proves nothing"
    );
}

#[test]
fn a_live_heartbeat_resets_the_waits() {
    let mut harness = Harness::new();
    harness.start();
    waits(&mut harness, 3);
    harness.accept();
    harness.pass(1.0);
    harness.event(0, "_0", "90", "");
    harness.closed();
    assert_eq!(harness.last_wait(), 1.0);
}

#[test]
fn thirty_seconds_connected_reset_the_waits() {
    for (connected_for, wait) in [(29.9, 10.0), (30.0, 1.0)] {
        let mut harness = Harness::new();
        harness.start();
        waits(&mut harness, 3);
        harness.accept();
        harness.pass(1.0);
        harness.pass(connected_for);
        harness.closed();
        assert_eq!(harness.last_wait(), wait, "after {connected_for} s");
    }
}

#[test]
fn retry_after_is_honoured_up_to_five_minutes_and_never_shortens_a_wait() {
    let wait = |failures: usize, value: &str| {
        let mut harness = Harness::new();
        harness.start();
        waits(&mut harness, failures);
        harness.refuse(503, &format!("Retry-After: {value}\r\n"));
        assert_eq!(harness.last_reason().code(), "upgrade_refused");
        harness.last_wait()
    };
    assert_eq!(wait(0, "17"), 17.0);
    assert_eq!(wait(0, "86400"), 300.0);
    assert_eq!(wait(3, "2"), 10.0);
    assert_eq!(wait(0, "soon"), 1.0);
}

#[test]
fn jitter_shortens_no_wait_and_is_repeatable() {
    let starts = |seed| {
        let mut timing = ioxproto::Timing::default();
        timing.jitter = 0.5;
        let mut harness = Harness::with(|config| config.timing(timing).seed(seed));
        harness.start();
        waits(&mut harness, 6);
        harness.attempts
    };
    let (one, other) = (starts(1), starts(2));
    assert_ne!(one, other);
    assert_eq!(one, starts(1));
    for pair in one.windows(2).zip([1.0, 2.0, 5.0, 10.0, 30.0, 60.0]) {
        let wait = pair.0[1] - pair.0[0];
        assert!(wait >= seconds(pair.1) && wait <= seconds(pair.1 * 1.5));
    }
}

#[test]
fn a_start_after_a_stop_resets_the_schedule() {
    let mut harness = Harness::new();
    harness.start();
    waits(&mut harness, 4);
    harness.stop();
    harness.start();
    harness.fail(FailureKind::ConnectionRefused);
    assert_eq!(harness.last_wait(), 1.0);
}
