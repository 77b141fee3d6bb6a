//! The blocking driver: which thread runs it, and which one takes over. The connector never
//! completes, so the stream never connects, and only handles and the consumer cause progress.

use std::time::Duration;

use ioxproto::{Notification, Status};
use shuttle::thread;

use crate::blocking::{EventStream, Handle};
use crate::{EndError, WaitError};

/// Never reached, because no time passes in a model.
const LIMIT: Duration = Duration::from_secs(3600);

fn stream() -> EventStream {
    EventStream::builder("http://127.0.0.1")
        .local_account("admin", "x")
        .seed(1)
        .connector(|_| std::future::pending())
        .start()
        .unwrap()
}

/// Reads the stream to its end. Returns the statuses.
fn statuses(stream: &mut EventStream) -> Vec<Status> {
    stream
        .map(|notification| match notification {
            Notification::Status(change) => change.status,
            other => panic!("{other:?}"),
        })
        .collect()
}

const START_TO_STOP: [Status; 2] = [Status::StreamInitializing, Status::Disconnected];

/// Spawns a thread that waits until the stream has ended.
fn spawn_waiter(handle: Handle) -> thread::JoinHandle<Result<(), WaitError>> {
    thread::spawn(move || handle.wait_until(Handle::has_ended, LIMIT))
}

pub fn a_stop_from_another_thread_ends_the_consumers_wait() {
    let mut stream = stream();
    let handle = stream.handle();
    let stopping = thread::spawn(move || handle.stop());
    assert_eq!(statuses(&mut stream), START_TO_STOP);
    stopping.join().unwrap();
    assert_eq!(stream.handle().outcome(), Some(Ok(())));
}

pub fn another_waiter_takes_over_when_the_driving_one_leaves() {
    let stream = stream();
    let (first, second, third) = (stream.handle(), stream.handle(), stream.handle());
    // If the first thread runs the driver, it leaves when its own condition holds. The second one
    // must then run the driver until the stream ends.
    let first = thread::spawn(move || first.wait_for(Status::StreamInitializing, LIMIT));
    let second = spawn_waiter(second);
    let third = thread::spawn(move || third.request_stop());
    // The first thread may miss the status if the stop comes soon after it.
    let seen = first.join().unwrap();
    assert!(
        matches!(seen, Ok(()) | Err(WaitError::Ended { .. })),
        "{seen:?}"
    );
    assert_eq!(second.join().unwrap(), Ok(()));
    third.join().unwrap();
}

pub fn all_waiters_see_the_end() {
    let stream = stream();
    let waiting: Vec<_> = (0..3).map(|_| spawn_waiter(stream.handle())).collect();
    stream.handle().stop();
    for waiting in waiting {
        assert_eq!(waiting.join().unwrap(), Ok(()));
    }
    assert_eq!(stream.handle().outcome(), Some(Ok(())));
}

pub fn a_dropped_stream_ends_the_waits_of_handles() {
    let stream = stream();
    let handle = stream.handle();
    let waiting = [spawn_waiter(stream.handle()), spawn_waiter(stream.handle())];
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
    // If the background thread never woke, shuttle would report a deadlock.
}

pub fn a_stop_waits_for_the_thread_in_the_background() {
    let mut stream = stream().in_background().unwrap();
    let handle = stream.handle();
    let stopping = thread::spawn(move || handle.stop());
    stream.stop();
    assert_eq!(statuses(&mut stream), START_TO_STOP);
    stopping.join().unwrap();
}

pub fn a_start_from_another_thread_is_carried_out_in_the_background() {
    let mut stream = stream().in_background().unwrap();
    stream.stop();
    assert_eq!(statuses(&mut stream), START_TO_STOP);
    let handle = stream.handle();
    let starting = thread::spawn(move || handle.start());
    starting.join().unwrap();
    let handle = stream.handle();
    let stopping = thread::spawn(move || handle.stop());
    assert_eq!(statuses(&mut stream), START_TO_STOP);
    stopping.join().unwrap();
}

pub fn a_consumer_reads_while_another_thread_restarts_and_stops_the_stream() {
    let mut stream = stream();
    let handle = stream.handle();
    let restarting = thread::spawn(move || {
        handle.request_stop();
        handle.start();
        handle.stop();
    });
    let seen = statuses(&mut stream);
    assert_eq!(seen[..2], START_TO_STOP);
    restarting.join().unwrap();
}
