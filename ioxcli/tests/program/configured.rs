//! Controllers given by their names in a configuration.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use ioxsim::{HouseOptions, ServerOptions, Tls};
use tempfile::TempDir;

use crate::house::House;
use crate::iox::{Finished, iox, run};

/// Creates a configuration folder with this configuration and the simulator's password.
pub(crate) fn folder(config: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let iox = folder.path().join("iox");
    fs::create_dir(&iox).unwrap();
    write(&iox.join("config.toml"), config, 0o600);
    write(&iox.join("password"), "admin\n", 0o600);
    folder
}

pub(crate) fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Returns the configuration of a simulated controller with this name.
pub(crate) fn entry(name: &str, house: &House) -> String {
    let pin = match &*house.fingerprint {
        "" => String::new(),
        fingerprint => format!("pin = \"{fingerprint}\"\n"),
    };
    format!(
        "[controllers.{name}]\nurl = \"{}\"\nusername = \"admin\"\npassword_file = \"password\"\n{pin}",
        house.url
    )
}

pub(crate) fn within(mut command: Command, folder: &TempDir) -> Command {
    command.env("XDG_CONFIG_HOME", folder.path());
    command
}

fn configured(arguments: &[&str], folder: &TempDir) -> Finished {
    run(within(iox(arguments), folder))
}

#[test]
fn a_name_gives_url_account_and_certificate_in_every_command() {
    let house = House::start(ServerOptions {
        tls: Some(Tls::self_signed().unwrap()),
        ..ServerOptions::of(HouseOptions::default())
    });
    let folder = folder(&entry("home", &house));
    let watched = configured(&["watch", "home", "--max-events", "1"], &folder);
    assert_eq!(watched.code, Some(0), "{watched:?}");
    let state = configured(&["state", "home", "--format", "json"], &folder);
    assert_eq!(state.code, Some(0), "{state:?}");
    let listed = configured(&["list", "nodes", "home"], &folder);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    let switched = configured(&["on", "Hall lamp", "-c", "home"], &folder);
    assert_eq!(switched.code, Some(0), "{switched:?}");
    let trusted = configured(&["trust", "home", "--yes"], &folder);
    assert_eq!(trusted.code, Some(0), "{trusted:?}");
    assert!(trusted.stdout.contains(&house.fingerprint), "{trusted:?}");
}

#[test]
fn the_command_line_overrides_the_configuration() {
    let house = House::quiet();
    let folder = folder(&entry("home", &house));
    let other = configured(&["watch", "home", "--username", "nobody"], &folder);
    assert_eq!(other.code, Some(3), "{other:?}");
    // The user name in the environment applies only to a URL.
    let mut command = within(iox(&["watch", "home", "--max-events", "1"]), &folder);
    command
        .env("IOX_USERNAME", "nobody")
        .env("IOX_PASSWORD", "wrong");
    let watched = run(command);
    assert_eq!(watched.code, Some(0), "{watched:?}");
}

#[test]
fn the_configuration_can_be_in_another_place() {
    let house = House::quiet();
    let folder = folder(&entry("home", &house));
    let path = folder.path().join("iox/config.toml");
    let path = path.to_str().unwrap();
    let arguments = ["watch", "home", "--config", path, "--max-events", "1"];
    let watched = run(iox(&arguments));
    assert_eq!(watched.code, Some(0), "{watched:?}");
    let missing = run(iox(&["watch", "home", "--config", "/no/such/file"]));
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.stderr.contains("/no/such/file"), "{missing:?}");
}

#[test]
fn an_unknown_name_is_reported_with_advice() {
    let house = House::quiet();
    let folder = folder(&entry("home", &house));
    let near = configured(&["watch", "hone"], &folder);
    assert_eq!(near.code, Some(2), "{near:?}");
    assert!(near.stderr.contains("nearest is home"), "{near:?}");
    let nothing = run(iox(&["watch", "eisy"]));
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
    for word in ["iox setup", "https://eisy"] {
        assert!(nothing.stderr.contains(word), "{nothing:?}");
    }
}

#[test]
fn mistakes_are_reported_with_file_and_line() {
    let folder = folder("[controllers.home]\nurl = \"http://eisy\"\nuser = \"admin\"\n");
    let finished = configured(&["watch", "home"], &folder);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    for word in ["config.toml:3: ", "did you mean `username`?"] {
        assert!(finished.stderr.contains(word), "{finished:?}");
    }
}

#[test]
fn a_password_file_that_others_can_read_causes_a_warning() {
    let house = House::quiet();
    let folder = folder(&entry("home", &house));
    let iox_folder = folder.path().join("iox");
    write(&iox_folder.join("password"), "admin\n", 0o644);
    let finished = configured(&["watch", "home", "--max-events", "1"], &folder);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(
        finished
            .stderr
            .contains("others can read the password file"),
        "{finished:?}"
    );
    // A configuration without a password is not secret.
    let config = entry("home", &house);
    write(&iox_folder.join("config.toml"), &config, 0o644);
    write(&iox_folder.join("password"), "admin\n", 0o600);
    let finished = configured(&["watch", "home", "--max-events", "1"], &folder);
    assert!(!finished.stderr.contains("others can read"), "{finished:?}");
    let config = config.replace("password_file = \"password\"", "password = \"admin\"");
    write(&iox_folder.join("config.toml"), &config, 0o644);
    let finished = configured(&["watch", "home", "--max-events", "1"], &folder);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(
        finished
            .stderr
            .contains("others can read the configuration"),
        "{finished:?}"
    );
}

#[test]
fn without_a_user_name_the_ways_to_provide_one_are_listed() {
    let finished = run(iox(&["watch", "http://127.0.0.1:9"]));
    assert_eq!(finished.code, Some(2), "{finished:?}");
    for word in ["--username", "IOX_USERNAME", "iox setup"] {
        assert!(finished.stderr.contains(word), "{finished:?}");
    }
}
