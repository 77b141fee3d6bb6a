//! `iox simulate` and a watch on it.

use rustix::process::Signal;

use crate::iox::{Running, iox, run, watch};

/// Starts a simulator; gives it and its URL.
fn simulator(arguments: &[&str]) -> (Running, String) {
    let running = Running::start(iox(&[&["simulate"], arguments].concat()));
    let line = running.wait_for("url ");
    let url = line.split_whitespace().last().unwrap().to_owned();
    (running, url)
}

#[test]
fn what_it_prints_is_enough_to_watch_it() {
    let (simulator, url) = simulator(&["--tls", "--nodes", "5"]);
    let line = simulator.wait_for("fingerprint ");
    let pin = line.split_whitespace().last().unwrap();
    let finished = run(watch(&url, &["--pin", pin, "--max-events", "3"]));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let stopped = simulator.stop();
    assert!(stopped.stderr.contains("1 subscriptions"), "{stopped:?}");
}

#[test]
fn the_same_seed_makes_the_same_house() {
    let replay = || {
        let (simulator, url) = simulator(&["--seed", "7", "--rate", "0"]);
        let finished = run(watch(&url, &["--max-events", "40"]));
        simulator.stop();
        let nodes: Vec<String> = finished
            .stdout
            .lines()
            .filter_map(|line| line.strip_prefix("replay"))
            .map(|line| line.chars().take(20).collect())
            .collect();
        nodes
    };
    let first = replay();
    assert_eq!(first.len(), 40);
    assert_eq!(first, replay());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let (_simulator, url) = simulator(&[]);
    let port = url.rsplit(':').next().unwrap();
    let finished = run(iox(&["simulate", "--port", port]));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("--port"), "{finished:?}");
}

#[test]
fn a_watch_survives_a_killed_simulator_that_comes_back_on_its_port() {
    let (first, url) = simulator(&[]);
    let watching = Running::start(watch(&url, &["--format", "json"]));
    watching.wait_for_status("connected");
    first.signal(Signal::KILL);
    drop(first);
    assert!(watching.wait_for_status("lost_connection").is_some());
    let port = url.rsplit(':').next().unwrap();
    let (_second, again) = simulator(&["--port", port]);
    assert_eq!(again, url);
    watching.wait_for_status("reconnecting");
    watching.wait_for_status("connected");
    watching.stop();
}

#[test]
fn an_isy_994_wants_its_headers_and_gets_them_either_way() {
    let (simulator, url) = simulator(&["--profile", "isy994"]);
    for profile in ["iox", "isy994"] {
        let arguments = [
            "--profile",
            profile,
            "--max-events",
            "5",
            "--format",
            "json",
        ];
        let finished = run(watch(&url, &arguments));
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(
            finished.stdout.contains("SubscriptionResponse"),
            "{finished:?}"
        );
    }
    simulator.stop();
}

#[test]
fn an_identity_that_is_kept_is_the_same_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity.pem");
    let identity = ["--identity", path.to_str().unwrap()];
    let (first, url) = simulator(&identity);
    let fingerprint = first.wait_for("fingerprint ");
    let pin = fingerprint.split_whitespace().last().unwrap();
    let arguments = ["--pin", pin, "--format", "json"];
    let watching = Running::start(watch(&url, &arguments));
    watching.wait_for_status("connected");
    first.signal(Signal::KILL);
    drop(first);
    assert!(watching.wait_for_status("lost_connection").is_some());
    let port = url.rsplit(':').next().unwrap();
    let (second, _) = simulator(&[&identity[..], &["--port", port]].concat());
    assert_eq!(second.wait_for("fingerprint "), fingerprint);
    watching.wait_for_status("connected");
    watching.stop();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    std::fs::write(&path, "junk").unwrap();
    let finished = run(iox(&[&["simulate"], &identity[..]].concat()));
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("identity.pem"), "{finished:?}");
}
