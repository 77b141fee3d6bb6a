//! Portal accounts: the logout, and a stop in any state.

use ioxproto::{Config, Failure, FailureKind};

use crate::harness::{Done, Harness};
use crate::portal::{LOGIN, LOGOUT, REFRESH, connected, reconnect, started};

#[test]
fn refused_tokens_are_renewed_for_the_logout() {
    let mut harness = connected(3600.0);
    reconnect(&mut harness);
    harness.refuse(401, "");
    harness.answer_post(503, "");
    harness.stop();
    assert_eq!(harness.posts, [LOGIN, REFRESH, REFRESH]);
    harness.grant("two", 3600.0);
    assert_eq!(harness.posts.last().unwrap(), LOGOUT);
}

#[test]
fn a_stop_closes_and_logs_out_in_parallel() {
    let mut harness = connected(3600.0);
    harness.stop();
    assert_eq!(harness.done, [Done::Close(1000)]);
    let token = harness.access_token("one", 3600.0 - 1.0);
    assert!(
        harness
            .post()
            .starts_with("POST /api/jwt/logout HTTP/1.1\r\n")
    );
    assert!(
        harness
            .post()
            .contains(&format!("Authorization: Bearer {token}\r\n")),
        "{}",
        harness.post()
    );
    harness.closed();
    assert!(harness.notifications.is_empty());
    harness.answer_post(200, r#"{"successful":true,"data":null}"#);
    assert_eq!(harness.statuses(), ["disconnected"]);
}

#[test]
fn a_stale_token_is_refreshed_before_the_logout() {
    let mut harness = connected(30.0);
    harness.stop();
    assert_eq!(harness.posts, [LOGIN, REFRESH]);
    harness.grant("two", 3600.0);
    assert_eq!(harness.posts, [LOGIN, REFRESH, LOGOUT]);
    assert!(harness.post().contains("Bearer two."));
    harness.answer_post(500, "");
    harness.closed();
    assert_eq!(harness.statuses(), ["disconnected"]);
}

#[test]
fn a_logout_is_skipped_if_the_refresh_before_it_fails() {
    for status in [401, 503] {
        let mut harness = connected(30.0);
        harness.stop();
        harness.closed();
        harness.answer_post(status, "");
        assert_eq!(harness.statuses(), ["disconnected"]);
        assert_eq!(harness.posts, [LOGIN, REFRESH]);
    }
}

#[test]
fn a_logout_that_hangs_is_abandoned_after_a_second_and_a_half() {
    let mut harness = connected(3600.0);
    harness.stop();
    harness.closed();
    harness.pass(1.5);
    assert_eq!(harness.done, [Done::Close(1000), Done::Abandon]);
    assert_eq!(harness.statuses(), ["disconnected"]);
}

#[test]
fn a_late_answer_to_an_abandoned_logout_changes_nothing() {
    let mut harness = connected(3600.0);
    harness.stop();
    harness.closed();
    let (late, _) = harness.http.take().unwrap();
    harness.pass(1.5);
    harness.start();
    assert_eq!(harness.posts, [LOGIN, LOGOUT, LOGIN]);
    let before = harness.notifications.len();
    let failure = Failure::transport(FailureKind::Other, "late");
    harness.stream.http_failed(harness.now, late, failure);
    harness.drain();
    assert_eq!(harness.notifications.len(), before);
    harness.grant("two", 3600.0);
    assert!(harness.request().contains("Bearer two."));
}

#[test]
fn a_stop_during_the_wait_still_logs_out() {
    let mut harness = connected(3600.0);
    harness.closed();
    harness.stop();
    assert_eq!(harness.posts, [LOGIN, LOGOUT]);
    harness.fail_post(Failure::transport(FailureKind::ConnectionRefused, "nobody"));
    assert_eq!(harness.statuses(), ["lost_connection", "disconnected"]);
}

#[test]
fn a_stop_while_signing_in_ends_the_session_that_may_begin() {
    let mut harness = started();
    harness.stop();
    assert_eq!(harness.done, []);
    harness.grant("one", 3600.0);
    assert_eq!(harness.posts, [LOGIN, LOGOUT]);
    assert!(harness.upgrade.is_none());
    harness.answer_post(200, "");
    assert_eq!(harness.statuses(), ["stream_initializing", "disconnected"]);
}

#[test]
fn a_stop_while_a_stale_token_is_refreshed_logs_out_with_the_new_one() {
    let mut harness = connected(30.0);
    reconnect(&mut harness);
    assert_eq!(harness.posts, [LOGIN, REFRESH]);
    harness.stop();
    assert_eq!(
        harness.posts,
        [LOGIN, REFRESH],
        "the refresh under way will do"
    );
    harness.grant("two", 3600.0);
    assert!(harness.post().contains("Bearer two."));
}

#[test]
fn a_login_that_fails_during_a_stop_ends_in_an_ordinary_stop() {
    let endings: [&dyn Fn(&mut Harness); 5] = [
        &|harness| harness.answer_post(401, ""),
        &|harness| harness.answer_post(503, ""),
        &|harness| harness.answer_post(200, "oops"),
        &|harness| harness.fail_post(Failure::transport(FailureKind::ConnectionReset, "reset")),
        &|harness| harness.pass(1.5),
    ];
    for ending in endings {
        let mut harness = started();
        harness.stop();
        ending(&mut harness);
        assert_eq!(harness.statuses(), ["stream_initializing", "disconnected"]);
        assert_eq!(harness.posts, [LOGIN]);
        assert_eq!(harness.stream.poll_timeout(harness.now), None);
    }
}

#[test]
fn a_stop_while_the_caller_fetches_a_token_is_immediate() {
    let mut harness = Harness::with(Config::own_tokens);
    harness.start();
    harness.stop();
    assert_eq!(harness.done, [Done::Abandon]);
    assert_eq!(harness.statuses(), ["stream_initializing", "disconnected"]);
}
