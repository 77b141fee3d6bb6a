//! Exhausted resources: descriptors, disk space, a reader of standard output.

use std::path::Path;
use std::process::Command;
use std::thread;

use crate::house::House;
use crate::iox::{Running, iox, run, watch};

#[cfg(target_os = "linux")]
#[test]
fn without_descriptors_the_watch_reports_waits_and_reconnects() {
    // Run in parallel, because each case waits for some seconds. A name lookup also needs
    // descriptors.
    thread::scope(|scope| {
        for transport in ["tokio", "async-std", "blocking"] {
            for host in ["127.0.0.1", "localhost"] {
                scope.spawn(move || runs_out_of_descriptors(transport, host));
            }
        }
    });
}

#[cfg(target_os = "linux")]
fn runs_out_of_descriptors(transport: &str, host: &str) {
    use rustix::process::{Resource, Rlimit, getrlimit, prlimit};

    let case = format!("{transport}, {host}");
    let mut house = House::quiet();
    let url = house.url.replace("127.0.0.1", host);
    let arguments = ["--format", "json", "--transport", transport];
    let running = Running::start(watch(&url, &arguments));
    running.wait_for_status("connected");
    let usual = getrlimit(Resource::Nofile);
    // Open descriptors stay open, but no new one can be opened.
    let none = Rlimit {
        current: Some(3),
        maximum: usual.maximum,
    };
    prlimit(Some(running.id()), Resource::Nofile, none).unwrap();
    house.kill();
    house.revive();
    assert!(
        running.wait_for_status("lost_connection").is_some(),
        "{case}"
    );
    let reason = running.wait_for_status("lost_connection");
    assert_eq!(reason.as_deref(), Some("resources_exhausted"), "{case}");
    prlimit(Some(running.id()), Resource::Nofile, usual).unwrap();
    running.wait_for_status("connected");
    let finished = running.stop();
    let said = "too many files or sockets are open; next attempt in 2 s";
    assert!(finished.stderr.contains(said), "{case}: {finished:?}");
}

/// Wraps a command in a shell that runs a prelude first.
fn after(prelude: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{prelude} exec \"$0\" \"$@\"")]);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// A limit for the size of files simulates a full disk without root: writes fail in the middle of
/// the file.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_last_state_as_it_was() {
    let house = House::quiet();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let state = ["--state", path.to_str().unwrap(), "--max-events", "20"];
    let content = || std::fs::read_to_string(&path).unwrap();
    let names = |folder: &Path| std::fs::read_dir(folder).unwrap().count();

    let first = run(watch(&house.url, &state));
    assert_eq!(first.code, Some(0), "{first:?}");
    let kept = content();
    assert!(kept.len() > 1024, "{kept}");
    // The unit is 512 or 1024 bytes, depending on the shell. Both are less than the state needs.
    let full = after("trap '' XFSZ; ulimit -f 1;", &watch(&house.url, &state));
    let finished = run(full);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let said = format!("cannot write the state to {}", path.display());
    assert!(finished.stderr.contains(&said), "{finished:?}");
    assert!(finished.stderr.contains("File too large"), "{finished:?}");
    assert_eq!(content(), kept);
    assert_eq!(names(folder.path()), 1, "other files remain");
}

#[cfg(unix)]
#[test]
fn a_standard_output_that_is_closed_from_the_start_is_tolerated() {
    let house = House::quiet();
    for arguments in [
        &["--max-events", "3"][..],
        &["--max-events", "3", "--format", "json"],
    ] {
        let finished = run(after("exec >&-;", &watch(&house.url, arguments)));
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(!finished.stderr.contains("panicked"), "{finished:?}");
    }
    let mut state = iox(&["state", &house.url, "--username", "admin"]);
    state.env("IOX_PASSWORD", "admin");
    let finished = run(after("exec >&- 2>&-;", &state));
    assert_eq!(finished.code, Some(0), "{finished:?}");
}
