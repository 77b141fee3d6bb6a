//! The password is sent only after the certificate has been accepted.

use std::path::{Path, PathBuf};

use ioxsim::{ServerOptions, Tls};

use crate::house::House;
use crate::iox::{Running, run, watch};

const JSON: [&str; 2] = ["--format", "json"];

#[test]
fn an_unknown_certificate_is_refused_with_its_fingerprint_and_the_way_to_trust_it() {
    let house = House::secured();
    let finished = run(watch(&house.url, &JSON));
    assert_eq!(finished.code, Some(3), "{finished:?}");
    let last = finished.stdout.lines().last().unwrap();
    assert!(last.contains("reconnect_failed"), "{finished:?}");
    let way = format!("--pin {}", house.fingerprint);
    assert!(finished.stderr.contains(&way), "{finished:?}");
    assert_eq!(house.control().http_bytes(), 0);
}

#[test]
fn a_wrong_pin_is_refused_with_both_fingerprints() {
    let house = House::secured();
    let pin = format!("sha256:{}", "ab".repeat(32));
    let finished = run(watch(&house.url, &["--pin", &pin]));
    assert_eq!(finished.code, Some(3), "{finished:?}");
    for fingerprint in [&pin, &house.fingerprint] {
        assert!(finished.stderr.contains(fingerprint), "{finished:?}");
    }
    assert_eq!(house.control().http_bytes(), 0);
}

#[test]
fn one_of_several_pins_is_enough() {
    let house = House::secured();
    let other = format!("sha256:{}", "ab".repeat(32));
    let pins = ["--pin", &other, "--pin", &house.fingerprint];
    let finished = run(watch(
        &house.url,
        &[&pins[..], &["--max-events", "1"]].concat(),
    ));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(finished.stderr, "");
}

#[test]
fn insecure_works_and_warns_once() {
    let house = House::secured();
    let finished = run(watch(&house.url, &["--insecure", "--max-events", "1"]));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(finished.stderr.matches("can read the password").count(), 1);
}

#[test]
fn no_log_shows_the_password_or_other_libraries() {
    let house = House::secured();
    let pin = ["--pin", &house.fingerprint, "-vvvv", "--max-events", "3"];
    let mut command = watch(&house.url, &pin);
    command.env("RUST_LOG", "trace");
    let finished = run(command);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stderr.contains("ioxproto"), "{finished:?}");
    // "admin:admin" as base64.
    for secret in ["YWRtaW46YWRtaW4", "admin:admin"] {
        assert!(!finished.stderr.contains(secret), "{finished:?}");
    }
    for library in ["tungstenite", "rustls", "mio", "polling", "hyper", "tokio:"] {
        assert!(
            !finished.stderr.contains(&format!(" {library}")),
            "{library}: {finished:?}"
        );
    }
}

fn fixture(name: &str) -> PathBuf {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../ioxdriver/tests/certificates"
    );
    Path::new(folder).join(name)
}

/// Starts a controller with this certificate.
fn secured(name: &str) -> House {
    let read = |name: String| std::fs::read(fixture(&name)).unwrap();
    let tls = Tls::new(read(format!("{name}.der")), read(format!("{name}.key.der")));
    House::start(ServerOptions {
        tls: Some(tls),
        ..ServerOptions::default()
    })
}

#[test]
fn only_the_given_authority_is_trusted() {
    let authority = fixture("authority.pem");
    let ca = ["--ca", authority.to_str().unwrap(), "--max-events", "1"];
    let house = secured("signed");
    let finished = run(watch(&house.url, &ca));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let house = secured("ec-good");
    let finished = run(watch(&house.url, &ca));
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(finished.stderr.contains(&house.fingerprint), "{finished:?}");
}

#[test]
fn an_expired_certificate_is_retried_with_the_way_to_trust_it() {
    let authority = fixture("authority.pem");
    let ca = ["--ca", authority.to_str().unwrap()];
    let house = secured("signed-expired");
    let json = Running::start(watch(&house.url, &[&JSON[..], &ca].concat()));
    let reason = json.wait_for_status("lost_connection");
    assert_eq!(reason.as_deref(), Some("certificate_expired"));
    let finished = json.stop();
    let way = format!("--pin {}; next attempt in", house.fingerprint);
    assert!(finished.stderr.contains(&way), "{finished:?}");
    let text = Running::start(watch(&house.url, &ca));
    text.wait_for(&way);
    text.stop();
    assert_eq!(house.control().http_bytes(), 0);
}
