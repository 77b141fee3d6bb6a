//! A stream that is dropped leaves nothing behind: no task, no thread, no socket.

use ioxdriver::Options;
use ioxproto::{Notification, rest};

use crate::belongings::{belongings, wait_for_no_more_than};
use crate::{Bench, LIMIT, Reply, State, Witness, quick, wait_for};

/// This many at a time, so that one more or less from elsewhere hides none.
const STREAMS: usize = 2;

pub fn a_dropped_stream_leaves_no_task_thread_or_socket(bench: &Bench) {
    bench.alone(|| {
        // What a runtime makes for its first stream stays.
        dropped_in(bench, State::IsConnected);
        let before = belongings();
        for state in State::ALL {
            dropped_in(bench, state);
            wait_for_no_more_than(&before, &format!("{state:?}"));
        }
        dropped_with_callbacks(bench);
        wait_for_no_more_than(&before, "with callbacks");
        dropped_after_a_look_up(bench);
        wait_for_no_more_than(&before, "after a look-up");
        stopped_with_an_idle_connection(bench);
        wait_for_no_more_than(&before, "after a call");
        println!("there was and is {before:?}");
    });
}

fn dropped_in(bench: &Bench, state: State) {
    let witness = Witness::default();
    let reach = || state.reach(bench, |options| keep(options, &witness));
    let Some(streams) = (0..STREAMS).map(|_| reach()).collect::<Option<Vec<_>>>() else {
        return;
    };
    let mut worlds = Vec::new();
    for reached in streams {
        let handle = reached.watched.handle();
        drop(reached.watched);
        drop(handle);
        worlds.push(reached.world);
    }
    wait_for(&format!("the driver gone: {state:?}"), || {
        witness.is_alone()
    });
    for world in &worlds {
        world.parted();
    }
}

fn dropped_with_callbacks(bench: &Bench) {
    let server = bench.server();
    let witness = Witness::default();
    let listener = witness.clone();
    let started = bench.start_with(bench.options(&server), move |_: &Notification| {
        let _ = &listener;
    });
    let Some(handle) = started else { return };
    let connected = handle.wait_until(&|handle| handle.is_connected(), LIMIT);
    assert_eq!(connected, Ok(()));
    drop(handle);
    wait_for("the listener gone", || witness.is_alone());
    server.seen("the socket gone", |seen| seen.open == 0);
}

/// What a stream holds at rest is the same after a call whose connection was kept.
fn stopped_with_an_idle_connection(bench: &Bench) {
    let (front, _sim) = bench.front();
    front.reply("/rest/nodes", [Reply::Answer(200, "<nodes/>".to_owned())]);
    let mut timing = quick();
    timing.keep_alive = LIMIT;
    let mut watched = bench.start(bench.options_of(&front).timing(timing));
    let mut at_rest = None;
    for call in [false, true] {
        watched.connected();
        let handle = watched.handle();
        if call {
            assert!(handle.call(rest::nodes()).is_ok());
            assert_eq!(front.open(), 2);
        }
        watched.stop();
        watched.end();
        wait_for("the ends of the connections", || front.open() == 0);
        match &at_rest {
            None => at_rest = Some(belongings()),
            Some(before) => wait_for_no_more_than(before, "at rest after a call"),
        }
        handle.start();
    }
}

/// The stream keeps the witness for as long as it is there.
fn keep(options: Options, witness: &Witness) -> Options {
    let witness = witness.clone();
    options.tap(move |_| {
        let _ = &witness;
    })
}

/// By the system, on a thread that outlives the stream only where the system hangs.
fn dropped_after_a_look_up(bench: &Bench) {
    let server = bench.server();
    let witness = Witness::default();
    let by_name = server.url().replace("127.0.0.1", "localhost");
    let options = bench.options(&server).url(by_name);
    let mut watched = bench.start(keep(options, &witness));
    watched.connected();
    drop(watched);
    wait_for("the driver gone", || witness.is_alone());
    server.seen("the socket gone", |seen| seen.open == 0);
}
