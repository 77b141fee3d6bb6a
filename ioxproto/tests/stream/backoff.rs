//! The waits between attempts.

use ioxproto::{FailureKind, Status};
use pretend::{Driver, seconds};

/// Lets this many attempts fail, and returns the waits between them.
fn waits(driver: &mut Driver, count: usize) -> Vec<f64> {
    (0..count)
        .map(|_| {
            driver.fail(FailureKind::ConnectionRefused);
            let wait = driver.last_wait();
            driver.pass(wait);
            wait
        })
        .collect()
}

#[test]
fn attempts_follow_the_schedule_and_never_stop() {
    let mut driver = Driver::local();
    driver.start();
    assert_eq!(
        waits(&mut driver, 9),
        [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 60.0, 60.0, 60.0]
    );
    let starts: Vec<_> = driver.attempts.iter().map(|at| at.as_secs()).collect();
    assert_eq!(starts, [0, 1, 3, 8, 18, 48, 108, 168, 228, 288]);
}

#[test]
fn the_waits_grow_if_a_controller_accepts_and_drops_at_once() {
    let mut driver = Driver::local();
    driver.start();
    let mut waits = Vec::new();
    for _ in 0..7 {
        driver.accept();
        driver.closed();
        waits.push(driver.last_wait());
        driver.pass(driver.last_wait());
    }
    assert_eq!(waits, [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 60.0]);
}

#[test]
fn the_waits_grow_if_a_controller_drops_just_after_connected() {
    let mut driver = Driver::local();
    driver.start();
    let mut waits = Vec::new();
    for _ in 0..4 {
        driver.accept();
        driver.event(0, "_0", "90", "");
        driver.pass(2.0);
        assert_eq!(driver.status(), Status::Connected);
        driver.closed();
        waits.push(driver.last_wait());
        driver.pass(driver.last_wait());
    }
    assert_eq!(
        waits,
        [1.0, 2.0, 5.0, 10.0],
        "a heartbeat inside the replay proves nothing"
    );
}

#[test]
fn a_live_heartbeat_resets_the_waits() {
    let mut driver = Driver::local();
    driver.start();
    waits(&mut driver, 3);
    driver.accept();
    driver.pass(1.0);
    driver.event(0, "_0", "90", "");
    driver.closed();
    assert_eq!(driver.last_wait(), 1.0);
}

#[test]
fn thirty_seconds_connected_reset_the_waits() {
    for (connected_for, wait) in [(29.9, 10.0), (30.0, 1.0)] {
        let mut driver = Driver::local();
        driver.start();
        waits(&mut driver, 3);
        driver.accept();
        driver.pass(1.0);
        driver.pass(connected_for);
        driver.closed();
        assert_eq!(driver.last_wait(), wait, "after {connected_for} s");
    }
}

#[test]
fn retry_after_is_honoured_up_to_five_minutes_and_never_shortens_a_wait() {
    let wait = |failures: usize, value: &str| {
        let mut driver = Driver::local();
        driver.start();
        waits(&mut driver, failures);
        driver.refuse(503, &format!("Retry-After: {value}\r\n"));
        assert_eq!(driver.last_reason().code(), "upgrade_refused");
        driver.last_wait()
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
        let mut driver = Driver::with(|config| config.timing(timing).seed(seed));
        driver.start();
        waits(&mut driver, 6);
        driver.attempts
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
    let mut driver = Driver::local();
    driver.start();
    waits(&mut driver, 4);
    driver.stop();
    driver.start();
    driver.fail(FailureKind::ConnectionRefused);
    assert_eq!(driver.last_wait(), 1.0);
}
