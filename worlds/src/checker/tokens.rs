//! The rules about tokens that the caller provides: they are requested only when needed and not too
//! early, used as given, and not used again after a refusal. The stream does not refresh them or
//! log out.

use std::time::Duration;

use ioxproto::{Reason, Status};

use super::{Checker, TOLERANCE};
use crate::settings::Access;

/// What was observed of the caller's tokens.
#[derive(Debug, Default)]
pub(super) struct OwnTokens {
    pub(super) own: bool,
    /// When the pending token request was made.
    asked: Option<Duration>,
    requests_in_a_row: usize,
    given: Option<String>,
    /// The last answer had no usable token.
    gave_none: bool,
    /// The token in use was answered 401 or 403.
    refused: bool,
    /// The connection that used the token ended before the controller sent a frame, or a call with
    /// the token was refused.
    doubted: bool,
}

impl OwnTokens {
    pub(super) fn of(access: Access) -> Self {
        Self {
            own: access.is_own(),
            ..Self::default()
        }
    }
}

impl Checker {
    /// The caller is asked for a token: checks when and why.
    pub(crate) fn asks(&mut self, now: Duration, rejected: bool, for_call: bool) {
        self.now = now;
        self.check(
            self.tokens.own,
            "the caller is asked for a token, but the account is not one with the caller's own tokens",
        );
        let for_call = for_call && self.status != Status::StreamInitializing;
        self.check(
            (for_call || self.status == Status::StreamInitializing) && self.stop_asked.is_none(),
            "a token request in the wrong status",
        );
        self.check(
            self.tokens.asked.is_none(),
            "a token request while another is pending",
        );
        let (refused, doubted) = (self.tokens.refused, self.tokens.doubted);
        self.check(
            !rejected || refused || doubted,
            "a token is reported as refused but was not",
        );
        self.check(
            rejected || !refused,
            "the caller is not informed that its token was refused",
        );
        if for_call {
            self.tokens.asked = Some(now);
            return;
        }
        if self.attempts_in_a_row == 0 && self.tokens.requests_in_a_row == 0 {
            self.check_not_early();
        }
        self.tokens.requests_in_a_row += 1;
        // Before the upgrade, after a 400, and after a 401. If the attempt also makes REST calls,
        // then also before them and when one is refused.
        let most = if self.calls.sent_in_attempt { 5 } else { 3 };
        let few = self.tokens.requests_in_a_row <= most;
        self.check(few, "more token requests than an attempt needs");
        self.tokens.asked = Some(now);
        self.attempt_began = now;
    }

    pub(crate) fn token_request_abandoned(&mut self) {
        self.tokens.asked = None;
    }

    /// The caller has answered.
    pub(crate) fn supplied(&mut self, token: Option<String>) {
        let token = token.filter(|token| !token.contains(' '));
        let tokens = &mut self.tokens;
        tokens.asked = None;
        tokens.gave_none = token.is_none();
        if token.is_some() {
            tokens.given = token;
            tokens.refused = false;
            tokens.doubted = false;
        }
    }

    /// Checks that an unanswered token request times out in time.
    pub(super) fn check_token_wait(&mut self, until: Option<Duration>) {
        if let Some(asked) = self.tokens.asked {
            let in_time = until.is_some_and(|until| until <= asked + self.timing.http + TOLERANCE);
            self.check(in_time, "a token request does not time out");
        }
    }

    /// An upgrade is about to be requested: checks its token.
    pub(super) fn check_shown_token(&mut self, request: &[u8]) {
        if !self.tokens.own {
            return;
        }
        let request = String::from_utf8_lossy(request);
        let shown = request.split("Authorization: ").nth(1);
        let shown = shown.and_then(|shown| shown.split("\r\n").next());
        let given = self.tokens.given.as_ref().map(|it| format!("Bearer {it}"));
        let right = shown == given.as_deref() || (self.api && shown.is_none());
        self.check(right, "a token other than the caller's is sent");
        self.check(
            self.tokens.asked.is_none(),
            "an attempt while a token request is pending",
        );
        let again = self.tokens.refused;
        self.check(!again, "a refused token is used again");
        self.check(given.is_some(), "an attempt without a token");
    }

    /// A first frame is sent: checks its token.
    pub(crate) fn check_first_frame_token(&mut self, text: &str) {
        let given = self.tokens.given.as_deref();
        let right = !self.tokens.own || given.is_some_and(|given| text.contains(given));
        self.check(right, "the first frame has a token other than the caller's");
    }

    /// A call with the token was refused. The core may ask for another, or use the same one again.
    pub(super) fn doubt_token(&mut self) {
        self.tokens.doubted = true;
    }

    /// An upgrade was answered: notes whether its token was refused.
    pub(super) fn note_own_token_answer(&mut self, status: u16) {
        self.tokens.refused |= self.tokens.own && matches!(status, 401 | 403);
    }

    pub(super) fn check_token_reason(&mut self, reason: &Reason) {
        if *reason == Reason::NoToken {
            let none = self.tokens.own && self.tokens.gave_none;
            self.check(
                none,
                "reported that there is no token, but the caller gave one",
            );
        }
        self.tokens.doubted |= self.connection.open && !self.connection.accepted;
    }

    pub(super) fn reset_token_requests(&mut self) {
        self.tokens.requests_in_a_row = 0;
    }

    pub(super) fn forget_token_refusals(&mut self) {
        self.tokens.refused = false;
        self.tokens.doubted = false;
    }
}
