//! All drivers behave the same.

use rustix::process::Signal;

use crate::house::House;
use crate::iox::{Running, iox, run, watch};

const ALL: [&str; 3] = ["tokio", "async-std", "blocking"];

#[test]
fn each_driver_shows_the_same_and_stops_cleanly() {
    for transport in ALL {
        let house = House::secured();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recording");
        let mut command = watch(&house.url, &["--format", "json", "--transport", transport]);
        command.args(["--pin", &house.fingerprint]);
        command.arg("--record").arg(&path);
        let running = Running::start(command);
        for status in ["stream_initializing", "stream_syncing", "connected"] {
            running.wait_for_status(status);
        }
        house.switch("7");
        let line = running.wait_for(r#""live":true"#);
        assert!(line.contains(r#""action":"7""#), "{transport}: {line}");
        running.signal(Signal::TERM);
        let finished = running.finish();
        assert_eq!(finished.code, Some(0), "{transport}: {finished:?}");
        assert!(
            finished.stdout.contains("stop_requested"),
            "{transport}: {finished:?}"
        );
        assert_eq!(house.control().closes(), [Some(1000)], "{transport}");
        let recorded = std::fs::read_to_string(&path).unwrap();
        assert!(
            recorded.lines().last().unwrap().contains(">7</action>"),
            "{transport}"
        );
    }
}

#[test]
fn each_driver_retries_and_fails_in_the_same_way() {
    for transport in ALL {
        let mut house = House::quiet();
        let arguments = ["--format", "json", "--transport", transport];
        let running = Running::start(watch(&house.url, &arguments));
        running.wait_for_status("connected");
        house.kill();
        assert!(running.wait_for_status("lost_connection").is_some());
        house.revive();
        running.wait_for_status("connected");
        running.stop();

        let mut wrong = watch(&house.url, &arguments);
        wrong.env("IOX_PASSWORD", "wrong");
        assert_eq!(run(wrong).code, Some(3), "{transport}");
        let mut state = iox(&["state", &house.url, "--username", "admin"]);
        state
            .args(["--transport", transport])
            .env("IOX_PASSWORD", "admin");
        let state = run(state);
        assert_eq!(state.code, Some(0), "{transport}: {state:?}");
        assert!(state.stdout.starts_with("NODE "), "{transport}: {state:?}");
    }
}

#[test]
fn a_signal_ends_each_driver_even_if_nobody_reads_its_output() {
    for transport in ALL {
        let house = House::lively();
        let mut child = watch(&house.url, &["--format", "json", "--transport", transport])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        house.wait_for(|seen| seen.subscribers == 1);
        house.control().flood(30_000);
        let id = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(id, Signal::INT).unwrap();
        let code = crate::iox::wait(&mut child).code();
        assert_eq!(code, Some(0), "{transport}");
    }
}
