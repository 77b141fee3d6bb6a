//! A consumer that does not take what is told.

use std::time::Duration;

use ioxsim::Event;
use ioxtransport_tokio::{Handle, Notification, Overflow, Status};

use crate::watched::{LIMIT, Watched, builder, quick, server};

/// More than the queue, the library's buffers and the kernel's hold together.
const MANY: usize = 60_000;

#[tokio::test]
async fn a_full_queue_stops_the_reading_and_loses_nothing() {
    let server = server(false).await;
    let mut watched = Watched::start(builder(&server).queue(16));
    watched.connected().await;
    let handle = watched.handle();
    let before = handle.stats().events;
    server.control().flood(MANY);
    server.control().emit(&Event::new("ST", "last").node("n1"));
    // The queue fills, then the reading stops: nothing is taken here meanwhile.
    let full = handle.wait_until(Handle::waits_for_consumer, LIMIT).await;
    assert_eq!(full, Ok(()));
    let held = handle.stats().events - before;
    assert!(
        (16..=48).contains(&held),
        "about a queueful was read: {held}"
    );
    watched.event("ST", "last").await;
    assert_eq!(
        watched.events().iter().filter(|event| event.live()).count(),
        MANY + 1
    );
    assert!(
        !watched
            .told
            .iter()
            .any(|told| matches!(told, Notification::Gap(_) | Notification::Dropped(_)))
    );
}

#[tokio::test]
async fn the_oldest_are_dropped_on_request_and_their_count_is_told() {
    let server = server(false).await;
    let mut watched = Watched::start(builder(&server).queue(16).overflow(Overflow::DropOldest));
    let handle = watched.handle();
    assert_eq!(handle.wait_for(Status::Connected, LIMIT).await, Ok(()));
    let all = server.control().replay_frames() as u64 + 5001;
    server.control().flood(5000);
    server.control().emit(&Event::new("ST", "last").node("n1"));
    let read = handle.wait_until(|handle| handle.stats().events == all, LIMIT);
    assert_eq!(read.await, Ok(()));
    watched.event("ST", "last").await;
    let dropped: u64 = watched
        .told
        .iter()
        .map(|told| {
            if let Notification::Dropped(count) = told {
                *count
            } else {
                0
            }
        })
        .sum();
    assert_eq!(dropped + watched.events().len() as u64, all);
    assert_eq!(
        watched.statuses(),
        ["stream_initializing", "stream_syncing", "connected"],
        "statuses always get through"
    );
}

#[tokio::test]
async fn replay_never_passes_as_live_while_the_consumer_blocks() {
    let mut timing = quick();
    timing.drain_quiet = Duration::from_millis(200);
    let server = server(false).await;
    let mut watched = Watched::start(builder(&server).timing(timing).queue(1));
    let full = watched.handle();
    let full = full.wait_until(Handle::waits_for_consumer, LIMIT).await;
    assert_eq!(full, Ok(()));
    // Several quiets long, the driver waits for room and listens to nothing.
    let pause = tokio::time::Instant::now() + Duration::from_millis(1500);
    tokio::time::sleep_until(pause).await;
    assert_ne!(watched.handle().status(), Status::Connected);
    watched.connected().await;
    assert_eq!(watched.events().len(), server.control().replay_frames());
    assert!(watched.events().iter().all(|event| !event.live()));
}

#[tokio::test]
async fn a_slow_consumer_is_no_stall() {
    let mut timing = quick();
    timing.stall_default = Duration::from_millis(500);
    timing.stall_max = Duration::from_millis(500);
    timing.stall_grace = Duration::from_millis(100);
    timing.ping_after = Duration::from_millis(200);
    timing.pong_within = Duration::from_millis(200);
    let server = server(false).await;
    let mut watched = Watched::start(builder(&server).timing(timing).queue(4));
    watched.status(Status::StreamSyncing).await;
    let pause = tokio::time::Instant::now() + Duration::from_millis(2000);
    tokio::time::sleep_until(pause).await;
    watched.connected().await;
    assert_eq!(
        watched.statuses(),
        ["stream_initializing", "stream_syncing", "connected"]
    );
}
