//! Portal accounts: what a session keeps, when its token is refreshed, and a login without tokens.

use ioxproto::Reason;
use pretend::seconds;

use crate::portal::{LOGIN, REFRESH, connected, started};

#[test]
fn a_new_session_logs_in_regardless_of_the_last_one() {
    let mut driver = connected(30.0);
    driver.stop();
    assert_eq!(driver.posts, [LOGIN, REFRESH]);
    // The tokens are stale and are kept.
    driver.answer_post(503, "");
    driver.closed();
    assert_eq!(driver.statuses(), ["disconnected"]);
    driver.start();
    assert_eq!(driver.posts, [LOGIN, REFRESH, LOGIN]);
}

#[test]
fn a_token_with_a_minute_left_is_refreshed_and_one_with_more_is_used() {
    for (more, posts) in [(0.0, &[LOGIN, REFRESH][..]), (1.0, &[LOGIN])] {
        let mut driver = connected(120.0 + more);
        let since_the_grant = driver.now.monotonic - driver.began;
        // The attempt begins a second after the loss, 60 s after the grant.
        driver.pass((seconds(59.0) - since_the_grant).as_secs_f64());
        driver.closed();
        assert_eq!(driver.last_wait(), 1.0);
        driver.pass(1.0);
        assert_eq!(driver.posts, posts, "{more} s more than a minute");
    }
}

#[test]
fn a_login_without_tokens_is_reported_as_that() {
    for (status, expected) in [
        (200, "the answer contains no tokens"),
        (204, "the answer contains no tokens"),
        (302, "a redirect, which is not followed"),
        (500, ""),
    ] {
        let mut driver = started();
        driver.answer_post(status, "{}");
        match driver.last_reason() {
            Reason::LoginFailed {
                status: reported,
                detail,
            } => {
                assert_eq!(*reported, status);
                assert!(detail.starts_with(expected), "{status}: {detail}");
                assert_eq!(detail.is_empty(), expected.is_empty(), "{status}: {detail}");
            }
            other => panic!("{other:?}"),
        }
    }
}
