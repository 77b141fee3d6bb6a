//! Stopping from any thread, and the effect on handles when the stream is dropped.

use std::time::Duration;

use ioxtransport_blocking::{EndError, Notification, Status, WaitError};

use crate::watched::{BOTH, Watched, run_alongside, seen, server};

#[test]
fn stop_from_another_thread_wakes_the_one_that_waits() {
    for tls in BOTH {
        let server = server(tls);
        let mut watched = Watched::of(&server);
        watched.connected();
        run_alongside(&mut watched, |handle| handle.stop());
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
    std::thread::spawn(move || handle.stop()).join().unwrap();
    assert_eq!(watched.handle().status(), Status::Disconnected);
    watched.end();
}

#[test]
fn stop_in_the_loop_does_not_deadlock() {
    let server = server(false);
    let stream = crate::watched::builder(&server).start().unwrap();
    let handle = stream.handle();
    let mut last = None;
    for notification in stream {
        if let Notification::Status(change) = &notification {
            last = Some(change.status);
            if change.status == Status::Connected {
                handle.stop();
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
    assert!(watched.handle().has_ended());
}

#[test]
fn dropping_the_stream_hangs_up_with_a_close_frame() {
    for tls in BOTH {
        let server = server(tls);
        let mut watched = Watched::of(&server);
        watched.connected();
        let handle = watched.handle();
        drop(watched);
        let gone = EndError::DriverGone;
        assert!(gone.to_string().contains("the stream was dropped"));
        assert_eq!(handle.outcome(), Some(Err(gone)));
        seen(&server.control(), "the close frame", |seen| {
            seen.closes == [Some(1000)] && seen.open == 0
        });
    }
}

#[test]
fn a_start_after_the_stream_was_dropped_at_rest_reports_driver_gone() {
    let server = server(false);
    let mut watched = Watched::of(&server);
    watched.connected();
    watched.stream.stop();
    let handle = watched.handle();
    drop(watched);
    handle.start();
    handle.stop();
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
        let condition = |_: &ioxtransport_blocking::Handle| {
            let _ = looked.send(());
            false
        };
        handle.wait_until(condition, Duration::MAX)
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
