//! Access control of the page: with a password, or open to everybody who reaches the server.
//!
//! A browser signs in once with the password and gets a session cookie, because an `EventSource`
//! cannot send an `Authorization` header, and a password in a URL would end up in logs. Scripts
//! send the password as a bearer token. A session ends after a week, or with the process.

use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue, header};
use ioxproto::Secret;
use sha2::{Digest as _, Sha256};

const COOKIE: &str = "iox-session";

/// How long a session lasts.
const SESSION: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The maximum number of sessions. A further one ends the oldest.
const MAX_SESSIONS: usize = 64;
/// The maximum number of wrong passwords per minute, for all clients together.
const MAX_ATTEMPTS: u32 = 10;
const MINUTE: Duration = Duration::from_secs(60);

type Hash = [u8; 32];

/// The reason why a sign-in is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    WrongPassword,
    /// Too many wrong passwords in this minute, from all clients together.
    TooManyWrong,
    /// The operating system provides no random numbers.
    NoRandomness,
}

/// The password and the sessions.
#[derive(Debug)]
pub(super) struct Access {
    password: Option<Secret>,
    state: Mutex<State>,
}

/// The sessions, and the count of wrong passwords.
#[derive(Debug, Default)]
struct State {
    /// The hashes of the session ids and when they expire, the oldest first. The ids themselves are
    /// not kept in memory.
    sessions: Vec<(Hash, Instant)>,
    /// The number of wrong passwords in this minute.
    wrong_passwords: u32,
    /// The start of the minute in which wrong passwords are counted.
    counted_since: Option<Instant>,
}

impl Access {
    pub(super) fn new(password: Option<Secret>) -> Self {
        Self {
            password,
            state: Mutex::default(),
        }
    }

    /// Whether the page is open to everybody, without signing in.
    pub(super) fn is_open(&self) -> bool {
        self.password.is_none()
    }

    /// Whether a request may see the house.
    pub(super) fn is_granted(&self, headers: &HeaderMap) -> bool {
        let Some(password) = &self.password else {
            return true;
        };
        let bearer = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        if let Some(bearer) = bearer {
            return self.check_password(password, bearer).is_ok();
        }
        let Some(id) = session_id(headers) else {
            return false;
        };
        let hash = hash(id.as_bytes());
        let now = Instant::now();
        let state = self.state();
        let mut alive = state.sessions.iter().filter(|(_, until)| *until > now);
        alive.any(|(known, _)| *known == hash)
    }

    /// Starts a session and returns its cookie.
    pub(super) fn sign_in(&self, given: &[u8]) -> Result<HeaderValue, Refused> {
        if let Some(password) = &self.password {
            self.check_password(password, given.trim_ascii())?;
        }
        let id = new_id().ok_or(Refused::NoRandomness)?;
        let mut state = self.state();
        let now = Instant::now();
        state.sessions.retain(|(_, until)| *until > now);
        if state.sessions.len() >= MAX_SESSIONS {
            state.sessions.remove(0);
        }
        state.sessions.push((hash(id.as_bytes()), now + SESSION));
        Ok(cookie(&id, SESSION))
    }

    /// Ends a session and returns the cookie that removes it.
    pub(super) fn sign_out(&self, headers: &HeaderMap) -> HeaderValue {
        if let Some(id) = session_id(headers) {
            let hash = hash(id.as_bytes());
            self.state().sessions.retain(|(known, _)| *known != hash);
        }
        cookie("", Duration::ZERO)
    }

    /// Checks a password, in a time that does not depend on where it differs.
    fn check_password(&self, password: &Secret, given: &[u8]) -> Result<(), Refused> {
        let mut state = self.state();
        let now = Instant::now();
        if state
            .counted_since
            .is_none_or(|since| now - since >= MINUTE)
        {
            state.counted_since = Some(now);
            state.wrong_passwords = 0;
        }
        if state.wrong_passwords >= MAX_ATTEMPTS {
            return Err(Refused::TooManyWrong);
        }
        // Compare hashes: how many leading bytes of them agree reveals nothing about the password.
        if hash(given) == hash(password.expose().as_bytes()) {
            return Ok(());
        }
        state.wrong_passwords += 1;
        Err(Refused::WrongPassword)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// Returns the session id from the cookies of a request.
fn session_id(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).into_iter();
    let texts = cookies.filter_map(|value| value.to_str().ok());
    texts
        .flat_map(|text| text.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, id)| id)
}

fn cookie(id: &str, lasts: Duration) -> HeaderValue {
    let seconds = lasts.as_secs();
    let text = format!("{COOKIE}={id}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict");
    // The text is visible ASCII, so this cannot fail.
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// Creates an id of 256 random bits in hexadecimal; `None` if there are no random numbers.
pub(super) fn new_id() -> Option<String> {
    let mut bytes = [0; 32];
    let provider = rustls::crypto::ring::default_provider();
    provider.secure_random.fill(&mut bytes).ok()?;
    let mut text = String::with_capacity(64);
    for byte in bytes {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: header::HeaderName, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    /// Returns the headers with which a browser sends a cookie back.
    fn returned(cookie: &HeaderValue) -> HeaderMap {
        let text = cookie.to_str().unwrap();
        with(
            header::COOKIE,
            &format!("other=1; {}", text.split(';').next().unwrap()),
        )
    }

    #[test]
    fn without_a_password_everybody_who_reaches_the_server_is_let_in() {
        assert!(Access::new(None).is_granted(&HeaderMap::new()));
    }

    #[test]
    fn a_session_grants_access_until_sign_out() {
        let access = Access::new(Some("open sesame".into()));
        assert!(!access.is_granted(&HeaderMap::new()));
        let cookie = access.sign_in(b"open sesame\n").unwrap();
        let text = cookie.to_str().unwrap();
        assert!(
            text.contains("HttpOnly") && text.contains("SameSite=Strict"),
            "{text}"
        );
        assert!(!text.contains("sesame"));
        assert!(access.is_granted(&returned(&cookie)));
        let ended = access.sign_out(&returned(&cookie));
        assert!(ended.to_str().unwrap().contains("Max-Age=0"));
        assert!(!access.is_granted(&returned(&cookie)));
    }

    #[test]
    fn only_the_right_bearer_token_grants_access() {
        let access = Access::new(Some("open sesame".into()));
        let bearer = |password: &str| with(header::AUTHORIZATION, &format!("Bearer {password}"));
        assert!(access.is_granted(&bearer("open sesame")));
        assert!(!access.is_granted(&bearer("open sesam")));
        assert!(!access.is_granted(&with(header::COOKIE, "iox-session=")));
        assert!(!access.is_granted(&with(header::COOKIE, "iox-session=open sesame")));
    }

    #[test]
    fn guessing_is_slowed_down() {
        let access = Access::new(Some("open sesame".into()));
        for _ in 0..MAX_ATTEMPTS {
            assert_eq!(access.sign_in(b"guess"), Err(Refused::WrongPassword));
        }
        assert_eq!(access.sign_in(b"open sesame"), Err(Refused::TooManyWrong));
    }

    #[test]
    fn sessions_are_bounded_and_the_oldest_ends_first() {
        let access = Access::new(Some("open sesame".into()));
        let cookies: Vec<_> = (0..=MAX_SESSIONS)
            .map(|_| access.sign_in(b"open sesame").unwrap())
            .collect();
        assert!(!access.is_granted(&returned(&cookies[0])));
        assert!(access.is_granted(&returned(&cookies[1])));
    }
}
