//! What was known before a replay, kept until it has ended, so that what changed while away can be
//! reported.
//!
//! ```text
//!            syncing / first replayed event     connected, what changed is reported
//!   Steady ─────────────────────────────────► Running ──────────────────────────────► Ended
//!     ▲ ▲                                       │  │                                   │  │
//!     │ └────────── end_replay ─────────────────┘  │ connection lost   connection lost │  │ syncing
//!     └────────────────────────────────────────────┴───────────────────────────────────┘  ▼
//!       what was known is kept                                                         Running
//! ```
//!
//! A replayed event in `Ended` was held up by the network: it belongs to the replay that ended, and
//! what it changes is reported at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Program, Property, Variable};
use crate::view::{ProgramId, VariableId};

/// A value and the replay that first brought it; 0 where it was seeded or live.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept<T> {
    pub(super) value: T,
    pub(super) born: u32,
}

/// A property by node and control.
pub(super) type PropertyKey = (Arc<str>, Arc<str>);

#[derive(Clone, Debug, Default)]
pub(super) struct Away {
    /// The number of the replay that runs, or ran last; counts from 1.
    replay: u32,
    phase: Phase,
    /// The number of the last replay that ended whole.
    complete: u32,
    /// Whether another had ended whole when this one began.
    knew: bool,
    /// What was known before of what the replay changed; `None` where it was new.
    pub(super) before: Before,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Steady,
    Running,
    Ended,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Before {
    pub(super) properties: BTreeMap<PropertyKey, Option<Property>>,
    pub(super) programs: BTreeMap<ProgramId, Option<Program>>,
    pub(super) variables: BTreeMap<VariableId, Option<Variable>>,
}

impl Away {
    pub(super) fn begin(&mut self) {
        self.replay = self.replay.saturating_add(1);
        self.phase = Phase::Running;
        self.knew = self.complete > 0;
    }

    /// A replayed event came. It begins a replay if no status has.
    pub(super) fn replayed(&mut self) {
        if self.phase == Phase::Steady {
            self.begin();
        }
    }

    pub(super) fn broken_off(&mut self) {
        self.phase = Phase::Steady;
    }

    /// The caller says that the replay ended whole; the next replayed event begins another.
    pub(super) fn end(&mut self) -> Before {
        let before = self.connected(true);
        self.phase = Phase::Steady;
        before
    }

    /// The stream is connected; replayed events that still come continue the replay.
    pub(super) fn connected(&mut self, whole: bool) -> Before {
        if self.phase == Phase::Running && whole {
            self.complete = self.replay;
        }
        self.phase = Phase::Ended;
        std::mem::take(&mut self.before)
    }

    /// Whether a replayed event comes late: its replay has ended.
    pub(super) fn is_late(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Whether the latest replay has ended whole.
    pub(super) fn is_complete(&self) -> bool {
        self.complete > 0 && self.complete == self.replay
    }

    pub(super) fn number(&self) -> u32 {
        self.replay
    }

    /// Whether what this replay brings for the first time is news: only if an earlier one was
    /// whole.
    pub(super) fn new_is_news(&self) -> bool {
        self.knew
    }

    /// Whether the last whole replay did not mention what was mentioned last in this one.
    pub(super) fn missed(&self, mentioned: u32) -> bool {
        mentioned < self.complete
    }
}
