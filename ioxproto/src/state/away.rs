//! Keeps the values from before a replay until it ends, to report what changed while away.
//!
//! ```text
//!            syncing / first replayed event     connected: changes are reported
//!   Steady ─────────────────────────────────► Running ──────────────────────────────► Ended
//!     ▲ ▲                                       │  │                                   │  │
//!     │ └────────── end_replay ─────────────────┘  │ connection lost   connection lost │  │ syncing
//!     └────────────────────────────────────────────┴───────────────────────────────────┘  ▼
//!       kept values stay                                                               Running
//! ```
//!
//! A replayed event in `Ended` was delayed by the network. It belongs to the replay that ended, and
//! its changes are reported immediately.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Program, Property, Variable};
use crate::view::{ProgramId, VariableId};

/// A value and the number of the replay that first brought it; 0 if it was seeded or live.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept<T> {
    pub(super) value: T,
    pub(super) first_replay: u32,
}

/// The node and control that identify a property.
pub(super) type PropertyKey = (Arc<str>, Arc<str>);

/// The state of the diagram above, and the values from before the replay.
#[derive(Clone, Debug, Default)]
pub(super) struct Away {
    /// The number of the current or latest replay, counted from 1.
    replay: u32,
    phase: Phase,
    /// The number of the last complete replay; 0 if there was none.
    complete: u32,
    /// Whether an earlier replay was complete when this one began.
    has_baseline: bool,
    /// The previous values of everything that the replay changed; `None` for a new item.
    pub(super) before: Before,
}

/// A state of the diagram above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Steady,
    Running,
    Ended,
}

/// The values from before a replay, by item.
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
        self.has_baseline = self.complete > 0;
    }

    /// Begins a replay at a replayed event if no status has begun one.
    pub(super) fn begin_if_steady(&mut self) {
        if self.phase == Phase::Steady {
            self.begin();
        }
    }

    /// Aborts the replay, because the connection was lost.
    pub(super) fn abort(&mut self) {
        self.phase = Phase::Steady;
    }

    /// Ends the replay as complete, at the caller's request. The next replayed event begins another
    /// replay.
    pub(super) fn end(&mut self) -> Before {
        let before = self.finish(true);
        self.phase = Phase::Steady;
        before
    }

    /// Ends the replay, because the stream is connected. Returns the values from before it. Later
    /// replayed events still belong to this replay.
    pub(super) fn finish(&mut self, is_complete: bool) -> Before {
        if self.phase == Phase::Running && is_complete {
            self.complete = self.replay;
        }
        self.phase = Phase::Ended;
        std::mem::take(&mut self.before)
    }

    /// Whether a replayed event is late, because its replay has already ended.
    pub(super) fn is_late(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Whether the latest replay is complete.
    pub(super) fn is_complete(&self) -> bool {
        self.complete > 0 && self.complete == self.replay
    }

    pub(super) fn number(&self) -> u32 {
        self.replay
    }

    /// Whether an earlier replay was complete when this one began. Only then is a new item in this
    /// replay reported as a change.
    pub(super) fn has_baseline(&self) -> bool {
        self.has_baseline
    }

    /// Whether an item is missing in the last complete replay, given the number of the replay that
    /// last included it.
    pub(super) fn is_missing(&self, last_replay: u32) -> bool {
        last_replay < self.complete
    }
}
