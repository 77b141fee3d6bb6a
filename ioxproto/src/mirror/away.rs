//! What was known before a replay, kept until it has ended, so that what changed while away can be told.
//!
//! ```text
//!            syncing / first replayed event          connected / end_replay
//!   Steady ─────────────────────────────────► Replay ──────────────────────► Steady, what changed is told
//!                                               │  ▲
//!                          connection lost      ▼  │ syncing
//!                                              Broken off (what was known is kept)
//! ```

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
    running: bool,
    /// The number of the last replay that ended whole.
    complete: u32,
    /// What was known before of what the replay changed; `None` where it was new.
    pub(super) before: Before,
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
        self.running = true;
    }

    /// A replayed event: whether anyone said that a replay began, one does.
    pub(super) fn replayed(&mut self) {
        if !self.running {
            self.begin();
        }
    }

    pub(super) fn broken_off(&mut self) {
        self.running = false;
    }

    /// The replay ended whole.
    pub(super) fn end(&mut self) -> Before {
        if self.running {
            self.complete = self.replay;
        }
        self.running = false;
        std::mem::take(&mut self.before)
    }

    pub(super) fn number(&self) -> u32 {
        self.replay
    }

    /// What is born in a replay when it was not known before: of this replay, and news only if there was a whole one
    /// before.
    pub(super) fn new_is_news(&self) -> bool {
        self.complete > 0
    }

    /// Whether the last whole replay did not mention what was mentioned last in this one.
    pub(super) fn missed(&self, mentioned: u32) -> bool {
        mentioned < self.complete
    }
}
