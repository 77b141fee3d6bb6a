//! Portal accounts: login and refresh.

use ioxproto::{Config, Failure, FailureKind, IdentityProblem, Reason, Secret, Status};
use pretend::{Done, Driver, seconds};

pub(crate) const LOGIN: &str = "/api/login";
pub(crate) const REFRESH: &str = "/api/jwt/refresh";
pub(crate) const LOGOUT: &str = "/api/jwt/logout";

pub(crate) fn portal(config: Config) -> Config {
    config.portal_account("user@example.test", "hun\"ter2")
}

pub(crate) fn started() -> Driver {
    let mut driver = Driver::with(portal);
    driver.start();
    driver
}

/// A portal account that is connected with the tokens `one` of this lifetime.
pub(crate) fn connected(lifetime: f64) -> Driver {
    let mut driver = started();
    driver.grant("one", lifetime);
    driver.accept();
    driver.become_connected();
    driver
}

pub(crate) fn reconnect(driver: &mut Driver) {
    driver.closed();
    driver.pass(driver.last_wait());
}

#[test]
fn a_portal_account_logs_in_then_subscribes_with_the_access_token() {
    let mut driver = started();
    let login = driver.post();
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
    assert!(driver.upgrade.is_none());
    driver.grant("one", 3600.0);
    let token = pretend::access_token(driver.now, "one", 3600.0);
    assert!(
        driver
            .request()
            .contains(&format!("\r\nAuthorization: Bearer {token}\r\n"))
    );
    driver.accept();
    driver.pass(1.0);
    assert_eq!(
        driver.statuses(),
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
        let mut driver = started();
        driver.answer_post(status, body);
        assert_eq!(driver.status(), Status::ReconnectFailed);
        assert_eq!(*driver.last_reason(), Reason::LoginRefused { status });
        driver.pass(1e4);
        assert_eq!(driver.posts, [LOGIN]);
    }
}

#[test]
fn a_login_waits_for_a_controller_that_boots() {
    let mut driver = started();
    let troubles: [&dyn Fn(&mut Driver); 7] = [
        &|driver| driver.answer_post(503, ""),
        &|driver| driver.answer_post(500, "oops"),
        &|driver| driver.answer_post(404, ""),
        &|driver| driver.answer_post(200, "<html>starting</html>"),
        &|driver| driver.answer_post(200, r#"{"successful":true,"data":{}}"#),
        &|driver| driver.fail_post(Failure::transport(FailureKind::ConnectionReset, "reset")),
        &|driver| driver.pass(10.0),
    ];
    for (trouble, wait) in troubles
        .into_iter()
        .zip([1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 60.0])
    {
        trouble(&mut driver);
        assert_eq!(driver.status(), Status::LostConnection);
        assert_eq!(driver.last_wait(), wait);
        driver.pass(wait);
    }
    let Reason::TimedOut { phase, .. } = driver.last_reason() else {
        panic!()
    };
    assert_eq!(phase.to_string(), "logging in");
    assert_eq!(driver.done, [Done::Abandon]);
    driver.grant("one", 3600.0);
    driver.accept();
    driver.pass(1.0);
    assert_eq!(driver.status(), Status::Connected);
}

#[test]
fn a_setting_keeps_trying_a_refused_login_at_the_longest_wait() {
    let mut driver = Driver::with(|config| portal(config).keep_trying(true));
    driver.start();
    for _ in 0..3 {
        driver.answer_post(401, "");
        assert_eq!(driver.status(), Status::LostConnection);
        assert_eq!(driver.last_wait(), 60.0);
        driver.pass(60.0);
    }
    driver.grant("one", 3600.0);
    driver.accept();
    assert_eq!(driver.status(), Status::StreamSyncing);
}

#[test]
fn a_temporary_refusal_is_not_final() {
    for status in [408, 425, 429, 500, 503] {
        let mut driver = started();
        driver.answer_post(status, r#"{"successful":false}"#);
        assert_eq!(driver.status(), Status::LostConnection, "{status}");
        driver.pass(1.0);
        assert_eq!(driver.posts, [LOGIN, LOGIN]);
    }
}

#[test]
fn a_redirect_of_the_login_is_never_followed() {
    for status in [301, 302, 307, 308] {
        let mut driver = started();
        driver.answer_post_with(format!(
            "HTTP/1.1 {status} X\r\nLocation: http://elsewhere.test/\r\nContent-Length: 0\r\n\r\n"
        ));
        let reason = driver.last_reason().to_string();
        assert!(
            reason.contains("a redirect, which is not followed"),
            "{reason}"
        );
        driver.pass(1.0);
        assert!(driver.post().contains("\r\nHost: eisy.test:8080\r\n"));
    }
}

#[test]
fn a_retry_after_on_the_login_is_honoured() {
    for (after, waited) in [("17", 17.0), ("100000", 300.0), ("0", 1.0)] {
        let mut driver = started();
        driver.answer_post_with(format!(
            "HTTP/1.1 503 Booting\r\nRetry-After: {after}\r\nContent-Length: 0\r\n\r\n"
        ));
        assert_eq!(driver.last_wait(), waited);
    }
}

#[test]
fn an_identity_refused_at_the_login_is_final() {
    let mut driver = started();
    driver.fail_post(Failure::identity(
        IdentityProblem::WrongPin,
        "sha256:00",
        "another certificate",
    ));
    assert_eq!(driver.status(), Status::ReconnectFailed);
}

#[test]
fn a_live_token_is_reused_without_a_request() {
    let mut driver = connected(3600.0);
    reconnect(&mut driver);
    driver.accept();
    assert_eq!(driver.posts, [LOGIN]);
}

#[test]
fn a_token_near_its_expiry_is_refreshed_before_the_next_connect_and_both_rotate() {
    let mut driver = connected(300.0);
    driver.event(0, "_0", "120", "");
    driver.pass(60.0);
    driver.event(1, "_0", "120", "");
    driver.pass(100.0);
    driver.event(2, "_0", "120", "");
    driver.pass(70.0);
    reconnect(&mut driver);
    // 232 s old: the token is still live, with slightly more than a minute left.
    assert_eq!(driver.posts, [LOGIN]);
    driver.accept();
    driver.become_connected();
    driver.pass(10.0);
    reconnect(&mut driver);
    assert_eq!(driver.posts, [LOGIN, REFRESH]);
    assert!(driver.post().ends_with(r#"{"refreshToken":"refresh-one"}"#));
    driver.grant("two", 300.0);
    assert!(driver.request().contains("Bearer two."));
    driver.accept();
    driver.become_connected();
    driver.now = driver.now.after(seconds(299.0));
    reconnect(&mut driver);
    assert!(driver.post().ends_with(r#"{"refreshToken":"refresh-two"}"#));
}

#[test]
fn a_token_that_cannot_be_decoded_is_used_until_it_is_refused() {
    let mut driver = started();
    driver.answer_post(
        200,
        r#"{"successful":true,"data":{"accessToken":"opaque","refreshToken":"r"}}"#,
    );
    driver.accept();
    driver.become_connected();
    driver.now = driver.now.after(seconds(100_000.0));
    reconnect(&mut driver);
    assert!(driver.request().contains("Bearer opaque"));
    driver.refuse(401, "");
    assert_eq!(driver.posts, [LOGIN, REFRESH]);
}

#[test]
fn tokens_just_issued_are_used_even_if_they_seem_expired() {
    let mut driver = started();
    driver.grant("one", -7200.0);
    assert!(driver.request().contains("Bearer one."));
    assert_eq!(driver.posts, [LOGIN]);
}

#[test]
fn a_401_is_answered_by_one_refresh_and_one_immediate_retry() {
    let mut driver = connected(3600.0);
    reconnect(&mut driver);
    driver.notifications.clear();
    driver.refuse(401, "");
    assert_eq!(driver.posts, [LOGIN, REFRESH]);
    driver.grant("two", 3600.0);
    assert!(driver.request().contains("Bearer two."));
    assert!(driver.notifications.is_empty(), "the attempt goes on");
    driver.accept();
    assert_eq!(driver.status(), Status::StreamSyncing);
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
        let mut driver = connected(3600.0);
        reconnect(&mut driver);
        driver.refuse(401, "");
        driver.answer_post(status, body);
        assert_eq!(driver.posts, [LOGIN, REFRESH, LOGIN], "{status}");
        driver.grant("two", 3600.0);
        driver.accept();
        assert_eq!(driver.status(), Status::StreamSyncing);
    }
}

#[test]
fn a_second_401_on_fresh_tokens_is_final() {
    for second in [401, 403] {
        let mut driver = connected(3600.0);
        reconnect(&mut driver);
        driver.refuse(401, "");
        driver.grant("two", 3600.0);
        driver.refuse(second, "");
        assert_eq!(driver.status(), Status::ReconnectFailed);
        assert_eq!(
            *driver.last_reason(),
            Reason::CredentialsRefused { status: second }
        );
        driver.pass(1e4);
        assert_eq!(driver.posts, [LOGIN, REFRESH]);
    }
}

#[test]
fn an_intermittent_401_causes_no_busy_loop() {
    let mut driver = Driver::with(|config| portal(config).keep_trying(true));
    driver.start();
    driver.grant("one", 3600.0);
    for _ in 0..20 {
        driver.refuse(401, "");
        if driver.http.is_some() {
            driver.grant("next", 3600.0);
        }
        if driver.status() == Status::LostConnection {
            assert_eq!(driver.last_wait(), 60.0);
            driver.pass(60.0);
            driver.grant("next", 3600.0);
        }
    }
    let hour = driver
        .attempts
        .iter()
        .filter(|at| at.as_secs() < 600)
        .count();
    assert!(hour <= 12, "{hour} attempts in ten minutes");
}

#[test]
fn a_failed_refresh_waits_and_keeps_its_tokens() {
    let mut driver = connected(3600.0);
    reconnect(&mut driver);
    driver.refuse(401, "");
    driver.answer_post(503, "");
    assert_eq!(
        *driver.last_reason(),
        Reason::LoginFailed {
            status: 503,
            detail: String::new()
        }
    );
    driver.pass(driver.last_wait());
    assert_eq!(driver.posts, [LOGIN, REFRESH, REFRESH]);
}

#[test]
fn after_two_inconclusive_answers_to_a_refresh_a_login_follows() {
    let mut driver = connected(3600.0);
    reconnect(&mut driver);
    driver.refuse(401, "");
    for (status, body) in [(500, ""), (200, "oops")] {
        driver.answer_post(status, body);
        driver.pass(driver.last_wait());
    }
    assert_eq!(driver.posts, [LOGIN, REFRESH, REFRESH, LOGIN]);
    driver.answer_post(503, "");
    driver.pass(driver.last_wait());
    assert_eq!(driver.posts.last().unwrap(), LOGIN);
    driver.grant("two", 3600.0);
    driver.accept();
    driver.become_connected();
    reconnect(&mut driver);
    driver.refuse(401, "");
    assert_eq!(
        driver.posts.last().unwrap(),
        REFRESH,
        "and then starts again"
    );
}

#[test]
fn an_unanswered_refresh_is_repeated_as_a_refresh() {
    let mut driver = connected(30.0);
    reconnect(&mut driver);
    for _ in 0..4 {
        driver.fail_post(Failure::transport(FailureKind::ConnectionRefused, "off"));
        driver.pass(driver.last_wait());
    }
    assert_eq!(driver.posts[1..], [REFRESH; 5]);
}

#[test]
fn a_401_after_another_failure_renews_the_tokens_again() {
    let mut driver = connected(3600.0);
    reconnect(&mut driver);
    driver.refuse(401, "");
    driver.grant("two", 3600.0);
    // The controller reboots and then accepts none of its old tokens.
    driver.refuse(503, "");
    driver.pass(driver.last_wait());
    driver.refuse(401, "");
    assert_eq!(driver.posts, [LOGIN, REFRESH, REFRESH]);
    driver.grant("three", 3600.0);
    driver.refuse(401, "");
    assert_eq!(driver.status(), Status::ReconnectFailed);
}

#[test]
fn a_401_after_a_refresh_that_had_to_wait_is_the_second_one() {
    let mut driver = connected(3600.0);
    reconnect(&mut driver);
    driver.refuse(401, "");
    driver.answer_post(503, "");
    driver.pass(driver.last_wait());
    driver.grant("two", 3600.0);
    driver.refuse(401, "");
    assert_eq!(driver.status(), Status::ReconnectFailed);
    assert_eq!(driver.posts, [LOGIN, REFRESH, REFRESH]);
}

#[test]
fn start_after_a_refused_login_logs_in_again() {
    let mut driver = started();
    driver.answer_post(401, "");
    driver.start();
    assert_eq!(driver.posts, [LOGIN, LOGIN]);
    driver.grant("one", 3600.0);
    driver.accept();
    driver.become_connected();
    driver.stop();
    driver.closed();
    driver.answer_post(200, "");
    driver.start();
    assert_eq!(driver.posts[2..], [LOGOUT, LOGIN]);
}

#[test]
fn late_answers_to_abandoned_requests_change_nothing() {
    let mut driver = started();
    let (late, exchange) = driver.http.take().unwrap();
    driver.pass(11.0);
    assert_eq!(driver.posts, [LOGIN, LOGIN]);
    let before = driver.notifications.len();
    driver
        .stream
        .http_answered(driver.now, late, exchange.into_answer().0);
    driver.stream.http_failed(
        driver.now,
        late,
        Failure::transport(FailureKind::Other, "late"),
    );
    driver
        .stream
        .token(driver.now, late, Some(Secret::new("late")));
    driver.drain();
    assert_eq!(driver.notifications.len(), before);
    driver.grant("one", 3600.0);
    assert!(driver.request().contains("Bearer one."));
}

#[test]
fn an_hour_with_five_minute_tokens_refreshes_at_the_right_moments() {
    let mut driver = connected(300.0);
    let mut refreshes = Vec::new();
    let mut issued = driver.now;
    for round in 0..60 {
        // A minute with a heartbeat, then a reconnect.
        driver.event(0, "_0", "90", "");
        driver.pass(57.0);
        reconnect(&mut driver);
        if driver.http.is_some() {
            let age = driver.now.monotonic - issued.monotonic;
            refreshes.push((round, age.as_secs()));
            driver.grant(&format!("round-{round}"), 300.0);
            issued = driver.now;
        }
        driver.accept();
        driver.become_connected();
    }
    assert!(
        driver.posts[1..].iter().all(|path| path == REFRESH),
        "none was lost: {:?}",
        driver.posts
    );
    assert!(refreshes.len() >= 11, "{refreshes:?}");
    assert!(
        refreshes.iter().all(|(_, age)| (239..300).contains(age)),
        "{refreshes:?}"
    );
}

#[test]
fn a_400_without_the_isy_994_headers_is_retried_with_them_and_the_same_tokens() {
    let mut driver = started();
    driver.grant("one", 3600.0);
    driver.refuse(400, "");
    assert!(driver.request().contains("Bearer one."));
    assert!(driver.request().contains("ISYSUB"));
    driver.refuse(401, "");
    driver.grant("two", 3600.0);
    assert!(driver.request().contains("Bearer two."));
    assert!(driver.request().contains("ISYSUB"));
    driver.accept();
    assert_eq!(driver.posts, [LOGIN, REFRESH]);
}

#[test]
fn a_login_answer_of_a_megabyte_is_refused() {
    let mut driver = started();
    let (id, mut exchange) = driver.http.take().unwrap();
    exchange.receive(b"HTTP/1.1 200 OK\r\n\r\n");
    exchange.receive(&vec![b' '; 1024 * 1024 + 1]);
    driver
        .stream
        .http_answered(driver.now, id, exchange.into_answer().0);
    driver.drain();
    assert_eq!(driver.last_reason().code(), "not_a_controller");
    assert_eq!(driver.status(), Status::LostConnection);
}
