//! Answers to the upgrade, and attempts that fail or hang.

use ioxproto::{Failure, FailureKind, IdentityProblem, Phase, Profile, Reason, Status};

use crate::harness::{Done, Harness};

#[test]
fn a_401_or_403_is_final_for_a_local_account() {
    for status in [401, 403] {
        let mut harness = Harness::new();
        harness.start();
        harness.refuse(status, "");
        assert_eq!(
            harness.statuses(),
            ["stream_initializing", "reconnect_failed"]
        );
        assert_eq!(
            *harness.last_reason(),
            Reason::CredentialsRefused { status }
        );
        harness.pass(1e5);
        assert_eq!(harness.attempts.len(), 1);
        assert_eq!(harness.stream.poll_timeout(harness.now), None);
    }
}

#[test]
fn a_setting_keeps_trying_refused_credentials_at_the_longest_wait() {
    let mut harness = Harness::with(|config| config.keep_trying(true));
    harness.start();
    for _ in 0..3 {
        harness.refuse(401, "");
        assert_eq!(harness.stream.status(), Status::LostConnection);
        assert_eq!(harness.last_wait(), 60.0);
        harness.pass(60.0);
    }
    harness.accept();
    assert_eq!(harness.stream.status(), Status::StreamSyncing);
}

#[test]
fn any_other_status_is_retried() {
    for status in [200, 204, 302, 400, 404, 429, 500, 502, 503] {
        let mut harness = Harness::with(|config| config.profile(Profile::Isy994));
        harness.start();
        harness.refuse(status, "Location: http://elsewhere.test/\r\n");
        assert_eq!(harness.stream.status(), Status::LostConnection, "{status}");
        assert_eq!(
            *harness.last_reason(),
            Reason::UpgradeRefused {
                status,
                retry_after: None,
                text: String::new(),
            }
        );
        assert_eq!(harness.done, [Done::Abort]);
        harness.pass(1.0);
        assert!(
            harness.request().contains("Host: eisy.test:8080\r\n"),
            "redirects are never followed"
        );
    }
}

#[test]
fn a_refusal_shows_its_body_unless_that_contains_a_secret() {
    let reason = |body: &dyn Fn(&str) -> String| {
        let mut harness = Harness::with(|config| config.profile(Profile::Isy994));
        harness.start();
        let body = body(&harness.request());
        let length = body.len();
        harness.answer(&format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        harness.last_reason().to_string()
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
        let mut harness = Harness::with(|config| {
            let config = config.profile(Profile::Isy994);
            config.local_account("admin", "a<b")
        });
        harness.start();
        let length = body.len();
        harness.answer(&format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        let reason = harness.last_reason().to_string();
        assert!(!reason.contains("wrong password"), "{reason}");
    }
}

#[test]
fn a_400_is_retried_at_once_with_the_isy_994_headers_which_are_remembered() {
    let mut harness = Harness::new();
    harness.start();
    assert!(!harness.request().contains("ISYSUB"));
    harness.refuse(400, "");
    assert_eq!(
        harness.statuses(),
        ["stream_initializing"],
        "the attempt goes on"
    );
    assert!(
        harness
            .request()
            .contains("Sec-WebSocket-Protocol: ISYSUB\r\n")
    );
    assert!(
        harness
            .request()
            .contains("Origin: com.universal-devices.websockets.isy\r\n")
    );
    harness.accept();
    assert_eq!(harness.stream.status(), Status::StreamSyncing);
    harness.closed();
    harness.pass(1.0);
    assert!(
        harness.request().contains("ISYSUB"),
        "what worked is remembered"
    );
}

#[test]
fn a_second_400_waits_for_the_backoff() {
    let mut harness = Harness::new();
    harness.start();
    harness.refuse(400, "");
    harness.refuse(400, "");
    assert_eq!(harness.stream.status(), Status::LostConnection);
    assert_eq!(harness.attempts.len(), 2);
    harness.pass(1.0);
    assert!(!harness.request().contains("ISYSUB"));
}

#[test]
fn a_controller_that_always_answers_400_gets_one_request_per_attempt_with_alternating_headers() {
    let mut harness = Harness::new();
    harness.start();
    harness.refuse(400, "");
    harness.refuse(400, "");
    for isy_headers in [false, true, false, true] {
        let before = harness.attempts.len();
        harness.pass(harness.last_wait());
        assert_eq!(harness.attempts.len(), before + 1);
        assert_eq!(harness.request().contains("ISYSUB"), isy_headers);
        harness.refuse(400, "");
        assert_eq!(harness.stream.status(), Status::LostConnection);
    }
    // The set that is finally accepted is remembered.
    harness.pass(harness.last_wait());
    harness.refuse(400, "");
    harness.pass(harness.last_wait());
    harness.accept();
    harness.closed();
    harness.pass(harness.last_wait());
    assert!(harness.request().contains("ISYSUB"));
}

#[test]
fn headers_that_stop_working_are_tried_out_again() {
    let mut harness = Harness::new();
    harness.start();
    harness.refuse(400, "");
    harness.accept();
    harness.closed();
    harness.pass(1.0);
    harness.refuse(400, "");
    assert_eq!(harness.stream.status(), Status::LostConnection);
    harness.pass(harness.last_wait());
    assert!(!harness.request().contains("ISYSUB"));
}

#[test]
fn the_isy_994_profile_sends_its_headers_from_the_start() {
    let mut harness = Harness::with(|config| config.profile(Profile::Isy994));
    harness.start();
    assert!(harness.request().contains("ISYSUB"));
}

#[test]
fn a_peer_that_is_not_a_controller_is_reported_and_retried() {
    for answer in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\u{15}\u{4}\u{1}",
        "hello",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ] {
        let mut harness = Harness::new();
        harness.start();
        harness.answer(answer);
        assert_eq!(
            harness.last_reason().code(),
            "not_a_controller",
            "{answer:?}"
        );
        assert_eq!(harness.last_wait(), 1.0);
    }
}

/// Bytes of a TLS alert: `unexpected_message`, fatal.
const ALERT: &str = "\u{15}\u{3}\u{1}\0\u{2}\u{2}\n";

#[test]
fn a_port_that_answers_with_a_tls_alert_is_reported_with_the_right_url() {
    let mut harness = Harness::new();
    harness.start();
    harness.answer(ALERT);
    let reason = harness.last_reason();
    assert_eq!(reason.code(), "speaks_tls");
    assert!(reason.to_string().contains("use https://"), "{reason}");
    assert_eq!(harness.last_wait(), 1.0);
}

#[test]
fn a_tls_alert_over_https_is_not_reported_as_a_wrong_url() {
    let mut harness = Harness::with(|config| config.address("https://isy.test"));
    harness.start();
    harness.answer(ALERT);
    assert_eq!(harness.last_reason().code(), "not_a_controller");
}

#[test]
fn a_400_whose_page_names_https_is_reported_with_the_right_url() {
    let page = "<html>400 The plain HTTP request was sent to HTTPS port</html>";
    let mut harness = Harness::new();
    harness.start();
    harness.answer(&format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{page}",
        page.len()
    ));
    assert_eq!(harness.last_reason().code(), "speaks_tls");
}

#[test]
fn one_client_hello_distinguishes_a_tls_port_from_a_controller_without_a_free_subscription() {
    for (answer, code) in [
        (Some(ALERT), "speaks_tls"),
        (Some("HTTP/1.1 400 Bad Request\r\n\r\n"), "unanswered"),
        (Some(""), "unanswered"),
        (None, "unanswered"),
    ] {
        let mut harness = Harness::new();
        harness.start();
        harness.answer("");
        assert_eq!(harness.stream.status(), Status::StreamInitializing);
        let (id, mut exchange) = harness.http.take().unwrap();
        assert!(exchange.request().starts_with(&[0x16, 3, 1]));
        let answer = answer.map(|answer| {
            exchange.receive(answer.as_bytes());
            exchange.end_of_input();
            exchange.into_answer().0
        });
        match answer {
            Some(answer) => harness.stream.http_answered(harness.now, id, answer),
            None => {
                let failure = Failure::transport(FailureKind::ConnectionRefused, "refused");
                harness.stream.http_failed(harness.now, id, failure);
            }
        }
        harness.drain();
        assert_eq!(harness.last_reason().code(), code);
        // The port is probed once after each start.
        harness.pass(1.0);
        harness.answer("");
        assert_eq!(harness.last_reason().code(), "unanswered");
        assert!(harness.http.is_none());
    }
}

#[test]
fn a_reset_before_an_answer_causes_a_tls_probe_within_ten_seconds() {
    let mut harness = Harness::new();
    harness.start();
    harness.phase(Phase::Upgrading);
    harness.fail(FailureKind::ConnectionReset);
    assert!(harness.http.is_some());
    for seconds in [0.5, 9.4] {
        harness.pass(seconds);
        assert_eq!(harness.stream.status(), Status::StreamInitializing);
    }
    harness.pass(0.2);
    assert_eq!(harness.last_reason().code(), "unanswered");
}

#[test]
fn a_stop_during_a_tls_probe_is_immediate() {
    let mut harness = Harness::new();
    harness.start();
    harness.answer("");
    assert!(harness.http.is_some());
    harness.stop();
    assert_eq!(harness.stream.status(), Status::Disconnected);
}

#[test]
fn over_tls_no_port_is_probed() {
    let mut harness = Harness::with(|_| {
        ioxproto::Config::new("https://eisy.local:8443").local_account("admin", "x")
    });
    harness.start();
    harness.answer("");
    assert_eq!(harness.last_reason().code(), "unanswered");
    assert!(harness.http.is_none());
}

#[test]
fn an_answer_cut_short_is_a_closed_connection() {
    let mut harness = Harness::new();
    harness.start();
    harness.answer("HTTP/1.1 101 Swit");
    assert_eq!(harness.last_reason().code(), "closed_by_controller");
}

#[test]
fn name_tcp_tls_and_upgrade_together_have_ten_seconds() {
    for phase in [
        Phase::Resolving,
        Phase::Connecting,
        Phase::Securing,
        Phase::Upgrading,
    ] {
        let mut harness = Harness::new();
        harness.start();
        harness.pass(4.0);
        harness.phase(phase);
        harness.pass(5.999);
        assert_eq!(harness.stream.status(), Status::StreamInitializing);
        harness.pass(0.001);
        assert_eq!(harness.done, [Done::Abort]);
        let Reason::TimedOut {
            phase: reported,
            after,
        } = harness.last_reason()
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
        let mut harness = Harness::new();
        harness.start();
        let failure = Failure::identity(problem, "sha256:00", "not this one");
        harness.stream.failed(harness.now, harness.id(), failure);
        harness.drain();
        assert_eq!(harness.last_reason().code(), code);
        assert_eq!(
            harness.stream.status() == Status::ReconnectFailed,
            is_final,
            "{code}"
        );
    }
}

#[test]
fn transport_failures_keep_their_kind_and_are_retried() {
    let mut harness = Harness::new();
    harness.start();
    for (kind, code) in [
        (FailureKind::NameNotResolved, "name_not_resolved"),
        (FailureKind::ConnectionRefused, "connection_refused"),
        (FailureKind::Unreachable, "unreachable"),
        (FailureKind::Tls, "tls_failed"),
        (FailureKind::TlsTooOld, "tls_too_old"),
        (FailureKind::Resources, "resources_exhausted"),
    ] {
        harness.fail(kind);
        assert_eq!(harness.last_reason().code(), code);
        harness.pass(harness.last_wait());
    }
    harness.accept();
    harness.pass(1.0);
    assert_eq!(harness.stream.status(), Status::Connected);
}
