//! A consumer that does not read the queue.

use std::time::Duration;

use ioxdriver::Overflow;
use ioxproto::{Notification, Status};
use ioxsim::Event;

use crate::{Bench, Handle, LIMIT, quick};

/// More events than the queue and the buffers of the library and the kernel hold together.
const MANY: usize = 40_000;

pub fn a_full_queue_pauses_reading_and_loses_nothing(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.start(bench.options(&server).queue(16));
    watched.connected();
    let before = watched.handle().stats().events;
    server.flood(MANY);
    server.emit(&Event::new("ST", "last").node("n1"));
    // The queue fills, and then the driver stops reading, because nothing is taken here.
    bench.wait_until_queue_full(&watched);
    let held = watched.handle().stats().events - before;
    assert!(
        (16..=64).contains(&held),
        "about a queueful was read: {held}"
    );
    watched.event("ST", "last");
    let live = watched
        .events()
        .iter()
        .filter(|event| event.is_live())
        .count();
    assert_eq!(live, MANY + 1);
    let lost = |notification: &Notification| {
        matches!(
            notification,
            Notification::Gap(_) | Notification::Dropped(_)
        )
    };
    assert!(!watched.notifications().iter().any(lost));
    assert_eq!(watched.statuses().len(), 3, "{:?}", watched.statuses());
}

pub fn the_oldest_notifications_are_dropped_if_configured_and_counted(bench: &Bench) {
    let server = bench.server();
    let options = bench
        .options(&server)
        .queue(16)
        .overflow(Overflow::DropOldest);
    let mut watched = bench.start(options);
    let handle = watched.handle();
    let connected = handle.wait_until(&|handle: &Handle| handle.is_connected(), LIMIT);
    assert_eq!(connected, Ok(()));
    let all = server.replay_frames() as u64 + 5001;
    server.flood(5000);
    server.emit(&Event::new("ST", "last").node("n1"));
    let read = handle.wait_until(&|handle: &Handle| handle.stats().events == all, LIMIT);
    assert_eq!(read, Ok(()));
    watched.event("ST", "last");
    let dropped = |notification: &Notification| match notification {
        Notification::Dropped(count) => *count,
        _ => 0,
    };
    let dropped: u64 = watched.notifications().iter().map(dropped).sum();
    assert_eq!(dropped + watched.events().len() as u64, all);
    assert_eq!(
        watched.statuses(),
        ["stream_initializing", "stream_syncing", "connected"],
        "statuses always get through"
    );
}

pub fn replay_is_never_marked_live_while_the_consumer_blocks(bench: &Bench) {
    let mut timing = quick();
    timing.drain_quiet = Duration::from_millis(100);
    timing.drain_quiet_after_mark = Duration::from_millis(100);
    let server = bench.server();
    let mut watched = bench.start(bench.options(&server).timing(timing).queue(1));
    bench.wait_until_queue_full(&watched);
    // For several times the silence that ends a drain, the driver waits for room and does not read.
    let never = watched.handle().wait_until(
        &|handle: &Handle| handle.is_connected(),
        Duration::from_millis(600),
    );
    assert!(never.is_err(), "the replay is not over");
    watched.connected();
    assert_eq!(watched.events().len(), server.replay_frames());
    assert!(watched.events().iter().all(|event| !event.is_live()));
}

pub fn a_slow_consumer_is_not_a_stall(bench: &Bench) {
    let mut timing = quick();
    timing.stall_default = Duration::from_millis(500);
    timing.stall_max = Duration::from_millis(500);
    timing.stall_grace = Duration::from_millis(100);
    timing.ping_after = Duration::from_millis(200);
    timing.pong_within = Duration::from_millis(200);
    let server = bench.server();
    let mut watched = bench.start(bench.options(&server).timing(timing).queue(4));
    bench.wait_until_queue_full(&watched);
    let lost = |handle: &Handle| handle.status() == Status::LostConnection;
    let waited = watched
        .handle()
        .wait_until(&lost, Duration::from_millis(1500));
    assert!(waited.is_err(), "the silence is the consumer's");
    watched.connected();
    assert_eq!(
        watched.statuses(),
        ["stream_initializing", "stream_syncing", "connected"]
    );
}
