//! Blocked outputs: a full pipe, and a pipe without a reader. Signals and time limits still work,
//! and the connection is closed cleanly.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use ioxsim::{HouseOptions, ServerOptions};
use rustix::process::Signal;

use crate::house::House;
use crate::iox::{Finished, Running, iox, run, watch};

const TRANSPORTS: [&str; 3] = ["tokio", "async-std", "blocking"];

/// The time limit for an end: 1.5 s for the stop, and more for a busy machine.
const END_TIMEOUT: Duration = Duration::from_secs(6);

fn fifo(folder: &Path) -> String {
    let path = folder.join("fifo");
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    path.to_str().unwrap().to_owned()
}

/// Starts a controller that sends enough events to fill any pipe soon.
fn busy() -> House {
    House::start(ServerOptions::of(HouseOptions {
        nodes: 100,
        rate_per_second: 20_000.0,
        seed: 3,
        ..HouseOptions::default()
    }))
}

fn ends_soon(running: Running, signal: Signal, case: &str) -> Finished {
    let began = Instant::now();
    running.signal(signal);
    let finished = running.finish();
    assert!(
        began.elapsed() < END_TIMEOUT,
        "{case}: {:?}",
        began.elapsed()
    );
    finished
}

/// Waits until the controller has sent enough to fill every pipe.
fn wait_for_full_pipes(house: &House) {
    house.wait_for(|seen| seen.texts_sent() > 5_000);
}

#[test]
fn logs_that_nobody_reads_do_not_delay_a_signal() {
    for transport in TRANSPORTS {
        let house = busy();
        let (reader, writer) = io::pipe().unwrap();
        let arguments = ["-vvv", "--format", "none", "--transport", transport];
        let running = Running::with_stderr(watch(&house.url, &arguments), writer);
        wait_for_full_pipes(&house);
        let finished = ends_soon(running, Signal::TERM, transport);
        assert_eq!(finished.code, Some(0), "{transport}: {finished:?}");
        house.wait_for(|seen| seen.closes == [Some(1000)]);
        drop(reader);
    }
}

#[test]
fn dropped_log_lines_are_counted() {
    let house = busy();
    let (mut reader, writer) = io::pipe().unwrap();
    let running = Running::with_stderr(watch(&house.url, &["-vvv", "--format", "none"]), writer);
    // More lines than the queue can hold.
    house.wait_for(|seen| seen.texts_sent() > 30_000);
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text)
    });
    running.signal(Signal::INT);
    let finished = running.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let text = reading.join().unwrap().unwrap();
    assert!(
        text.contains("lines are left out here"),
        "nothing is counted"
    );
}

#[test]
fn a_blocked_recording_does_not_delay_a_signal_or_the_duration() {
    for transport in TRANSPORTS {
        for with_reader in [false, true] {
            let case = format!("{transport}, with a reader: {with_reader}");
            let house = busy();
            let folder = tempfile::tempdir().unwrap();
            let path = fifo(folder.path());
            let mut arguments = vec!["--format", "json", "--transport", transport];
            arguments.extend(["--record", &path]);
            let running = Running::start(watch(&house.url, &arguments));
            // The reader is open, but never reads.
            let reader = with_reader.then(|| File::open(&path).unwrap());
            running.wait_for_status("stream_syncing");
            wait_for_full_pipes(&house);
            let finished = ends_soon(running, Signal::INT, &case);
            assert_eq!(finished.code, Some(1), "{case}: {finished:?}");
            assert!(
                finished.stderr.contains("recording"),
                "{case}: {finished:?}"
            );
            assert!(finished.stdout.contains("disconnected"), "{case}");
            house.wait_for(|seen| seen.closes == [Some(1000)]);
            drop(reader);
        }
    }
    let house = busy();
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(folder.path());
    let began = Instant::now();
    let finished = run(watch(&house.url, &["--record", &path, "--duration", "0.5"]));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(began.elapsed() < END_TIMEOUT, "{:?}", began.elapsed());
}

#[test]
fn a_recording_with_a_slow_reader_is_complete() {
    let house = House::quiet();
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(folder.path());
    let running = Running::start(watch(&house.url, &["--format", "json", "--record", &path]));
    let mut reader = File::open(&path).unwrap();
    running.wait_for_status("connected");
    let replayed = house.control().replay_frames();
    house.control().flood(50_000);
    let mut lines = 0;
    let mut some = [0; 64 * 1024];
    while lines < replayed + 50_000 {
        let length = reader.read(&mut some).unwrap();
        assert!(length > 0, "the recording ends after {lines} lines");
        lines += some[..length].iter().filter(|byte| **byte == b'\n').count();
    }
    let finished = running.stop();
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

#[test]
fn one_signal_ends_a_watch_with_all_outputs_blocked() {
    for transport in TRANSPORTS {
        let house = busy();
        let folder = tempfile::tempdir().unwrap();
        let path = fifo(folder.path());
        let (_reader, stderr) = io::pipe().unwrap();
        let (_unread, stdout) = io::pipe().unwrap();
        let mut command = watch(&house.url, &["-vvv", "--transport", transport]);
        command
            .args(["--record", &path])
            .stdout(stdout)
            .stderr(stderr);
        let mut child = command.spawn().unwrap();
        let _recording = File::open(&path).unwrap();
        wait_for_full_pipes(&house);
        let began = Instant::now();
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, Signal::TERM).unwrap();
        crate::iox::wait(&mut child);
        assert!(
            began.elapsed() < END_TIMEOUT,
            "{transport}: {:?}",
            began.elapsed()
        );
        house.wait_for(|seen| seen.closes == [Some(1000)]);
    }
}

#[test]
fn a_state_without_a_reader_is_abandoned() {
    let house = House::quiet();
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(folder.path());
    let running = Running::start(watch(&house.url, &["--format", "json", "--state", &path]));
    running.wait_for_status("connected");
    let finished = ends_soon(running, Signal::TERM, "state");
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("in time"), "{finished:?}");
}

#[test]
fn a_signal_ends_a_state_that_is_printed_to_a_full_pipe() {
    let house = House::start(ServerOptions::of(HouseOptions {
        nodes: 5000,
        ..HouseOptions::default()
    }));
    let (_unread, stdout) = io::pipe().unwrap();
    let mut command = iox(&["state", &house.url, "--username", "admin"]);
    command.env("IOX_PASSWORD", "admin").stdout(stdout);
    let mut child = command.spawn().unwrap();
    house.wait_for(|seen| seen.closes == [Some(1000)]);
    let began = Instant::now();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::INT).unwrap();
    crate::iox::wait(&mut child);
    assert!(began.elapsed() < END_TIMEOUT, "{:?}", began.elapsed());
}

#[test]
fn a_simulated_controller_with_blocked_logs_continues() {
    let (_reader, stderr) = io::pipe().unwrap();
    let simulate = iox(&["simulate", "-vvv", "--rate", "2000"]);
    let running = Running::with_stderr(simulate, stderr);
    let line = running.wait_for("url ");
    let url = line.split_whitespace().last().unwrap().to_owned();
    for _ in 0..2 {
        let arguments = ["--format", "none", "--max-events", "3000"];
        let finished = run(watch(&url, &arguments));
        assert_eq!(finished.code, Some(0), "{finished:?}");
    }
    let finished = ends_soon(running, Signal::INT, "simulate");
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

#[test]
fn a_signal_ends_the_wait_for_a_password_file() {
    let house = House::quiet();
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(folder.path());
    let running = Running::start(watch(&house.url, &["--password-file", &path]));
    // Returns when the program opens the pipe.
    let _writes_nothing = File::options().write(true).open(&path).unwrap();
    let finished = ends_soon(running, Signal::TERM, "password file");
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

#[test]
fn the_state_is_written_on_a_signal_and_at_an_interval() {
    let house = House::quiet();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let state = || fs::read_to_string(&path).unwrap_or_default();
    let wait_for = |text: &str, nudge: &dyn Fn()| {
        let began = Instant::now();
        while !state().contains(text) {
            assert!(began.elapsed() < crate::iox::LIMIT, "no {text}");
            nudge();
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let arguments = ["--format", "json", "--state", path.to_str().unwrap()];
    let running = Running::start(watch(&house.url, &arguments));
    running.wait_for_status("connected");
    house.switch("17");
    running.wait_for("\"action\":\"17\"");
    wait_for("\"raw\": \"17\"", &|| running.signal(Signal::USR1));
    running.stop();

    let every = [&arguments[..], &["--state-every", "0.05"]].concat();
    let running = Running::start(watch(&house.url, &every));
    running.wait_for_status("connected");
    house.switch("18");
    wait_for("\"raw\": \"18\"", &|| {});
    running.stop();
}

#[test]
fn one_file_for_the_recording_and_the_state_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("both").to_str().unwrap().to_owned();
    let link = folder.path().join("link").to_str().unwrap().to_owned();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for state in [&path, &link] {
        let arguments = ["--record", &path, "--state", state];
        let finished = run(watch("http://127.0.0.1:9", &arguments));
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains("same file"), "{finished:?}");
    }
}

/// Needs the right to mount, which not even root has on every machine.
#[cfg(target_os = "linux")]
#[test]
fn a_state_file_that_is_a_mount_point_is_written_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for name in ["outside", "inside"] {
        fs::write(at(name), "old").unwrap();
    }
    let script = format!(
        "mount --bind {} {} && exec \"$@\"",
        at("outside"),
        at("inside")
    );
    let mounted = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", &script, "sh"])
            .args(arguments);
        command
    };
    if !mounted(&["true"])
        .output()
        .is_ok_and(|made| made.status.success())
    {
        return eprintln!("SKIPPED: nothing can be mounted here");
    }
    let house = House::quiet();
    let inside = at("inside");
    let (program, arguments) = (
        env!("CARGO_BIN_EXE_iox"),
        [
            "--username",
            "admin",
            "--max-events",
            "3",
            "--state",
            &inside,
        ],
    );
    let mut command = mounted(&[&[program, "watch", &house.url], &arguments[..]].concat());
    command.env("IOX_PASSWORD", "admin");
    let finished = run(command);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let written = fs::read_to_string(at("outside")).unwrap();
    assert!(written.contains("\"nodes\""), "{written}");
}
