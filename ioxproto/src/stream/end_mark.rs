//! The end mark: the events that end the replay of `/rest/subscribe`.
//!
//! ```text
//!            `_22`          a property event that may belong to the replay
//!   Awaited ───────► Valid ───────────────────────────────────────────────► Doubted
//!                       ▲                                                      │
//!                       └──────────────────────────────────────────────────────┘
//!                         `_22` again, or an event stamped after the replay
//! ```
//!
//! The controller sends `_4`/5, `_4`/6 and `_22`/1 after the replay; an ISY-994 adds `_23`/1. On
//! `/api/events/subscribe` the same controls are ordinary events.
//!
//! A property after the mark belongs to the replay unless its stamp is more than 0.5 s later than
//! the mark's. Without stamps, the mark is valid if it directly follows `_4`/5 and `_4`/6.
//!
//! A heartbeat stamped before the replay began shows that the controller's clock was set back. The
//! mark stays valid, and later stamps are compared with the heartbeat's.

use crate::Event;

/// A property stamped this much later than the mark is not part of the replay, in microseconds.
const MARK_TOLERANCE: i64 = 500_000;

/// The state of the end mark on one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EndMark {
    /// The events directly before the next one.
    preamble: Preamble,
    seen: Option<SeenMark>,
}

/// How much of the preamble of an end mark has arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Preamble {
    #[default]
    Nothing,
    /// `_4`/5.
    Batch,
    /// `_4`/5, then `_4`/6.
    BatchAndBattery,
}

/// An end mark that was received.
#[derive(Clone, Copy, Debug)]
struct SeenMark {
    stamp: Option<i64>,
    /// Whether the whole preamble came directly before it.
    after_preamble: bool,
    /// Whether a later event contradicts it.
    doubted: bool,
}

impl EndMark {
    /// Whether an end mark was received, and no later event contradicts it.
    pub(super) fn is_valid(&self) -> bool {
        self.seen.is_some_and(|seen| !seen.doubted)
    }

    /// Whether an end mark was received, valid or doubted.
    pub(super) fn is_seen(&self) -> bool {
        self.seen.is_some()
    }

    /// Processes the next event. `stamp` is its stamp and `replay_began` the stamp of the replay's
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
            self.seen = Some(SeenMark {
                stamp,
                after_preamble: preamble == Preamble::BatchAndBattery,
                doubted: false,
            });
            return;
        }
        let Some(seen) = &mut self.seen else {
            return;
        };
        if event.control() == "_0"
            && let (Some(stamp), Some(began)) = (stamp, replay_began)
            && stamp < began.saturating_sub(MARK_TOLERANCE)
        {
            seen.stamp = Some(stamp.saturating_sub(MARK_TOLERANCE + 1));
        }
        match (seen.stamp, stamp) {
            (Some(mark), Some(stamp)) if stamp > mark.saturating_add(MARK_TOLERANCE) => {
                seen.doubted = false;
            }
            (Some(_), Some(_)) => seen.doubted |= event.is_of_node(),
            _ => seen.doubted |= event.is_of_node() && !seen.after_preamble,
        }
    }
}
