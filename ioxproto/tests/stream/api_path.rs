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
fn the_token_goes_in_the_first_frame_and_not_on_the_upgrade() {
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
fn a_binary_message_before_the_first_frame_begins_no_drain() {
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
fn not_connected_before_a_first_frame_came() {
    let mut harness = started();
    harness.accept();
    harness.pass(9.9);
    assert_eq!(harness.stream.status(), Status::StreamSyncing);
    harness.event(0, "ST", "0", "a");
    harness.pass(1.0);
    assert_eq!(harness.stream.status(), Status::Connected);
}

#[test]
fn the_end_mark_of_the_other_path_means_nothing_here() {
    let mut harness = started();
    harness.accept();
    harness.event(0, "_22", "1", "");
    harness.pass(0.9);
    harness.event(1, "ST", "0", "a");
    assert_eq!(harness.live(), [false; 2]);
}

#[test]
fn silence_after_the_token_leads_to_the_other_shape_and_what_worked_is_remembered() {
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

/// Where tokens die before the next attempt and the clocks do not show it, a controller would
/// otherwise see good ones only in the shape that it does not take.
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
fn a_second_401_on_the_upgrade_is_final_here_too() {
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
fn a_service_status_takes_a_number_and_is_no_gap_and_is_handed_on() {
    let mut harness = started();
    harness.accept();
    harness.event(423, "ST", "0", "a");
    let status = r#"{"type":"spolisy","data":{"service":"pg3","status":"active"}}"#;
    harness.text(status);
    harness.event(425, "ST", "1", "a");
    assert!(harness.gaps().is_empty());
    let handed_on = harness.told.iter().any(|told| {
        matches!(told, Notification::Ignored(ignored)
            if ignored.kind == IgnoredKind::OtherType("spolisy".into()) && *ignored.text == *status)
    });
    assert!(handed_on);
    harness.event(427, "ST", "0", "a");
    assert_eq!(harness.gaps(), [(426, 427)]);
}

#[test]
fn own_tokens_go_in_the_first_frame_and_another_is_asked_for_after_both_shapes() {
    let mut harness = Harness::with(|config| Config::own_tokens(config).path(SubscribePath::Api));
    harness.start();
    let supply = |harness: &mut Harness, token: &str| {
        let (id, rejected) = harness.asked_for_token.take().unwrap();
        harness
            .stream
            .token(harness.now, id, Some(Secret::new(token)));
        harness.drain();
        rejected
    };
    assert!(!supply(&mut harness, "mine"));
    for frame in [typed("mine"), bare("mine")] {
        assert!(harness.asked_for_token.is_none());
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
fn a_refused_token_never_loops_hot() {
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
fn a_service_status_before_the_first_event_is_a_first_frame() {
    let mut harness = started();
    harness.accept();
    harness.text(r#"{"type":"spolisy","data":"{\"status\":\"active\"}"}"#);
    harness.pass(1.0);
    assert_eq!(harness.stream.status(), Status::Connected);
}
