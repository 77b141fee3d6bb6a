//! The rules about tokens of the caller's own: asked for in time, used as given, never used again
//! once refused, and the session left alone.

use std::time::Duration;

use ioxproto::{Reason, Status};

use super::{HAIR, Witness};
use crate::site::Entrance;

/// What is seen of the caller's tokens.
#[derive(Debug, Default)]
pub(super) struct OwnTokens {
    pub(super) own: bool,
    /// When the question was asked that is open.
    asked: Option<Duration>,
    questions_in_a_row: usize,
    given: Option<String>,
    /// The last answer held no token that can be used.
    gave_none: bool,
    /// The token in use was answered 401 or 403.
    refused: bool,
    /// It did not bring a first frame.
    doubted: bool,
}

impl OwnTokens {
    pub(super) fn of(entrance: Entrance) -> Self {
        Self {
            own: entrance.is_own(),
            ..Self::default()
        }
    }
}

impl Witness {
    /// The caller is asked for a token.
    pub(crate) fn asks(&mut self, now: Duration, rejected: bool, for_call: bool) {
        self.now = now;
        self.check(self.tokens.own, "the caller is asked, but has no tokens");
        let for_call = for_call && self.status != Status::StreamInitializing;
        self.check(
            (for_call || self.status == Status::StreamInitializing) && self.stop_asked.is_none(),
            "a question in the wrong status",
        );
        self.check(self.tokens.asked.is_none(), "a question beside another");
        let (refused, doubted) = (self.tokens.refused, self.tokens.doubted);
        self.check(
            !rejected || refused || doubted,
            "a token is told to be refused that was not",
        );
        self.check(
            rejected || !refused,
            "the caller is not told that its token was refused",
        );
        if for_call {
            self.tokens.asked = Some(now);
            return;
        }
        if self.attempts_in_a_row == 0 && self.tokens.questions_in_a_row == 0 {
            self.in_time();
        }
        self.tokens.questions_in_a_row += 1;
        // Before the upgrade, after a 400, after a 401.
        // If names are read first: before them, and when they are refused.
        let most = if self.calls.sent_in_attempt { 5 } else { 3 };
        let few = self.tokens.questions_in_a_row <= most;
        self.check(few, "more questions than an attempt needs");
        self.tokens.asked = Some(now);
        self.attempt_began = now;
    }

    pub(crate) fn asks_no_more(&mut self) {
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

    /// A question that nobody answers is given up in time.
    pub(super) fn waits_for_a_token(&mut self, until: Option<Duration>) {
        if let Some(asked) = self.tokens.asked {
            let in_time = until.is_some_and(|until| until <= asked + self.timing.http + HAIR);
            self.check(in_time, "a question for a token has no end");
        }
    }

    /// An upgrade is about to be asked for.
    pub(super) fn shows_own_token(&mut self, request: &[u8]) {
        if !self.tokens.own {
            return;
        }
        let request = String::from_utf8_lossy(request);
        let shown = request.split("Authorization: ").nth(1);
        let shown = shown.and_then(|shown| shown.split("\r\n").next());
        let given = self.tokens.given.as_ref().map(|it| format!("Bearer {it}"));
        let right = shown == given.as_deref() || (self.api && shown.is_none());
        self.check(right, "another token than the caller's is shown");
        self.check(self.tokens.asked.is_none(), "an attempt beside a question");
        let again = self.tokens.refused;
        self.check(!again, "a refused token is used again");
        self.check(given.is_some(), "an attempt without a token");
    }

    /// A first frame goes out.
    pub(crate) fn shows_in_frame(&mut self, text: &str) {
        let given = self.tokens.given.as_deref();
        let right = !self.tokens.own || given.is_some_and(|given| text.contains(given));
        self.check(
            right,
            "another token than the caller's is in the first frame",
        );
    }

    /// A call showed the token, and was refused: another may be asked for, or the same used again.
    pub(super) fn call_doubts_token(&mut self) {
        self.tokens.doubted = true;
    }

    /// An answer to an upgrade.
    pub(super) fn own_token_answered(&mut self, status: u16) {
        self.tokens.refused |= self.tokens.own && matches!(status, 401 | 403);
    }

    pub(super) fn true_reason_of_token(&mut self, reason: &Reason) {
        if *reason == Reason::NoToken {
            let none = self.tokens.own && self.tokens.gave_none;
            self.check(none, "no token is told, and the caller gave one");
        }
        self.tokens.doubted |= self.connection.open && !self.connection.accepted;
    }

    pub(super) fn questions_begin_anew(&mut self) {
        self.tokens.questions_in_a_row = 0;
    }

    pub(super) fn forgets_tokens(&mut self) {
        self.tokens.refused = false;
        self.tokens.doubted = false;
    }
}
