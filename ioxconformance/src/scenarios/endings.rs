//! How a stream ends: by a stop, which sends a close frame, or because all handles are dropped.

use std::time::Duration;

use ioxdriver::EndError;
use ioxproto::Status;

use crate::{Bench, Handle};

pub fn stop_when_connected_sends_a_close_frame(bench: &Bench) {
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

pub fn stop_while_syncing_sends_a_close_frame(bench: &Bench) {
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

pub fn stop_while_the_queue_is_full_and_is_not_read(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.start(bench.options(&server).queue(1));
    bench.wait_until_queue_full(&watched);
    watched.stop();
    watched.end();
    assert_eq!(watched.statuses().last().unwrap(), "disconnected");
    server.seen("the close frame", |seen| seen.closes == [Some(1000)]);
}

pub fn dropping_the_stream_and_every_handle_stops(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    let handle = watched.handle();
    drop(watched);
    assert!(!handle.has_ended(), "a handle keeps it running");
    drop(handle);
    server.seen("the close frame", |seen| {
        seen.closes == [Some(1000)] && seen.open == 0
    });
}

pub fn wait_until_returns_on_the_condition_the_end_or_the_timeout(bench: &Bench) {
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
    assert!(handle.has_ended());
}

pub fn closed_waits_for_the_end_and_returns_its_reason(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    let handle = watched.handle();
    // Returns before the stream has ended.
    handle.request_stop();
    assert_eq!(handle.closed(), Ok(()));
    assert!(handle.has_ended());
    let wrong = bench.options(&server).local_account("admin", "wrong");
    let watched = bench.start(wrong);
    let handle = watched.handle();
    let Err(EndError::Failed(reason)) = handle.closed() else {
        panic!("the stream did not fail")
    };
    assert_eq!(Some(reason), handle.last_reason());
}
