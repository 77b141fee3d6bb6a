//! `/api/events/subscribe`: the token goes in the first frame.

use ioxproto::{Config, IgnoredKind, Message, Notification, Reason, Status, SubscribePath};
use pretend::{Done, Driver};

fn started() -> Driver {
    let mut driver = Driver::with(|config: Config| {
        config
            .portal_account("user@example.test", "x")
            .path(SubscribePath::Api)
    });
    driver.start();
    driver.grant("one", 3600.0);
    driver
}

fn token_frame(driver: &Driver) -> String {
    let sent = driver.done.iter().rev().find_map(|done| match done {
        Done::SendText(text) => Some(text.clone()),
        _ => None,
    });
    sent.expect("a token was sent")
}

fn typed(token: &str) -> String {
    format!(r#"{{"type":"auth","creds":{{"token":"{token}"}}}}"#)
}

fn bare(token: &str) -> String {
    format!(r#"{{"auth":{{"token":"{token}"}}}}"#)
}

#[test]
fn the_first_frame_carries_the_token_and_the_upgrade_does_not() {
    let mut driver = started();
    let token = pretend::access_token(driver.now, "one", 3600.0);
    assert!(
        driver
            .request()
            .starts_with("GET /api/events/subscribe HTTP/1.1\r\n")
    );
    assert!(!driver.request().contains("Authorization"));
    driver.accept();
    assert_eq!(
        driver.done,
        [Done::OpenWebSocket, Done::SendText(typed(&token))]
    );
}

#[test]
fn a_binary_message_before_the_first_frame_does_not_begin_the_drain() {
    let mut driver = started();
    driver.accept();
    driver.message(Message::Binary(b"x"));
    driver.pass(9.9);
    assert_eq!(driver.status(), Status::StreamSyncing);
    driver.pass(0.2);
    assert!(matches!(
        driver.last_reason(),
        Reason::TokenNotAccepted { closed: false }
    ));
}

#[test]
fn without_a_first_frame_the_stream_is_not_connected() {
    let mut driver = started();
    driver.accept();
    driver.pass(9.9);
    assert_eq!(driver.status(), Status::StreamSyncing);
    driver.event(0, "ST", "0", "a");
    driver.pass(1.0);
    assert_eq!(driver.status(), Status::Connected);
}

#[test]
fn the_end_mark_of_the_rest_path_has_no_effect() {
    let mut driver = started();
    driver.accept();
    driver.event(0, "_22", "1", "");
    driver.pass(0.9);
    driver.event(1, "ST", "0", "a");
    assert_eq!(driver.live(), [false; 2]);
}

#[test]
fn silence_after_the_token_switches_the_shape_and_the_accepted_one_is_remembered() {
    let mut driver = started();
    let token = pretend::access_token(driver.now, "one", 3600.0);
    driver.accept();
    driver.pass(10.0);
    assert_eq!(
        *driver.last_reason(),
        Reason::TokenNotAccepted { closed: false }
    );
    assert_eq!(driver.status(), Status::LostConnection);
    driver.pass(driver.last_wait());
    driver.accept();
    assert_eq!(token_frame(&driver), bare(&token));
    driver.event(0, "ST", "0", "a");
    driver.pass(1.0);
    driver.closed();
    driver.pass(driver.last_wait());
    driver.accept();
    assert_eq!(
        token_frame(&driver),
        bare(&token),
        "what worked is remembered"
    );
    assert_eq!(driver.posts.len(), 1);
}

#[test]
fn after_both_shapes_were_refused_the_tokens_are_renewed() {
    let mut driver = started();
    for _ in 0..2 {
        driver.accept();
        driver.closed();
        assert_eq!(
            *driver.last_reason(),
            Reason::TokenNotAccepted { closed: true }
        );
        driver.pass(driver.last_wait());
    }
    assert_eq!(driver.posts, ["/api/login", "/api/jwt/refresh"]);
    let token = pretend::access_token(driver.now, "two", 3600.0);
    driver.grant("two", 3600.0);
    driver.accept();
    assert_eq!(token_frame(&driver), bare(&token));
}

/// If tokens become invalid before the next attempt although they have not expired, a controller
/// could otherwise receive valid tokens only in the shape that it does not accept.
#[test]
fn each_shape_is_tried_with_new_tokens() {
    let mut driver = started();
    let mut shapes = String::new();
    for name in ["one", "two", "three"] {
        if name != "one" {
            driver.grant(name, 3600.0);
        }
        for _ in 0..2 {
            driver.accept();
            let is_typed = token_frame(&driver).contains("creds");
            shapes.push(if is_typed { 't' } else { 'b' });
            driver.closed();
            driver.pass(driver.last_wait());
        }
    }
    assert_eq!(shapes, "tbbttb");
}

#[test]
fn a_401_or_403_on_the_upgrade_is_tried_with_a_renewed_token_on_it_which_is_remembered() {
    for status in [401, 403] {
        let mut driver = started();
        driver.refuse(status, "");
        assert_eq!(driver.posts, ["/api/login", "/api/jwt/refresh"]);
        let token = pretend::access_token(driver.now, "two", 3600.0);
        driver.grant("two", 3600.0);
        let header = format!("\r\nAuthorization: Bearer {token}\r\n");
        assert!(driver.request().contains(&header));
        driver.accept();
        assert_eq!(token_frame(&driver), typed(&token));
        driver.event(0, "ST", "0", "a");
        driver.pass(1.0);
        driver.closed();
        driver.pass(driver.last_wait());
        assert!(
            driver.request().contains(&header),
            "what worked is remembered"
        );
    }
}

#[test]
fn on_the_api_path_a_second_401_on_the_upgrade_is_final() {
    let mut driver = started();
    driver.refuse(401, "");
    driver.grant("two", 3600.0);
    driver.refuse(403, "");
    assert_eq!(driver.status(), Status::ReconnectFailed);
    assert_eq!(
        *driver.last_reason(),
        Reason::CredentialsRefused { status: 403 }
    );
}

#[test]
fn a_service_status_takes_a_number_and_is_delivered_without_a_gap() {
    let mut driver = started();
    driver.accept();
    driver.event(423, "ST", "0", "a");
    let status = r#"{"type":"spolisy","data":{"service":"pg3","status":"active"}}"#;
    driver.text(status);
    driver.event(425, "ST", "1", "a");
    assert!(driver.gaps().is_empty());
    let handed_on = driver.notifications.iter().any(|notification| {
        matches!(notification, Notification::Ignored(ignored)
            if ignored.kind == IgnoredKind::OtherType("spolisy".into()) && *ignored.text == *status)
    });
    assert!(handed_on);
    driver.event(427, "ST", "0", "a");
    assert_eq!(driver.gaps(), [(426, 427)]);
}

#[test]
fn own_tokens_are_sent_in_the_first_frame_and_another_is_requested_after_both_shapes() {
    let mut driver = Driver::with(|config| Config::own_tokens(config).path(SubscribePath::Api));
    driver.start();
    assert!(!driver.token(Some("mine")));
    for frame in [typed("mine"), bare("mine")] {
        assert!(driver.token_request.is_none());
        driver.accept();
        assert_eq!(token_frame(&driver), frame);
        driver.closed();
        driver.pass(driver.last_wait());
    }
    assert!(driver.token(Some("another")));
    driver.accept();
    assert_eq!(token_frame(&driver), bare("another"));
}

#[test]
fn a_refused_token_causes_no_busy_loop() {
    let mut driver = started();
    let mut waits = Vec::new();
    for _ in 0..6 {
        driver.accept();
        driver.closed();
        waits.push(driver.last_wait());
        driver.pass(driver.last_wait());
        if driver.http.is_some() {
            driver.grant("next", 3600.0);
        }
    }
    assert_eq!(waits, [1.0, 2.0, 5.0, 10.0, 30.0, 60.0]);
}

#[test]
fn stop_before_the_first_frame_closes_and_logs_out() {
    let mut driver = started();
    driver.accept();
    driver.done.clear();
    driver.stop();
    assert_eq!(driver.done, [Done::Close(1000)]);
    assert_eq!(driver.posts.last().unwrap(), "/api/jwt/logout");
}

#[test]
fn a_service_status_before_the_first_event_counts_as_a_first_frame() {
    let mut driver = started();
    driver.accept();
    driver.text(r#"{"type":"spolisy","data":"{\"status\":\"active\"}"}"#);
    driver.pass(1.0);
    assert_eq!(driver.status(), Status::Connected);
}
