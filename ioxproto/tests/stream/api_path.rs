//! `/api/events/subscribe`: the token goes in the first frame.

use ioxproto::{Config, IgnoredKind, Message, Notification, Reason, Secret, Status, SubscribePath};

use crate::harness::{Done, Harness};

fn started() -> Harness {
    let mut harness = Harness::with(|config: Config| {
        config
            .portal_account("user@example.test", "x")
            .path(SubscribePath::Api)
    });
    harness.start();
    harness.grant("one", 3600.0);
    harness
}

fn token_frame(harness: &Harness) -> String {
    let sent = harness.done.iter().rev().find_map(|done| match done {
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
    let mut harness = started();
    let token = harness.access_token("one", 3600.0);
    assert!(
        harness
            .request()
            .starts_with("GET /api/events/subscribe HTTP/1.1\r\n")
    );
    assert!(!harness.request().contains("Authorization"));
    harness.accept();
    assert_eq!(
        harness.done,
        [Done::OpenWebSocket, Done::SendText(typed(&token))]
    );
}

#[test]
fn a_binary_message_before_the_first_frame_does_not_begin_the_drain() {
    let mut harness = started();
    harness.accept();
    harness.message(Message::Binary(b"x"));
    harness.pass(9.9);
    assert_eq!(harness.stream.status(), Status::StreamSyncing);
    harness.pass(0.2);
    assert!(matches!(
        harness.last_reason(),
        Reason::TokenNotAccepted { closed: false }
    ));
}

#[test]
fn without_a_first_frame_the_stream_is_not_connected() {
    let mut harness = started();
    harness.accept();
    harness.pass(9.9);
    assert_eq!(harness.stream.status(), Status::StreamSyncing);
    harness.event(0, "ST", "0", "a");
    harness.pass(1.0);
    assert_eq!(harness.stream.status(), Status::Connected);
}

#[test]
fn the_end_mark_of_the_rest_path_has_no_effect() {
    let mut harness = started();
    harness.accept();
    harness.event(0, "_22", "1", "");
    harness.pass(0.9);
    harness.event(1, "ST", "0", "a");
    assert_eq!(harness.live(), [false; 2]);
}

#[test]
fn silence_after_the_token_switches_the_shape_and_the_accepted_one_is_remembered() {
    let mut harness = started();
    let token = harness.access_token("one", 3600.0);
    harness.accept();
    harness.pass(10.0);
    assert_eq!(
        *harness.last_reason(),
        Reason::TokenNotAccepted { closed: false }
    );
    assert_eq!(harness.stream.status(), Status::LostConnection);
    harness.pass(harness.last_wait());
    harness.accept();
    assert_eq!(token_frame(&harness), bare(&token));
    harness.event(0, "ST", "0", "a");
    harness.pass(1.0);
    harness.closed();
    harness.pass(harness.last_wait());
    harness.accept();
    assert_eq!(
        token_frame(&harness),
        bare(&token),
        "what worked is remembered"
    );
    assert_eq!(harness.posts.len(), 1);
}

#[test]
fn after_both_shapes_were_refused_the_tokens_are_renewed() {
    let mut harness = started();
    for _ in 0..2 {
        harness.accept();
        harness.closed();
        assert_eq!(
            *harness.last_reason(),
            Reason::TokenNotAccepted { closed: true }
        );
        harness.pass(harness.last_wait());
    }
    assert_eq!(harness.posts, ["/api/login", "/api/jwt/refresh"]);
    let token = harness.access_token("two", 3600.0);
    harness.grant("two", 3600.0);
    harness.accept();
    assert_eq!(token_frame(&harness), bare(&token));
}

/// If tokens become invalid before the next attempt although they have not expired, a controller
/// could otherwise receive valid tokens only in the shape that it does not accept.
#[test]
fn each_shape_is_tried_with_new_tokens() {
    let mut harness = started();
    let mut shapes = String::new();
    for name in ["one", "two", "three"] {
        if name != "one" {
            harness.grant(name, 3600.0);
        }
        for _ in 0..2 {
            harness.accept();
            let is_typed = token_frame(&harness).contains("creds");
            shapes.push(if is_typed { 't' } else { 'b' });
            harness.closed();
            harness.pass(harness.last_wait());
        }
    }
    assert_eq!(shapes, "tbbttb");
}

#[test]
fn a_401_or_403_on_the_upgrade_is_tried_with_a_renewed_token_on_it_which_is_remembered() {
    for status in [401, 403] {
        let mut harness = started();
        harness.refuse(status, "");
        assert_eq!(harness.posts, ["/api/login", "/api/jwt/refresh"]);
        let token = harness.access_token("two", 3600.0);
        harness.grant("two", 3600.0);
        let header = format!("\r\nAuthorization: Bearer {token}\r\n");
        assert!(harness.request().contains(&header));
        harness.accept();
        assert_eq!(token_frame(&harness), typed(&token));
        harness.event(0, "ST", "0", "a");
        harness.pass(1.0);
        harness.closed();
        harness.pass(harness.last_wait());
        assert!(
            harness.request().contains(&header),
            "what worked is remembered"
        );
    }
}

#[test]
fn on_the_api_path_a_second_401_on_the_upgrade_is_final() {
    let mut harness = started();
    harness.refuse(401, "");
    harness.grant("two", 3600.0);
    harness.refuse(403, "");
    assert_eq!(harness.stream.status(), Status::ReconnectFailed);
    assert_eq!(
        *harness.last_reason(),
        Reason::CredentialsRefused { status: 403 }
    );
}

#[test]
fn a_service_status_takes_a_number_and_is_delivered_without_a_gap() {
    let mut harness = started();
    harness.accept();
    harness.event(423, "ST", "0", "a");
    let status = r#"{"type":"spolisy","data":{"service":"pg3","status":"active"}}"#;
    harness.text(status);
    harness.event(425, "ST", "1", "a");
    assert!(harness.gaps().is_empty());
    let handed_on = harness.notifications.iter().any(|notification| {
        matches!(notification, Notification::Ignored(ignored)
            if ignored.kind == IgnoredKind::OtherType("spolisy".into()) && *ignored.text == *status)
    });
    assert!(handed_on);
    harness.event(427, "ST", "0", "a");
    assert_eq!(harness.gaps(), [(426, 427)]);
}

#[test]
fn own_tokens_are_sent_in_the_first_frame_and_another_is_requested_after_both_shapes() {
    let mut harness = Harness::with(|config| Config::own_tokens(config).path(SubscribePath::Api));
    harness.start();
    let supply = |harness: &mut Harness, token: &str| {
        let (id, rejected) = harness.token_request.take().unwrap();
        harness
            .stream
            .token(harness.now, id, Some(Secret::new(token)));
        harness.drain();
        rejected
    };
    assert!(!supply(&mut harness, "mine"));
    for frame in [typed("mine"), bare("mine")] {
        assert!(harness.token_request.is_none());
        harness.accept();
        assert_eq!(token_frame(&harness), frame);
        harness.closed();
        harness.pass(harness.last_wait());
    }
    assert!(supply(&mut harness, "another"));
    harness.accept();
    assert_eq!(token_frame(&harness), bare("another"));
}

#[test]
fn a_refused_token_causes_no_busy_loop() {
    let mut harness = started();
    let mut waits = Vec::new();
    for _ in 0..6 {
        harness.accept();
        harness.closed();
        waits.push(harness.last_wait());
        harness.pass(harness.last_wait());
        if harness.http.is_some() {
            harness.grant("next", 3600.0);
        }
    }
    assert_eq!(waits, [1.0, 2.0, 5.0, 10.0, 30.0, 60.0]);
}

#[test]
fn stop_before_the_first_frame_closes_and_logs_out() {
    let mut harness = started();
    harness.accept();
    harness.done.clear();
    harness.stop();
    assert_eq!(harness.done, [Done::Close(1000)]);
    assert_eq!(harness.posts.last().unwrap(), "/api/jwt/logout");
}

#[test]
fn a_service_status_before_the_first_event_counts_as_a_first_frame() {
    let mut harness = started();
    harness.accept();
    harness.text(r#"{"type":"spolisy","data":"{\"status\":\"active\"}"}"#);
    harness.pass(1.0);
    assert_eq!(harness.stream.status(), Status::Connected);
}
