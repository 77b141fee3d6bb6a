//! Detection of dead connections, by the announced heartbeat interval and by pings.

use std::time::Duration;

use ioxproto::{Message, Reason, Silence, Status, Timing};

use crate::harness::{Done, Harness, seconds};

/// How long a connection lives after this heartbeat and nothing more.
fn life_after_heartbeat(interval: &str) -> u64 {
    let mut harness = Harness::connected();
    harness.event(0, "_0", interval, "");
    harness.pass(1000.0);
    let Some(Reason::Stalled {
        silent_for,
        silence: Silence::Heartbeat,
    }) = harness.changes()[0].reason.as_ref()
    else {
        panic!("not stalled: {:?}", harness.changes())
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
    let mut harness = Harness::connected();
    harness.pass(75.9);
    assert_eq!(harness.stream.status(), Status::Connected);
    harness.pass(0.2);
    assert_eq!(harness.statuses(), ["lost_connection"]);
    assert_eq!(harness.last_reason().code(), "stalled");
    assert_eq!(harness.done.last(), Some(&Done::Abort));
}

#[test]
fn any_text_frame_postpones_the_stall() {
    let mut harness = Harness::connected();
    for seqnum in 0..10 {
        harness.event(seqnum, "ST", "0", "11 22 33 1");
        harness.pass(76.0);
        assert_eq!(harness.stream.status(), Status::Connected);
        harness.text("null");
    }
}

#[test]
fn pings_without_data_are_still_a_stall() {
    let mut harness = Harness::connected();
    for _ in 0..76 {
        harness.message(Message::Ping);
        harness.message(Message::Pong);
        harness.pass(1.0);
    }
    assert_eq!(harness.last_reason().code(), "stalled");
}

#[test]
fn after_35_seconds_of_silence_a_ping_is_sent() {
    let mut harness = Harness::connected();
    harness.event(0, "ST", "0", "11 22 33 1");
    harness.pass(34.9);
    assert_eq!(harness.done, []);
    harness.pass(0.1);
    assert_eq!(harness.done, [Done::Ping]);
}

#[test]
fn a_ping_right_after_connected_detects_a_dead_connection_after_45_seconds() {
    let mut harness = Harness::syncing();
    harness.pass(1.0);
    assert_eq!(harness.done, [Done::OpenWebSocket, Done::Ping]);
    harness.message(Message::Pong);
    harness.pass(44.9);
    assert_eq!(harness.stream.status(), Status::Connected);
    harness.pass(0.1);
    assert_eq!(harness.last_reason().code(), "stalled");
    // On the next connection, a controller that is known to answer pings has 10 s to answer one.
    harness.pass(1.0);
    harness.accept();
    harness.pass(1.0);
    assert_eq!(harness.stream.status(), Status::Connected);
    harness.pass(10.0);
    assert_eq!(harness.statuses().last(), Some(&"lost_connection"));
}

#[test]
fn a_controller_that_never_answered_a_ping_need_not_answer_one() {
    let mut harness = Harness::connected();
    harness.pass(70.5);
    assert_eq!(harness.done, [Done::Ping, Done::Ping]);
    assert_eq!(harness.stream.status(), Status::Connected);
}

#[test]
fn an_unanswered_ping_is_a_stall_if_a_pong_was_ever_received() {
    let mut harness = Harness::connected();
    harness.pass(35.0);
    harness.message(Message::Pong);
    harness.event(0, "_0", "90", "");
    harness.pass(44.9);
    assert_eq!(harness.done, [Done::Ping, Done::Ping]);
    harness.pass(0.1);
    let Reason::Stalled {
        silent_for,
        silence,
    } = harness.last_reason()
    else {
        panic!()
    };
    assert_eq!((silent_for.as_secs(), *silence), (45, Silence::Ping));
    // The machine remembers this across connections.
    harness.pass(1.0);
    harness.accept();
    harness.pass(45.5);
    assert_eq!(harness.statuses().last(), Some(&"lost_connection"));
}

#[test]
fn any_frame_answers_a_ping() {
    let mut harness = Harness::connected();
    harness.pass(35.0);
    harness.message(Message::Pong);
    harness.pass(35.0);
    harness.message(Message::Binary(b""));
    harness.pass(5.9);
    assert_eq!(harness.stream.status(), Status::Connected);
}

#[test]
fn a_consumer_that_blocks_for_minutes_is_not_a_stall() {
    let mut harness = Harness::connected();
    for seqnum in 0..5 {
        harness.event(seqnum, "ST", "0", "11 22 33 1");
        harness.pass(10.0);
        harness.block(600.0);
    }
    assert_eq!(harness.stream.status(), Status::Connected);
    assert_eq!(harness.done, []);
}

#[test]
fn a_process_that_was_stopped_pings_at_once_and_reports_no_stall() {
    let mut harness = Harness::connected();
    harness.freeze(3600.0);
    harness.stream.tick(harness.now);
    harness.drain();
    assert_eq!(harness.done, [Done::Ping]);
    assert_eq!(harness.stream.status(), Status::Connected);
}

#[test]
fn a_machine_that_slept_pings_at_once() {
    let mut harness = Harness::connected();
    let _ = harness.stream.poll_timeout(harness.now);
    harness.now = harness.now.after(seconds(1.0));
    harness.now.utc += Duration::from_secs(3600);
    harness.pass(0.0);
    assert_eq!(harness.done, [Done::Ping]);
}

#[test]
fn a_machine_that_slept_while_the_consumer_was_busy_pings_at_once() {
    let mut harness = Harness::connected();
    harness.now.utc += Duration::from_secs(3600);
    harness.event(0, "ST", "0", "11 22 33 1");
    assert_eq!(harness.done, [Done::Ping]);
}

#[test]
fn a_sleep_while_a_ping_is_unanswered_causes_no_second_ping_and_no_extension() {
    let mut harness = Harness::connected();
    harness.pass(35.0);
    harness.message(Message::Pong);
    harness.event(0, "_0", "90", "");
    harness.pass(35.0);
    assert_eq!(harness.done, [Done::Ping, Done::Ping]);
    harness.pass(5.0);
    harness.now.utc += Duration::from_secs(3600);
    harness.pass(4.9);
    assert_eq!(harness.done, [Done::Ping, Done::Ping]);
    assert_eq!(harness.stream.status(), Status::Connected);
    harness.pass(0.1);
    assert_eq!(harness.last_reason().code(), "stalled");
}

#[test]
fn a_wall_clock_that_advances_by_over_two_seconds_more_shows_a_sleep() {
    for (ahead, pings) in [(2000, 0), (2001, 1)] {
        let mut harness = Harness::connected();
        harness.now.utc += Duration::from_millis(ahead);
        harness.pass(1.0);
        assert_eq!(harness.done.len(), pings, "{ahead} ms");
    }
}

#[test]
fn a_clock_that_is_set_back_or_adjusted_causes_no_stall() {
    let mut harness = Harness::connected();
    harness.now.utc -= Duration::from_secs(3600);
    harness.pass(1.0);
    harness.now.utc += Duration::from_millis(1500);
    harness.pass(1.0);
    assert_eq!(harness.done, []);
}

#[test]
fn a_message_that_never_ends_is_a_stall() {
    let mut harness = Harness::syncing();
    harness
        .stream
        .bytes_received(harness.now, harness.id(), true);
    harness.pass(77.0);
    assert_eq!(harness.last_reason().code(), "stalled");
}

#[test]
fn a_dead_connection_is_not_pinged_and_does_not_reset_the_backoff() {
    let mut harness = Harness::with(|config| {
        let mut timing = Timing::default();
        // The ping is due together with the overdue heartbeat, 77 s after the upgrade.
        timing.ping_after = seconds(77.0);
        timing.proven_after = seconds(76.0);
        config.timing(timing)
    });
    harness.start();
    harness.refuse(503, "");
    assert_eq!(harness.last_wait(), 1.0);
    harness.pass(1.0);
    harness.accept();
    harness.become_connected();
    harness.pass(76.0);
    assert_eq!(harness.last_reason().code(), "stalled");
    assert_eq!(harness.last_wait(), 2.0);
    assert_eq!(harness.done, [Done::Abort]);
}
