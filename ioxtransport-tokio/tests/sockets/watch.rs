//! The main job: replay, then live, in order and marked.

use ioxsim::Event;
use ioxtransport_tokio::{Notification, Status};

use crate::watched::{BOTH, Watched, server};

#[tokio::test]
async fn replay_and_live_come_in_order_and_marked() {
    for tls in BOTH {
        let server = server(tls).await;
        let control = server.control();
        let mut watched = Watched::of(&server);
        watched.connected().await;
        assert_eq!(
            watched.statuses(),
            ["stream_initializing", "stream_syncing", "connected"]
        );
        let replayed = watched.events().len();
        assert_eq!(replayed, control.replay_frames());
        assert!(watched.events().iter().all(|event| !event.live()));
        control.emit(&Event::new("ST", "77").node("n1").shown("77").name("Status"));
        let live = watched.event("ST", "77").await;
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
    }
}

#[tokio::test]
async fn a_burst_of_live_events_loses_none() {
    let server = server(true).await;
    let mut watched = Watched::of(&server);
    watched.connected().await;
    let before = watched.events().len();
    server.control().flood(20_000);
    let mut more = 0;
    watched
        .until("20,000 events", |told| {
            more += usize::from(matches!(told, Notification::Event(event) if event.live()));
            more == 20_000
        })
        .await;
    assert_eq!(watched.events().len(), before + 20_000);
    assert!(
        !watched
            .told
            .iter()
            .any(|told| matches!(told, Notification::Gap(_)))
    );
}

#[tokio::test]
async fn two_streams_on_one_controller_do_not_mind_each_other() {
    let server = server(false).await;
    let (mut one, mut other) = (Watched::of(&server), Watched::of(&server));
    one.connected().await;
    other.connected().await;
    assert_ne!(one.handle().sid(), other.handle().sid());
    one.handle().stop().await;
    server.control().emit(&Event::new("ST", "3").node("n1"));
    assert!(other.event("ST", "3").await.live());
}

#[tokio::test]
async fn a_stream_is_a_stream() {
    fn is<T: futures_core::Stream<Item = Notification> + Send + Unpin + 'static>(_: &T) {}
    fn travels<T: Send + 'static>(future: T) -> T {
        future
    }
    let server = server(false).await;
    let watched = Watched::of(&server);
    is(&watched.stream);
    let handle = watched.handle();
    let mut stream = watched.stream;
    travels(async move {
        stream.next().await;
        handle
            .wait_for(Status::Connected, std::time::Duration::from_secs(60))
            .await
            .unwrap();
        handle.stop().await;
    })
    .await;
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let started = ioxtransport_tokio::EventStream::builder("http://127.0.0.1:1")
        .local_account("admin", "x")
        .start();
    assert!(started.unwrap_err().to_string().contains("runtime"));
}
