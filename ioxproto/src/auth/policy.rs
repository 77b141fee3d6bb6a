//! Which credentials are sent, where, and in which form.
//!
//! ```text
//!     an attempt begins
//!             │
//!             ▼           refused, for the first time in this attempt
//!       ┌───────────┐ ────────────────────────────────► ┌────────────┐
//!       │  upgrade  │                                   │ new tokens │
//!       └───────────┘ ◄──────────────────────────────── └────────────┘
//!         │       │                granted                     ▲
//!         │       └─► refused again: the attempt fails         │ not accepted in either shape,
//!         │ accepted                                           │ next attempt
//!         ▼                                                    │
//!       ┌─────────────┐ ───────────────────────────────────────┘
//!       │ first frame │
//!       └─────────────┘ ─► not accepted in one shape: the other shape in the next attempt
//!         │ accepted
//!         ▼
//!       events
//! ```
//!
//! The rules:
//!
//! * **After a refusal (401 or 403), the tokens are renewed once in an attempt.** The next attempt
//!   may renew them again, unless renewed tokens were refused in the attempt before.
//! * **On `/rest/subscribe` the upgrade carries the credentials.** On `/api/events/subscribe` the
//!   first frame carries the token. The upgrade carries it too after a refusal without it, and from
//!   then on if that was accepted.
//! * **The first frame has one of two shapes**, both seen on real controllers. If the controller
//!   does not accept one, the next attempt uses the other; if it accepts neither, the tokens are
//!   renewed. The first frame with new tokens has the shape that was refused last: if tokens expire
//!   before the next attempt, only the first attempt after a renewal has a valid token, and its
//!   shape must alternate.
//! * **A refused call (401) causes a renewal, too**, and does not affect the rules of the upgrade.
//! * **After two inconclusive answers to a refresh in a row, log in again**: some controllers
//!   answer 500 for a token that they do not know.

use super::tokens::TokenShape;
use crate::SubscribePath;

/// After this many inconclusive answers to a refresh in a row, log in again.
const INCONCLUSIVE_REFRESHES: u8 = 2;

/// What is known about how the controller accepts credentials, and about the token in use.
#[derive(Clone, Debug)]
pub(crate) struct AccessPolicy {
    path: SubscribePath,
    /// The controller refused the credentials in use.
    refused: bool,
    /// This attempt has renewed the tokens after a refusal.
    renewed: bool,
    /// The controller refused an upgrade on `/api/events/subscribe` without the token and accepted
    /// it with the token.
    token_on_upgrade: bool,
    shape: TokenShape,
    /// The token in use was not accepted in the other shape.
    other_shape_refused: bool,
    inconclusive_refreshes: u8,
}

impl AccessPolicy {
    pub(super) fn new(path: SubscribePath) -> Self {
        Self {
            path,
            refused: false,
            renewed: false,
            token_on_upgrade: false,
            shape: TokenShape::default(),
            other_shape_refused: false,
            inconclusive_refreshes: 0,
        }
    }

    /// Starts a session without tokens. Keeps what is known about the controller.
    pub(super) fn begin_session(&mut self) {
        *self = Self {
            token_on_upgrade: self.token_on_upgrade,
            shape: self.shape,
            ..Self::new(self.path)
        };
    }

    /// A new attempt begins.
    pub(crate) fn begin_attempt(&mut self) {
        self.renewed &= self.refused;
    }

    /// The upgrade was refused with 401 or 403. Returns whether to renew the tokens, if the account
    /// has any, and retry at once.
    pub(super) fn refuse_upgrade(&mut self, renewable: bool) -> bool {
        self.refused = true;
        let renew = renewable && !self.renewed;
        self.renewed |= renew;
        renew
    }

    /// A call was refused with 401: the token must be renewed before it is sent again.
    pub(super) fn refuse_call(&mut self) {
        self.refused = true;
    }

    /// The upgrade was accepted.
    pub(crate) fn accept_upgrade(&mut self) {
        self.token_on_upgrade |= self.renewed;
        self.renewed = false;
    }

    /// The token in the first frame was not accepted.
    pub(crate) fn refuse_token(&mut self) {
        if self.other_shape_refused {
            self.refused = true;
        } else {
            self.shape = self.shape.other();
        }
        self.other_shape_refused = !self.other_shape_refused;
    }

    /// The token in the first frame was accepted.
    pub(crate) fn accept_token(&mut self) {
        self.other_shape_refused = false;
    }

    /// The controller granted new tokens.
    pub(super) fn grant(&mut self) {
        self.refused = false;
        self.inconclusive_refreshes = 0;
    }

    /// The token in use is dropped: its refresh was refused, or the caller supplied another.
    pub(super) fn drop_token(&mut self) {
        self.refused = false;
    }

    /// The answer to the refresh was inconclusive.
    pub(super) fn leave_refresh_undecided(&mut self) {
        self.inconclusive_refreshes = self.inconclusive_refreshes.saturating_add(1);
    }

    /// Whether the token in use was refused, so that another one is needed.
    pub(super) fn is_refused(&self) -> bool {
        self.refused
    }

    /// Whether to refresh the tokens instead of logging in again.
    pub(super) fn can_refresh(&self) -> bool {
        self.inconclusive_refreshes < INCONCLUSIVE_REFRESHES
    }

    /// Whether the next upgrade carries the credentials.
    pub(super) fn is_on_upgrade(&self) -> bool {
        match self.path {
            SubscribePath::Rest => true,
            SubscribePath::Api => self.renewed || self.token_on_upgrade,
        }
    }

    /// The shape of the first frame, on the path that requires one.
    pub(super) fn first_frame(&self) -> Option<TokenShape> {
        match self.path {
            SubscribePath::Rest => None,
            SubscribePath::Api => Some(self.shape),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TokenShape::{Bare, Typed};

    type Step = fn(&mut AccessPolicy);

    const SESSION: Step = AccessPolicy::begin_session;
    const ATTEMPT: Step = AccessPolicy::begin_attempt;
    const REFUSED: Step = |policy| _ = policy.refuse_upgrade(true);
    const REFUSED_FOR_GOOD: Step = |policy| _ = policy.refuse_upgrade(false);
    const ACCEPTED: Step = AccessPolicy::accept_upgrade;
    const TOKEN_REFUSED: Step = AccessPolicy::refuse_token;
    const TOKEN_ACCEPTED: Step = AccessPolicy::accept_token;
    const GRANTED: Step = AccessPolicy::grant;
    const CALL_REFUSED: Step = AccessPolicy::refuse_call;
    const DROPPED: Step = AccessPolicy::drop_token;
    const UNDECIDED: Step = AccessPolicy::leave_refresh_undecided;

    /// The steps. Then: whether the upgrade carries the token, the shape of the first frame, and
    /// whether the token in use was refused, is renewed by a refresh, and is renewed at once when
    /// it is refused.
    type Row = (&'static [Step], bool, TokenShape, [bool; 3]);

    #[rustfmt::skip]
    const ON_API: &[Row] = &[
        (&[], false, Typed, [false, true, true]),
        (&[ACCEPTED], false, Typed, [false, true, true]),
        // After a refusal, the tokens are renewed once in an attempt, on the upgrade too.
        (&[REFUSED], true, Typed, [true, true, false]),
        (&[REFUSED, GRANTED], true, Typed, [false, true, false]),
        (&[REFUSED_FOR_GOOD], false, Typed, [true, true, true]),
        // The next attempt may renew again, unless renewed tokens were refused.
        (&[REFUSED, GRANTED, ATTEMPT], false, Typed, [false, true, true]),
        (&[REFUSED, ATTEMPT], true, Typed, [true, true, false]),
        (&[REFUSED, GRANTED, REFUSED, ATTEMPT, GRANTED], true, Typed, [false, true, false]),
        (&[REFUSED, DROPPED], true, Typed, [false, true, false]),
        (&[REFUSED, DROPPED, ATTEMPT], false, Typed, [false, true, true]),
        (&[REFUSED, SESSION], false, Typed, [false, true, true]),
        // A refused call causes a renewal, and the upgrade may still cause its own.
        (&[CALL_REFUSED], false, Typed, [true, true, true]),
        (&[CALL_REFUSED, GRANTED], false, Typed, [false, true, true]),
        // A token that was accepted on the upgrade stays there.
        (&[REFUSED, GRANTED, ACCEPTED], true, Typed, [false, true, true]),
        (&[REFUSED, GRANTED, ACCEPTED, ATTEMPT], true, Typed, [false, true, true]),
        (&[REFUSED, GRANTED, ACCEPTED, SESSION], true, Typed, [false, true, true]),
        // Each shape once, then new tokens in the shape that was refused last.
        (&[TOKEN_REFUSED], false, Bare, [false, true, true]),
        (&[TOKEN_REFUSED, ATTEMPT, TOKEN_REFUSED], false, Bare, [true, true, true]),
        (&[TOKEN_REFUSED, TOKEN_REFUSED, GRANTED], false, Bare, [false, true, true]),
        (&[TOKEN_REFUSED, TOKEN_REFUSED, GRANTED, TOKEN_REFUSED], false, Typed,
            [false, true, true]),
        (&[TOKEN_REFUSED, TOKEN_ACCEPTED], false, Bare, [false, true, true]),
        (&[TOKEN_REFUSED, TOKEN_ACCEPTED, TOKEN_REFUSED], false, Typed, [false, true, true]),
        (&[TOKEN_REFUSED, SESSION], false, Bare, [false, true, true]),
        (&[TOKEN_REFUSED, SESSION, TOKEN_REFUSED], false, Typed, [false, true, true]),
        // After two inconclusive answers in a row, log in.
        (&[UNDECIDED], false, Typed, [false, true, true]),
        (&[UNDECIDED, UNDECIDED], false, Typed, [false, false, true]),
        (&[UNDECIDED, UNDECIDED, ATTEMPT], false, Typed, [false, false, true]),
        (&[UNDECIDED, UNDECIDED, DROPPED], false, Typed, [false, false, true]),
        (&[UNDECIDED, UNDECIDED, GRANTED], false, Typed, [false, true, true]),
        (&[UNDECIDED, GRANTED, UNDECIDED], false, Typed, [false, true, true]),
        (&[UNDECIDED, UNDECIDED, SESSION], false, Typed, [false, true, true]),
    ];

    fn after(path: SubscribePath, steps: &[Step]) -> AccessPolicy {
        let mut policy = AccessPolicy::new(path);
        for step in steps {
            step(&mut policy);
        }
        policy
    }

    #[test]
    fn each_row_of_the_table() {
        for (index, (steps, on_upgrade, shape, standing)) in ON_API.iter().enumerate() {
            let policy = after(SubscribePath::Api, steps);
            assert_eq!(policy.is_on_upgrade(), *on_upgrade, "row {index}");
            assert_eq!(policy.first_frame(), Some(*shape), "row {index}");
            let refused = policy.is_refused();
            let renews = policy.clone().refuse_upgrade(true);
            assert_eq!(
                [refused, policy.can_refresh(), renews],
                *standing,
                "row {index}"
            );
        }
    }

    #[test]
    fn on_the_rest_path_the_upgrade_always_carries_the_credentials() {
        for (steps, ..) in ON_API {
            let policy = after(SubscribePath::Rest, steps);
            assert!(policy.is_on_upgrade());
            assert_eq!(policy.first_frame(), None);
        }
    }

    #[test]
    fn a_local_account_is_not_renewed() {
        let mut policy = AccessPolicy::new(SubscribePath::Rest);
        assert!(!policy.refuse_upgrade(false));
        assert!(
            policy.refuse_upgrade(true),
            "it has not been renewed before"
        );
    }
}
