//! The main job: replay, then live, in order and marked.

use ioxproto::Notification;
use ioxsim::Event;

use crate::Bench;

pub fn replay_and_live_come_in_order_and_marked(bench: &Bench) {
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
    assert!(watched.events().iter().all(|event| !event.live()));
    control.emit(&Event::new("ST", "77").node("n1").shown("77").name("Status"));
    let live = watched.event("ST", "77");
    assert!(live.live());
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
    assert!(handle.connected());
    assert_eq!(handle.stats().events, replayed as u64 + 1);
    assert_eq!(handle.stats().live_events, 1);
    assert_eq!(&*handle.sid(), live.sid());
    assert!(handle.last_event_at().is_some());
    watched.stop();
    let stats = handle.stats();
    assert_eq!((stats.events, stats.live_events), (replayed as u64 + 1, 1));
}

pub fn a_burst_of_live_events_loses_none(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    let before = watched.events().len();
    server.control().flood(20_000);
    let mut more = 0;
    watched.until("20,000 events", |told| {
        more += usize::from(matches!(told, Notification::Event(event) if event.live()));
        more == 20_000
    });
    assert_eq!(watched.events().len(), before + 20_000);
    assert!(
        !watched
            .told()
            .iter()
            .any(|told| matches!(told, Notification::Gap(_)))
    );
}

pub fn two_streams_on_one_controller_do_not_mind_each_other(bench: &Bench) {
    let server = bench.server();
    let (mut one, mut other) = (bench.watch(&server), bench.watch(&server));
    one.connected();
    other.connected();
    assert_ne!(one.handle().sid(), other.handle().sid());
    one.handle().stop();
    server.control().emit(&Event::new("ST", "3").node("n1"));
    assert!(other.event("ST", "3").live());
}
