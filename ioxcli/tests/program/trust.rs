//! `iox trust`, and `iox watch` with the certificates that it stores.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::house::{House, closed_port};
use crate::iox::{Finished, Running, iox, run, watch};

fn with_folder(mut command: Command, folder: &TempDir) -> Command {
    command.env("XDG_CONFIG_HOME", folder.path());
    command
}

fn trust(url: &str, arguments: &[&str], folder: &TempDir) -> Finished {
    run(with_folder(
        iox(&[&["trust", url], arguments].concat()),
        folder,
    ))
}

fn file(folder: &TempDir) -> String {
    let path = Path::new("iox").join("known_hosts");
    std::fs::read_to_string(folder.path().join(path)).unwrap_or_default()
}

#[test]
fn a_trusted_certificate_is_accepted_and_a_changed_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::secured();
    let unknown = run(with_folder(watch(&house.url, &[]), &folder));
    assert_eq!(unknown.code, Some(3), "{unknown:?}");
    let way = format!("iox trust {}", house.url);
    assert!(unknown.stderr.contains(&way), "{unknown:?}");

    let trusted = trust(&house.url, &["--yes"], &folder);
    assert_eq!(trusted.code, Some(0), "{trusted:?}");
    for word in ["subject", "valid", "127.0.0.1", &house.fingerprint] {
        assert!(trusted.stdout.contains(word), "{trusted:?}");
    }
    assert_eq!(house.control().http_bytes(), 0);
    assert!(file(&folder).contains(&house.fingerprint));
    let watched = run(with_folder(
        watch(&house.url, &["--max-events", "1"]),
        &folder,
    ));
    assert_eq!(watched.code, Some(0), "{watched:?}");
    let again = trust(&house.url, &[], &folder);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(again.stdout.contains("trusted already"), "{again:?}");

    // Another controller at the same address.
    let known = file(&folder);
    let other = House::secured();
    let (host, other_host) = (host(&house.url), host(&other.url));
    let path = folder.path().join("iox").join("known_hosts");
    std::fs::write(path, known.replace(host, other_host)).unwrap();
    let changed = run(with_folder(watch(&other.url, &[]), &folder));
    assert_eq!(changed.code, Some(3), "{changed:?}");
    for fingerprint in [&house.fingerprint, &other.fingerprint] {
        assert!(changed.stderr.contains(fingerprint), "{changed:?}");
    }
    assert_eq!(other.control().http_bytes(), 0);
    let accepted = trust(&other.url, &["--yes"], &folder);
    assert!(accepted.stdout.contains("has changed"), "{accepted:?}");
    assert!(!file(&folder).contains(&house.fingerprint));
    assert!(file(&folder).contains(&other.fingerprint));
}

fn host(url: &str) -> &str {
    url.strip_prefix("https://").unwrap()
}

#[test]
fn several_concurrent_trusts_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let houses: Vec<House> = (0..6).map(|_| House::secured()).collect();
    let command = |house: &House| with_folder(iox(&["trust", &house.url, "--yes"]), &folder);
    let running: Vec<Running> = houses
        .iter()
        .map(|house| Running::start(command(house)))
        .collect();
    for running in running {
        let finished = running.finish();
        assert_eq!(finished.code, Some(0), "{finished:?}");
    }
    for house in &houses {
        let line = format!("{} {}\n", host(&house.url), house.fingerprint);
        assert!(file(&folder).contains(&line), "{line}: {}", file(&folder));
    }
}

#[test]
fn without_a_terminal_nothing_is_asked_or_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::secured();
    let finished = trust(&house.url, &[], &folder);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stdout.contains(&house.fingerprint), "{finished:?}");
    assert!(finished.stderr.contains("--yes"), "{finished:?}");
    assert_eq!(file(&folder), "");
}

#[test]
fn a_server_without_a_certificate_cannot_be_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::quiet();
    let plain = trust(&house.url, &["--yes"], &folder);
    assert_eq!(plain.code, Some(2), "{plain:?}");
    assert!(plain.stderr.contains("plain http"), "{plain:?}");
    let no_tls = trust(&house.url.replace("http:", "https:"), &["--yes"], &folder);
    assert_eq!(no_tls.code, Some(1), "{no_tls:?}");
    let nobody = format!("https://127.0.0.1:{}", closed_port());
    let nobody = trust(&nobody, &["--yes"], &folder);
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(nobody.stderr.contains("refused"), "{nobody:?}");
    assert_eq!(file(&folder), "");
}

#[test]
fn a_damaged_known_hosts_file_is_refused_with_name_and_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("iox")).unwrap();
    std::fs::write(folder.path().join("iox/known_hosts"), "nonsense\n").unwrap();
    let finished = run(with_folder(watch("https://127.0.0.1:9", &[]), &folder));
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("line 1 of"), "{finished:?}");
    // Trust on the command line does not need the file.
    let house = House::secured();
    let pin = ["--pin", &house.fingerprint, "--max-events", "1"];
    let finished = run(with_folder(watch(&house.url, &pin), &folder));
    assert_eq!(finished.code, Some(0), "{finished:?}");
}
