//! The drain of the replay: a replayed event is never live.

use ioxproto::{Message, Status};

use crate::harness::{Harness, event, seconds};

#[test]
fn the_replay_is_over_after_a_second_of_silence() {
    let mut harness = Harness::syncing();
    for seqnum in 0..5 {
        harness.event(seqnum, "ST", "0", "11 22 33 1");
        harness.pass(0.9);
    }
    assert_eq!(harness.stream.status(), Status::StreamSyncing);
    harness.pass(0.1);
    assert_eq!(harness.stream.status(), Status::Connected);
    harness.event(5, "ST", "255", "11 22 33 1");
    assert_eq!(harness.live(), [false, false, false, false, false, true]);
}

#[test]
fn a_silent_controller_is_connected_after_a_second() {
    let mut harness = Harness::syncing();
    harness.pass(0.999);
    assert_eq!(harness.stream.status(), Status::StreamSyncing);
    harness.pass(0.001);
    assert_eq!(harness.stream.status(), Status::Connected);
}

#[test]
fn a_stamped_controller_that_is_never_silent_is_connected_after_ten_seconds() {
    let mut harness = Harness::syncing();
    for seqnum in 0..100 {
        harness.event(seqnum, "ST", "0", "11 22 33 1");
        harness.pass(0.1);
    }
    assert_eq!(harness.stream.status(), Status::Connected);
    assert_eq!(harness.live(), [false; 100]);
    assert_eq!(harness.stats().incomplete_replays, 0);
}

#[test]
fn an_unstamped_controller_that_is_never_silent_is_connected_after_sixty_seconds() {
    let mut harness = Harness::syncing();
    for seqnum in 0..600 {
        assert_eq!(harness.stream.status(), Status::StreamSyncing, "{seqnum}");
        harness.event_unstamped(seqnum, "ST", "0", "11 22 33 1");
        harness.pass(0.1);
    }
    assert_eq!(harness.stream.status(), Status::Connected);
    assert_eq!(harness.live(), [false; 600]);
}

#[test]
fn a_consumer_that_blocks_does_not_end_the_drain() {
    let mut harness = Harness::syncing();
    harness.event(0, "ST", "0", "11 22 33 1");
    harness.block(60.0);
    harness.event(1, "ST", "0", "11 22 33 2");
    harness.block(60.0);
    harness.pass(0.9);
    harness.event(2, "ST", "0", "11 22 33 3");
    assert_eq!(harness.live(), [false; 3]);
}

#[test]
fn a_process_that_was_stopped_does_not_end_the_drain() {
    let mut harness = Harness::syncing();
    harness.event(0, "ST", "0", "11 22 33 1");
    harness.freeze(60.0);
    // A tick while frames are unread does no harm either.
    harness.stream.tick(harness.now);
    harness.drain();
    harness.event(1, "ST", "0", "11 22 33 2");
    assert_eq!(harness.live(), [false; 2]);
    harness.pass(1.0);
    assert_eq!(harness.stream.status(), Status::Connected);
}

#[test]
fn a_message_that_is_read_late_is_still_replay() {
    let mut harness = Harness::syncing();
    let _ = harness.stream.poll_timeout(harness.now);
    harness.now = harness.now.after(seconds(1.2));
    harness.event(0, "ST", "0", "11 22 33 1");
    assert_eq!(harness.live(), [false]);
}

#[test]
fn a_partly_received_message_extends_the_drain() {
    let mut harness = Harness::syncing();
    harness.event(0, "ST", "0", "11 22 33 1");
    harness
        .stream
        .bytes_received(harness.now, harness.id(), true);
    harness.pass(20.0);
    assert_eq!(harness.stream.status(), Status::StreamSyncing);
    harness.event(1, "ST", "0", "11 22 33 2");
    harness
        .stream
        .bytes_received(harness.now, harness.id(), false);
    harness.pass(1.0);
    assert_eq!(harness.stream.status(), Status::Connected);
    assert_eq!(harness.live(), [false; 2]);
}

#[test]
fn the_cap_applies_again_after_a_message_that_was_arriving_when_it_passed() {
    let mut harness = Harness::syncing();
    for seqnum in 0..74 {
        harness.pass(0.8);
        harness.event_unstamped(seqnum, "ST", "0", "11 22 33 1");
    }
    harness
        .stream
        .bytes_received(harness.now, harness.id(), true);
    harness.pass(0.9);
    assert_eq!(harness.stream.status(), Status::StreamSyncing, "at the cap");
    harness.event_unstamped(74, "ST", "0", "11 22 33 1");
    harness
        .stream
        .bytes_received(harness.now, harness.id(), false);
    harness.pass(0.5);
    assert_eq!(harness.stream.status(), Status::Connected);
    assert_eq!(harness.live(), [false; 75]);
}

#[test]
fn a_drain_that_the_cap_ends_reports_that_the_replay_may_be_incomplete() {
    let mut harness = Harness::syncing();
    for seqnum in 0..600 {
        harness.event_unstamped(seqnum, "ST", "0", "11 22 33 1");
        harness.pass(0.1);
    }
    assert_eq!(harness.statuses().last(), Some(&"connected"));
    assert_eq!(harness.last_reason().code(), "replay_incomplete");
    assert_eq!(harness.stats().incomplete_replays, 1);
    // A drain that silence ends has no reason.
    harness.closed();
    harness.pass(1.0);
    harness.accept();
    harness.pass(1.0);
    assert_eq!(harness.changes().last().unwrap().reason, None);
    assert_eq!(harness.stats().incomplete_replays, 1);
}

#[test]
fn ignored_and_malformed_frames_prolong_the_drain_and_pings_do_not() {
    let mut harness = Harness::syncing();
    for text in ["{\"type\":\"spolisy\",\"data\":\"{}\"}", "<Event", "null"] {
        harness.text(text);
        harness.pass(0.9);
    }
    harness.message(Message::Binary(b"\x00"));
    harness.pass(0.9);
    assert_eq!(harness.stream.status(), Status::StreamSyncing);
    harness.message(Message::Ping);
    harness.pass(0.1);
    assert_eq!(harness.stream.status(), Status::Connected);
}

#[test]
fn each_connection_drains_its_own_replay() {
    let mut harness = Harness::connected();
    harness.event(0, "ST", "1", "11 22 33 1");
    harness.closed();
    harness.pass(1.0);
    harness.accept();
    harness.event(0, "ST", "1", "11 22 33 1");
    harness.pass(1.0);
    harness.event(1, "ST", "2", "11 22 33 1");
    assert_eq!(harness.live(), [true, false, true]);
}

#[test]
fn replayed_events_are_delivered() {
    let mut harness = Harness::syncing();
    harness.text(&event(3, "ST", "128", "11 22 33 1"));
    let events = harness.events();
    assert_eq!(
        (events[0].control(), events[0].action(), events[0].node()),
        ("ST", "128", "11 22 33 1")
    );
}
