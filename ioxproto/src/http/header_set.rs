//! The headers that the upgrade carries in addition to the account's, and how a 400 changes them.
//!
//! ```text
//!   ┌───────┐  400: retry at once   ┌─────────┐  accepted   ┌─────────┐      ┌────────┐
//!   │ Plain │ ────────────────────► │ OnTrial │ ──────────► │ Learned │      │ Always │
//!   └───────┘                       └─────────┘             └─────────┘      └────────┘
//!     ▲   ▲      new attempt          │   │ 400               │   ▲           the profile
//!     │   └───────────────────────────┘   ▼                   │   │           says so
//!     │    accepted    ┌───────────┐  400   ┌──────────┐      │   │
//!     ├─────────────── │ TurnPlain │ ◄────► │ TurnIsy  │ ─────│───┘
//!     │                └───────────┘        └──────────┘  accepted
//!     └───────────────────────────────────────────────────────┘ 400
//! ```
//!
//! An ISY-994 requires two more headers on the upgrade and may answer 400 without them; most other
//! controllers do not need them. So the first 400 is retried once with both headers, and the set
//! that was accepted is used until it fails with a 400. If the controller answers 400 to both sets,
//! each further attempt sends one request and alternates between the sets.

use crate::Profile;

/// A state of the diagram above: which headers the next upgrade has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderSet {
    /// No additional headers.
    Plain,
    /// The ISY-994 headers, in this attempt only.
    OnTrial,
    /// The ISY-994 headers: an upgrade was accepted with them after a 400 without.
    Learned,
    /// No additional headers, after a 400 to both sets.
    TurnPlain,
    /// The ISY-994 headers, after a 400 to both sets.
    TurnIsy,
    /// The ISY-994 headers, regardless of the answers.
    Always,
}

impl HeaderSet {
    pub(crate) fn new(profile: Profile) -> Self {
        match profile {
            Profile::Iox => Self::Plain,
            Profile::Isy994 => Self::Always,
        }
    }

    /// The header lines, each with its line end.
    pub(crate) fn lines(self) -> &'static str {
        match self {
            Self::Plain | Self::TurnPlain => "",
            Self::OnTrial | Self::Learned | Self::TurnIsy | Self::Always => {
                "Sec-WebSocket-Protocol: ISYSUB\r\n\
                 Origin: com.universal-devices.websockets.isy\r\n"
            }
        }
    }

    /// Whether the controller is known to be an ISY-994.
    pub(crate) fn is_isy994(self) -> bool {
        matches!(self, Self::Learned | Self::Always)
    }

    /// A new attempt begins.
    pub(crate) fn begin_attempt(&mut self) {
        if *self == Self::OnTrial {
            *self = Self::Plain;
        }
    }

    /// The upgrade was accepted.
    pub(crate) fn accept(&mut self) {
        *self = match *self {
            Self::Plain | Self::TurnPlain => Self::Plain,
            Self::OnTrial | Self::Learned | Self::TurnIsy => Self::Learned,
            Self::Always => Self::Always,
        };
    }

    /// The upgrade was answered 400. Returns whether to retry it at once.
    pub(crate) fn refuse(&mut self) -> bool {
        let retry = *self == Self::Plain;
        *self = match self {
            Self::Plain => Self::OnTrial,
            Self::Learned => Self::Plain,
            Self::OnTrial | Self::TurnIsy => Self::TurnPlain,
            Self::TurnPlain => Self::TurnIsy,
            Self::Always => Self::Always,
        };
        retry
    }
}

#[cfg(test)]
mod tests {
    use super::HeaderSet::{self, Always, Learned, OnTrial, Plain, TurnIsy, TurnPlain};

    #[test]
    fn each_transition_from_each_set() {
        let after = |mut set: HeaderSet, change: fn(&mut HeaderSet)| {
            change(&mut set);
            set
        };
        // The set; the set after a new attempt, after an accepted upgrade, and after a 400.
        for (set, attempt, accepted, refused) in [
            (Plain, Plain, Plain, (OnTrial, true)),
            (OnTrial, Plain, Learned, (TurnPlain, false)),
            (Learned, Learned, Learned, (Plain, false)),
            (TurnPlain, TurnPlain, Plain, (TurnIsy, false)),
            (TurnIsy, TurnIsy, Learned, (TurnPlain, false)),
            (Always, Always, Always, (Always, false)),
        ] {
            assert_eq!(after(set, HeaderSet::begin_attempt), attempt, "{set:?}");
            assert_eq!(after(set, HeaderSet::accept), accepted, "{set:?}");
            let mut next = set;
            let retry = next.refuse();
            assert_eq!((next, retry), refused, "{set:?}");
        }
    }
}
