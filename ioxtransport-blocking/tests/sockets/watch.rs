//! The main job: replay, then live, in order and marked.

use std::time::{Duration, Instant};

use ioxsim::Event;
use ioxtransport_blocking::{Notification, TimedOut};

use crate::watched::{BOTH, LIMIT, Watched, server};

#[test]
fn replay_and_live_come_in_order_and_marked() {
    for (tls, background) in BOTH.into_iter().flat_map(|tls| BOTH.map(|on| (tls, on))) {
        let server = server(tls);
        let control = server.control();
        let mut watched = Watched::of(&server);
        if background {
            watched = watched.in_background();
        }
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
        watched.stream.stop();
        assert_eq!(handle.stats().live_events, 1);
        assert_eq!(handle.stats().events, replayed as u64 + 1);
        assert_eq!(&*handle.sid(), live.sid());
        assert!(handle.last_event_at().is_some());
    }
}

#[test]
fn a_burst_of_live_events_loses_none() {
    for background in BOTH {
        let server = server(true);
        let mut watched = Watched::of(&server);
        if background {
            watched = watched.in_background();
        }
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
                .told
                .iter()
                .any(|told| matches!(told, Notification::Gap(_)))
        );
    }
}

#[test]
fn two_streams_on_one_controller_do_not_mind_each_other() {
    let server = server(false);
    let (mut one, mut other) = (Watched::of(&server), Watched::of(&server));
    one.connected();
    other.connected();
    assert_ne!(one.handle().sid(), other.handle().sid());
    one.handle().stop_blocking();
    server.control().emit(&Event::new("ST", "3").node("n1"));
    assert!(other.event("ST", "3").live());
}

#[test]
fn a_loop_of_ones_own_becomes_live_by_asking_often() {
    let server = server(true);
    let mut stream = crate::watched::builder(&server).start().unwrap();
    let began = Instant::now();
    while !stream.handle().connected() {
        assert!(began.elapsed() < LIMIT);
        match stream.try_next() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream ended"),
            // What else the loop does.
            Err(TimedOut) => std::thread::park_timeout(Duration::from_millis(5)),
        }
    }
    stream.stop();
    while let Ok(Some(_)) = stream.try_next() {}
    assert!(matches!(stream.try_next(), Ok(None)));
}

#[test]
fn a_time_that_is_over_leaves_the_stream_as_it_is() {
    let server = server(false);
    let mut watched = Watched::of(&server);
    watched.connected();
    let next = watched.stream.next_timeout(Duration::from_millis(1));
    assert!(matches!(next, Err(TimedOut)));
    server.control().emit(&Event::new("ST", "5").node("n1"));
    assert!(watched.event("ST", "5").live());
}
