//! Ctrl-C and SIGTERM end the program cleanly and soon, in every state of a stream and with every
//! driver.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ioxsim::{Endpoint, OnConnect, OnPost, OnUpgrade, Times};
use rustix::process::Signal;

use crate::house::{House, closed_port};
use crate::iox::{LIMIT, Running, iox, wait, watch, without_time};

const JSON: [&str; 2] = ["--format", "json"];

/// The time limit for an end: a clean stop takes up to 1.5 s, and a busy machine needs more. It is
/// far below the 10 s limits of the operations that hang.
const END_TIMEOUT: Duration = Duration::from_secs(6);

/// A watch in some state, and the values that keep it there.
type Kept<T> = (Running, T);

/// Brings a watch into a state and signals it. Expects that it ends cleanly and soon, with the
/// status `disconnected`.
fn ends_well<T>(state: impl Fn(&dyn Fn(Command) -> Running) -> Kept<T>, after: impl Fn(T)) {
    for transport in ["tokio", "async-std", "blocking"] {
        for signal in [Signal::INT, Signal::TERM] {
            let (running, keeper) = state(&|mut command: Command| {
                command.args(JSON).args(["--transport", transport]);
                Running::start(command)
            });
            let began = Instant::now();
            running.signal(signal);
            let finished = running.finish();
            let case = format!("{transport}, {signal:?}");
            assert_eq!(finished.code, Some(0), "{case}: {finished:?}");
            assert!(
                began.elapsed() < END_TIMEOUT,
                "{case}: {:?}",
                began.elapsed()
            );
            let last = finished.stdout.lines().last().map(without_time);
            let expected = r#"{"type":"status","status":"disconnected","reason":"stop_requested","close_code":null,"http_status":null,"retry_in":null,"message":"stopped on request"}"#;
            assert_eq!(last.as_deref(), Some(expected), "{case}");
            after(keeper);
        }
    }
}

/// Makes a name lookup hang: the resolver of glibc reads host aliases from a pipe without a writer.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn a_signal_while_the_name_is_looked_up_ends_it() {
    let sources = fs::read_to_string("/etc/nsswitch.conf").unwrap_or_default();
    let hosts = sources.lines().find(|line| line.starts_with("hosts:"));
    if hosts.is_some_and(|hosts| !hosts.contains("dns") || hosts.contains("resolve")) {
        // Another program does the lookups on this machine, and does not read the aliases.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let aliases = folder.path().join("aliases");
    let made = Command::new("mkfifo").arg(&aliases).status().unwrap();
    assert!(made.success());
    ends_well(
        |start| {
            let mut command = watch("http://controller", &[]);
            command.env("HOSTALIASES", &aliases);
            let running = start(command);
            let (opened, opens) = mpsc::channel();
            let path = aliases.clone();
            // Returns when the lookup opens the pipe.
            thread::spawn(move || opened.send(File::options().write(true).open(path).unwrap()));
            let writes_nothing = opens.recv_timeout(LIMIT).expect("a name lookup");
            (running, writes_nothing)
        },
        drop,
    );
}

/// A listener with a full queue does not answer.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_while_tcp_connects_ends_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(socket) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        waiting.push(socket);
    }
    ends_well(
        |start| {
            let running = start(watch(&format!("http://{address}"), &[]));
            running.wait_for_status("stream_initializing");
            (running, ())
        },
        |()| {},
    );
}

#[test]
fn a_signal_in_the_tls_handshake_ends_it() {
    ends_well(
        |start| {
            let house = House::secured();
            house.control().on_connect(OnConnect::Mute, Times::Always);
            let running = start(watch(&house.url, &[]));
            house.wait_for(|seen| seen.connections == 1);
            (running, house)
        },
        |house| assert_eq!(house.control().http_bytes(), 0),
    );
}

#[test]
fn a_signal_while_the_upgrade_is_not_answered_ends_it() {
    ends_well(
        |start| {
            let house = House::quiet();
            house.control().on_upgrade(OnUpgrade::Mute, Times::Always);
            let running = start(watch(&house.url, &[]));
            house.wait_for(|seen| seen.requests == 1);
            (running, house)
        },
        |house| house.wait_for(|seen| seen.open == 0),
    );
}

#[test]
fn a_signal_while_the_login_is_not_answered_ends_it() {
    ends_well(
        |start| {
            let house = House::quiet();
            let control = house.control();
            control.on_post(Endpoint::Login, OnPost::Mute, Times::Always);
            let mut command = iox(&["watch", &house.url, "--username", "user@example.test"]);
            command.env("IOX_PASSWORD", "secret");
            let running = start(command);
            house.wait_for(|seen| seen.requests == 1);
            (running, house)
        },
        |house| house.wait_for(|seen| seen.open == 0),
    );
}

#[test]
fn a_signal_in_the_replay_closes_the_connection() {
    ends_well(
        |start| {
            let house = House::quiet();
            house.control().hold_replay(3);
            let running = start(watch(&house.url, &[]));
            running.wait_for(r#""type":"event""#);
            (running, house)
        },
        |house| assert_eq!(house.control().closes(), [Some(1000)]),
    );
}

#[test]
fn a_signal_while_live_closes_the_connection() {
    ends_well(
        |start| {
            let house = House::quiet();
            let running = start(watch(&house.url, &[]));
            running.wait_for_status("connected");
            (running, house)
        },
        |house| assert_eq!(house.control().closes(), [Some(1000)]),
    );
}

#[test]
fn a_signal_while_the_controller_is_frozen_ends_it() {
    ends_well(
        |start| {
            let house = House::quiet();
            let running = start(watch(&house.url, &[]));
            running.wait_for_status("connected");
            house.control().freeze();
            (running, house)
        },
        drop,
    );
}

#[test]
fn a_signal_during_the_backoff_ends_it() {
    let url = format!("http://127.0.0.1:{}", closed_port());
    ends_well(
        |start| {
            let running = start(watch(&url, &[]));
            running.wait_for_status("lost_connection");
            (running, ())
        },
        |()| {},
    );
}

#[test]
fn a_second_signal_ends_at_once() {
    let house = House::quiet();
    let running = Running::start(watch(&house.url, &JSON));
    running.wait_for_status("connected");
    // A frozen controller does not answer the close frame, so a clean stop takes a while.
    house.control().freeze();
    running.signal(Signal::INT);
    running.signal(Signal::TERM);
    let finished = running.finish();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(!finished.stdout.contains("disconnected"), "{finished:?}");
}

#[test]
fn a_signal_reaches_a_watch_whose_output_nobody_reads() {
    let house = House::lively();
    let mut child = watch(&house.url, &JSON)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    house.wait_for(|seen| seen.subscribers == 1);
    // More than all queues can hold.
    house.control().flood(30_000);
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, Signal::INT).unwrap();
    assert_eq!(wait(&mut child).code(), Some(0));
}
