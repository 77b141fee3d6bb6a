//! Portal accounts: log in, watch, log out.

use ioxsim::{Endpoint, OnPost, Times};
use rustix::process::Signal;

use crate::house::House;
use crate::iox::{Running, iox, run, without_time};

fn watch(url: &str, password: &str, arguments: &[&str]) -> std::process::Command {
    let mut command = iox(&["watch", url, "--username", "user@example.test"]);
    command.args(["--format", "json"]).args(arguments);
    command.env("IOX_PASSWORD", password);
    command
}

#[test]
fn one_ctrl_c_closes_and_logs_out_on_either_path() {
    for path in ["rest", "api", "/api/events/subscribe"] {
        let house = House::quiet();
        let running = Running::start(watch(&house.url, "secret", &["--path", path]));
        running.wait_for_status("connected");
        assert_eq!(house.control().seen().portal.sessions, 1);
        running.signal(Signal::INT);
        let finished = running.finish();
        assert_eq!(finished.code, Some(0), "{finished:?}");
        let seen = house.control().seen();
        assert_eq!((seen.portal.logins, seen.portal.logouts), (1, 1), "{path}");
        assert_eq!(
            (seen.portal.sessions, seen.closes),
            (0, [Some(1000)].into())
        );
    }
}

#[test]
fn a_refused_login_is_final() {
    let house = House::quiet();
    let finished = run(watch(&house.url, "wrong", &[]));
    assert_eq!(finished.code, Some(3), "{finished:?}");
    let last = finished.stdout.lines().last().unwrap();
    let expected = r#"{"type":"status","status":"reconnect_failed","reason":"login_refused","close_code":null,"http_status":401,"retry_in":null,"message":"the controller refused the login"#;
    let last = without_time(last);
    assert!(last.starts_with(expected), "{last}");
    assert!(finished.stderr.contains("portal account"), "{finished:?}");
}

#[test]
fn a_controller_that_cannot_log_in_yet_is_retried() {
    let house = House::quiet();
    let booting = OnPost::refuse(503);
    house
        .control()
        .on_post(Endpoint::Login, booting, Times::Next(1));
    let running = Running::start(watch(&house.url, "secret", &[]));
    let reason = running.wait_for_status("lost_connection");
    assert_eq!(reason.as_deref(), Some("login_failed"));
    running.wait_for_status("connected");
    running.stop();
}

#[test]
fn the_kind_of_account_can_be_given() {
    let house = House::quiet();
    let finished = run(watch(&house.url, "secret", &["--auth", "local"]));
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(
        finished.stdout.contains("credentials_refused"),
        "{finished:?}"
    );
    assert_eq!(house.control().seen().portal.logins, 0);
}

#[test]
fn a_simulated_portal_account_refuses_and_expires_as_configured() {
    let arguments = [
        "simulate",
        "--portal-username",
        "me@home.test",
        "--portal-password",
        "pass",
        "--token-lifetime",
        "1",
        "--fault",
        "login=503*1",
        "--fault",
        "upgrade=401*1",
    ];
    let simulator = Running::start(iox(&arguments));
    let url = simulator.wait_for("url ");
    let url = url.split_whitespace().last().unwrap().to_owned();
    let mut command = iox(&["watch", &url, "--username", "me@home.test", "--path", "api"]);
    command
        .args(["--format", "json"])
        .env("IOX_PASSWORD", "pass");
    let running = Running::start(command);
    let reason = running.wait_for_status("lost_connection");
    assert_eq!(reason.as_deref(), Some("login_failed"));
    running.wait_for_status("connected");
    running.stop();
    simulator.stop();
}
