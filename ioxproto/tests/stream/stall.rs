//! Detection of dead connections, by the announced heartbeat interval and by pings.

use std::time::Duration;

use ioxproto::{Message, Reason, Silence, Status, Timing};
use pretend::{Done, Driver, seconds};

/// How long a connection lives after this heartbeat and nothing more.
fn life_after_heartbeat(interval: &str) -> u64 {
    let mut driver = Driver::connected();
    driver.event(0, "_0", interval, "");
    driver.pass(1000.0);
    let Some(Reason::Stalled {
        silent_for,
        silence: Silence::Heartbeat,
    }) = driver.changes()[0].reason.as_ref()
    else {
        panic!("not stalled: {:?}", driver.changes())
    };
    silent_for.as_secs()
}

#[test]
fn an_overdue_heartbeat_is_a_stall_two_seconds_after_its_interval() {
    assert_eq!(life_after_heartbeat("90"), 92);
    assert_eq!(life_after_heartbeat("30"), 32);
    assert_eq!(life_after_heartbeat(" 60.5 "), 62);
}

#[test]
fn an_invalid_heartbeat_interval_counts_as_75_seconds_and_none_exceeds_120() {
    for senseless in ["0", "-30", "soon", "", "NaN"] {
        assert_eq!(life_after_heartbeat(senseless), 77, "{senseless:?}");
    }
    for endless in ["1000000000", "121", "1e300", "inf"] {
        assert_eq!(life_after_heartbeat(endless), 122, "{endless:?}");
    }
}

#[test]
fn before_the_first_heartbeat_75_seconds_of_silence_are_a_stall() {
    let mut driver = Driver::connected();
    driver.pass(75.9);
    assert_eq!(driver.status(), Status::Connected);
    driver.pass(0.2);
    assert_eq!(driver.statuses(), ["lost_connection"]);
    assert_eq!(driver.last_reason().code(), "stalled");
    assert_eq!(driver.done.last(), Some(&Done::Abort));
}

#[test]
fn any_text_frame_postpones_the_stall() {
    let mut driver = Driver::connected();
    for seqnum in 0..10 {
        driver.event(seqnum, "ST", "0", "11 22 33 1");
        driver.pass(76.0);
        assert_eq!(driver.status(), Status::Connected);
        driver.text("null");
    }
}

#[test]
fn pings_without_data_are_still_a_stall() {
    let mut driver = Driver::connected();
    for _ in 0..76 {
        driver.message(Message::Ping);
        driver.message(Message::Pong);
        driver.pass(1.0);
    }
    assert_eq!(driver.last_reason().code(), "stalled");
}

#[test]
fn after_35_seconds_of_silence_a_ping_is_sent() {
    let mut driver = Driver::connected();
    driver.event(0, "ST", "0", "11 22 33 1");
    driver.pass(34.9);
    assert_eq!(driver.done, []);
    driver.pass(0.1);
    assert_eq!(driver.done, [Done::Ping]);
}

#[test]
fn a_ping_right_after_connected_detects_a_dead_connection_after_45_seconds() {
    let mut driver = Driver::syncing();
    driver.pass(1.0);
    assert_eq!(driver.done, [Done::OpenWebSocket, Done::Ping]);
    driver.message(Message::Pong);
    driver.pass(44.9);
    assert_eq!(driver.status(), Status::Connected);
    driver.pass(0.1);
    assert_eq!(driver.last_reason().code(), "stalled");
    // On the next connection, a controller that is known to answer pings has 10 s to answer one.
    driver.pass(1.0);
    driver.accept();
    driver.pass(1.0);
    assert_eq!(driver.status(), Status::Connected);
    driver.pass(10.0);
    assert_eq!(driver.statuses().last(), Some(&"lost_connection"));
}

#[test]
fn a_controller_that_never_answered_a_ping_need_not_answer_one() {
    let mut driver = Driver::connected();
    driver.pass(70.5);
    assert_eq!(driver.done, [Done::Ping, Done::Ping]);
    assert_eq!(driver.status(), Status::Connected);
}

#[test]
fn an_unanswered_ping_is_a_stall_if_a_pong_was_ever_received() {
    let mut driver = Driver::connected();
    driver.pass(35.0);
    driver.message(Message::Pong);
    driver.event(0, "_0", "90", "");
    driver.pass(44.9);
    assert_eq!(driver.done, [Done::Ping, Done::Ping]);
    driver.pass(0.1);
    let Reason::Stalled {
        silent_for,
        silence,
    } = driver.last_reason()
    else {
        panic!()
    };
    assert_eq!((silent_for.as_secs(), *silence), (45, Silence::Ping));
    // The machine remembers this across connections.
    driver.pass(1.0);
    driver.accept();
    driver.pass(45.5);
    assert_eq!(driver.statuses().last(), Some(&"lost_connection"));
}

#[test]
fn any_frame_answers_a_ping() {
    let mut driver = Driver::connected();
    driver.pass(35.0);
    driver.message(Message::Pong);
    driver.pass(35.0);
    driver.message(Message::Binary(b""));
    driver.pass(5.9);
    assert_eq!(driver.status(), Status::Connected);
}

#[test]
fn a_consumer_that_blocks_for_minutes_is_not_a_stall() {
    let mut driver = Driver::connected();
    for seqnum in 0..5 {
        driver.event(seqnum, "ST", "0", "11 22 33 1");
        driver.pass(10.0);
        driver.block(600.0);
    }
    assert_eq!(driver.status(), Status::Connected);
    assert_eq!(driver.done, []);
}

#[test]
fn a_process_that_was_stopped_pings_at_once_and_reports_no_stall() {
    let mut driver = Driver::connected();
    driver.freeze(3600.0);
    driver.tick();
    assert_eq!(driver.done, [Done::Ping]);
    assert_eq!(driver.status(), Status::Connected);
}

#[test]
fn a_machine_that_slept_pings_at_once() {
    let mut driver = Driver::connected();
    let _ = driver.stream.poll_timeout(driver.now);
    driver.now = driver.now.after(seconds(1.0));
    driver.now.utc += Duration::from_secs(3600);
    driver.pass(0.0);
    assert_eq!(driver.done, [Done::Ping]);
}

#[test]
fn a_machine_that_slept_while_the_consumer_was_busy_pings_at_once() {
    let mut driver = Driver::connected();
    driver.now.utc += Duration::from_secs(3600);
    driver.event(0, "ST", "0", "11 22 33 1");
    assert_eq!(driver.done, [Done::Ping]);
}

#[test]
fn a_sleep_while_a_ping_is_unanswered_causes_no_second_ping_and_no_extension() {
    let mut driver = Driver::connected();
    driver.pass(35.0);
    driver.message(Message::Pong);
    driver.event(0, "_0", "90", "");
    driver.pass(35.0);
    assert_eq!(driver.done, [Done::Ping, Done::Ping]);
    driver.pass(5.0);
    driver.now.utc += Duration::from_secs(3600);
    driver.pass(4.9);
    assert_eq!(driver.done, [Done::Ping, Done::Ping]);
    assert_eq!(driver.status(), Status::Connected);
    driver.pass(0.1);
    assert_eq!(driver.last_reason().code(), "stalled");
}

#[test]
fn a_wall_clock_that_advances_by_over_two_seconds_more_shows_a_sleep() {
    for (ahead, pings) in [(2000, 0), (2001, 1)] {
        let mut driver = Driver::connected();
        driver.now.utc += Duration::from_millis(ahead);
        driver.pass(1.0);
        assert_eq!(driver.done.len(), pings, "{ahead} ms");
    }
}

#[test]
fn a_clock_that_is_set_back_or_adjusted_causes_no_stall() {
    let mut driver = Driver::connected();
    driver.now.utc -= Duration::from_secs(3600);
    driver.pass(1.0);
    driver.now.utc += Duration::from_millis(1500);
    driver.pass(1.0);
    assert_eq!(driver.done, []);
}

#[test]
fn a_message_that_never_ends_is_a_stall() {
    let mut driver = Driver::syncing();
    driver.bytes_received(true);
    driver.pass(77.0);
    assert_eq!(driver.last_reason().code(), "stalled");
}

#[test]
fn a_dead_connection_is_not_pinged_and_does_not_reset_the_backoff() {
    let mut driver = Driver::with(|config| {
        let mut timing = Timing::default();
        // The ping is due together with the overdue heartbeat, 77 s after the upgrade.
        timing.ping_after = seconds(77.0);
        timing.proven_after = seconds(76.0);
        config.timing(timing)
    });
    driver.start();
    driver.refuse(503, "");
    assert_eq!(driver.last_wait(), 1.0);
    driver.pass(1.0);
    driver.accept();
    driver.become_connected();
    driver.pass(76.0);
    assert_eq!(driver.last_reason().code(), "stalled");
    assert_eq!(driver.last_wait(), 2.0);
    assert_eq!(driver.done, [Done::Abort]);
}
