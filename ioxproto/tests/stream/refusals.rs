//! Answers to the upgrade, and attempts that fail or hang.

use ioxproto::{Failure, FailureKind, IdentityProblem, Phase, Profile, Reason, Status};
use pretend::{Done, Driver};

#[test]
fn a_401_or_403_is_final_for_a_local_account() {
    for status in [401, 403] {
        let mut driver = Driver::local();
        driver.start();
        driver.refuse(status, "");
        assert_eq!(
            driver.statuses(),
            ["stream_initializing", "reconnect_failed"]
        );
        assert_eq!(*driver.last_reason(), Reason::CredentialsRefused { status });
        driver.pass(1e5);
        assert_eq!(driver.attempts.len(), 1);
        assert_eq!(driver.stream.poll_timeout(driver.now), None);
    }
}

#[test]
fn a_setting_keeps_trying_refused_credentials_at_the_longest_wait() {
    let mut driver = Driver::with(|config| config.keep_trying(true));
    driver.start();
    for _ in 0..3 {
        driver.refuse(401, "");
        assert_eq!(driver.status(), Status::LostConnection);
        assert_eq!(driver.last_wait(), 60.0);
        driver.pass(60.0);
    }
    driver.accept();
    assert_eq!(driver.status(), Status::StreamSyncing);
}

#[test]
fn any_other_status_is_retried() {
    for status in [200, 204, 302, 400, 404, 429, 500, 502, 503] {
        let mut driver = Driver::with(|config| config.profile(Profile::Isy994));
        driver.start();
        driver.refuse(status, "Location: http://elsewhere.test/\r\n");
        assert_eq!(driver.status(), Status::LostConnection, "{status}");
        assert_eq!(
            *driver.last_reason(),
            Reason::UpgradeRefused {
                status,
                retry_after: None,
                text: String::new(),
            }
        );
        assert_eq!(driver.done, [Done::Abort]);
        driver.pass(1.0);
        assert!(
            driver.request().contains("Host: eisy.test:8080\r\n"),
            "redirects are never followed"
        );
    }
}

#[test]
fn a_refusal_shows_its_body_unless_that_contains_a_secret() {
    let reason = |body: &dyn Fn(&str) -> String| {
        let mut driver = Driver::with(|config| config.profile(Profile::Isy994));
        driver.start();
        let body = body(&driver.request());
        let length = body.len();
        driver.answer(format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        driver.last_reason().to_string()
    };
    let page = "<h1>No required SSL certificate was sent</h1>";
    assert_eq!(
        reason(&|_| page.to_owned()),
        "the controller refused the event stream (HTTP 400 Bad Request); it says \"No required SSL certificate was sent\""
    );
    let echoed = reason(&|request| request.to_owned());
    assert!(!echoed.contains("it says"), "{echoed}");
    let long = reason(&|_| "ö".repeat(1000));
    assert_eq!(long.chars().filter(|c| *c == 'ö').count(), 200);
    let password = reason(&|_| "wrong password: secret".to_owned());
    assert!(!password.contains("it says"), "{password}");
}

#[test]
fn a_refusal_does_not_show_a_page_whose_markup_or_text_contains_the_password() {
    for body in [
        // Only the markup, which is not shown, contains the password.
        "<script>a<b</script>wrong password",
        // Only the text contains it, after its references are decoded.
        "wrong password: a&lt;b",
    ] {
        let mut driver = Driver::with(|config| {
            let config = config.profile(Profile::Isy994);
            config.local_account("admin", "a<b")
        });
        driver.start();
        let length = body.len();
        driver.answer(format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        let reason = driver.last_reason().to_string();
        assert!(!reason.contains("wrong password"), "{reason}");
    }
}

#[test]
fn a_400_is_retried_at_once_with_the_isy_994_headers_which_are_remembered() {
    let mut driver = Driver::local();
    driver.start();
    assert!(!driver.request().contains("ISYSUB"));
    driver.refuse(400, "");
    assert_eq!(
        driver.statuses(),
        ["stream_initializing"],
        "the attempt goes on"
    );
    assert!(
        driver
            .request()
            .contains("Sec-WebSocket-Protocol: ISYSUB\r\n")
    );
    assert!(
        driver
            .request()
            .contains("Origin: com.universal-devices.websockets.isy\r\n")
    );
    driver.accept();
    assert_eq!(driver.status(), Status::StreamSyncing);
    driver.closed();
    driver.pass(1.0);
    assert!(
        driver.request().contains("ISYSUB"),
        "what worked is remembered"
    );
}

#[test]
fn a_second_400_waits_for_the_backoff() {
    let mut driver = Driver::local();
    driver.start();
    driver.refuse(400, "");
    driver.refuse(400, "");
    assert_eq!(driver.status(), Status::LostConnection);
    assert_eq!(driver.attempts.len(), 2);
    driver.pass(1.0);
    assert!(!driver.request().contains("ISYSUB"));
}

#[test]
fn a_controller_that_always_answers_400_gets_one_request_per_attempt_with_alternating_headers() {
    let mut driver = Driver::local();
    driver.start();
    driver.refuse(400, "");
    driver.refuse(400, "");
    for isy_headers in [false, true, false, true] {
        let before = driver.attempts.len();
        driver.pass(driver.last_wait());
        assert_eq!(driver.attempts.len(), before + 1);
        assert_eq!(driver.request().contains("ISYSUB"), isy_headers);
        driver.refuse(400, "");
        assert_eq!(driver.status(), Status::LostConnection);
    }
    // The set that is finally accepted is remembered.
    driver.pass(driver.last_wait());
    driver.refuse(400, "");
    driver.pass(driver.last_wait());
    driver.accept();
    driver.closed();
    driver.pass(driver.last_wait());
    assert!(driver.request().contains("ISYSUB"));
}

#[test]
fn headers_that_stop_working_are_tried_out_again() {
    let mut driver = Driver::local();
    driver.start();
    driver.refuse(400, "");
    driver.accept();
    driver.closed();
    driver.pass(1.0);
    driver.refuse(400, "");
    assert_eq!(driver.status(), Status::LostConnection);
    driver.pass(driver.last_wait());
    assert!(!driver.request().contains("ISYSUB"));
}

#[test]
fn the_isy_994_profile_sends_its_headers_from_the_start() {
    let mut driver = Driver::with(|config| config.profile(Profile::Isy994));
    driver.start();
    assert!(driver.request().contains("ISYSUB"));
}

#[test]
fn a_peer_that_is_not_a_controller_is_reported_and_retried() {
    for answer in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\u{15}\u{4}\u{1}",
        "hello",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ] {
        let mut driver = Driver::local();
        driver.start();
        driver.answer(answer);
        assert_eq!(
            driver.last_reason().code(),
            "not_a_controller",
            "{answer:?}"
        );
        assert_eq!(driver.last_wait(), 1.0);
    }
}

/// Bytes of a TLS alert: `unexpected_message`, fatal.
const ALERT: &str = "\u{15}\u{3}\u{1}\0\u{2}\u{2}\n";

#[test]
fn a_port_that_answers_with_a_tls_alert_is_reported_with_the_right_url() {
    let mut driver = Driver::local();
    driver.start();
    driver.answer(ALERT);
    let reason = driver.last_reason();
    assert_eq!(reason.code(), "speaks_tls");
    assert!(reason.to_string().contains("use https://"), "{reason}");
    assert_eq!(driver.last_wait(), 1.0);
}

#[test]
fn a_tls_alert_over_https_is_not_reported_as_a_wrong_url() {
    let mut driver = Driver::with(|config| config.address("https://isy.test"));
    driver.start();
    driver.answer(ALERT);
    assert_eq!(driver.last_reason().code(), "not_a_controller");
}

#[test]
fn a_400_whose_page_names_https_is_reported_with_the_right_url() {
    let page = "<html>400 The plain HTTP request was sent to HTTPS port</html>";
    let mut driver = Driver::local();
    driver.start();
    driver.answer(format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{page}",
        page.len()
    ));
    assert_eq!(driver.last_reason().code(), "speaks_tls");
}

#[test]
fn one_client_hello_distinguishes_a_tls_port_from_a_controller_without_a_free_subscription() {
    for (answer, code) in [
        (Some(ALERT), "speaks_tls"),
        (Some("HTTP/1.1 400 Bad Request\r\n\r\n"), "unanswered"),
        (Some(""), "unanswered"),
        (None, "unanswered"),
    ] {
        let mut driver = Driver::local();
        driver.start();
        driver.answer("");
        assert_eq!(driver.status(), Status::StreamInitializing);
        let (_, exchange) = driver.http.as_ref().unwrap();
        assert!(exchange.request().starts_with(&[0x16, 3, 1]));
        match answer {
            Some(answer) => driver.answer_post_with(answer),
            None => driver.fail_post(Failure::transport(
                FailureKind::ConnectionRefused,
                "refused",
            )),
        }
        assert_eq!(driver.last_reason().code(), code);
        // The port is probed once after each start.
        driver.pass(1.0);
        driver.answer("");
        assert_eq!(driver.last_reason().code(), "unanswered");
        assert!(driver.http.is_none());
    }
}

#[test]
fn a_reset_before_an_answer_causes_a_tls_probe_within_ten_seconds() {
    let mut driver = Driver::local();
    driver.start();
    driver.phase(Phase::Upgrading);
    driver.fail(FailureKind::ConnectionReset);
    assert!(driver.http.is_some());
    for seconds in [0.5, 9.4] {
        driver.pass(seconds);
        assert_eq!(driver.status(), Status::StreamInitializing);
    }
    driver.pass(0.2);
    assert_eq!(driver.last_reason().code(), "unanswered");
}

#[test]
fn a_stop_during_a_tls_probe_is_immediate() {
    let mut driver = Driver::local();
    driver.start();
    driver.answer("");
    assert!(driver.http.is_some());
    driver.stop();
    assert_eq!(driver.status(), Status::Disconnected);
}

#[test]
fn over_tls_no_port_is_probed() {
    let mut driver = Driver::with(|_| {
        ioxproto::Config::new("https://eisy.local:8443").local_account("admin", "x")
    });
    driver.start();
    driver.answer("");
    assert_eq!(driver.last_reason().code(), "unanswered");
    assert!(driver.http.is_none());
}

#[test]
fn an_answer_cut_short_is_a_closed_connection() {
    let mut driver = Driver::local();
    driver.start();
    driver.answer("HTTP/1.1 101 Swit");
    assert_eq!(driver.last_reason().code(), "closed_by_controller");
}

#[test]
fn name_tcp_tls_and_upgrade_together_have_ten_seconds() {
    for phase in [
        Phase::Resolving,
        Phase::Connecting,
        Phase::Securing,
        Phase::Upgrading,
    ] {
        let mut driver = Driver::local();
        driver.start();
        driver.pass(4.0);
        driver.phase(phase);
        driver.pass(5.999);
        assert_eq!(driver.status(), Status::StreamInitializing);
        driver.pass(0.001);
        assert_eq!(driver.done, [Done::Abort]);
        let Reason::TimedOut {
            phase: reported,
            after,
        } = driver.last_reason()
        else {
            panic!()
        };
        assert_eq!((*reported, after.as_secs()), (phase, 10));
    }
}

#[test]
fn a_refused_identity_is_final_unless_only_its_dates_are_wrong() {
    for (problem, code, is_final) in [
        (IdentityProblem::WrongPin, "certificate_wrong_pin", true),
        (IdentityProblem::UnknownIssuer, "certificate_unknown", true),
        (
            IdentityProblem::Unverifiable,
            "certificate_unverifiable",
            true,
        ),
        (IdentityProblem::Expired, "certificate_expired", false),
        (
            IdentityProblem::NotYetValid,
            "certificate_not_yet_valid",
            false,
        ),
    ] {
        let mut driver = Driver::local();
        driver.start();
        let failure = Failure::identity(problem, "sha256:00", "not this one");
        driver.fail_with(failure);
        assert_eq!(driver.last_reason().code(), code);
        assert_eq!(
            driver.status() == Status::ReconnectFailed,
            is_final,
            "{code}"
        );
    }
}

#[test]
fn transport_failures_keep_their_kind_and_are_retried() {
    let mut driver = Driver::local();
    driver.start();
    for (kind, code) in [
        (FailureKind::NameNotResolved, "name_not_resolved"),
        (FailureKind::ConnectionRefused, "connection_refused"),
        (FailureKind::Unreachable, "unreachable"),
        (FailureKind::Tls, "tls_failed"),
        (FailureKind::TlsTooOld, "tls_too_old"),
        (FailureKind::Resources, "resources_exhausted"),
    ] {
        driver.fail(kind);
        assert_eq!(driver.last_reason().code(), code);
        driver.pass(driver.last_wait());
    }
    driver.accept();
    driver.pass(1.0);
    assert_eq!(driver.status(), Status::Connected);
}
