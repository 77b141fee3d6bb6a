//! Messages about connecting: URLs, ports, accounts, certificates, versions.

use std::io::{Read as _, Write as _};

use ioxsim::{Ending, OnConnect, OnUpgrade, Times};

use crate::house::{House, greeting};
use crate::iox::{Finished, iox, run, watch};

/// Watches for at most 3 s, with JSON output.
fn watch_briefly(url: &str) -> Finished {
    run(watch(url, &["--format", "json", "--duration", "3"]))
}

#[test]
fn a_port_that_speaks_tls_is_reported_with_the_right_url() {
    let house = House::secured();
    let plain = house.url.replace("https:", "http:");
    let page: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: 49\r\n\r\n400 The plain HTTP request was sent to HTTPS port";
    let alert: &[u8] = b"\x15\x03\x01\x00\x02\x02\x0a";
    for url in [
        plain,
        format!("http://127.0.0.1:{}", greeting(alert)),
        format!("http://127.0.0.1:{}", greeting(page)),
    ] {
        let finished = watch_briefly(&url);
        let expected = format!("use {}", url.replace("http:", "https:"));
        assert!(finished.stderr.contains(&expected), "{url}: {finished:?}");
        assert!(finished.stdout.contains("speaks_tls"), "{finished:?}");
    }
}

#[test]
fn a_port_that_closes_but_answers_a_client_hello_speaks_tls() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut first = [0];
            // Like a TLS port that closes other connections without an answer.
            if socket.read(&mut first).is_ok_and(|read| read == 1) && first[0] == 0x16 {
                let _ = socket.write_all(b"\x15\x03\x03\x00\x02\x02\x46");
            }
        }
    });
    let finished = watch_briefly(&format!("http://127.0.0.1:{port}"));
    let expected = format!("use https://127.0.0.1:{port}");
    assert!(finished.stderr.contains(&expected), "{finished:?}");
}

#[test]
fn a_controller_that_closes_may_have_no_free_subscription() {
    let house = House::quiet();
    house.control().on_connect(OnConnect::Close, Times::Always);
    let finished = watch_briefly(&house.url);
    assert!(
        finished.stderr.contains("no free subscription"),
        "{finished:?}"
    );
    let house = House::quiet();
    house
        .control()
        .on_upgrade(OnUpgrade::End(Ending::Fin), Times::Always);
    let finished = watch_briefly(&house.url);
    assert!(
        finished.stderr.contains("no free subscription"),
        "{finished:?}"
    );
}

#[test]
fn an_invalid_url_gets_a_hint_with_a_valid_one() {
    for (url, hint) in [
        ("https://h:8443/rest/subscribe", "base URL, https://h:8443"),
        ("http://h/rest", "base URL, http://h"),
        ("http:h", "https://h "),
        ("", "such as https://eisy.local:8443"),
    ] {
        let finished = run(watch(url, &[]));
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains(hint), "{finished:?}");
    }
}

#[test]
fn an_empty_user_name_is_refused() {
    let mut command = iox(&["watch", "http://127.0.0.1:9", "-u", ""]);
    command.env("IOX_PASSWORD", "x");
    let finished = run(command);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("it is empty"), "{finished:?}");
}

#[test]
fn url_and_user_name_come_from_the_environment() {
    let house = House::quiet();
    let mut command = iox(&["watch", "--max-events", "1", "--all"]);
    command
        .env("IOX_URL", &house.url)
        .env("IOX_USERNAME", "admin")
        .env("IOX_PASSWORD", "admin");
    assert_eq!(run(command).code, Some(0));
}

#[test]
fn smol_runs_a_stream_too() {
    let house = House::quiet();
    let arguments = [
        "--transport",
        "smol",
        "--max-events",
        "3",
        "--format",
        "json",
    ];
    let finished = run(watch(&house.url, &arguments));
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

#[test]
fn a_link_local_address_is_used_with_its_interface() {
    // A test machine may have no link-local address, and the loopback interface has none. It is
    // enough that the interface is passed to the system, whose error shows it.
    let finished = run(watch(
        "http://[fe80::1%25no-such-interface]:9",
        &["--duration", "1", "--format", "json"],
    ));
    assert!(!finished.stderr.contains("is not a URL"), "{finished:?}");
    assert!(
        finished.stdout.contains("name_not_resolved"),
        "{finished:?}"
    );
    if cfg!(target_os = "linux") {
        let finished = run(watch(
            "http://[fe80::1%25lo]:9",
            &["--duration", "1", "--format", "json"],
        ));
        assert!(
            !finished.stdout.contains("name_not_resolved"),
            "{finished:?}"
        );
    }
}

#[test]
fn trusted_certificates_are_listed_and_forgotten() {
    let house = House::secured();
    let folder = tempfile::tempdir().unwrap();
    let trust = |arguments: &[&str]| {
        let mut command = iox(&["trust"]);
        command
            .args(arguments)
            .env("XDG_CONFIG_HOME", folder.path());
        run(command)
    };
    let none = trust(&["--list"]);
    assert!(none.stdout.contains("Nothing is trusted"), "{none:?}");
    assert_eq!(trust(&[&house.url, "--yes"]).code, Some(0));
    let listed = trust(&["--list"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(listed.stdout.contains(&house.fingerprint), "{listed:?}");
    let forgotten = trust(&["--forget", &house.url]);
    assert_eq!(forgotten.code, Some(0), "{forgotten:?}");
    assert_eq!(trust(&["--forget", &house.url]).code, Some(1));
    assert!(!trust(&["--list"]).stdout.contains(&house.fingerprint));
}

#[test]
fn a_changed_certificate_is_refused_once_with_the_way_to_trust_it() {
    let house = House::secured();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("iox")).unwrap();
    let place = house.url.strip_prefix("https://").unwrap();
    let other = format!("sha256:{}", "ab".repeat(32));
    std::fs::write(
        folder.path().join("iox/known_hosts"),
        format!("{place} {other}\n"),
    )
    .unwrap();
    let mut command = watch(&house.url, &[]);
    command.env("XDG_CONFIG_HOME", folder.path());
    let finished = run(command);
    assert_eq!(finished.code, Some(3), "{finished:?}");
    let all = format!("{}{}", finished.stdout, finished.stderr);
    assert_eq!(all.matches(&other).count(), 1, "{finished:?}");
    let advice = format!("iox trust {}", house.url);
    assert!(finished.stderr.contains(&advice), "{finished:?}");
}

#[cfg(unix)]
#[test]
fn a_password_file_that_others_can_read_is_reported_once() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::quiet();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "admin").unwrap();
    let path = file.path().to_str().unwrap();
    for (mode, warnings) in [(0o600, 0), (0o644, 1)] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        let mut command = iox(&["watch", &house.url, "-u", "admin", "--password-file", path]);
        command.args(["--max-events", "1", "--all"]);
        let finished = run(command);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert_eq!(finished.stderr.matches("chmod 600").count(), warnings);
    }
}

#[test]
fn the_version_names_the_commit_it_is_built_from() {
    let finished = run(iox(&["--version"]));
    let version = finished.stdout.strip_prefix("iox ").unwrap();
    let (number, commit) = match version.split_once(" (") {
        Some((number, commit)) => (number, commit.strip_suffix(')')),
        None => (version, None),
    };
    assert_eq!(number, env!("CARGO_PKG_VERSION"));
    if let Some(commit) = commit {
        assert!(commit.len() >= 7 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}

#[test]
fn completions_and_the_manual_page_are_printed() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let finished = run(iox(&["completions", shell]));
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(finished.stdout.contains("watch"), "{shell}");
    }
    let finished = run(iox(&["man"]));
    assert!(finished.stdout.contains(".SH SYNOPSIS"), "{finished:?}");
}
