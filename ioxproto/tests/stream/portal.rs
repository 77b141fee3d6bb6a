//! Portal accounts: login, refresh, logout, and tokens of the caller's own.

use ioxproto::{ConfigBuilder, Failure, FailureKind, IdentityProblem, Reason, Secret, Status};

use crate::harness::{Done, Harness, seconds};

const LOGIN: &str = "/api/login";
const REFRESH: &str = "/api/jwt/refresh";
const LOGOUT: &str = "/api/jwt/logout";

fn portal(config: ConfigBuilder) -> ConfigBuilder {
    config.portal_account("user@example.test", "hun\"ter2")
}

fn started() -> Harness {
    let mut harness = Harness::with(portal);
    harness.start();
    harness
}

/// A portal account that is connected with tokens `one` of this lifetime.
fn connected(lifetime: f64) -> Harness {
    let mut harness = started();
    harness.grant("one", lifetime);
    harness.accept();
    harness.become_connected();
    harness
}

fn reconnect(harness: &mut Harness) {
    harness.closed();
    harness.pass(harness.last_wait());
}

#[test]
fn a_portal_account_logs_in_then_subscribes_with_the_access_token() {
    let mut harness = started();
    let login = harness.post();
    assert!(
        login.starts_with("POST /api/login HTTP/1.1\r\nHost: eisy.test:8080\r\n"),
        "{login}"
    );
    let (head, body) = login.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())),
        "{login}"
    );
    assert!(
        login
            .ends_with("\r\n\r\n{\"username\":\"user@example.test\",\"password\":\"hun\\\"ter2\"}"),
        "{login}"
    );
    assert!(harness.upgrade.is_none());
    harness.grant("one", 3600.0);
    let token = harness.access_token("one", 3600.0);
    assert!(
        harness
            .request()
            .contains(&format!("\r\nAuthorization: Bearer {token}\r\n"))
    );
    harness.accept();
    harness.pass(1.0);
    assert_eq!(
        harness.statuses(),
        ["stream_initializing", "stream_syncing", "connected"]
    );
}

#[test]
fn a_clear_no_to_the_login_is_final() {
    for (status, body) in [
        (401, ""),
        (403, "{}"),
        (200, r#"{"successful":false,"data":null}"#),
    ] {
        let mut harness = started();
        harness.answer_post(status, body);
        assert_eq!(harness.stream.status(), Status::ReconnectFailed);
        assert_eq!(*harness.last_reason(), Reason::LoginRefused { status });
        harness.pass(1e4);
        assert_eq!(harness.posts, [LOGIN]);
    }
}

#[test]
fn a_controller_that_boots_is_waited_for() {
    let mut harness = started();
    let troubles: [&dyn Fn(&mut Harness); 7] = [
        &|harness| harness.answer_post(503, ""),
        &|harness| harness.answer_post(500, "oops"),
        &|harness| harness.answer_post(404, ""),
        &|harness| harness.answer_post(200, "<html>starting</html>"),
        &|harness| harness.answer_post(200, r#"{"successful":true,"data":{}}"#),
        &|harness| harness.fail_post(Failure::transport(FailureKind::ConnectionReset, "reset")),
        &|harness| harness.pass(10.0),
    ];
    for (trouble, wait) in troubles
        .into_iter()
        .zip([1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 60.0])
    {
        trouble(&mut harness);
        assert_eq!(harness.stream.status(), Status::LostConnection);
        assert_eq!(harness.last_wait(), wait);
        harness.pass(wait);
    }
    let Reason::TimedOut { phase, .. } = harness.last_reason() else {
        panic!()
    };
    assert_eq!(phase.to_string(), "logging in");
    assert_eq!(harness.done, [Done::Abandon]);
    harness.grant("one", 3600.0);
    harness.accept();
    harness.pass(1.0);
    assert_eq!(harness.stream.status(), Status::Connected);
}

#[test]
fn an_identity_refused_at_the_login_is_final() {
    let mut harness = started();
    harness.fail_post(Failure::identity(
        IdentityProblem::WrongPin,
        "sha256:00",
        "another certificate",
    ));
    assert_eq!(harness.stream.status(), Status::ReconnectFailed);
}

#[test]
fn a_live_token_is_used_again_without_a_request() {
    let mut harness = connected(3600.0);
    reconnect(&mut harness);
    harness.accept();
    assert_eq!(harness.posts, [LOGIN]);
}

#[test]
fn a_token_near_its_expiry_is_refreshed_before_the_next_connect_and_both_rotate() {
    let mut harness = connected(300.0);
    harness.event(0, "_0", "120", "");
    harness.pass(60.0);
    harness.event(1, "_0", "120", "");
    harness.pass(100.0);
    harness.event(2, "_0", "120", "");
    harness.pass(70.0);
    reconnect(&mut harness);
    // 232 s old: less than a minute and some are left, still live.
    assert_eq!(harness.posts, [LOGIN]);
    harness.accept();
    harness.become_connected();
    harness.pass(10.0);
    reconnect(&mut harness);
    assert_eq!(harness.posts, [LOGIN, REFRESH]);
    assert!(
        harness
            .post()
            .ends_with(r#"{"refreshToken":"refresh-one"}"#)
    );
    harness.grant("two", 300.0);
    assert!(harness.request().contains("Bearer two."));
    harness.accept();
    harness.become_connected();
    harness.now = harness.now.after(seconds(299.0));
    reconnect(&mut harness);
    assert!(
        harness
            .post()
            .ends_with(r#"{"refreshToken":"refresh-two"}"#)
    );
}

#[test]
fn a_token_that_cannot_be_decoded_is_used_until_it_is_refused() {
    let mut harness = started();
    harness.answer_post(
        200,
        r#"{"successful":true,"data":{"accessToken":"opaque","refreshToken":"r"}}"#,
    );
    harness.accept();
    harness.become_connected();
    harness.now = harness.now.after(seconds(100_000.0));
    reconnect(&mut harness);
    assert!(harness.request().contains("Bearer opaque"));
    harness.refuse(401, "");
    assert_eq!(harness.posts, [LOGIN, REFRESH]);
}

#[test]
fn tokens_fresh_from_the_controller_are_used_whatever_the_clocks_say() {
    let mut harness = started();
    harness.grant("one", -7200.0);
    assert!(harness.request().contains("Bearer one."));
    assert_eq!(harness.posts, [LOGIN]);
}

#[test]
fn a_401_is_answered_by_one_refresh_and_one_immediate_retry() {
    let mut harness = connected(3600.0);
    reconnect(&mut harness);
    harness.told.clear();
    harness.refuse(401, "");
    assert_eq!(harness.posts, [LOGIN, REFRESH]);
    harness.grant("two", 3600.0);
    assert!(harness.request().contains("Bearer two."));
    assert!(harness.told.is_empty(), "the attempt goes on");
    harness.accept();
    assert_eq!(harness.stream.status(), Status::StreamSyncing);
}

#[test]
fn a_refused_refresh_leads_to_a_login() {
    for (status, body) in [
        (401, ""),
        (403, ""),
        (404, ""),
        (400, ""),
        (200, r#"{"successful":false}"#),
    ] {
        let mut harness = connected(3600.0);
        reconnect(&mut harness);
        harness.refuse(401, "");
        harness.answer_post(status, body);
        assert_eq!(harness.posts, [LOGIN, REFRESH, LOGIN], "{status}");
        harness.grant("two", 3600.0);
        harness.accept();
        assert_eq!(harness.stream.status(), Status::StreamSyncing);
    }
}

#[test]
fn a_second_401_on_fresh_tokens_is_final() {
    for second in [401, 403] {
        let mut harness = connected(3600.0);
        reconnect(&mut harness);
        harness.refuse(401, "");
        harness.grant("two", 3600.0);
        harness.refuse(second, "");
        assert_eq!(harness.stream.status(), Status::ReconnectFailed);
        assert_eq!(
            *harness.last_reason(),
            Reason::CredentialsRefused { status: second }
        );
        harness.pass(1e4);
        assert_eq!(harness.posts, [LOGIN, REFRESH]);
    }
}

#[test]
fn a_401_that_comes_and_goes_never_loops_hot() {
    let mut harness = Harness::with(|config| portal(config).keep_trying(true));
    harness.start();
    harness.grant("one", 3600.0);
    for _ in 0..20 {
        harness.refuse(401, "");
        if harness.http.is_some() {
            harness.grant("next", 3600.0);
        }
        if harness.stream.status() == Status::LostConnection {
            assert_eq!(harness.last_wait(), 60.0);
            harness.pass(60.0);
            harness.grant("next", 3600.0);
        }
    }
    let hour = harness
        .attempts
        .iter()
        .filter(|at| at.as_secs() < 600)
        .count();
    assert!(hour <= 12, "{hour} attempts in ten minutes");
}

#[test]
fn a_refresh_that_fails_is_waited_out_and_keeps_its_tokens() {
    let mut harness = connected(3600.0);
    reconnect(&mut harness);
    harness.refuse(401, "");
    harness.answer_post(503, "");
    assert_eq!(
        *harness.last_reason(),
        Reason::LoginFailed {
            status: 503,
            detail: String::new()
        }
    );
    harness.pass(harness.last_wait());
    assert_eq!(harness.posts, [LOGIN, REFRESH, REFRESH]);
}

#[test]
fn stop_closes_and_logs_out_side_by_side() {
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
    assert!(harness.told.is_empty());
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
fn a_logout_is_skipped_where_the_refresh_before_it_fails() {
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
fn a_logout_that_hangs_is_left_after_a_second_and_a_half() {
    let mut harness = connected(3600.0);
    harness.stop();
    harness.closed();
    harness.pass(1.5);
    assert_eq!(harness.done, [Done::Close(1000), Done::Abandon]);
    assert_eq!(harness.statuses(), ["disconnected"]);
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
fn a_stop_while_signing_in_is_at_once() {
    let mut harness = started();
    harness.stop();
    assert_eq!(harness.done, [Done::Abandon]);
    assert_eq!(harness.statuses(), ["stream_initializing", "disconnected"]);
}

#[test]
fn late_answers_to_abandoned_requests_change_nothing() {
    let mut harness = started();
    let (late, exchange) = harness.http.take().unwrap();
    harness.pass(11.0);
    assert_eq!(harness.posts, [LOGIN, LOGIN]);
    let told = harness.told.len();
    harness
        .stream
        .http_answered(harness.now, late, exchange.into_answer().0);
    harness.stream.http_failed(
        harness.now,
        late,
        Failure::transport(FailureKind::Other, "late"),
    );
    harness
        .stream
        .token(harness.now, late, Some(Secret::new("late")));
    harness.drain();
    assert_eq!(harness.told.len(), told);
    harness.grant("one", 3600.0);
    assert!(harness.request().contains("Bearer one."));
}

#[test]
fn an_hour_with_five_minute_tokens_refreshes_at_the_right_moments() {
    let mut harness = connected(300.0);
    let mut refreshes = Vec::new();
    let mut issued = harness.now;
    for round in 0..60 {
        // A minute, with a heartbeat, and a reconnect.
        harness.event(0, "_0", "90", "");
        harness.pass(57.0);
        reconnect(&mut harness);
        if harness.http.is_some() {
            let age = harness.now.monotonic - issued.monotonic;
            refreshes.push((round, age.as_secs()));
            harness.grant(&format!("round-{round}"), 300.0);
            issued = harness.now;
        }
        harness.accept();
        harness.become_connected();
    }
    assert!(
        harness.posts[1..].iter().all(|path| path == REFRESH),
        "none was lost: {:?}",
        harness.posts
    );
    assert!(refreshes.len() >= 11, "{refreshes:?}");
    assert!(
        refreshes.iter().all(|(_, age)| (239..300).contains(age)),
        "{refreshes:?}"
    );
}

#[test]
fn the_callers_own_tokens_are_asked_for_and_asked_anew_after_a_401() {
    let mut harness = Harness::with(ConfigBuilder::own_tokens);
    harness.start();
    let (id, rejected) = harness.asked_for_token.take().unwrap();
    assert!(!rejected);
    harness
        .stream
        .token(harness.now, id, Some(Secret::new("mine")));
    harness.drain();
    assert!(harness.request().contains("Authorization: Bearer mine\r\n"));
    harness.refuse(401, "");
    let (id, rejected) = harness.asked_for_token.take().unwrap();
    assert!(rejected);
    harness
        .stream
        .token(harness.now, id, Some(Secret::new("another")));
    harness.drain();
    harness.accept();
    harness.become_connected();
    reconnect(&mut harness);
    assert!(
        harness.request().contains("Bearer another\r\n"),
        "a token is used until it is refused or stale"
    );
    harness.stop();
    assert!(harness.posts.is_empty(), "the session is the caller's");
}

#[test]
fn a_caller_without_a_token_is_asked_again_later() {
    for none in [None, Some(Secret::new("")), Some(Secret::new("a\r\nX: y"))] {
        let mut harness = Harness::with(ConfigBuilder::own_tokens);
        harness.start();
        let (id, _) = harness.asked_for_token.take().unwrap();
        harness.stream.token(harness.now, id, none);
        harness.drain();
        assert_eq!(*harness.last_reason(), Reason::NoToken);
        harness.pass(1.0);
        assert!(harness.asked_for_token.is_some());
        harness.pass(10.0);
        assert_eq!(harness.last_reason().code(), "timed_out");
    }
}

#[test]
fn a_login_answer_of_a_megabyte_is_not_taken() {
    let mut harness = started();
    let (id, mut exchange) = harness.http.take().unwrap();
    exchange.receive(b"HTTP/1.1 200 OK\r\n\r\n");
    exchange.receive(&vec![b' '; 1024 * 1024 + 1]);
    harness
        .stream
        .http_answered(harness.now, id, exchange.into_answer().0);
    harness.drain();
    assert_eq!(harness.last_reason().code(), "not_a_controller");
    assert_eq!(harness.stream.status(), Status::LostConnection);
}
