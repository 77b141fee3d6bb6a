//! Stop at every state, dropped handles, and a runtime that goes away.

use std::time::{Duration, Instant};

use ioxsim::{OnConnect, OnUpgrade, Times};
use ioxtransport_tokio::{EventStream, Handle, Status};
use tokio::time::timeout;

use crate::watched::{BOTH, LIMIT, Watched, quick, seen, server};

#[tokio::test]
async fn stop_when_connected_closes_politely() {
    for tls in BOTH {
        let server = server(tls).await;
        let mut watched = Watched::of(&server);
        watched.connected().await;
        timeout(LIMIT, watched.handle().stop()).await.unwrap();
        assert_eq!(watched.handle().status(), Status::Disconnected);
        watched.end().await;
        assert_eq!(watched.statuses().last().unwrap(), "disconnected");
        seen(&server.control(), "the close frame", |seen| {
            seen.closes == [Some(1000)] && seen.subscribers == 0
        })
        .await;
    }
}

#[tokio::test]
async fn stop_while_syncing_closes_politely() {
    let server = server(false).await;
    server.control().hold_replay(5);
    let mut watched = Watched::of(&server);
    watched.status(Status::StreamSyncing).await;
    timeout(LIMIT, watched.handle().stop()).await.unwrap();
    watched.end().await;
    assert!(!watched.statuses().contains(&"connected".to_owned()));
    seen(&server.control(), "the close frame", |seen| {
        seen.closes == [Some(1000)]
    })
    .await;
}

#[tokio::test]
async fn stop_during_a_hanging_connect_a_handshake_or_an_upgrade_is_at_once() {
    for (tls, upgrade) in [(true, false), (false, false), (false, true), (true, true)] {
        let server = server(tls).await;
        if upgrade {
            server.control().on_upgrade(OnUpgrade::Mute, Times::Always);
        } else {
            server.control().on_connect(OnConnect::Mute, Times::Always);
        }
        let mut watched = Watched::of(&server);
        let control = server.control();
        if upgrade {
            seen(&control, "the request", |seen| seen.requests == 1).await;
        } else {
            seen(&control, "the connection", |seen| seen.connections == 1).await;
        }
        let began = Instant::now();
        timeout(LIMIT, watched.handle().stop()).await.unwrap();
        // Far below the ten seconds of the connect's own limit, with room for a busy machine.
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{:?}",
            began.elapsed()
        );
        watched.end().await;
    }
}

#[tokio::test]
async fn stop_during_the_wait_is_at_once() {
    let mut timing = quick();
    timing.backoff = vec![Duration::from_secs(3600)];
    let mut watched = Watched::start(
        EventStream::builder("http://127.0.0.1:1")
            .local_account("admin", "admin")
            .timing(timing),
    );
    watched.lost().await;
    timeout(LIMIT, watched.handle().stop()).await.unwrap();
    watched.end().await;
}

#[tokio::test]
async fn a_controller_that_does_not_answer_the_close_is_left_in_time() {
    let server = server(false).await;
    let mut watched = Watched::of(&server);
    watched.connected().await;
    server.control().freeze();
    timeout(LIMIT, watched.handle().stop()).await.unwrap();
    assert_eq!(watched.handle().status(), Status::Disconnected);
}

#[tokio::test]
async fn stop_while_the_queue_is_full_and_nobody_takes() {
    let server = server(false).await;
    let mut watched = Watched::start(crate::watched::builder(&server).queue(1));
    let handle = watched.handle();
    let full = handle.wait_until(Handle::waits_for_consumer, LIMIT).await;
    assert_eq!(full, Ok(()));
    timeout(LIMIT, handle.stop()).await.unwrap();
    watched.end().await;
    assert_eq!(watched.statuses().last().unwrap(), "disconnected");
}

#[tokio::test]
async fn dropping_the_stream_and_every_handle_stops() {
    let server = server(true).await;
    let mut watched = Watched::of(&server);
    watched.connected().await;
    let handle = watched.handle();
    drop(watched);
    assert!(!handle.ended(), "a handle keeps it running");
    drop(handle);
    seen(&server.control(), "the close frame", |seen| {
        seen.closes == [Some(1000)] && seen.open == 0
    })
    .await;
}

#[test]
fn a_runtime_that_shuts_down_ends_the_stream() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut watched = runtime.block_on(async {
        let server = server(false).await;
        let mut watched = Watched::of(&server);
        watched.connected().await;
        watched
    });
    drop(runtime);
    assert!(watched.handle().ended());
    let other = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    other.block_on(watched.end());
}

#[tokio::test]
async fn next_and_stop_may_be_dropped_at_any_await() {
    let server = server(false).await;
    let mut watched = Watched::of(&server);
    let mut told = 0;
    while !watched.handle().connected() || told < server.control().replay_frames() + 3 {
        tokio::select! {
            biased;
            () = std::future::ready(()) , if told % 2 == 1 => { told += 1; let _ = watched.stream.next().await; }
            next = watched.stream.next() => { next.unwrap(); told += 1; }
        }
    }
    let handle = watched.handle();
    drop(handle.stop());
    assert!(!handle.ended());
    timeout(LIMIT, handle.stop()).await.unwrap();
}

#[tokio::test]
async fn wait_for_sees_a_status_or_the_end() {
    let server = server(false).await;
    let watched = Watched::of(&server);
    let handle = watched.handle();
    assert_eq!(handle.wait_for(Status::Connected, LIMIT).await, Ok(()));
    let moment = Duration::from_millis(1);
    let waited = handle.wait_for(Status::LostConnection, moment).await;
    let error = waited.unwrap_err().to_string();
    assert_eq!(error, "the stream is still connected after 1ms");
    handle.request_stop();
    let waited = handle.wait_for(Status::LostConnection, LIMIT).await;
    let error = waited.unwrap_err().to_string();
    assert!(
        error.starts_with("the stream has ended as disconnected: "),
        "{error}"
    );
    assert!(handle.ended());
}
