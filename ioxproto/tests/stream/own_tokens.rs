//! Tokens that the caller supplies.

use ioxproto::{Config, Reason, Secret};

use crate::harness::Harness;
use crate::portal::reconnect;

#[test]
fn the_callers_token_provider_is_asked_and_asked_again_after_a_401() {
    let mut harness = Harness::with(Config::own_tokens);
    harness.start();
    let (id, rejected) = harness.token_request.take().unwrap();
    assert!(!rejected);
    harness
        .stream
        .token(harness.now, id, Some(Secret::new("mine")));
    harness.drain();
    assert!(harness.request().contains("Authorization: Bearer mine\r\n"));
    harness.refuse(401, "");
    let (id, rejected) = harness.token_request.take().unwrap();
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
        let mut harness = Harness::with(Config::own_tokens);
        harness.start();
        let (id, _) = harness.token_request.take().unwrap();
        harness.stream.token(harness.now, id, none);
        harness.drain();
        assert_eq!(*harness.last_reason(), Reason::NoToken);
        harness.pass(1.0);
        assert!(harness.token_request.is_some());
        harness.pass(10.0);
        assert_eq!(harness.last_reason().code(), "timed_out");
    }
}
