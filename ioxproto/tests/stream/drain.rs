//! The drain of the replay: a replayed event is never live.

use ioxproto::{Message, Status};
use pretend::{Driver, event, seconds};

#[test]
fn the_replay_is_over_after_a_second_of_silence() {
    let mut driver = Driver::syncing();
    for seqnum in 0..5 {
        driver.event(seqnum, "ST", "0", "11 22 33 1");
        driver.pass(0.9);
    }
    assert_eq!(driver.status(), Status::StreamSyncing);
    driver.pass(0.1);
    assert_eq!(driver.status(), Status::Connected);
    driver.event(5, "ST", "255", "11 22 33 1");
    assert_eq!(driver.live(), [false, false, false, false, false, true]);
}

#[test]
fn a_silent_controller_is_connected_after_a_second() {
    let mut driver = Driver::syncing();
    driver.pass(0.999);
    assert_eq!(driver.status(), Status::StreamSyncing);
    driver.pass(0.001);
    assert_eq!(driver.status(), Status::Connected);
}

#[test]
fn a_stamped_controller_that_is_never_silent_is_connected_after_ten_seconds() {
    let mut driver = Driver::syncing();
    for seqnum in 0..100 {
        driver.event(seqnum, "ST", "0", "11 22 33 1");
        driver.pass(0.1);
    }
    assert_eq!(driver.status(), Status::Connected);
    assert_eq!(driver.live(), [false; 100]);
    assert_eq!(driver.stats().incomplete_replays, 0);
}

#[test]
fn an_unstamped_controller_that_is_never_silent_is_connected_after_sixty_seconds() {
    let mut driver = Driver::syncing();
    for seqnum in 0..600 {
        assert_eq!(driver.status(), Status::StreamSyncing, "{seqnum}");
        driver.event_unstamped(seqnum, "ST", "0", "11 22 33 1");
        driver.pass(0.1);
    }
    assert_eq!(driver.status(), Status::Connected);
    assert_eq!(driver.live(), [false; 600]);
}

#[test]
fn a_consumer_that_blocks_does_not_end_the_drain() {
    let mut driver = Driver::syncing();
    driver.event(0, "ST", "0", "11 22 33 1");
    driver.block(60.0);
    driver.event(1, "ST", "0", "11 22 33 2");
    driver.block(60.0);
    driver.pass(0.9);
    driver.event(2, "ST", "0", "11 22 33 3");
    assert_eq!(driver.live(), [false; 3]);
}

#[test]
fn a_process_that_was_stopped_does_not_end_the_drain() {
    let mut driver = Driver::syncing();
    driver.event(0, "ST", "0", "11 22 33 1");
    driver.freeze(60.0);
    // A tick while frames are unread does no harm either.
    driver.tick();
    driver.event(1, "ST", "0", "11 22 33 2");
    assert_eq!(driver.live(), [false; 2]);
    driver.pass(1.0);
    assert_eq!(driver.status(), Status::Connected);
}

#[test]
fn a_message_that_is_read_late_is_still_replay() {
    let mut driver = Driver::syncing();
    let _ = driver.stream.poll_timeout(driver.now);
    driver.now = driver.now.after(seconds(1.2));
    driver.event(0, "ST", "0", "11 22 33 1");
    assert_eq!(driver.live(), [false]);
}

#[test]
fn a_partly_received_message_extends_the_drain() {
    let mut driver = Driver::syncing();
    driver.event(0, "ST", "0", "11 22 33 1");
    driver.bytes_received(true);
    driver.pass(20.0);
    assert_eq!(driver.status(), Status::StreamSyncing);
    driver.event(1, "ST", "0", "11 22 33 2");
    driver.bytes_received(false);
    driver.pass(1.0);
    assert_eq!(driver.status(), Status::Connected);
    assert_eq!(driver.live(), [false; 2]);
}

#[test]
fn the_cap_applies_again_after_a_message_that_was_arriving_when_it_passed() {
    let mut driver = Driver::syncing();
    for seqnum in 0..74 {
        driver.pass(0.8);
        driver.event_unstamped(seqnum, "ST", "0", "11 22 33 1");
    }
    driver.bytes_received(true);
    driver.pass(0.9);
    assert_eq!(driver.status(), Status::StreamSyncing, "at the cap");
    driver.event_unstamped(74, "ST", "0", "11 22 33 1");
    driver.bytes_received(false);
    driver.pass(0.5);
    assert_eq!(driver.status(), Status::Connected);
    assert_eq!(driver.live(), [false; 75]);
}

#[test]
fn a_drain_that_the_cap_ends_reports_that_the_replay_may_be_incomplete() {
    let mut driver = Driver::syncing();
    for seqnum in 0..600 {
        driver.event_unstamped(seqnum, "ST", "0", "11 22 33 1");
        driver.pass(0.1);
    }
    assert_eq!(driver.statuses().last(), Some(&"connected"));
    assert_eq!(driver.last_reason().code(), "replay_incomplete");
    assert_eq!(driver.stats().incomplete_replays, 1);
    // A drain that silence ends has no reason.
    driver.closed();
    driver.pass(1.0);
    driver.accept();
    driver.pass(1.0);
    assert_eq!(driver.changes().last().unwrap().reason, None);
    assert_eq!(driver.stats().incomplete_replays, 1);
}

#[test]
fn ignored_and_malformed_frames_prolong_the_drain_and_pings_do_not() {
    let mut driver = Driver::syncing();
    for text in ["{\"type\":\"spolisy\",\"data\":\"{}\"}", "<Event", "null"] {
        driver.text(text);
        driver.pass(0.9);
    }
    driver.message(Message::Binary(b"\x00"));
    driver.pass(0.9);
    assert_eq!(driver.status(), Status::StreamSyncing);
    driver.message(Message::Ping);
    driver.pass(0.1);
    assert_eq!(driver.status(), Status::Connected);
}

#[test]
fn each_connection_drains_its_own_replay() {
    let mut driver = Driver::connected();
    driver.event(0, "ST", "1", "11 22 33 1");
    driver.closed();
    driver.pass(1.0);
    driver.accept();
    driver.event(0, "ST", "1", "11 22 33 1");
    driver.pass(1.0);
    driver.event(1, "ST", "2", "11 22 33 1");
    assert_eq!(driver.live(), [true, false, true]);
}

#[test]
fn replayed_events_are_delivered() {
    let mut driver = Driver::syncing();
    driver.text(&event(3, "ST", "128", "11 22 33 1"));
    let events = driver.events();
    assert_eq!(
        (events[0].control(), events[0].action(), events[0].node()),
        ("ST", "128", "11 22 33 1")
    );
}
