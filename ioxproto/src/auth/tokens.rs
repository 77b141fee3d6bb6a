//! Tokens of a portal account: their expiry, and the answers that contain them.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::Secret;

/// The longest token that is searched for an expiry, in bytes; real ones have about 300.
const MAX_TOKEN: usize = 16 * 1024;

/// The two tokens of a session.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) access: Secret,
    pub(super) refresh: Secret,
}

/// When a token expires: the `exp` claim of a JWT. The signature is not verified, because the
/// controller verifies its own tokens. `None` for anything that is not a JWT with this claim.
pub(super) fn expiry(token: &Secret) -> Option<SystemTime> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
    }
    let token = token.expose();
    if token.len() > MAX_TOKEN {
        return None;
    }
    let payload = token.split('.').nth(1)?.trim_end_matches('=');
    let payload = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload).ok()?);
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    let since_epoch = Duration::try_from_secs_f64(claims.exp).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(since_epoch)
}

/// The content of an answer to a login or refresh.
#[derive(Debug)]
pub(super) enum Reply {
    Tokens(Tokens),
    /// `successful` is false: a definite refusal.
    No,
    /// The answer is not in the expected format.
    Broken,
}

/// Reads the body of an answer to a login or refresh. Stores nothing but the two tokens: the body
/// also contains the private key of the controller's message broker.
pub(super) fn read_reply(body: &[u8]) -> Reply {
    #[derive(Deserialize)]
    struct Answer {
        successful: Option<bool>,
        #[serde(default)]
        data: Option<Data>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Data {
        access_token: Option<Zeroizing<String>>,
        refresh_token: Option<Zeroizing<String>>,
    }
    /// Ignores `data`, which may have any shape in a refusal.
    #[derive(Deserialize)]
    struct Verdict {
        successful: bool,
    }
    if let Ok(Verdict { successful: false }) = serde_json::from_slice(body) {
        return Reply::No;
    }
    let Ok(Answer {
        successful: Some(true),
        data: Some(data),
    }) = serde_json::from_slice(body)
    else {
        return Reply::Broken;
    };
    let whole = |token: Option<Zeroizing<String>>| {
        token
            .filter(|token| is_token(token))
            .map(|mut token| Secret::new(std::mem::take(&mut *token)))
    };
    match (whole(data.access_token), whole(data.refresh_token)) {
        (Some(access), Some(refresh)) => Reply::Tokens(Tokens { access, refresh }),
        _ => Reply::Broken,
    }
}

/// Whether a string can be a token, in a header and in a JSON string: printable ASCII without
/// spaces, quotation marks or backslashes.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

/// The two shapes of the first frame on `/api/events/subscribe`, both seen on real controllers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum TokenShape {
    #[default]
    Typed,
    Bare,
}

impl TokenShape {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Typed => Self::Bare,
            Self::Bare => Self::Typed,
        }
    }

    /// The frame's text.
    pub(super) fn frame(self, token: Option<&Secret>) -> Secret {
        let (before, after) = match self {
            Self::Typed => (r#"{"type":"auth","creds":{"token":""#, r#""}}"#),
            Self::Bare => (r#"{"auth":{"token":""#, r#""}}"#),
        };
        let token = token.map_or("", Secret::expose);
        let mut text = String::with_capacity(before.len() + token.len() + after.len());
        text.extend([before, token, after]);
        Secret::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> Secret {
        Secret::new(format!(
            "eyJhbGciOiJFUzI1NiJ9.{}.c2ln",
            URL_SAFE_NO_PAD.encode(claims)
        ))
    }

    #[test]
    fn the_expiry_is_the_exp_claim() {
        let expires = expiry(&jwt(
            r#"{"sub":"user@example.test","exp":1778107261,"iat":1}"#,
        ));
        assert_eq!(
            expires,
            Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_778_107_261))
        );
    }

    #[test]
    fn a_token_over_the_length_limit_is_not_searched_for_an_expiry() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"exp":7}"#);
        let of_length = |length: usize| {
            let header = "h".repeat(length - payload.len() - 2);
            Secret::new(format!("{header}.{payload}."))
        };
        let expires = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(7));
        assert_eq!(expiry(&of_length(16 * 1024)), expires);
        assert_eq!(expiry(&of_length(16 * 1024 + 1)), None);
    }

    #[test]
    fn a_token_that_cannot_be_decoded_has_no_known_expiry() {
        for claims in [
            "",
            "null",
            "{}",
            "[]",
            r#"{"exp":"soon"}"#,
            r#"{"exp":-1}"#,
            r#"{"exp":1e300}"#,
            "{\"exp\":",
        ] {
            assert_eq!(expiry(&jwt(claims)), None, "{claims}");
        }
        for token in ["", ".", "..", "opaque", "a.b.c", "a.\u{e9}.c"] {
            assert_eq!(expiry(&Secret::new(token)), None, "{token}");
        }
        assert_eq!(
            expiry(&jwt(&format!(
                r#"{{"exp":1,"x":"{}"}}"#,
                "y".repeat(20_000)
            ))),
            None
        );
        assert_eq!(expiry(&jwt(&"[".repeat(10_000))), None);
    }

    #[test]
    fn a_reply_gives_its_two_tokens_and_nothing_else() {
        let body = br#"{"successful":true,"data":{"accessToken":"a.b.c","refreshToken":"d","ssl":{"key":"-----BEGIN"}}}"#;
        let Reply::Tokens(tokens) = read_reply(body) else {
            panic!()
        };
        assert_eq!(
            (tokens.access.expose(), tokens.refresh.expose()),
            ("a.b.c", "d")
        );
        assert!(!format!("{tokens:?}").contains("a.b.c"));
    }

    #[test]
    fn a_refusal_is_distinguished_from_an_invalid_answer() {
        assert!(matches!(
            read_reply(br#"{"successful":false,"data":"no such user"}"#),
            Reply::No
        ));
        for body in [
            "",
            "<html>busy</html>",
            "{}",
            "[]",
            r#"{"successful":true}"#,
            r#"{"successful":true,"data":null}"#,
            r#"{"successful":true,"data":{"accessToken":"a"}}"#,
            r#"{"successful":true,"data":{"accessToken":"","refreshToken":"d"}}"#,
            r#"{"successful":true,"data":{"accessToken":"a\r\nX: y","refreshToken":"d"}}"#,
            r#"{"successful":"false"}"#,
        ] {
            assert!(
                matches!(read_reply(body.as_bytes()), Reply::Broken),
                "{body}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn no_answer_or_token_causes_a_panic(
            body in proptest::collection::vec(proptest::num::u8::ANY, 0..400),
            token in ".{0,200}",
            claims in ".{0,80}",
        ) {
            if let Reply::Tokens(tokens) = read_reply(&body) {
                assert!(is_token(tokens.access.expose()) && is_token(tokens.refresh.expose()));
            }
            let _ = (expiry(&Secret::new(token)), expiry(&jwt(&claims)));
        }
    }
}
