//! Tests that are specific to tokio: the end of the runtime, its tasks, `select!`, and futures that
//! move between threads.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::time::Duration;

use ioxsim::{Event, HouseOptions, OnConnect, Server, ServerOptions, Times};
use ioxtransport_tokio::{EndError, EventStream, Notification, Status};
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// How long a test waits for something that must happen; much longer than a busy machine needs.
const LIMIT: Duration = Duration::from_secs(60);

async fn server() -> Server {
    let house = HouseOptions {
        rate_per_second: 0.0,
        ..HouseOptions::default()
    };
    Server::start(ServerOptions::of(house)).await.unwrap()
}

fn watch(server: &Server) -> EventStream {
    EventStream::builder(server.url())
        .local_account("admin", "admin")
        .start()
        .unwrap()
}

/// Two runtimes: one for the simulator, and the one under test.
fn two() -> (Runtime, Runtime) {
    (Runtime::new().unwrap(), Runtime::new().unwrap())
}

#[test]
fn a_runtime_that_shuts_down_ends_the_stream() {
    let (world, own) = two();
    let server = world.block_on(server());
    let mut stream = own.block_on(async { watch(&server) });
    let handle = stream.handle();
    world
        .block_on(handle.wait_for(Status::Connected, LIMIT))
        .unwrap();
    drop(own);
    assert_eq!(handle.outcome(), Some(Err(EndError::DriverGone)));
    assert_eq!(handle.status(), Status::Disconnected);
    world.block_on(async {
        let end = async { while stream.next().await.is_some() {} };
        timeout(LIMIT, end).await.unwrap();
        let gone = server.control();
        let gone = gone.wait_for(|seen| seen.open == 0);
        timeout(LIMIT, gone).await.unwrap();
    });
}

#[test]
fn a_pending_connect_does_not_delay_the_shutdown_of_the_runtime() {
    let (world, own) = two();
    let server = world.block_on(server());
    server.control().on_connect(OnConnect::Mute, Times::Always);
    let stream = own.block_on(async { watch(&server) });
    world.block_on(async {
        let control = server.control();
        let waited = control.wait_for(|seen| seen.connections == 1);
        timeout(LIMIT, waited).await.unwrap();
    });
    // Returns immediately, although connecting hangs for 10 s. If the runtime waited for it, this
    // would take until the connect timeout.
    let began = std::time::Instant::now();
    drop(own);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(stream.handle().has_ended());
}

#[test]
fn no_task_is_left_at_rest_nor_after_the_last_handle() {
    let (world, own) = two();
    let server = world.block_on(server());
    let gone = || {
        let control = server.control();
        world.block_on(async move {
            let gone = control.wait_for(|seen| seen.open == 0);
            timeout(LIMIT, gone).await.unwrap();
        });
    };
    let stream = own.block_on(async { watch(&server) });
    let handle = stream.handle();
    world
        .block_on(handle.wait_for(Status::Connected, LIMIT))
        .unwrap();
    assert_eq!(own.metrics().num_alive_tasks(), 1);
    own.block_on(handle.stop());
    gone();
    settled(&own);
    own.block_on(async { handle.start() });
    world
        .block_on(handle.wait_for(Status::Connected, LIMIT))
        .unwrap();
    assert_eq!(own.metrics().num_alive_tasks(), 1);
    drop((stream, handle));
    gone();
    settled(&own);
}

/// Waits until the runtime counts no task: a task that is done may still be counted for a moment.
fn settled(runtime: &Runtime) {
    runtime.block_on(async {
        let none = async {
            let mut moment = tokio::time::interval(Duration::from_millis(2));
            while runtime.metrics().num_alive_tasks() > 0 {
                moment.tick().await;
            }
        };
        timeout(LIMIT, none).await.unwrap();
    });
}

#[tokio::test]
async fn next_and_stop_may_be_dropped_at_any_await() {
    let server = server().await;
    let mut stream = watch(&server);
    let handle = stream.handle();
    let mut seqnums = Vec::new();
    let mut turn = 0;
    while !handle.is_connected() || seqnums.len() < server.control().replay_frames() {
        turn += 1;
        let next = tokio::select! {
            biased;
            () = std::future::ready(()), if turn % 2 == 1 => continue,
            next = stream.next() => next.unwrap(),
        };
        if let Notification::Event(event) = next {
            seqnums.push(event.seqnum());
        }
    }
    let expected: Vec<_> = (0..seqnums.len() as i64).collect();
    assert_eq!(seqnums, expected, "nothing was lost with a dropped future");
    // A future that was never polled has no effect.
    drop(handle.stop());
    assert!(!handle.has_ended());
    let moment = timeout(
        Duration::ZERO,
        handle.wait_for(Status::LostConnection, LIMIT),
    );
    assert!(moment.await.is_err());
    // If it is dropped after the first poll, the stop continues.
    let _ = timeout(Duration::ZERO, handle.stop()).await;
    timeout(LIMIT, handle.stop()).await.unwrap();
    assert_eq!(handle.outcome(), Some(Ok(())));
}

#[tokio::test]
async fn an_event_stream_implements_stream_and_send() {
    fn is<T: futures_core::Stream<Item = Notification> + Send + Unpin + 'static>(_: &T) {}
    let server = server().await;
    let mut stream = watch(&server);
    is(&stream);
    let handle = stream.handle();
    let task = tokio::spawn(async move {
        stream.next().await.unwrap();
        let connected = handle.wait_for(Status::Connected, LIMIT).await;
        assert_eq!(connected, Ok(()));
        handle.stop().await;
    });
    timeout(LIMIT, task).await.unwrap().unwrap();
}

#[test]
fn one_thread_is_enough() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = server().await;
        let mut stream = watch(&server);
        stream
            .handle()
            .wait_for(Status::Connected, LIMIT)
            .await
            .unwrap();
        server.control().flood(5000);
        server.control().emit(&Event::new("ST", "last").node("n1"));
        let last = async {
            while let Some(next) = stream.next().await {
                if matches!(next, Notification::Event(event) if event.action() == "last") {
                    return;
                }
            }
        };
        timeout(LIMIT, last).await.unwrap();
    });
}

#[test]
fn starting_without_a_runtime_is_an_error() {
    let started = EventStream::builder("http://127.0.0.1:1")
        .local_account("admin", "x")
        .start();
    assert!(started.unwrap_err().to_string().contains("runtime"));
}
