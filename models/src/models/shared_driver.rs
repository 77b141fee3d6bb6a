//! The blocking driver: who drives, who follows, and who takes over. Its stream never connects,
//! since its connector never answers, so that only handles and the consumer make things happen.

use std::time::Duration;

use ioxproto::{Notification, Status};
use shuttle::thread;

use crate::blocking::{EventStream, Handle};
use crate::{EndError, WaitError};

/// No time passes here.
const EVER: Duration = Duration::from_secs(3600);

fn stream() -> EventStream {
    EventStream::builder("http://127.0.0.1")
        .local_account("admin", "x")
        .seed(1)
        .connector(|_| std::future::pending())
        .start()
        .unwrap()
}

/// The statuses up to the end.
fn statuses(stream: &mut EventStream) -> Vec<Status> {
    stream
        .map(|told| match told {
            Notification::Status(change) => change.status,
            other => panic!("{other:?}"),
        })
        .collect()
}

const WHOLE: [Status; 2] = [Status::StreamInitializing, Status::Disconnected];

/// Waits on a thread of its own until the stream has ended.
fn until_the_end(handle: Handle) -> thread::JoinHandle<Result<(), WaitError>> {
    thread::spawn(move || handle.wait_until(Handle::has_ended, EVER))
}

pub fn a_stop_from_another_thread_ends_the_consumers_wait() {
    let mut stream = stream();
    let handle = stream.handle();
    let stopping = thread::spawn(move || handle.stop());
    assert_eq!(statuses(&mut stream), WHOLE);
    stopping.join().unwrap();
    assert_eq!(stream.handle().outcome(), Some(Ok(())));
}

pub fn another_takes_over_when_the_one_who_drives_leaves() {
    let stream = stream();
    let (first, second, third) = (stream.handle(), stream.handle(), stream.handle());
    // Whoever drives leaves when its own condition holds; the other must drive on to the end.
    let first = thread::spawn(move || first.wait_for(Status::StreamInitializing, EVER));
    let second = until_the_end(second);
    let third = thread::spawn(move || third.request_stop());
    // A status that comes and goes may be missed.
    let seen = first.join().unwrap();
    assert!(
        matches!(seen, Ok(()) | Err(WaitError::Ended { .. })),
        "{seen:?}"
    );
    assert_eq!(second.join().unwrap(), Ok(()));
    third.join().unwrap();
}

pub fn all_who_wait_see_the_end() {
    let stream = stream();
    let waiting: Vec<_> = (0..3).map(|_| until_the_end(stream.handle())).collect();
    stream.handle().stop();
    for waiting in waiting {
        assert_eq!(waiting.join().unwrap(), Ok(()));
    }
    assert_eq!(stream.handle().outcome(), Some(Ok(())));
}

pub fn a_dropped_stream_ends_the_waits_of_handles() {
    let stream = stream();
    let handle = stream.handle();
    let waiting = [
        until_the_end(stream.handle()),
        until_the_end(stream.handle()),
    ];
    drop(stream);
    for waiting in waiting {
        assert_eq!(waiting.join().unwrap(), Ok(()));
    }
    assert_eq!(handle.outcome(), Some(Err(EndError::DriverGone)));
}

pub fn dropping_the_last_handle_ends_the_thread_in_the_background() {
    let stream = stream().in_background().unwrap();
    let other = stream.handle();
    let other = thread::spawn(move || drop(other));
    drop(stream);
    other.join().unwrap();
    // A thread in the background that waits for ever is a deadlock.
}

pub fn a_stop_waits_for_the_thread_in_the_background() {
    let mut stream = stream().in_background().unwrap();
    let handle = stream.handle();
    let stopping = thread::spawn(move || handle.stop());
    stream.stop();
    assert_eq!(statuses(&mut stream), WHOLE);
    stopping.join().unwrap();
}

pub fn a_start_from_another_thread_is_carried_out_in_the_background() {
    let mut stream = stream().in_background().unwrap();
    stream.stop();
    assert_eq!(statuses(&mut stream), WHOLE);
    let handle = stream.handle();
    let starting = thread::spawn(move || handle.start());
    starting.join().unwrap();
    let handle = stream.handle();
    let stopping = thread::spawn(move || handle.stop());
    assert_eq!(statuses(&mut stream), WHOLE);
    stopping.join().unwrap();
}

pub fn a_consumer_and_a_stop_meet_while_the_stream_begins_again() {
    let mut stream = stream();
    let handle = stream.handle();
    let restarting = thread::spawn(move || {
        handle.request_stop();
        handle.start();
        handle.stop();
    });
    let seen = statuses(&mut stream);
    assert_eq!(seen[..2], WHOLE);
    restarting.join().unwrap();
}
