//! The main task of a stream: to deliver replayed events, then live ones, in order and marked.

use std::time::Duration;

use ioxproto::{Notification, Status, SubscribePath};
use ioxsim::{Ending, Event, Firmware};

use crate::{Bench, Handle, quick};

pub fn replay_and_live_events_arrive_in_order_and_are_marked(bench: &Bench) {
    let server = bench.server();
    let control = &server;
    let mut watched = bench.watch(&server);
    watched.connected();
    assert_eq!(
        watched.statuses(),
        ["stream_initializing", "stream_syncing", "connected"]
    );
    let replayed = watched.events().len();
    assert_eq!(replayed, control.replay_frames());
    assert!(watched.events().iter().all(|event| !event.is_live()));
    control.emit(&Event::new("ST", "77").node("n1").shown("77").name("Status"));
    let live = watched.event("ST", "77");
    assert!(live.is_live());
    assert_eq!((live.node(), live.fmt_act()), ("n1", "77"));
    let numbers: Vec<_> = watched
        .events()
        .iter()
        .map(|event| event.seqnum())
        .collect();
    assert_eq!(
        numbers,
        (0..=replayed as i64).collect::<Vec<_>>(),
        "every frame, once, in order"
    );
    let handle = watched.handle();
    assert!(handle.is_connected());
    assert_eq!(handle.stats().events, replayed as u64 + 1);
    assert_eq!(handle.stats().live_events, 1);
    assert_eq!(&*handle.sid(), live.sid());
    assert!(handle.last_event_at().is_some());
    watched.stop();
    let stats = handle.stats();
    assert_eq!((stats.events, stats.live_events), (replayed as u64 + 1, 1));
}

pub fn replay_frames_delayed_past_the_drain_are_marked_as_replay(bench: &Bench) {
    let server = bench.server();
    server.hold_replay(10);
    let mut watched = bench.watch(&server);
    watched.connected();
    assert_eq!(watched.events().len(), 10);
    server.release_replay();
    watched.event("_22", "1");
    assert_eq!(watched.events().len(), server.replay_frames());
    assert!(watched.events().iter().all(|event| !event.is_live()));
    // A property whose stamp is within 0.5 s of the end mark's may still belong to the replay.
    let mut values = 0..;
    let live = loop {
        let value = values.next().unwrap_or(0).to_string();
        server.emit(&Event::new("GV1", &*value).node("n1"));
        if watched.event("GV1", &value).is_live() {
            break watched.handle().stats().live_events;
        }
    };

    // The stream now knows that this controller marks the end of its replay, so the next replay
    // lasts until the mark.
    server.hold_replay(10);
    server.end(Ending::Close(1000));
    watched.until(
        "the replay of another connection",
        |notification| matches!(notification, Notification::Event(event) if event.seqnum() == 9),
    );
    let connected = watched
        .handle()
        .wait_until(&Handle::is_connected, quick().drain_quiet * 4);
    assert!(connected.is_err(), "connected before the end mark");
    server.release_replay();
    watched.connected();
    assert_eq!(watched.handle().stats().live_events, live);
}

pub fn replay_frames_with_original_timestamps_are_marked_as_replay_after_the_drain(bench: &Bench) {
    let server = bench.server();
    server.hold_replay(10);
    let mut watched = bench.start(bench.portal(&server).path(SubscribePath::Api));
    watched.connected();
    server.release_replay();
    server.emit(&Event::new("ST", "77").node("n1"));
    assert!(watched.event("ST", "77").is_live());
    let events = watched.events();
    assert!(events.len() > 20);
    assert!(
        events[..events.len() - 1]
            .iter()
            .all(|event| !event.is_live())
    );
}

pub fn a_replay_that_exceeds_its_time_limit_is_reported_as_incomplete(bench: &Bench) {
    let server = bench.server_with(|options| {
        options.firmware = Firmware::Isy994;
        options.replay_burst = 1;
        options.replay_pause = Duration::from_millis(100);
    });
    let mut timing = quick();
    timing.drain_cap = Duration::from_millis(400);
    let mut watched = bench.start(bench.options(&server).timing(timing));
    let reason = watched.status(Status::Connected).reason;
    assert_eq!(
        reason.map(|reason| reason.code()),
        Some("replay_incomplete")
    );
    assert_eq!(watched.handle().stats().incomplete_replays, 1);
}

pub fn a_burst_of_live_events_is_delivered_completely(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    let before = watched.events().len();
    server.control().flood(20_000);
    let mut more = 0;
    watched.until("20,000 events", |notification| {
        more += usize::from(matches!(notification, Notification::Event(event) if event.is_live()));
        more == 20_000
    });
    assert_eq!(watched.events().len(), before + 20_000);
    assert!(
        !watched
            .notifications()
            .iter()
            .any(|notification| matches!(notification, Notification::Gap(_)))
    );
}

pub fn two_streams_on_one_controller_are_independent(bench: &Bench) {
    let server = bench.server();
    let (mut one, mut other) = (bench.watch(&server), bench.watch(&server));
    one.connected();
    other.connected();
    assert_ne!(one.handle().sid(), other.handle().sid());
    one.handle().stop();
    server.control().emit(&Event::new("ST", "3").node("n1"));
    assert!(other.event("ST", "3").is_live());
}
