//! Passes arbitrary bytes to a stream as an HTTP answer to a login, the body of such an answer, a
//! token from the token provider, or the claims of a token. The stream must not panic, and a token
//! that it accepts must add exactly one header line.

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

fn new_stream(path: SubscribePath, own_tokens: bool) -> StreamMachine {
    let config = Config::new("http://eisy.test").path(path);
    let config = if own_tokens {
        config.own_tokens()
    } else {
        config.portal_account("user@example.test", "x")
    };
    StreamMachine::new(config).expect("a valid configuration")
}

fn start_time() -> Now {
    #[allow(
        clippy::disallowed_methods,
        reason = "only the start of the simulated time"
    )]
    let monotonic = Instant::now();
    Now {
        monotonic,
        utc: SystemTime::UNIX_EPOCH + Duration::from_secs(1_778_000_000),
    }
}

fn log_in_with(answer: &[u8]) {
    let now = start_time();
    let mut stream = new_stream(SubscribePath::Rest, false);
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
            Action::Connect { upgrade, .. } => assert_one_token_header(upgrade.request()),
            _ => {}
        }
    }
    assert!(!format!("{stream:?}").contains("accessToken"));
}

/// Checks that the token adds exactly one header line: the request consists of the request line, 5
/// other headers, the header with the token, and the empty line.
fn assert_one_token_header(request: &[u8]) {
    let request = std::str::from_utf8(request).expect("a request is text");
    let lines: Vec<_> = request.split("\r\n").collect();
    assert_eq!(lines.len(), 9, "{request:?}");
    assert!(lines[6].starts_with("Authorization: Bearer "));
    assert!(!request.replace("\r\n", "").contains(['\r', '\n']));
}

fn connect_with_token(token: &str) {
    for path in [SubscribePath::Rest, SubscribePath::Api] {
        let mut now = start_time();
        let mut stream = new_stream(path, true);
        stream.start(now);
        // Make two attempts: the second one also checks whether the token has expired.
        for _ in 0..2 {
            while let Some(action) = stream.poll_action() {
                match action {
                    Action::ProvideToken { id, .. } => {
                        stream.token(now, id, Some(Secret::new(token)));
                    }
                    Action::Connect { id, upgrade, .. } => {
                        if path == SubscribePath::Rest {
                            assert_one_token_header(upgrade.request());
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
