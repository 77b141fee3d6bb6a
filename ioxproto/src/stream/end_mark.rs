//! The end mark: how `/rest/subscribe` says that its replay is over.
//!
//! ```text
//!            `_22`              a property that may still be of the replay
//!   Awaited ───────► Standing ────────────────────────────────────────────► Doubted
//!                       ▲                                                      │
//!                       └──────────────────────────────────────────────────────┘
//!                         `_22` again, or an event stamped after the replay
//! ```
//!
//! The controller sends `_4`/5, `_4`/6 and `_22`/1 behind the replay; an ISY-994 adds `_23`/1. On
//! `/api/events/subscribe` the same controls are events like any other.
//!
//! A property behind the mark is of the replay unless its stamp is more than 0.5 s later than the
//! mark's. Without stamps, the mark is believed if it came right behind `_4`/5 and `_4`/6.
//!
//! A heartbeat stamped before the replay began shows that the controller's clock was set back: the
//! mark stands, and later stamps are compared with the heartbeat's.

use crate::Event;

/// How much later than the mark a property must be stamped to be none of the replay, in
/// microseconds.
const LATER: i64 = 500_000;

/// What is known of the replay's end mark on one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EndMark {
    /// What came right before the event to come.
    preamble: Preamble,
    seen: Option<Seen>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Preamble {
    #[default]
    Nothing,
    /// `_4`/5.
    Batch,
    /// `_4`/5, then `_4`/6.
    BatchAndBattery,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    stamp: Option<i64>,
    behind_preamble: bool,
    doubted: bool,
}

impl EndMark {
    /// Whether the controller has said that the replay is over, and nothing contradicts it.
    pub(super) fn stands(&self) -> bool {
        self.seen.is_some_and(|seen| !seen.doubted)
    }

    /// Whether a mark came, doubted or not.
    pub(super) fn is_seen(&self) -> bool {
        self.seen.is_some()
    }

    /// Takes in the next event. `stamp` is the event's own, `replay_began` that of the replay's
    /// first event, both in microseconds.
    pub(super) fn event(&mut self, event: &Event, stamp: Option<i64>, replay_began: Option<i64>) {
        let preamble = std::mem::take(&mut self.preamble);
        if self.seen.is_none() && !event.control().starts_with('_') {
            return;
        }
        self.preamble = match (event.control(), event.action(), preamble) {
            ("_4", "5", _) => Preamble::Batch,
            ("_4", "6", Preamble::Batch) => Preamble::BatchAndBattery,
            _ => Preamble::Nothing,
        };
        if event.control() == "_22" {
            self.seen = Some(Seen {
                stamp,
                behind_preamble: preamble == Preamble::BatchAndBattery,
                doubted: false,
            });
            return;
        }
        let Some(seen) = &mut self.seen else {
            return;
        };
        if event.control() == "_0"
            && let (Some(stamp), Some(began)) = (stamp, replay_began)
            && stamp < began.saturating_sub(LATER)
        {
            seen.stamp = Some(stamp.saturating_sub(LATER + 1));
        }
        match (seen.stamp, stamp) {
            (Some(mark), Some(stamp)) if stamp > mark.saturating_add(LATER) => seen.doubted = false,
            (Some(_), Some(_)) => seen.doubted |= event.is_of_node(),
            _ => seen.doubted |= event.is_of_node() && !seen.behind_preamble,
        }
    }
}
