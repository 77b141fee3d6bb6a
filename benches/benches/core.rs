//! The cost of a frame after the reader: in the machine, the state of the controller, and the
//! listeners.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot go on has failed"
)]

use std::hint::black_box;
use std::time::Duration;

use benches::{STATUS, enveloped, replay};
use criterion::{Criterion, criterion_group, criterion_main};
use ioxproto::dispatch::{Dispatcher, Filter};
use ioxproto::state::{ControllerState, SharedState};
use ioxproto::{Frame, FrameReader, Message};
use pretend::Driver;

fn machine(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("machine");
    // The same sequence number each time would be a gap each time.
    let unnumbered = STATUS.replace("seqnum=\"1016\"", "seqnum=\"\"");
    for (name, text) in [
        ("raw", unnumbered.clone()),
        ("envelope", enveloped(&unnumbered)),
    ] {
        let mut driver = Driver::connected();
        let (id, now) = (driver.id(), driver.now);
        group.bench_function(format!("message, {name}"), |bencher| {
            bencher.iter(|| {
                let message = Message::Text(black_box(text.as_bytes()));
                black_box(driver.stream.message(now, id, message))
            });
        });
        let mut reader = FrameReader::new();
        group.bench_function(format!("floor: the reader alone, {name}"), |bencher| {
            bencher.iter(|| black_box(reader.read_bytes(black_box(text.as_bytes()))));
        });
    }
    let mut driver = Driver::connected();
    group.bench_function("a wait and its end", |bencher| {
        bencher.iter(|| {
            black_box(driver.stream.poll_timeout(driver.now));
            driver.now = driver.now.after(Duration::from_nanos(1));
            driver.stream.tick(driver.now);
        });
    });
    group.finish();
}

fn state(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("state");
    let events = replay(100);
    let mut state = ControllerState::new();
    events.iter().for_each(|event| state.update(event));
    let mut next = events.iter().cycle();
    group.bench_function("update of a known property", |bencher| {
        bencher.iter(|| state.update(black_box(next.next().expect("a cycle"))));
    });
    let mut next = events.iter().cycle();
    group.bench_function("the same, with what changed", |bencher| {
        bencher.iter(|| black_box(state.apply_event(black_box(next.next().expect("a cycle")))));
    });
    group.bench_function("replay of 300 properties", |bencher| {
        bencher.iter(|| {
            let mut state = ControllerState::new();
            events.iter().for_each(|event| state.update(event));
            state
        });
    });
    group.finish();
}

fn dispatch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dispatch");
    let Frame::Event(event) = FrameReader::new().read(STATUS) else {
        panic!("not an event")
    };
    for count in [1, 10, 100] {
        let dispatcher = Dispatcher::new();
        let listen = |_| {
            dispatcher.on_event(Filter::new(), |event| {
                black_box(event.action());
            })
        };
        let registrations: Vec<_> = (0..count).map(listen).collect();
        group.bench_function(format!("to {count} listeners"), |bencher| {
            bencher.iter(|| dispatcher.dispatch_event(black_box(&event)));
        });
        drop(registrations);
    }
    let dispatcher = Dispatcher::new();
    dispatcher.attach(SharedState::new(ControllerState::new()));
    group.bench_function("to the state of a house", |bencher| {
        bencher.iter(|| dispatcher.dispatch_event(black_box(&event)));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = machine, state, dispatch
}
criterion_main!(benches);
