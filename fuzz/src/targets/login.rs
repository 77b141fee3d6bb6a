//! Passes arbitrary bytes to a stream as an HTTP answer to a login, the body of such an answer, a
//! token from the token provider, or the claims of a token. The stream must not panic, and a token
//! that it accepts must add exactly one header line.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ioxproto::{FailureKind, SubscribePath};
use pretend::Driver;

/// The first byte says what the other bytes are.
pub fn run(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    match kind % 4 {
        0 => log_in_with(data),
        1 => {
            let mut answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
            answer.extend_from_slice(data);
            log_in_with(&answer);
        }
        2 => connect_with_token(&String::from_utf8_lossy(data)),
        _ => connect_with_token(&format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(data))),
    }
}

fn log_in_with(answer: &[u8]) {
    let mut driver = Driver::with(|config| config.portal_account("user@example.test", "x"));
    driver.start();
    while driver.http.is_some() {
        driver.answer_post_with(answer);
    }
    if driver.upgrade.is_some() {
        assert_one_token_header(&driver.request());
    }
    assert!(!format!("{:?}", driver.stream).contains("accessToken"));
}

/// Checks that the token adds exactly one header line: the request consists of the request line, 5
/// other headers, the header with the token, and the empty line.
fn assert_one_token_header(request: &str) {
    let lines: Vec<_> = request.split("\r\n").collect();
    assert_eq!(lines.len(), 9, "{request:?}");
    assert!(lines[6].starts_with("Authorization: Bearer "));
    assert!(!request.replace("\r\n", "").contains(['\r', '\n']));
}

fn connect_with_token(token: &str) {
    for path in [SubscribePath::Rest, SubscribePath::Api] {
        let mut driver = Driver::with(|config| config.own_tokens().path(path));
        driver.start();
        // Make two attempts: the second one also checks whether the token has expired.
        for _ in 0..2 {
            loop {
                if driver.token_request.is_some() {
                    driver.token(Some(token));
                } else if driver.upgrade.is_some() {
                    if path == SubscribePath::Rest {
                        assert_one_token_header(&driver.request());
                    }
                    driver.fail(FailureKind::Unreachable);
                } else {
                    break;
                }
            }
            driver.now = driver.now.after(Duration::from_secs(2));
            driver.tick();
        }
    }
}
