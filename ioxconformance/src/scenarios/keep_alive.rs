//! Connections that are kept for the next call.

use std::thread;
use std::time::Duration;

use ioxdriver::Options;
use ioxproto::rest::{self, Accepted, CallError, Command};
use ioxproto::{Profile, Timing};

use crate::{Bench, Front, Handle, LIMIT, Reply, Sim, Watched, quick, wait_for};

const NODES: &str = "/rest/nodes";
const ON: &str = "/rest/nodes/1%201%201%201/cmd/DON";
const STEP: &str = "/rest/nodes/1%201%201%201/cmd/BRT";
const LAMP: &str = "1 1 1 1";
/// Much longer than a scenario takes.
const LONG: Duration = LIMIT;
/// Expires during a scenario.
const SHORT: Duration = Duration::from_millis(200);

fn no_nodes() -> String {
    "<nodes><root>Home</root></nodes>".to_owned()
}

fn nodes() -> Reply {
    Reply::Answer(200, no_nodes())
}

fn accepted() -> Reply {
    let body = r#"<RestResponse succeeded="true"><status>200</status></RestResponse>"#;
    Reply::Answer(200, body.to_owned())
}

fn keep_alive(time: Duration) -> Timing {
    let mut timing = quick();
    timing.keep_alive = time;
    timing
}

/// A connected stream behind a scripted interface that has replies for a read, a command and a
/// step.
fn connected(
    bench: &Bench,
    time: Duration,
    change: impl FnOnce(Options) -> Options,
) -> (Front, Sim, Watched) {
    let (front, sim) = bench.front();
    front.reply(NODES, [nodes()]);
    front.reply(ON, [accepted()]);
    front.reply(STEP, [accepted()]);
    let options = bench.options_of(&front).timing(keep_alive(time));
    let mut watched = bench.start(change(options));
    watched.connected();
    (front, sim, watched)
}

fn read(handle: &Handle) -> Result<rest::Nodes, CallError> {
    handle.call(rest::nodes())
}

fn switch_on(handle: &Handle) -> Result<Accepted, CallError> {
    handle.call(Command::on(LAMP).unwrap())
}

fn step(handle: &Handle) -> Result<Accepted, CallError> {
    handle.call(Command::brighten(LAMP).unwrap())
}

/// The connections of all requests so far; 1 is the stream's.
fn connections(front: &Front) -> Vec<usize> {
    let asked = front.asked().into_iter();
    asked.map(|asked| asked.connection).collect()
}

pub fn calls_in_a_row_share_a_connection(bench: &Bench) {
    let (front, _sim, watched) = connected(bench, LONG, |options| options);
    let handle = watched.handle();
    for _ in 0..3 {
        read(&handle).unwrap();
        switch_on(&handle).unwrap();
    }
    assert_eq!(connections(&front), [2; 6]);
    // A step uses a new connection: on a kept one it could be carried out twice, or not at all.
    step(&handle).unwrap();
    assert_eq!(connections(&front)[6..], [3]);
    read(&handle).unwrap();
    assert_eq!(connections(&front)[7..], [3]);
    assert!(handle.is_connected());
}

pub fn the_simulated_controller_keeps_connections_too(bench: &Bench) {
    let server = bench.server();
    let options = bench.options(&server).timing(keep_alive(LONG));
    let mut watched = bench.start(options);
    watched.connected();
    let handle = watched.handle();
    let connections = || server.control().seen().connections;
    let before = connections();
    for _ in 0..5 {
        read(&handle).unwrap();
    }
    assert_eq!(connections(), before + 1);
    // A command to no node is refused with 404, which ends the connection.
    assert!(switch_on(&handle).is_err());
    read(&handle).unwrap();
    assert!(connections() > before + 1);
    assert!(handle.is_connected());
}

pub fn a_badly_framed_404_does_not_affect_later_answers(bench: &Bench) {
    let server = bench.server_with(|controller| controller.firmware = ioxsim::Firmware::Isy994);
    let options = bench.options(&server).timing(keep_alive(LONG));
    let mut watched = bench.start(options);
    watched.connected();
    let handle = watched.handle();
    let connections = || server.control().seen().connections;
    read(&handle).unwrap();
    let before = connections();
    for faults in 1..=3 {
        server
            .control()
            .on_call(ioxsim::OnCall::BrokenFraming, ioxsim::Times::Next(1));
        // The read is refused, and repeated on another connection.
        read(&handle).unwrap();
        assert_eq!(connections(), before + faults);
    }
    assert!(handle.is_connected());
}

pub fn an_idle_connection_is_closed_in_time(bench: &Bench) {
    let (front, _sim, mut watched) = connected(bench, SHORT, |options| options);
    let handle = watched.handle();
    read(&handle).unwrap();
    watched.meanwhile(|| wait_for("the end of the idle connection", || front.open() == 1));
    read(&handle).unwrap();
    assert_eq!(connections(&front), [2, 3]);
    assert!(handle.is_connected());
}

pub fn an_idle_connection_is_closed_while_the_consumer_does_not_read(bench: &Bench) {
    let (front, sim, watched) = connected(bench, SHORT, |options| options.queue(4));
    let handle = watched.handle();
    read(&handle).unwrap();
    sim.flood(20_000);
    bench.wait_until_queue_full(&watched);
    wait_for("the end of the idle connection", || front.open() == 1);
}

pub fn an_idle_connection_may_be_closed_by_the_controller(bench: &Bench) {
    let (front, _sim, watched) = connected(bench, LONG, |options| options);
    let handle = watched.handle();
    front.reply(NODES, [Reply::AnswerAndEnd(200, no_nodes()), nodes()]);
    read(&handle).unwrap();
    wait_for("the end of the idle connection", || front.open() == 1);
    read(&handle).unwrap();
    assert_eq!(connections(&front), [2, 3]);
    assert!(handle.is_connected());
}

pub fn a_request_on_a_kept_connection_that_ends_is_resent_once(bench: &Bench) {
    let (front, _sim, watched) = connected(bench, LONG, |options| options);
    let handle = watched.handle();
    front.reply(NODES, [nodes(), Reply::End, nodes(), Reply::End]);
    front.reply(ON, [Reply::End, accepted(), Reply::End]);
    read(&handle).unwrap();
    read(&handle).unwrap();
    assert_eq!(connections(&front), [2, 2, 3]);
    switch_on(&handle).unwrap();
    assert_eq!(connections(&front), [2, 2, 3, 3, 4]);
    // It is sent again only once, although the new connection ends in the same way.
    let error = switch_on(&handle).unwrap_err();
    assert_eq!(connections(&front)[5..], [4, 5]);
    assert!(error.may_have_been_carried_out, "{error}");
    let error = read(&handle).unwrap_err();
    assert_eq!(connections(&front)[7..], [6]);
    assert!(!error.may_have_been_carried_out, "{error}");
    assert!(handle.is_connected());
}

pub fn a_relative_command_is_never_resent(bench: &Bench) {
    let (front, _sim, watched) = connected(bench, LONG, |options| options);
    let handle = watched.handle();
    front.reply(STEP, [Reply::End]);
    read(&handle).unwrap();
    let error = step(&handle).unwrap_err();
    assert!(error.may_have_been_carried_out, "{error}");
    assert_eq!(connections(&front), [2, 3]);
}

pub fn a_404_ends_the_connection(bench: &Bench) {
    let isy994 = |options: Options| options.profile(Profile::Isy994);
    let (front, _sim, watched) = connected(bench, LONG, isy994);
    let handle = watched.handle();
    front.reply(NODES, [nodes(), Reply::Answer(404, String::new()), nodes()]);
    read(&handle).unwrap();
    // The read is refused, and repeated after a short wait.
    read(&handle).unwrap();
    assert_eq!(connections(&front), [2, 2, 3]);
}

pub fn an_isy_994_never_gets_more_connections_than_it_accepts(bench: &Bench) {
    let isy994 = |options: Options| options.profile(Profile::Isy994);
    let (front, _sim, mut watched) = connected(bench, LONG, isy994);
    // The stream needs one connection. The others are for calls.
    front.limit(if bench.has_tls() { 2 } else { 3 });
    let shared = watched.handle().shared().clone();
    watched.meanwhile(|| {
        thread::scope(|scope| {
            for caller in 0..4 {
                let handle = shared.clone();
                scope.spawn(move || {
                    for round in 0..6 {
                        match (caller + round) % 3 {
                            0 => step(&handle).map(|_| ()),
                            1 => switch_on(&handle).map(|_| ()),
                            _ => read(&handle).map(|_| ()),
                        }
                        .unwrap();
                    }
                });
            }
        });
    });
    assert_eq!(front.asked().len(), 24);
    assert!(!front.is_exceeded());
}

pub fn a_stop_closes_idle_connections(bench: &Bench) {
    let (front, _sim, mut watched) = connected(bench, LONG, |options| options);
    read(&watched.handle()).unwrap();
    assert_eq!(front.open(), 2);
    watched.stop();
    wait_for("the end of both connections", || front.open() == 0);
    watched.end();
    // The next session uses no kept connection.
    let handle = watched.handle();
    handle.start();
    watched.connected();
    read(&handle).unwrap();
    assert_eq!(connections(&front), [2, 4]);
}

pub fn a_lost_stream_closes_idle_connections(bench: &Bench) {
    let (front, sim, mut watched) = connected(bench, LONG, |options| options);
    let handle = watched.handle();
    read(&handle).unwrap();
    sim.end(ioxsim::Ending::Close(1001));
    watched.lost();
    watched.connected();
    read(&handle).unwrap();
    assert_eq!(connections(&front), [2, 4]);
}
