//! Passes any bytes as the answer to a login, its body, a token provided by the caller, or the
//! claims of one: there is no panic, and an accepted token makes exactly one header.

use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ioxproto::{
    Action, Config, Failure, FailureKind, Now, Progress, Secret, StreamMachine, SubscribePath,
};

/// The first byte says what the other bytes are.
pub fn run(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    match kind % 4 {
        0 => answered(data),
        1 => {
            let mut answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
            answer.extend_from_slice(data);
            answered(&answer);
        }
        2 => token(&String::from_utf8_lossy(data)),
        _ => token(&format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(data))),
    }
}

fn config(path: SubscribePath, own_tokens: bool) -> StreamMachine {
    let config = Config::new("http://eisy.test").path(path);
    let config = if own_tokens {
        config.own_tokens()
    } else {
        config.portal_account("user@example.test", "x")
    };
    StreamMachine::new(config).expect("a configuration")
}

fn clock() -> Now {
    #[allow(clippy::disallowed_methods, reason = "a fake clock begins somewhere")]
    let monotonic = Instant::now();
    Now {
        monotonic,
        utc: SystemTime::UNIX_EPOCH + Duration::from_secs(1_778_000_000),
    }
}

fn answered(answer: &[u8]) {
    let now = clock();
    let mut stream = config(SubscribePath::Rest, false);
    stream.start(now);
    while let Some(action) = stream.poll_action() {
        match action {
            Action::Request {
                id, mut exchange, ..
            } => {
                if exchange.receive(answer) == Progress::More {
                    exchange.end_of_input();
                }
                stream.http_answered(now, id, exchange.into_answer().0);
            }
            Action::Connect { upgrade, .. } => one_header_more(upgrade.request()),
            _ => {}
        }
    }
    assert!(!format!("{stream:?}").contains("accessToken"));
}

/// Checks that the request has its own lines, one line for the token, and the empty line.
fn one_header_more(request: &[u8]) {
    let request = std::str::from_utf8(request).expect("a request is text");
    let lines: Vec<_> = request.split("\r\n").collect();
    assert_eq!(lines.len(), 9, "{request:?}");
    assert!(lines[6].starts_with("Authorization: Bearer "));
    assert!(!request.replace("\r\n", "").contains(['\r', '\n']));
}

fn token(token: &str) {
    for path in [SubscribePath::Rest, SubscribePath::Api] {
        let mut now = clock();
        let mut stream = config(path, true);
        stream.start(now);
        // Twice: the second attempt checks the token's expiry.
        for _ in 0..2 {
            while let Some(action) = stream.poll_action() {
                match action {
                    Action::ProvideToken { id, .. } => {
                        stream.token(now, id, Some(Secret::new(token)));
                    }
                    Action::Connect { id, upgrade, .. } => {
                        if path == SubscribePath::Rest {
                            one_header_more(upgrade.request());
                        }
                        let failure = Failure::transport(FailureKind::Unreachable, "no route");
                        stream.failed(now, id, failure);
                    }
                    _ => {}
                }
            }
            now = now.after(Duration::from_secs(2));
            stream.tick(now);
        }
    }
}
