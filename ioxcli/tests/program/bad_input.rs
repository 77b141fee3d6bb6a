//! Unusable input ends the program with a message and an exit code; temporary failures are retried.

use ioxsim::{OnUpgrade, Times};

use crate::house::{House, closed_port, greeting};
use crate::iox::{Finished, Running, iox, run, watch, without_time};

/// Expects exit code 2 and a message that contains these words.
fn refused(finished: &Finished, words: &[&str]) {
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert_eq!(finished.stdout, "", "{finished:?}");
    for word in words {
        assert!(
            finished.stderr.contains(word),
            "no {word:?} in {finished:?}"
        );
    }
}

#[test]
fn a_url_without_scheme_gets_a_hint_with_the_right_one() {
    let finished = run(watch("eisy.local:8443", &[]));
    refused(&finished, &["no scheme", "https://eisy.local:8443"]);
}

#[test]
fn a_url_with_an_unknown_scheme_is_wrong_usage() {
    let finished = run(watch("ftp://eisy.local", &[]));
    refused(&finished, &["ftp", "https"]);
}

#[test]
fn a_password_in_the_url_is_refused_and_not_repeated() {
    let finished = run(watch("https://admin:hunter2@eisy.local", &[]));
    refused(&finished, &["user name or password"]);
    assert!(!finished.stderr.contains("hunter2"), "{finished:?}");
}

#[test]
fn without_a_password_all_ways_to_provide_one_are_listed() {
    let finished = run(iox(&["watch", "http://127.0.0.1:9", "--username", "admin"]));
    refused(
        &finished,
        &["no password", "IOX_PASSWORD", "--password-file"],
    );
}

#[test]
fn an_empty_password_is_refused() {
    let mut command = watch("http://127.0.0.1:9", &[]);
    command.env("IOX_PASSWORD", "");
    refused(&run(command), &["IOX_PASSWORD", "empty"]);
}

#[test]
fn a_password_is_never_an_argument() {
    let finished = run(watch("http://127.0.0.1:9", &["--password", "hunter2"]));
    refused(&finished, &["--password"]);
}

#[test]
fn a_file_that_cannot_be_read_is_reported() {
    let missing = "/no/such/file";
    let with_password = watch("http://127.0.0.1:9", &["--password-file", missing]);
    let cases = [
        with_password,
        watch("http://127.0.0.1:9", &["--record", "/no/such/folder/file"]),
        iox(&["decode", missing]),
        iox(&["simulate", "--replay", missing]),
    ];
    for command in cases {
        refused(&run(command), &["/no/such/", "No such file"]);
    }
    refused(&run(iox(&["decode", "/"])), &["folder"]);
}

#[test]
fn an_invalid_recording_cannot_be_replayed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    std::fs::write(path, "<Event/>\n").unwrap();
    let finished = run(iox(&["simulate", "--replay", path]));
    refused(&finished, &[path, "line 1"]);
}

#[test]
fn settings_that_contradict_each_other_are_wrong_usage() {
    let pin = format!("sha256:{}", "0".repeat(64));
    let plain = run(watch("http://127.0.0.1:9", &["--pin", &pin]));
    refused(&plain, &["--pin", "https://"]);
    let authority = run(watch("http://127.0.0.1:9", &["--ca", "/dev/null"]));
    refused(&authority, &["--ca", "https://"]);
    let no_authority = run(watch("https://127.0.0.1:9", &["--ca", "/dev/null"]));
    refused(&no_authority, &["/dev/null", "no certificate"]);
    let both = run(watch("https://127.0.0.1:9", &["--pin", &pin, "--insecure"]));
    refused(&both, &["--insecure"]);
    let local_on_api = run(watch("http://127.0.0.1:9", &["--path", "api"]));
    refused(&local_on_api, &["portal", "/rest/subscribe"]);
    let portal = ["--profile", "isy994", "--auth", "portal"];
    refused(&run(watch("http://127.0.0.1:9", &portal)), &["ISY-994"]);
    refused(
        &run(watch("https://127.0.0.1:9", &["--pin", "sha256:00"])),
        &["fingerprint"],
    );
    refused(
        &run(watch("http://127.0.0.1:9", &["--max-events", "0"])),
        &["--max-events"],
    );
    refused(
        &run(watch("http://127.0.0.1:9", &["--duration", "-1"])),
        &["--duration"],
    );
}

#[test]
fn refused_credentials_are_final() {
    let house = House::quiet();
    let mut command = watch(&house.url, &["--format", "json"]);
    command.env("IOX_PASSWORD", "wrong");
    let finished = run(command);
    assert_eq!(finished.code, Some(3), "{finished:?}");
    let last = finished.stdout.lines().last().unwrap();
    let expected = r#"{"type":"status","status":"reconnect_failed","reason":"credentials_refused","close_code":null,"http_status":401,"retry_in":null,"message":"the controller refused the user name or password"#;
    let last = without_time(last);
    assert!(last.starts_with(expected), "{last}");
    assert!(finished.stderr.contains("401"), "{finished:?}");
    assert!(finished.stderr.contains("password"), "{finished:?}");
    assert_eq!(house.control().connections(), 1);
}

#[test]
fn the_password_is_read_from_a_file() {
    let house = House::quiet();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "admin\r\n").unwrap();
    let path = file.path().to_str().unwrap();
    let arguments = ["--password-file", path, "--max-events", "1"];
    let mut command = watch(&house.url, &arguments);
    command.env("IOX_PASSWORD", "the file goes before the environment");
    assert_eq!(run(command).code, Some(0));
}

/// Watches an address that does not work, expects a retry for one of these reasons, and stops.
/// Returns the text on standard error.
fn expect_retry(url: &str, reason: &[&str]) -> String {
    let running = Running::start(watch(url, &["--format", "json"]));
    let first = running.wait_for_status("lost_connection").unwrap();
    assert!(reason.contains(&&*first), "{first}");
    running.wait_for_status("reconnecting");
    let again = running.wait_for_status("lost_connection").unwrap();
    assert!(reason.contains(&&*again), "{again}");
    let finished = running.stop();
    assert!(
        finished.stderr.contains("next attempt in 1 s"),
        "{finished:?}"
    );
    finished.stderr
}

#[test]
fn a_refused_connection_is_retried() {
    let url = format!("http://127.0.0.1:{}", closed_port());
    let said = expect_retry(&url, &["connection_refused"]);
    assert!(said.contains("refused"), "{said}");
}

#[test]
fn a_name_that_does_not_resolve_is_retried() {
    let url = "http://no-such-controller.invalid";
    // An unreachable resolver may cause a time-out.
    let said = expect_retry(url, &["name_not_resolved", "timed_out"]);
    assert!(said.contains("no-such-controller.invalid"), "{said}");
}

#[test]
fn a_web_server_that_is_not_a_controller_is_retried() {
    let house = House::quiet();
    house
        .control()
        .on_upgrade(OnUpgrade::refuse(404), Times::Always);
    let said = expect_retry(&house.url, &["upgrade_refused"]);
    assert!(said.contains("404"), "{said}");
    assert!(said.contains("right port"), "{said}");
}

#[test]
fn an_ssh_server_and_garbage_are_retried() {
    for bytes in [
        &b"SSH-2.0-OpenSSH_9.6\r\n"[..],
        b"\x00\xff\x07garbage\r\n\r\n",
    ] {
        let url = format!("http://127.0.0.1:{}", greeting(bytes));
        let said = expect_retry(&url, &["not_a_controller"]);
        assert!(said.contains("does not look like a controller"), "{said}");
    }
}

#[test]
fn plain_http_at_a_https_address_is_reported() {
    let house = House::quiet();
    let url = house.url.replace("http:", "https:");
    let said = expect_retry(&url, &["tls_failed", "unexpected_end", "connection_reset"]);
    assert!(said.contains("TLS"), "{said}");
}
