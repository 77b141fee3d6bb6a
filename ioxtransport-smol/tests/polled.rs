//! Tests the stream that its consumer polls.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::future::Future;
use std::time::{Duration, Instant};

use ioxproto::rest;
use ioxsim::{Event, HouseOptions, Server, ServerOptions};
use ioxtransport_smol::{EndError, Notification, Options, PolledStream, Status};
use smol::future::{FutureExt as _, or};

/// How long a test waits for something that must happen; much longer than a busy machine needs.
const LIMIT: Duration = Duration::from_secs(60);

/// A simulated controller, on a runtime of its own.
struct Controller {
    runtime: tokio::runtime::Runtime,
    server: Server,
}

impl Controller {
    fn start() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let house = HouseOptions {
            rate_per_second: 0.0,
            ..HouseOptions::default()
        };
        let server = runtime
            .block_on(Server::start(ServerOptions::of(house)))
            .unwrap();
        Self { runtime, server }
    }

    fn watch(&self) -> PolledStream {
        let options = Options::new(self.server.url()).local_account("admin", "admin");
        PolledStream::start(options).unwrap()
    }

    /// Waits until this many subscribers are connected.
    fn has_subscribers(&self, count: usize) {
        let control = self.server.control();
        self.runtime.block_on(async {
            let seen = control.wait_for(|seen| seen.subscribers == count);
            tokio::time::timeout(LIMIT, seen).await.unwrap();
        });
    }
}

/// Runs a future to completion; fails after a minute.
fn within_limit<T>(future: impl Future<Output = T>) -> T {
    smol::block_on(or(future, async {
        smol::Timer::after(LIMIT).await;
        panic!("timed out")
    }))
}

async fn until(stream: &mut PolledStream, status: Status) {
    while let Some(notification) = stream.next().await {
        match notification {
            Notification::Status(change) if change.status == status => return,
            _ => {}
        }
    }
    panic!("the stream ended before it was {status}")
}

#[test]
fn taking_the_next_notification_drives_the_stream() {
    let controller = Controller::start();
    let mut stream = controller.watch();
    within_limit(until(&mut stream, Status::Connected));
    controller
        .server
        .control()
        .emit(&Event::new("ST", "255").node("1A 2B 3C 1"));
    let event = within_limit(stream.next_live_event()).unwrap();
    assert_eq!((event.control(), event.action()), ("ST", "255"));
}

#[test]
fn a_stop_ends_the_stream_and_a_start_continues_it() {
    let controller = Controller::start();
    let mut stream = controller.watch();
    let handle = stream.handle();
    for _ in 0..3 {
        within_limit(until(&mut stream, Status::Connected));
        let stopped = async {
            handle.stop().await;
        };
        let drained = async { while stream.next().await.is_some() {} };
        within_limit(smol::future::zip(stopped, drained));
        assert_eq!(handle.outcome(), Some(Ok(())));
        assert!(within_limit(stream.next()).is_none());
        controller.has_subscribers(0);
        handle.start();
    }
}

#[test]
fn a_start_from_another_thread_wakes_the_consumer() {
    let controller = Controller::start();
    let mut stream = controller.watch();
    let handle = stream.handle();
    within_limit(until(&mut stream, Status::StreamSyncing));
    for _ in 0..50 {
        let starting = handle.clone();
        let thread = std::thread::spawn(move || {
            smol::block_on(starting.stop());
            starting.start();
        });
        // The stream ends, and is started at some time after that.
        let again = async {
            loop {
                match stream.next().await {
                    Some(Notification::Status(change))
                        if change.status == Status::StreamSyncing =>
                    {
                        return;
                    }
                    _ => smol::future::yield_now().await,
                }
            }
        };
        within_limit(again);
        thread.join().unwrap();
    }
}

#[test]
fn a_call_is_answered_while_the_stream_is_polled() {
    let controller = Controller::start();
    let mut stream = controller.watch();
    let handle = stream.handle();
    let polled = async {
        while stream.next().await.is_some() {}
        panic!("the stream ended")
    };
    let nodes = within_limit(or(handle.call(rest::nodes()), polled)).unwrap();
    assert!(!nodes.nodes.is_empty());
}

#[test]
fn dropping_the_stream_ends_the_connection_and_notifies_handles() {
    let controller = Controller::start();
    let mut stream = controller.watch();
    let handle = stream.handle();
    within_limit(until(&mut stream, Status::Connected));
    drop(stream);
    controller.has_subscribers(0);
    assert_eq!(handle.outcome(), Some(Err(EndError::DriverGone)));
    // Nothing is left to start.
    handle.start();
    assert!(handle.has_ended());
}

#[test]
fn the_driver_only_runs_while_polled_and_wakes_for_deadlines() {
    let controller = Controller::start();
    let stream = controller.watch();
    assert_eq!(stream.handle().status(), Status::NotStarted);
    drop(stream);
    assert_eq!(controller.server.control().connections(), 0);
    // The drain ends at a deadline, for which the stream wakes its consumer.
    let mut stream = controller.watch();
    let began = Instant::now();
    within_limit(until(&mut stream, Status::Connected).boxed());
    assert!(began.elapsed() < LIMIT);
}
