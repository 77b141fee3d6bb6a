//! `iox simulate`, and `iox watch` with its controller.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use ioxsim::{HouseOptions, ServerOptions};
use rustix::process::Signal;

use crate::house::House;
use crate::iox::{LIMIT, Running, iox, run, watch};

/// Connects and sends a request.
fn send(url: &str, request: &str) -> TcpStream {
    let mut socket = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    socket
}

#[test]
fn a_subscriber_that_does_not_read_is_dropped() {
    let house = House::start(ServerOptions {
        most_queued: 64 * 1024,
        ..ServerOptions::of(HouseOptions {
            rate_per_second: 20_000.0,
            ..HouseOptions::default()
        })
    });
    let _unread = send(
        &house.url,
        "GET /rest/subscribe HTTP/1.1\r\nHost: eisy\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\n\
         Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    house.wait_for(|seen| seen.upgrades == 1 && seen.subscribers == 0);
}

#[test]
fn a_connection_without_a_complete_request_is_closed() {
    let house = House::start(ServerOptions {
        request_within: Duration::from_millis(100),
        ..ServerOptions::default()
    });
    for beginning in [
        "",
        "GET /rest/subscribe HT",
        "POST /api/login HTTP/1.1\r\nContent-Length: 9\r\n\r\n{",
    ] {
        let mut left = Vec::new();
        // Reads until the end.
        send(&house.url, beginning).read_to_end(&mut left).unwrap();
        assert_eq!(left, b"", "{beginning:?}");
    }
}

#[test]
fn an_unknown_path_is_logged() {
    let (running, url) = simulator(&["-vv"]);
    let mut answer = String::new();
    let request = "GET /rest/nowhere HTTP/1.1\r\nHost: x\r\n\r\n";
    send(&url, request).read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    let finished = running.stop();
    assert!(finished.stderr.contains("/rest/nowhere"), "{finished:?}");
}

#[test]
fn one_subscriber_too_many_is_refused() {
    let (_running, url) = simulator(&["--max-subscribers", "1"]);
    let first = Running::start(watch(&url, &["--format", "json"]));
    first.wait_for_status("connected");
    let second = Running::start(watch(&url, &["--format", "json"]));
    let reason = second.wait_for_status("lost_connection");
    assert_eq!(reason.as_deref(), Some("upgrade_refused"));
    second.stop();
    first.stop();
}

/// Starts a simulator. Returns it with its URL.
fn simulator(arguments: &[&str]) -> (Running, String) {
    let running = Running::start(iox(&[&["simulate"], arguments].concat()));
    let line = running.wait_for("url ");
    let url = line.split_whitespace().last().unwrap().to_owned();
    (running, url)
}

#[test]
fn its_output_is_enough_to_watch_it() {
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
        let finished = run(watch(&url, &["--max-events", "40", "--all"]));
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
fn a_port_in_use_is_reported() {
    let (_simulator, url) = simulator(&[]);
    let port = url.rsplit(':').next().unwrap();
    let finished = run(iox(&["simulate", "--port", port]));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("--port"), "{finished:?}");
}

#[test]
fn a_watch_survives_a_killed_simulator_that_restarts_on_its_port() {
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
fn a_stored_identity_is_the_same_after_a_restart() {
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

#[test]
fn it_has_the_given_uuid() {
    for (arguments, uuid) in [
        (&[][..], "00:21:b9:00:00:01"),
        (&["--uuid", "00:21:B9:00:00:2a"], "00:21:b9:00:00:2a"),
    ] {
        let (_simulator, url) = simulator(arguments);
        let mut answer = String::new();
        let request = "GET /desc HTTP/1.1\r\nHost: x\r\n\r\n";
        send(&url, request).read_to_string(&mut answer).unwrap();
        let named = format!("<UDN>uuid:{uuid}</UDN>");
        assert!(answer.contains(&named), "{answer}");
    }
    let finished = run(iox(&["simulate", "--uuid", "00:21:b9"]));
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("six bytes in hex"), "{finished:?}");
}
