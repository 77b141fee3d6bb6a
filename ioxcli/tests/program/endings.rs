//! Ways to end: signals at every state, a reader that goes away, a full disk.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use ioxsim::{OnConnect, OnUpgrade, ServerOptions, Times, Tls};
use rustix::process::Signal;

use crate::house::{House, closed_port};
use crate::iox::{Running, iox, run, wait, watch};

const JSON: [&str; 2] = ["--format", "json"];

/// Signals a running watch; it must end well, and say that it is disconnected.
fn ends_well(running: Running, signal: Signal) {
    running.signal(signal);
    let finished = running.finish();
    assert_eq!(finished.code, Some(0), "{signal:?}: {finished:?}");
    let last = finished.stdout.lines().last().unwrap();
    let expected = r#"{"type":"status","status":"disconnected","reason":"stop_requested"}"#;
    assert_eq!(last, expected, "{signal:?}");
}

const BOTH: [Signal; 2] = [Signal::INT, Signal::TERM];

#[test]
fn a_signal_while_live_closes_politely() {
    for signal in BOTH {
        let house = House::quiet();
        let running = Running::start(watch(&house.url, &JSON));
        running.wait_for_status("connected");
        ends_well(running, signal);
        assert_eq!(house.control().closes(), [Some(1000)]);
    }
}

#[test]
fn a_signal_in_the_replay_closes_politely() {
    for signal in BOTH {
        let house = House::quiet();
        house.control().hold_replay(3);
        let running = Running::start(watch(&house.url, &JSON));
        running.wait_for(r#""type":"event""#);
        ends_well(running, signal);
        assert_eq!(house.control().closes(), [Some(1000)]);
    }
}

#[test]
fn a_signal_during_the_backoff_ends_it() {
    let url = format!("http://127.0.0.1:{}", closed_port());
    for signal in BOTH {
        let running = Running::start(watch(&url, &JSON));
        running.wait_for_status("lost_connection");
        ends_well(running, signal);
    }
}

#[test]
fn a_signal_while_nobody_answers_ends_it() {
    let secured = || {
        House::start(ServerOptions {
            tls: Some(Tls::self_signed().unwrap()),
            ..ServerOptions::default()
        })
    };
    for signal in BOTH {
        // Not a word in the TLS handshake, not a word to the upgrade.
        let house = secured();
        house.control().on_connect(OnConnect::Mute, Times::Always);
        let running = Running::start(watch(&house.url, &JSON));
        house.wait_for(|seen| seen.connections == 1);
        ends_well(running, signal);

        let house = House::quiet();
        house.control().on_upgrade(OnUpgrade::Mute, Times::Always);
        let running = Running::start(watch(&house.url, &JSON));
        house.wait_for(|seen| seen.requests == 1);
        ends_well(running, signal);
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let house = House::quiet();
    let running = Running::start(watch(&house.url, &JSON));
    running.wait_for_status("connected");
    // A frozen controller answers no close frame, so that a polite stop takes its time.
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
    // More than all queues between here and there hold.
    house.control().flood(30_000);
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, Signal::INT).unwrap();
    assert_eq!(wait(&mut child).code(), Some(0));
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let house = House::lively();
    for format in ["json", "text"] {
        let mut child = watch(&house.url, &["--format", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        drop(stdout);
        assert_eq!(wait(&mut child).code(), Some(0), "{format}");
        let mut stderr = String::new();
        child.stderr.unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(stderr, "", "{format}");
    }
    house.wait_for(|seen| seen.closes == [Some(1000), Some(1000)]);
}

#[test]
fn a_reader_that_goes_away_ends_a_decode_quietly() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "<Event/>\n".repeat(100_000)).unwrap();
    let mut child = iox(&["decode", file.path().to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(wait(&mut child).code(), Some(0));
    let mut stderr = String::new();
    child.stderr.unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(stderr, "");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named() {
    let full = || std::fs::File::create("/dev/full").unwrap();
    let house = House::lively();
    let mut to_full = watch(&house.url, &[]);
    to_full.stdout(full()).stderr(Stdio::piped());
    let mut child = to_full.spawn().unwrap();
    assert_eq!(wait(&mut child).code(), Some(1));
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert!(
        stderr.contains("standard output") && stderr.contains("space"),
        "{stderr}"
    );

    let recording = run(watch(&house.url, &["--record", "/dev/full"]));
    assert_eq!(recording.code, Some(1), "{recording:?}");
    assert!(recording.stderr.contains("/dev/full"), "{recording:?}");
}

#[test]
fn the_duration_counts_from_the_start_of_the_program() {
    let url = format!("http://127.0.0.1:{}", closed_port());
    let began = std::time::Instant::now();
    let finished = run(watch(&url, &["--duration", "0.5", "--format", "json"]));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(began.elapsed().as_secs_f32() >= 0.4);
    assert!(
        finished
            .stdout
            .ends_with(r#""disconnected","reason":"stop_requested"}"#)
    );
}
