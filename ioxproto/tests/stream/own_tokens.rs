//! Tokens that the caller supplies.

use ioxproto::{Config, Reason};
use pretend::Driver;

use crate::portal::reconnect;

#[test]
fn the_callers_token_provider_is_asked_and_asked_again_after_a_401() {
    let mut driver = Driver::with(Config::own_tokens);
    driver.start();
    assert!(!driver.token(Some("mine")));
    assert!(driver.request().contains("Authorization: Bearer mine\r\n"));
    driver.refuse(401, "");
    assert!(driver.token(Some("another")));
    driver.accept();
    driver.become_connected();
    reconnect(&mut driver);
    assert!(
        driver.request().contains("Bearer another\r\n"),
        "a token is used until it is refused or stale"
    );
    driver.stop();
    assert!(driver.posts.is_empty(), "the session is the caller's");
}

#[test]
fn a_caller_without_a_token_is_asked_again_later() {
    for none in [None, Some(""), Some("a\r\nX: y")] {
        let mut driver = Driver::with(Config::own_tokens);
        driver.start();
        driver.token(none);
        assert_eq!(*driver.last_reason(), Reason::NoToken);
        driver.pass(1.0);
        assert!(driver.token_request.is_some());
        driver.pass(10.0);
        assert_eq!(driver.last_reason().code(), "timed_out");
    }
}
