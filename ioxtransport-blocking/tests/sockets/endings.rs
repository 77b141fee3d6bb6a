//! Stop at every state, from any thread, and what is left behind.

use std::time::{Duration, Instant};

use ioxsim::{OnConnect, OnUpgrade, Times};
use ioxtransport_blocking::{EndError, EventStream, Notification, Status, WaitError};

use crate::watched::{BOTH, LIMIT, Watched, beside, quick, seen, server};

#[test]
fn stop_when_connected_closes_politely() {
    for tls in BOTH {
        let server = server(tls);
        let mut watched = Watched::of(&server);
        watched.connected();
        watched.stream.stop();
        assert_eq!(watched.handle().status(), Status::Disconnected);
        watched.end();
        assert_eq!(watched.statuses().last().unwrap(), "disconnected");
        seen(&server.control(), "the close frame", |seen| {
            seen.closes == [Some(1000)] && seen.subscribers == 0
        });
    }
}

#[test]
fn stop_from_another_thread_wakes_the_one_that_waits() {
    for tls in BOTH {
        let server = server(tls);
        let mut watched = Watched::of(&server);
        watched.connected();
        beside(&mut watched, |handle| handle.stop_blocking());
        assert_eq!(watched.statuses().last().unwrap(), "disconnected");
        seen(&server.control(), "the close frame", |seen| {
            seen.closes == [Some(1000)]
        });
    }
}

#[test]
fn stop_from_another_thread_needs_no_consumer() {
    let server = server(true);
    let mut watched = Watched::of(&server);
    watched.connected();
    let handle = watched.handle();
    std::thread::spawn(move || handle.stop_blocking())
        .join()
        .unwrap();
    assert_eq!(watched.handle().status(), Status::Disconnected);
    watched.end();
}

#[test]
fn stop_within_the_loop_is_no_deadlock() {
    let server = server(false);
    let stream = crate::watched::builder(&server).start().unwrap();
    let handle = stream.handle();
    let mut last = None;
    for notification in stream {
        if let Notification::Status(change) = &notification {
            last = Some(change.status);
            if change.status == Status::Connected {
                handle.stop_blocking();
            }
        }
    }
    assert_eq!(last, Some(Status::Disconnected));
}

#[test]
fn stop_before_the_first_next_ends_the_stream() {
    let server = server(false);
    let mut watched = Watched::of(&server);
    watched.stream.stop();
    watched.end();
    assert!(watched.handle().ended());
}

#[test]
fn stop_during_a_hanging_connect_a_handshake_or_an_upgrade_is_at_once() {
    for (tls, upgrade) in [(true, false), (false, false), (false, true), (true, true)] {
        let server = server(tls);
        let control = server.control();
        if upgrade {
            control.on_upgrade(OnUpgrade::Mute, Times::Always);
        } else {
            control.on_connect(OnConnect::Mute, Times::Always);
        }
        let mut watched = Watched::of(&server);
        let took = beside(&mut watched, move |handle| {
            if upgrade {
                seen(&control, "the request", |seen| seen.requests == 1);
            } else {
                seen(&control, "the connection", |seen| seen.connections == 1);
            }
            let began = Instant::now();
            handle.stop_blocking();
            began.elapsed()
        });
        // Far below the ten seconds of the connect's own limit, with room for a busy machine.
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

#[test]
fn stop_during_the_wait_is_at_once() {
    let mut timing = quick();
    timing.backoff = vec![Duration::from_secs(3600)];
    let mut watched = Watched::start(
        EventStream::builder("http://127.0.0.1:1")
            .local_account("admin", "admin")
            .timing(timing),
    );
    watched.lost();
    beside(&mut watched, |handle| handle.stop_blocking());
}

#[test]
fn a_controller_that_does_not_answer_the_close_is_left_in_time() {
    let server = server(false);
    let mut watched = Watched::of(&server);
    watched.connected();
    server.control().freeze();
    watched.stream.stop();
    assert_eq!(watched.handle().status(), Status::Disconnected);
}

#[test]
fn stop_while_the_queue_is_full_and_nobody_takes() {
    let server = server(false);
    let mut watched = Watched::start(crate::watched::builder(&server).queue(1)).in_background();
    watched.status(Status::StreamSyncing);
    server.control().flood(10_000);
    watched.handle().stop_blocking();
    watched.end();
    assert_eq!(watched.statuses().last().unwrap(), "disconnected");
}

#[test]
fn dropping_the_stream_hangs_up_with_a_close_frame() {
    for tls in BOTH {
        let server = server(tls);
        let mut watched = Watched::of(&server);
        watched.connected();
        let handle = watched.handle();
        drop(watched);
        assert!(handle.ended());
        seen(&server.control(), "the close frame", |seen| {
            seen.closes == [Some(1000)] && seen.open == 0
        });
    }
}

#[test]
fn in_the_background_dropping_the_stream_and_every_handle_stops() {
    let server = server(true);
    let mut watched = Watched::of(&server).in_background();
    watched.connected();
    let handle = watched.handle();
    drop(watched);
    assert!(!handle.ended(), "a handle keeps it running");
    drop(handle);
    seen(&server.control(), "the close frame", |seen| {
        seen.closes == [Some(1000)] && seen.open == 0
    });
}

#[test]
fn wait_for_sees_a_status_or_the_end_and_drives_meanwhile() {
    for background in BOTH {
        let server = server(false);
        let mut watched = Watched::of(&server);
        if background {
            watched = watched.in_background();
        }
        let handle = watched.handle();
        handle.wait_for_blocking(Status::Connected, LIMIT).unwrap();
        let waited = handle.wait_for_blocking(Status::LostConnection, Duration::from_millis(20));
        assert!(
            matches!(waited, Err(WaitError::TimedOut { .. })),
            "{waited:?}"
        );
        handle.request_stop();
        let waited = handle.wait_for_blocking(Status::LostConnection, LIMIT);
        assert!(matches!(waited, Err(WaitError::Ended { .. })), "{waited:?}");
        assert!(handle.ended());
    }
}

#[test]
fn a_start_after_the_stream_was_dropped_at_rest_ends_as_gone() {
    let server = server(false);
    let mut watched = Watched::of(&server);
    watched.connected();
    watched.stream.stop();
    let handle = watched.handle();
    drop(watched);
    handle.start();
    handle.stop_blocking();
    assert_eq!(handle.outcome(), Some(Err(EndError::DriverGone)));
}

#[test]
fn dropping_the_stream_ends_the_wait_of_a_handle_on_another_thread() {
    let server = server(false);
    let mut watched = Watched::of(&server);
    watched.connected();
    let handle = watched.handle();
    let (looked, looks) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || {
        let holds = |_: &ioxtransport_blocking::Handle| {
            let _ = looked.send(());
            false
        };
        handle.wait_until_blocking(holds, Duration::MAX)
    });
    looks.recv().unwrap();
    drop(watched);
    assert!(matches!(
        waiting.join().unwrap(),
        Err(WaitError::Ended { .. })
    ));
    seen(&server.control(), "the close frame", |seen| {
        seen.closes == [Some(1000)]
    });
}
