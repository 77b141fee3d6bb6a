//! A stream that is dropped leaves nothing behind: no task, no thread, no socket.

use std::collections::BTreeMap;
use std::fs;

use ioxdriver::Options;
use ioxproto::Notification;

use crate::{Bench, LIMIT, State, Witness, wait_for};

/// So many at a time, so that one more or less from elsewhere hides none.
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
    wait_for(&format!("the driver gone: {state:?}"), || witness.alone());
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
    let connected = handle.wait_until(&|handle| handle.connected(), LIMIT);
    assert_eq!(connected, Ok(()));
    drop(handle);
    wait_for("the listener gone", || witness.alone());
    server.seen("the socket gone", |seen| seen.open == 0);
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
    wait_for("the driver gone", || witness.alone());
    server.seen("the socket gone", |seen| seen.open == 0);
}

/// This process's threads by name and descriptors by kind, as far as the system tells.
fn belongings() -> BTreeMap<String, usize> {
    let mut belongings = BTreeMap::new();
    let mut count = |what: String| *belongings.entry(what).or_default() += 1;
    // What goes away meanwhile is not there.
    for thread in fs::read_dir("/proc/self/task").into_iter().flatten() {
        let name = thread.map(|thread| fs::read_to_string(thread.path().join("comm")));
        if let Ok(Ok(name)) = name {
            count(format!("thread {}", name.trim_end()));
        }
    }
    for descriptor in fs::read_dir("/proc/self/fd").into_iter().flatten() {
        let link = descriptor.map(|descriptor| fs::read_link(descriptor.path()));
        if let Ok(Ok(link)) = link {
            // Such as `socket:[12345]` and `anon_inode:[eventpoll]`.
            let link = link.to_string_lossy().into_owned();
            count(match link.split_once(":[") {
                Some((kind, _)) if kind != "anon_inode" => kind.to_owned(),
                _ => link,
            });
        }
    }
    belongings
}

fn wait_for_no_more_than(before: &BTreeMap<String, usize>, what: &str) {
    let more = |(name, count): (&String, &usize)| *count > *before.get(name).unwrap_or(&0);
    let mut now = BTreeMap::new();
    let settled = crate::came_to_hold(|| {
        now = belongings();
        !now.iter().any(more)
    });
    assert!(settled, "{what}: there was {before:#?}, there is {now:#?}");
}
