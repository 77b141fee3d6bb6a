//! Calls alongside the stream.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ioxdriver::driver::convert_handle;
use ioxdriver::{Async, Blocking, Ticket};
use ioxproto::Notification;
use ioxproto::rest::{self, CallError, CallProblem, Command, Confirmation, NodeEntry, Nodes};
use ioxproto::state::{ControllerState, Property};
use ioxproto::view::VariableType;
use ioxsim::{Ending, Event, OnCall, Times};

use crate::{Bench, Front, Handle, LIMIT, Reply, Sim, Watched, block_on, quick, wait_for};

const NODES: &str = "/rest/nodes";
const ON: &str = "/rest/nodes/1%201%201%201/cmd/DON";
const OFF: &str = "/rest/nodes/1%201%201%201/cmd/DOF";
const LAMP: &str = "1 1 1 1";

fn accepted() -> Reply {
    let body = r#"<RestResponse succeeded="true"><status>200</status></RestResponse>"#;
    Reply::Answer(200, body.to_owned())
}

fn nodes(count: usize) -> Reply {
    let node = |index| {
        format!("<node flag=\"128\"><address>n{index}</address><name>Lamp {index}</name></node>")
    };
    let nodes: String = (0..count).map(node).collect();
    Reply::Answer(200, format!("<nodes><root>Home</root>{nodes}</nodes>"))
}

fn busy() -> Reply {
    Reply::Answer(503, String::new())
}

fn on() -> Command {
    Command::on(LAMP).unwrap()
}

/// A connected stream behind a scripted interface.
fn connected(bench: &Bench) -> (Front, Sim, Watched) {
    let (front, sim) = bench.front();
    let mut watched = bench.start(bench.options_of(&front));
    watched.connected();
    (front, sim, watched)
}

fn paths(front: &Front) -> Vec<String> {
    front.asked().into_iter().map(|asked| asked.path).collect()
}

fn names(nodes: &Nodes) -> Vec<&str> {
    nodes.nodes.iter().map(|node| node.name.as_str()).collect()
}

pub fn a_call_is_answered_and_its_answer_read(bench: &Bench) {
    let (front, _sim, watched) = connected(bench);
    front.reply(NODES, [nodes(2)]);
    front.reply(ON, [accepted()]);
    let handle = watched.handle();
    let nodes = handle.call(rest::nodes()).unwrap();
    assert_eq!(names(&nodes), ["Lamp 0", "Lamp 1"]);
    handle.call(on()).unwrap();
    let asked = front.asked();
    assert!(
        asked[0]
            .head
            .contains("\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\n")
    );
    assert!(handle.is_connected());
}

pub fn the_simulated_house_is_read_and_its_lamps_switched(bench: &Bench) {
    const WITHIN: Duration = Duration::from_secs(30);
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    let handle = watched.handle();
    assert!(!handle.call(rest::config()).unwrap().firmware.is_empty());
    let nodes = handle.call(rest::nodes()).unwrap();
    let status = handle.call(rest::status()).unwrap();
    assert!(nodes.nodes.iter().all(|node| !node.name.is_empty()));
    assert!(handle.call(rest::time()).is_ok());
    let programs = handle.call(rest::programs()).unwrap();
    assert!(programs.programs.iter().any(|program| program.is_folder));
    for kind in [VariableType::Integer, VariableType::State] {
        let names = handle.call(rest::variable_definitions(kind)).unwrap();
        let values = handle.call(rest::variables(kind)).unwrap();
        assert_eq!(names.definitions.len(), values.variables.len());
    }
    let mut house = ControllerState::new();
    for node in &status.nodes {
        for property in &node.properties {
            house.seed_property(&node.address, &property.control, property.to_property());
        }
    }
    let dimmer = |node: &&NodeEntry| node.node_def_id.contains("Dimmer");
    let lamp = &nodes.nodes.iter().find(dimmer).unwrap().address;
    let is_on = house
        .property(lamp, "ST")
        .is_some_and(|now| now.raw() != "0");
    let switch = |on: bool, house: &ControllerState| {
        let command = match on {
            true => Command::on(lamp).unwrap(),
            false => Command::off(lamp).unwrap(),
        };
        handle.call(command.confirmed(WITHIN, house)).unwrap()
    };
    let nothing_known = ControllerState::new();
    assert_eq!(switch(!is_on, &nothing_known), Confirmation::Confirmed);
    assert_eq!(switch(is_on, &nothing_known), Confirmation::Confirmed);
    // The simulated controller sends the event even if nothing changes, before or after its answer.
    assert_ne!(switch(is_on, &house), Confirmation::Unconfirmed);
}

pub fn an_answer_of_megabytes_is_read(bench: &Bench) {
    const MANY: usize = 50_000;
    let (front, _sim, watched) = connected(bench);
    front.reply(NODES, [nodes(MANY)]);
    let nodes = watched.handle().call(rest::nodes()).unwrap();
    assert_eq!(nodes.nodes.len(), MANY);
}

pub fn a_refused_call_leaves_the_stream_alone(bench: &Bench) {
    // The simulated controller itself has no such path.
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    let handle = watched.handle();
    let error = handle.call(rest::get("/nothing").unwrap()).unwrap_err();
    assert!(matches!(
        error.problem,
        CallProblem::Refused { status: 404, .. }
    ));
    let (front, _sim, mut watched) = connected(bench);
    front.reply("/secret", [Reply::Answer(401, String::new())]);
    let handle = watched.handle();
    let error = handle.call(rest::get("/secret").unwrap()).unwrap_err();
    assert_eq!(error.code(), "credentials_refused");
    assert!(handle.is_connected());
    watched.stop();
    watched.end();
    assert_eq!(
        watched.statuses(),
        [
            "stream_initializing",
            "stream_syncing",
            "connected",
            "disconnected"
        ]
    );
}

pub fn a_call_to_a_busy_controller_is_retried(bench: &Bench) {
    let (front, _sim, watched) = connected(bench);
    front.reply(ON, [busy(), Reply::Answer(404, String::new()), accepted()]);
    let handle = watched.handle();
    handle.call(on()).unwrap();
    assert_eq!(paths(&front).len(), 3);
    let steps = "/rest/nodes/1%201%201%201/cmd/BRT";
    front.reply(steps, [busy(), accepted()]);
    let error = handle.call(Command::brighten(LAMP).unwrap()).unwrap_err();
    assert!(!error.may_have_been_carried_out);
    assert_eq!(paths(&front).len(), 4, "a step is not repeated");
}

/// The outcomes of a read, an absolute command and a step on the simulated controller, each with
/// this fault at its first attempt: `ok`, or the code of the error, with `?` if the command may
/// have been carried out.
fn after_a_fault(sim: &Sim, handle: &ioxdriver::Handle<Blocking>, fault: OnCall) -> [String; 3] {
    fn code<A>(outcome: Result<A, CallError>) -> String {
        match outcome {
            Ok(_) => "ok".to_owned(),
            Err(error) if error.may_have_been_carried_out => format!("{}?", error.code()),
            Err(error) => error.code().to_owned(),
        }
    }
    let lamp = sim.control().nodes()[0].clone();
    let plan_fault = || sim.control().on_call(fault, Times::Next(1));
    plan_fault();
    let read = code(handle.call(rest::nodes()));
    plan_fault();
    let command = code(handle.call(Command::on(&lamp).unwrap()));
    plan_fault();
    let step = code(handle.call(Command::dim(&lamp).unwrap()));
    [read, command, step]
}

pub fn each_fault_of_a_call_is_reported_and_leaves_the_stream_alone(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    let handle = watched.handle();
    for (fault, expected) in [
        // Reads and absolute commands are sent again. After a 404 it is unknown whether a step was
        // carried out.
        (
            OnCall::Busy { carried_out: false },
            ["ok", "ok", "refused?"],
        ),
        (OnCall::Busy { carried_out: true }, ["ok", "ok", "refused?"]),
        (OnCall::BrokenFraming, ["ok", "ok", "refused?"]),
        (OnCall::NotSucceeded, ["ok", "ok", "refused?"]),
        (OnCall::Refuse { status: 503 }, ["ok", "ok", "refused"]),
        (
            OnCall::Refuse { status: 500 },
            ["refused", "refused?", "refused?"],
        ),
        (
            OnCall::Html,
            [
                "unreadable_answer",
                "unreadable_answer?",
                "unreadable_answer?",
            ],
        ),
        // For a command, the status is enough.
        (OnCall::Empty, ["unreadable_answer", "ok", "ok"]),
        (OnCall::TooLong, ["unreadable_answer", "ok", "ok"]),
        (OnCall::TooShort, ["not_http", "not_http?", "not_http?"]),
        (OnCall::CutOff, ["not_http", "not_http?", "not_http?"]),
        (OnCall::Slow(Duration::from_millis(300)), ["ok", "ok", "ok"]),
    ] {
        let outcomes = after_a_fault(&server, &handle, fault);
        assert_eq!(outcomes, expected, "{fault:?}");
        // The fault does not affect the next call.
        handle.call(rest::nodes()).unwrap();
    }
    assert!(handle.is_connected());
    assert_eq!(server.control().seen().upgrades, 1);
}

pub fn commands_to_one_node_keep_their_order(bench: &Bench) {
    let (front, _sim, watched) = connected(bench);
    front.reply(ON, [accepted()]);
    front.reply(OFF, [accepted()]);
    let handle = watched.handle();
    let off = || Command::off(LAMP).unwrap();
    let tickets: Vec<_> = (0..20)
        .map(|index| match index % 2 {
            0 => handle.submit(on()),
            _ => handle.submit(off()),
        })
        .collect();
    for ticket in tickets {
        ticket.wait().unwrap();
    }
    assert_eq!(paths(&front), [ON, OFF].repeat(10));
}

pub fn calls_come_from_many_threads(bench: &Bench) {
    let (front, _sim, watched) = connected(bench);
    front.reply(NODES, [nodes(3)]);
    thread::scope(|scope| {
        for _ in 0..8 {
            let handle = watched.handle();
            scope.spawn(move || {
                for _ in 0..8 {
                    let nodes = handle.call(rest::nodes()).unwrap();
                    assert_eq!(nodes.nodes.len(), 3);
                }
            });
        }
    });
    assert_eq!(paths(&front).len(), 64);
}

pub fn a_call_can_be_awaited(bench: &Bench) {
    let (front, _sim, watched) = connected(bench);
    front.reply(NODES, [nodes(1)]);
    let handle: ioxdriver::Handle<Async> = convert_handle(watched.handle().shared());
    let nodes = block_on(handle.call(rest::nodes()), LIMIT)
        .unwrap()
        .unwrap();
    assert_eq!(names(&nodes), ["Lamp 0"]);
}

pub fn a_call_waits_while_the_stream_reconnects(bench: &Bench) {
    let (front, sim, mut watched) = connected(bench);
    front.reply(NODES, [nodes(1)]);
    sim.end(Ending::Close(1001));
    watched.lost();
    let handle = watched.handle();
    let nodes = handle.call(rest::nodes()).unwrap();
    assert_eq!(nodes.nodes.len(), 1);
}

pub fn a_call_within_the_loop_works_with_a_queue_of_one(bench: &Bench) {
    let (front, sim) = bench.front();
    front.reply(NODES, [nodes(1)]);
    let mut watched = bench.start(bench.options_of(&front).queue(1));
    watched.connected();
    let handle = watched.handle();
    for round in 0..3 {
        sim.flood(500);
        sim.emit(&Event::new("ST", format!("last {round}")).node("n1"));
        watched.until("an event", |notification| {
            matches!(notification, Notification::Event(_))
        });
        // The queue is full, or soon will be, and nobody reads it.
        let nodes = handle.call(rest::nodes()).unwrap();
        assert_eq!(nodes.nodes.len(), 1);
        watched.event("ST", &format!("last {round}"));
    }
}

pub fn a_command_is_confirmed_by_its_event_within_the_loop(bench: &Bench) {
    const WITHIN: Duration = Duration::from_secs(30);
    let (front, sim) = bench.front();
    front.reply(ON, [accepted()]);
    let mut watched = bench.start(bench.options_of(&front).queue(1));
    watched.connected();
    let handle = watched.handle();
    let mut house = ControllerState::new();
    for unchanged in [false, true] {
        let confirmed = on().confirmed(WITHIN, &house);
        let ticket = handle.submit(confirmed);
        if !unchanged {
            // The event comes after more events than the queue holds, and nobody reads the queue.
            sim.flood(200);
            sim.emit(&Event::new("ST", "255").node(LAMP));
        }
        let confirmation = ticket.wait().unwrap();
        let expected = match unchanged {
            true => Confirmation::Unchanged,
            false => Confirmation::Confirmed,
        };
        assert_eq!(confirmation, expected);
        if !unchanged {
            let event = watched.until(
                "the event",
                |notification| matches!(notification, Notification::Event(event) if event.node() == LAMP),
            );
            house.seed_property(LAMP, "ST", Property::new("255"));
            assert!(matches!(event, Notification::Event(event) if event.is_live()));
        }
    }
}

pub fn a_call_ends_in_time_while_the_consumer_does_not_read(bench: &Bench) {
    let (front, sim) = bench.front();
    front.reply(NODES, [Reply::Silence]);
    let mut timing = quick();
    timing.call_first_byte = Duration::from_millis(500);
    let options = bench.options_of(&front).queue(4).timing(timing);
    let mut watched = bench.start(options);
    watched.connected();
    let handle = watched.handle();
    // More events than are read past a full queue.
    sim.flood(20_000);
    let error = handle.call(rest::nodes()).unwrap_err();
    assert_eq!(error.code(), "timed_out");
    assert!(handle.is_connected());
}

pub fn a_callback_can_make_a_call_but_not_wait_for_it(bench: &Bench) {
    type Made = (Result<Nodes, CallError>, Ticket<Nodes, Blocking>);
    let (front, _sim) = bench.front();
    front.reply(NODES, [nodes(1)]);
    let (hand_in, handle) = mpsc::channel::<Handle>();
    let (tell, made) = mpsc::channel::<Made>();
    let mut own: Option<Handle> = None;
    let mut done = false;
    let stream = bench.start_with(bench.options_of(&front), move |notification| {
        own = own.take().or_else(|| handle.recv().ok());
        let Notification::Event(_) = notification else {
            return;
        };
        if let Some(handle) = own.as_ref().filter(|_| !done) {
            done = true;
            let waited = handle.call(rest::nodes());
            let _ = tell.send((waited, handle.submit(rest::nodes())));
        }
    });
    let Some(stream) = stream else { return };
    hand_in.send(stream.shared().clone()).unwrap();
    let (waited, ticket) = made.recv_timeout(LIMIT).unwrap();
    let error = waited.unwrap_err();
    assert_eq!(error.problem, CallProblem::InCallback);
    assert!(!error.may_have_been_carried_out);
    let nodes = ticket.wait().unwrap();
    assert_eq!(nodes.nodes.len(), 1);
    assert_eq!(paths(&front), [NODES]);
    stream.stop();
}

pub fn an_unanswered_call_times_out(bench: &Bench) {
    let (front, _sim) = bench.front();
    front.reply(ON, [Reply::Silence]);
    let mut timing = quick();
    timing.call_first_byte = Duration::from_millis(300);
    let mut watched = bench.start(bench.options_of(&front).timing(timing));
    watched.connected();
    let handle = watched.handle();
    let error = handle.call(on()).unwrap_err();
    assert_eq!(error.code(), "timed_out");
    assert!(error.may_have_been_carried_out, "{error}");
    assert!(handle.is_connected());
}

pub fn an_answer_that_stops_halfway_times_out(bench: &Bench) {
    let (front, _sim) = bench.front();
    front.reply(NODES, [Reply::Half]);
    let mut timing = quick();
    timing.call_first_byte = Duration::from_millis(300);
    timing.call = Duration::from_millis(900);
    let mut watched = bench.start(bench.options_of(&front).timing(timing));
    watched.connected();
    let began = Instant::now();
    let error = watched.handle().call(rest::nodes()).unwrap_err();
    assert_eq!(error.code(), "timed_out");
    assert!(began.elapsed() >= Duration::from_millis(900), "{error}");
}

pub fn a_command_may_have_been_carried_out_if_its_connection_ends(bench: &Bench) {
    let (front, _sim, watched) = connected(bench);
    front.reply(ON, [Reply::End]);
    front.reply(NODES, [Reply::End]);
    let handle = watched.handle();
    let error = handle.call(on()).unwrap_err();
    assert!(error.may_have_been_carried_out, "{error}");
    let error = handle.call(rest::nodes()).unwrap_err();
    assert!(!error.may_have_been_carried_out, "{error}");
}

pub fn dropping_a_ticket_does_not_cancel_the_call(bench: &Bench) {
    let (front, _sim, watched) = connected(bench);
    front.reply(ON, [accepted()]);
    front.reply(OFF, [accepted()]);
    let handle = watched.handle();
    drop(handle.submit(on()));
    // Commands to one node keep their order, so this one is sent after the first.
    handle.call(Command::off(LAMP).unwrap()).unwrap();
    assert_eq!(paths(&front), [ON, OFF]);
}

pub fn a_call_can_be_cancelled(bench: &Bench) {
    let (front, _sim, watched) = connected(bench);
    front.reply(ON, [Reply::Silence]);
    let handle = watched.handle();
    let first = handle.submit(on());
    let second = handle.submit(on());
    second.cancel();
    let error = second.wait().unwrap_err();
    assert_eq!(error.problem, CallProblem::Cancelled);
    assert!(!error.may_have_been_carried_out);
    first.cancel();
    assert_eq!(first.wait().unwrap_err().problem, CallProblem::Cancelled);
    assert!(handle.is_connected());
}

pub fn a_stop_ends_pending_calls_in_time(bench: &Bench) {
    let (front, _sim, mut watched) = connected(bench);
    front.reply(ON, [Reply::Silence]);
    let handle = watched.handle();
    let tickets = [handle.submit(on()), handle.submit(on())];
    let shared = handle.shared().clone();
    watched.meanwhile(|| {
        wait_for("the request", || paths(&front).len() == 1);
        let began = Instant::now();
        shared.stop();
        assert!(began.elapsed() < Duration::from_millis(1500));
    });
    for ticket in tickets {
        let error = ticket.wait().unwrap_err();
        assert_eq!(error.problem, CallProblem::Stopped);
    }
}

pub fn at_rest_a_call_fails_at_once_and_works_again_after_a_start(bench: &Bench) {
    let (front, _sim, mut watched) = connected(bench);
    front.reply(NODES, [nodes(1)]);
    watched.stop();
    watched.end();
    let handle = watched.handle();
    let error = handle.call(rest::nodes()).unwrap_err();
    assert_eq!(error.code(), "not_running");
    handle.start();
    watched.connected();
    assert!(handle.call(rest::nodes()).is_ok());
}

pub fn a_portal_accounts_tokens_are_renewed_for_a_call(bench: &Bench) {
    let (front, sim) = bench.front();
    front.reply(NODES, [Reply::Answer(401, String::new()), nodes(1)]);
    let options = bench.portal_of(&front);
    let mut watched = bench.start(options);
    watched.connected();
    let nodes = watched.handle().call(rest::nodes()).unwrap();
    assert_eq!(nodes.nodes.len(), 1);
    let shown: Vec<_> = front
        .asked()
        .iter()
        .map(|asked| asked.head.clone())
        .collect();
    assert!(
        shown
            .iter()
            .all(|head| head.contains("\r\nAuthorization: Bearer "))
    );
    assert_ne!(shown[0], shown[1], "another token");
    sim.seen("one login and one refresh", |seen| {
        (seen.portal.logins, seen.portal.refreshes) == (1, 1)
    });
    assert!(watched.handle().is_connected());
}
