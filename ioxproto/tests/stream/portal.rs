//! Portal accounts: login and refresh.

use ioxproto::{Config, Failure, FailureKind, IdentityProblem, Reason, Secret, Status};

use crate::harness::{Done, Harness, seconds};

pub(crate) const LOGIN: &str = "/api/login";
pub(crate) const REFRESH: &str = "/api/jwt/refresh";
pub(crate) const LOGOUT: &str = "/api/jwt/logout";

pub(crate) fn portal(config: Config) -> Config {
    config.portal_account("user@example.test", "hun\"ter2")
}

pub(crate) fn started() -> Harness {
    let mut harness = Harness::with(portal);
    harness.start();
    harness
}

/// A portal account that is connected with the tokens `one` of this lifetime.
pub(crate) fn connected(lifetime: f64) -> Harness {
    let mut harness = started();
    harness.grant("one", lifetime);
    harness.accept();
    harness.become_connected();
    harness
}

pub(crate) fn reconnect(harness: &mut Harness) {
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
fn a_definite_refusal_of_the_login_is_final() {
    for (status, body) in [
        (401, ""),
        (403, "{}"),
        (200, r#"{"successful":false,"data":null}"#),
        (400, r#"{"successful":false,"data":"no such user"}"#),
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
fn a_login_waits_for_a_controller_that_boots() {
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
fn a_setting_keeps_trying_a_refused_login_at_the_longest_wait() {
    let mut harness = Harness::with(|config| portal(config).keep_trying(true));
    harness.start();
    for _ in 0..3 {
        harness.answer_post(401, "");
        assert_eq!(harness.stream.status(), Status::LostConnection);
        assert_eq!(harness.last_wait(), 60.0);
        harness.pass(60.0);
    }
    harness.grant("one", 3600.0);
    harness.accept();
    assert_eq!(harness.stream.status(), Status::StreamSyncing);
}

#[test]
fn a_temporary_refusal_is_not_final() {
    for status in [408, 425, 429, 500, 503] {
        let mut harness = started();
        harness.answer_post(status, r#"{"successful":false}"#);
        assert_eq!(harness.stream.status(), Status::LostConnection, "{status}");
        harness.pass(1.0);
        assert_eq!(harness.posts, [LOGIN, LOGIN]);
    }
}

#[test]
fn a_redirect_of_the_login_is_never_followed() {
    for status in [301, 302, 307, 308] {
        let mut harness = started();
        let (id, mut exchange) = harness.http.take().unwrap();
        exchange.receive(
            format!("HTTP/1.1 {status} X\r\nLocation: http://elsewhere.test/\r\nContent-Length: 0\r\n\r\n")
                .as_bytes(),
        );
        let answer = exchange.into_answer().0;
        harness.stream.http_answered(harness.now, id, answer);
        harness.drain();
        let reason = harness.last_reason().to_string();
        assert!(
            reason.contains("a redirect, which is not followed"),
            "{reason}"
        );
        harness.pass(1.0);
        assert!(harness.post().contains("\r\nHost: eisy.test:8080\r\n"));
    }
}

#[test]
fn a_retry_after_on_the_login_is_honoured() {
    for (after, waited) in [("17", 17.0), ("100000", 300.0), ("0", 1.0)] {
        let mut harness = started();
        let (id, mut exchange) = harness.http.take().unwrap();
        exchange.receive(
            format!("HTTP/1.1 503 Booting\r\nRetry-After: {after}\r\nContent-Length: 0\r\n\r\n")
                .as_bytes(),
        );
        let answer = exchange.into_answer().0;
        harness.stream.http_answered(harness.now, id, answer);
        harness.drain();
        assert_eq!(harness.last_wait(), waited);
    }
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
fn a_live_token_is_reused_without_a_request() {
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
    // 232 s old: the token is still live, with slightly more than a minute left.
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
fn tokens_just_issued_are_used_even_if_they_seem_expired() {
    let mut harness = started();
    harness.grant("one", -7200.0);
    assert!(harness.request().contains("Bearer one."));
    assert_eq!(harness.posts, [LOGIN]);
}

#[test]
fn a_401_is_answered_by_one_refresh_and_one_immediate_retry() {
    let mut harness = connected(3600.0);
    reconnect(&mut harness);
    harness.notifications.clear();
    harness.refuse(401, "");
    assert_eq!(harness.posts, [LOGIN, REFRESH]);
    harness.grant("two", 3600.0);
    assert!(harness.request().contains("Bearer two."));
    assert!(harness.notifications.is_empty(), "the attempt goes on");
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
fn an_intermittent_401_causes_no_busy_loop() {
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
fn a_failed_refresh_waits_and_keeps_its_tokens() {
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
fn after_two_inconclusive_answers_to_a_refresh_a_login_follows() {
    let mut harness = connected(3600.0);
    reconnect(&mut harness);
    harness.refuse(401, "");
    for (status, body) in [(500, ""), (200, "oops")] {
        harness.answer_post(status, body);
        harness.pass(harness.last_wait());
    }
    assert_eq!(harness.posts, [LOGIN, REFRESH, REFRESH, LOGIN]);
    harness.answer_post(503, "");
    harness.pass(harness.last_wait());
    assert_eq!(harness.posts.last().unwrap(), LOGIN);
    harness.grant("two", 3600.0);
    harness.accept();
    harness.become_connected();
    reconnect(&mut harness);
    harness.refuse(401, "");
    assert_eq!(
        harness.posts.last().unwrap(),
        REFRESH,
        "and then starts again"
    );
}

#[test]
fn an_unanswered_refresh_is_repeated_as_a_refresh() {
    let mut harness = connected(30.0);
    reconnect(&mut harness);
    for _ in 0..4 {
        harness.fail_post(Failure::transport(FailureKind::ConnectionRefused, "off"));
        harness.pass(harness.last_wait());
    }
    assert_eq!(harness.posts[1..], [REFRESH; 5]);
}

#[test]
fn a_401_after_another_failure_renews_the_tokens_again() {
    let mut harness = connected(3600.0);
    reconnect(&mut harness);
    harness.refuse(401, "");
    harness.grant("two", 3600.0);
    // The controller reboots and then accepts none of its old tokens.
    harness.refuse(503, "");
    harness.pass(harness.last_wait());
    harness.refuse(401, "");
    assert_eq!(harness.posts, [LOGIN, REFRESH, REFRESH]);
    harness.grant("three", 3600.0);
    harness.refuse(401, "");
    assert_eq!(harness.stream.status(), Status::ReconnectFailed);
}

#[test]
fn a_401_after_a_refresh_that_had_to_wait_is_the_second_one() {
    let mut harness = connected(3600.0);
    reconnect(&mut harness);
    harness.refuse(401, "");
    harness.answer_post(503, "");
    harness.pass(harness.last_wait());
    harness.grant("two", 3600.0);
    harness.refuse(401, "");
    assert_eq!(harness.stream.status(), Status::ReconnectFailed);
    assert_eq!(harness.posts, [LOGIN, REFRESH, REFRESH]);
}

#[test]
fn start_after_a_refused_login_logs_in_again() {
    let mut harness = started();
    harness.answer_post(401, "");
    harness.start();
    assert_eq!(harness.posts, [LOGIN, LOGIN]);
    harness.grant("one", 3600.0);
    harness.accept();
    harness.become_connected();
    harness.stop();
    harness.closed();
    harness.answer_post(200, "");
    harness.start();
    assert_eq!(harness.posts[2..], [LOGOUT, LOGIN]);
}

#[test]
fn late_answers_to_abandoned_requests_change_nothing() {
    let mut harness = started();
    let (late, exchange) = harness.http.take().unwrap();
    harness.pass(11.0);
    assert_eq!(harness.posts, [LOGIN, LOGIN]);
    let before = harness.notifications.len();
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
    assert_eq!(harness.notifications.len(), before);
    harness.grant("one", 3600.0);
    assert!(harness.request().contains("Bearer one."));
}

#[test]
fn an_hour_with_five_minute_tokens_refreshes_at_the_right_moments() {
    let mut harness = connected(300.0);
    let mut refreshes = Vec::new();
    let mut issued = harness.now;
    for round in 0..60 {
        // A minute with a heartbeat, then a reconnect.
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
fn a_400_without_the_isy_994_headers_is_retried_with_them_and_the_same_tokens() {
    let mut harness = started();
    harness.grant("one", 3600.0);
    harness.refuse(400, "");
    assert!(harness.request().contains("Bearer one."));
    assert!(harness.request().contains("ISYSUB"));
    harness.refuse(401, "");
    harness.grant("two", 3600.0);
    assert!(harness.request().contains("Bearer two."));
    assert!(harness.request().contains("ISYSUB"));
    harness.accept();
    assert_eq!(harness.posts, [LOGIN, REFRESH]);
}

#[test]
fn a_login_answer_of_a_megabyte_is_refused() {
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
