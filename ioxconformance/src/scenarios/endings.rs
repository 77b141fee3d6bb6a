//! Stop at every state, and dropped handles.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ioxdriver::Handle;
use ioxproto::Status;
use ioxsim::{Endpoint, OnConnect, OnPost, OnUpgrade, Times};

use crate::{Bench, Options, Sim, Watched, quick};

pub fn stop_when_connected_closes_politely(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    watched.stop();
    assert_eq!(watched.handle().status(), Status::Disconnected);
    assert_eq!(watched.handle().outcome(), Some(Ok(())));
    watched.end();
    assert_eq!(watched.statuses().last().unwrap(), "disconnected");
    server.seen("the close frame", |seen| {
        seen.closes == [Some(1000)] && seen.open == 0
    });
}

pub fn stop_while_syncing_closes_politely(bench: &Bench) {
    let server = bench.server();
    server.hold_replay(5);
    let mut watched = bench.watch(&server);
    watched.status(Status::StreamSyncing);
    watched.stop();
    watched.end();
    assert!(!watched.statuses().contains(&"connected".to_owned()));
    server.seen("the close frame", |seen| {
        seen.closes == [Some(1000)] && seen.open == 0
    });
}

/// Far below the limits of what hangs, ten seconds, with room for a busy machine.
fn stops_at_once(server: &Sim, mut watched: Watched) {
    let began = Instant::now();
    watched.stop();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    watched.end();
    assert_eq!(watched.statuses().last().unwrap(), "disconnected");
    server.seen("the socket gone", |seen| seen.open == 0);
}

pub fn stop_while_nothing_is_ever_said(bench: &Bench) {
    let server = bench.server();
    server.on_connect(OnConnect::Mute, Times::Always);
    let watched = bench.watch(&server);
    server.seen("the connection", |seen| seen.connections == 1);
    stops_at_once(&server, watched);
}

pub fn stop_while_the_upgrade_is_not_answered(bench: &Bench) {
    let server = bench.server();
    server.on_upgrade(OnUpgrade::Mute, Times::Always);
    let watched = bench.watch(&server);
    server.seen("the request", |seen| seen.requests == 1);
    stops_at_once(&server, watched);
}

pub fn stop_while_the_login_is_not_answered(bench: &Bench) {
    let server = bench.server();
    server.on_post(Endpoint::Login, OnPost::Mute, Times::Always);
    let watched = bench.start(bench.portal(&server));
    server.seen("the login", |seen| seen.requests == 1);
    stops_at_once(&server, watched);
}

pub fn stop_while_the_name_is_looked_up(bench: &Bench) {
    let server = bench.server();
    let asked = Arc::new(std::sync::Barrier::new(2));
    let told = Arc::clone(&asked);
    let options = bench.options(&server).resolver(move |_, _| {
        told.wait();
        std::future::pending()
    });
    // A literal is not looked up by the system either, but the resolver is asked for everything.
    let watched = bench.start(options);
    asked.wait();
    stops_at_once(&server, watched);
}

pub fn stop_during_the_wait_is_at_once(bench: &Bench) {
    let mut timing = quick();
    timing.backoff = vec![Duration::from_secs(3600)];
    let mut watched = bench.start(Options::new("http://127.0.0.1:1").timing(timing));
    watched.lost();
    watched.stop();
    watched.end();
}

pub fn a_controller_that_does_not_answer_the_close_is_left_in_time(bench: &Bench) {
    let server = bench.server();
    let mut timing = quick();
    timing.stop = Duration::from_millis(300);
    let mut watched = bench.start(bench.options(&server).timing(timing));
    watched.connected();
    server.freeze();
    watched.stop();
    assert_eq!(watched.handle().status(), Status::Disconnected);
    server.thaw();
    server.seen("the socket gone", |seen| seen.open == 0);
}

pub fn stop_while_the_queue_is_full_and_nobody_takes(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.start(bench.options(&server).queue(1));
    bench.held_up(&watched);
    watched.stop();
    watched.end();
    assert_eq!(watched.statuses().last().unwrap(), "disconnected");
    server.seen("the close frame", |seen| seen.closes == [Some(1000)]);
}

pub fn stop_in_the_middle_of_a_flood(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    server.flood(20_000);
    watched.until(
        "some of it",
        |told| matches!(told, ioxproto::Notification::Event(event) if event.live()),
    );
    watched.stop();
    watched.end();
    assert_eq!(watched.statuses().last().unwrap(), "disconnected");
    server.seen("the socket gone", |seen| seen.open == 0);
}

pub fn stop_while_the_controller_does_not_cease_to_send(bench: &Bench) {
    let server = bench.server();
    let mut timing = quick();
    timing.stop = Duration::from_millis(300);
    let mut watched = bench.start(bench.options(&server).timing(timing));
    watched.connected();
    // Empty text frames, so many that reading them all would take far longer than the stop may; the answer to the close
    // frame comes after them.
    server.send_raw([0x81, 0].repeat(8_000_000));
    watched.until("one of them", |told| {
        matches!(told, ioxproto::Notification::Ignored(_))
    });
    stops_at_once(&server, watched);
}

pub fn dropping_the_stream_and_every_handle_stops(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    let handle = watched.handle();
    drop(watched);
    assert!(!handle.ended(), "a handle keeps it running");
    drop(handle);
    server.seen("the close frame", |seen| {
        seen.closes == [Some(1000)] && seen.open == 0
    });
}

pub fn wait_for_sees_a_status_or_the_end_or_is_over_in_time(bench: &Bench) {
    let server = bench.server();
    let watched = bench.watch(&server);
    let handle = watched.handle();
    let is = |status| move |handle: &Handle| handle.status() == status;
    let connected = handle.wait_until(&is(Status::Connected), crate::LIMIT);
    assert_eq!(connected, Ok(()));
    let moment = Duration::from_millis(1);
    let waited = handle.wait_until(&is(Status::LostConnection), moment);
    let error = waited.unwrap_err().to_string();
    assert_eq!(error, "the stream is still connected after 1ms");
    handle.request_stop();
    let waited = handle.wait_until(&is(Status::LostConnection), crate::LIMIT);
    let error = waited.unwrap_err().to_string();
    assert!(
        error.starts_with("the stream has ended as disconnected: "),
        "{error}"
    );
    assert!(handle.ended());
}
