//! A stream that is dropped leaves nothing behind: no task, no thread, no socket.

use ioxdriver::Options;
use ioxproto::{Notification, rest};

use crate::resources::{resources_in_use, wait_for_no_more_than};
use crate::{Bench, LIMIT, Reply, State, Witness, quick, wait_for};

/// How many streams to drop at a time: with only one, an unrelated change of a count could hide it.
const STREAMS: usize = 2;

pub fn a_dropped_stream_leaves_no_task_thread_or_socket(bench: &Bench) {
    bench.alone(|| {
        // A runtime keeps what it creates for its first stream.
        dropped_in(bench, State::Connected);
        let before = resources_in_use();
        for state in State::ALL {
            dropped_in(bench, state);
            wait_for_no_more_than(&before, &format!("{state:?}"));
        }
        dropped_with_callbacks(bench);
        wait_for_no_more_than(&before, "with callbacks");
        dropped_after_a_name_lookup(bench);
        wait_for_no_more_than(&before, "after a name lookup");
        stopped_with_an_idle_connection(bench);
        wait_for_no_more_than(&before, "after a call");
        println!("in use before and after: {before:?}");
    });
}

fn dropped_in(bench: &Bench, state: State) {
    let witness = Witness::default();
    let reach = || state.reach(bench, |options| keep(options, &witness));
    let Some(streams) = (0..STREAMS).map(|_| reach()).collect::<Option<Vec<_>>>() else {
        return;
    };
    let mut peers = Vec::new();
    for reached in streams {
        let handle = reached.watched.handle();
        drop(reached.watched);
        drop(handle);
        peers.push(reached.peer);
    }
    wait_for(&format!("the driver gone: {state:?}"), || {
        witness.is_alone()
    });
    for peer in &peers {
        peer.wait_until_disconnected();
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
    wait_for("the end of the listener", || witness.is_alone());
    server.seen("the socket closed", |seen| seen.open == 0);
}

/// A stream at rest uses the same resources after a call whose connection was kept.
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
            None => at_rest = Some(resources_in_use()),
            Some(before) => wait_for_no_more_than(before, "at rest after a call"),
        }
        handle.start();
    }
}

/// Makes the stream hold the witness as long as it exists.
fn keep(options: Options, witness: &Witness) -> Options {
    let witness = witness.clone();
    options.tap(move |_| {
        let _ = &witness;
    })
}

/// Uses the system's name lookup. Its thread outlives the stream only if the system hangs.
fn dropped_after_a_name_lookup(bench: &Bench) {
    let server = bench.server();
    let witness = Witness::default();
    let by_name = server.url().replace("127.0.0.1", "localhost");
    let options = bench.options(&server).url(by_name);
    let mut watched = bench.start(keep(options, &witness));
    watched.connected();
    drop(watched);
    wait_for("the end of the driver", || witness.is_alone());
    server.seen("the socket closed", |seen| seen.open == 0);
}
