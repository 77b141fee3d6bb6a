//! Portal accounts: the logout, and a stop in any state.

use ioxproto::{Config, Failure, FailureKind};
use pretend::{Done, Driver};

use crate::portal::{LOGIN, LOGOUT, REFRESH, connected, reconnect, started};

#[test]
fn refused_tokens_are_renewed_for_the_logout() {
    let mut driver = connected(3600.0);
    reconnect(&mut driver);
    driver.refuse(401, "");
    driver.answer_post(503, "");
    driver.stop();
    assert_eq!(driver.posts, [LOGIN, REFRESH, REFRESH]);
    driver.grant("two", 3600.0);
    assert_eq!(driver.posts.last().unwrap(), LOGOUT);
}

#[test]
fn a_stop_closes_and_logs_out_in_parallel() {
    let mut driver = connected(3600.0);
    driver.stop();
    assert_eq!(driver.done, [Done::Close(1000)]);
    let token = pretend::access_token(driver.now, "one", 3600.0 - 1.0);
    assert!(
        driver
            .post()
            .starts_with("POST /api/jwt/logout HTTP/1.1\r\n")
    );
    assert!(
        driver
            .post()
            .contains(&format!("Authorization: Bearer {token}\r\n")),
        "{}",
        driver.post()
    );
    driver.closed();
    assert!(driver.notifications.is_empty());
    driver.answer_post(200, r#"{"successful":true,"data":null}"#);
    assert_eq!(driver.statuses(), ["disconnected"]);
}

#[test]
fn a_stale_token_is_refreshed_before_the_logout() {
    let mut driver = connected(30.0);
    driver.stop();
    assert_eq!(driver.posts, [LOGIN, REFRESH]);
    driver.grant("two", 3600.0);
    assert_eq!(driver.posts, [LOGIN, REFRESH, LOGOUT]);
    assert!(driver.post().contains("Bearer two."));
    driver.answer_post(500, "");
    driver.closed();
    assert_eq!(driver.statuses(), ["disconnected"]);
}

#[test]
fn a_logout_is_skipped_if_the_refresh_before_it_fails() {
    for status in [401, 503] {
        let mut driver = connected(30.0);
        driver.stop();
        driver.closed();
        driver.answer_post(status, "");
        assert_eq!(driver.statuses(), ["disconnected"]);
        assert_eq!(driver.posts, [LOGIN, REFRESH]);
    }
}

#[test]
fn a_logout_that_hangs_is_abandoned_after_a_second_and_a_half() {
    let mut driver = connected(3600.0);
    driver.stop();
    driver.closed();
    driver.pass(1.5);
    assert_eq!(driver.done, [Done::Close(1000), Done::Abandon]);
    assert_eq!(driver.statuses(), ["disconnected"]);
}

#[test]
fn a_late_answer_to_an_abandoned_logout_changes_nothing() {
    let mut driver = connected(3600.0);
    driver.stop();
    driver.closed();
    let (late, _) = driver.http.take().unwrap();
    driver.pass(1.5);
    driver.start();
    assert_eq!(driver.posts, [LOGIN, LOGOUT, LOGIN]);
    let before = driver.notifications.len();
    let failure = Failure::transport(FailureKind::Other, "late");
    driver.stream.http_failed(driver.now, late, failure);
    driver.drain();
    assert_eq!(driver.notifications.len(), before);
    driver.grant("two", 3600.0);
    assert!(driver.request().contains("Bearer two."));
}

#[test]
fn a_stop_during_the_wait_still_logs_out() {
    let mut driver = connected(3600.0);
    driver.closed();
    driver.stop();
    assert_eq!(driver.posts, [LOGIN, LOGOUT]);
    driver.fail_post(Failure::transport(FailureKind::ConnectionRefused, "nobody"));
    assert_eq!(driver.statuses(), ["lost_connection", "disconnected"]);
}

#[test]
fn a_stop_while_signing_in_ends_the_session_that_may_begin() {
    let mut driver = started();
    driver.stop();
    assert_eq!(driver.done, []);
    driver.grant("one", 3600.0);
    assert_eq!(driver.posts, [LOGIN, LOGOUT]);
    assert!(driver.upgrade.is_none());
    driver.answer_post(200, "");
    assert_eq!(driver.statuses(), ["stream_initializing", "disconnected"]);
}

#[test]
fn a_stop_while_a_stale_token_is_refreshed_logs_out_with_the_new_one() {
    let mut driver = connected(30.0);
    reconnect(&mut driver);
    assert_eq!(driver.posts, [LOGIN, REFRESH]);
    driver.stop();
    assert_eq!(
        driver.posts,
        [LOGIN, REFRESH],
        "the refresh under way will do"
    );
    driver.grant("two", 3600.0);
    assert!(driver.post().contains("Bearer two."));
}

#[test]
fn a_login_that_fails_during_a_stop_ends_in_an_ordinary_stop() {
    let endings: [&dyn Fn(&mut Driver); 5] = [
        &|driver| driver.answer_post(401, ""),
        &|driver| driver.answer_post(503, ""),
        &|driver| driver.answer_post(200, "oops"),
        &|driver| driver.fail_post(Failure::transport(FailureKind::ConnectionReset, "reset")),
        &|driver| driver.pass(1.5),
    ];
    for ending in endings {
        let mut driver = started();
        driver.stop();
        ending(&mut driver);
        assert_eq!(driver.statuses(), ["stream_initializing", "disconnected"]);
        assert_eq!(driver.posts, [LOGIN]);
        assert_eq!(driver.stream.poll_timeout(driver.now), None);
    }
}

#[test]
fn a_stop_while_the_caller_fetches_a_token_is_immediate() {
    let mut driver = Driver::with(Config::own_tokens);
    driver.start();
    driver.stop();
    assert_eq!(driver.done, [Done::Abandon]);
    assert_eq!(driver.statuses(), ["stream_initializing", "disconnected"]);
}
