//! Schedules the reads of a controller: its configuration, nodes, programs and variables.
//!
//! ```text
//!          connected, change of structure, retry
//!   idle ────────────────────────────────────────► due ──► reading, one call after the other
//!    ▲                                                              │
//!    └──────────────────────────────────────────────────────────────┘ all answered, or no config
//! ```
//!
//! Rules:
//!
//! * Everything is read as soon as the stream is live. After a change of structure, everything is
//!   read again after 2 s, but not within 30 s of the end of the last reading. If a read fails, the
//!   reading is repeated after 10 s.
//! * If an object is missing from a reading, everything is read again 30 s later: an object counts
//!   as removed only if two readings in a row lack it.
//! * Nothing is read while the stream is not live.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ioxproto::view::VariableType;

use super::{CallNumber, Read};

/// The delay of a reading after a change of structure.
const SETTLE_DELAY: Duration = Duration::from_secs(2);
/// The minimum time from the end of a reading to a reading that a change causes.
const MIN_SPACING: Duration = Duration::from_secs(30);
/// The delay of a reading after a failed one.
const RETRY: Duration = Duration::from_secs(10);

/// The reads of a complete reading, in order.
const ALL: [Read; 7] = [
    Read::Config,
    Read::Nodes,
    Read::Programs,
    Read::Definitions(VariableType::Integer),
    Read::Variables(VariableType::Integer),
    Read::Definitions(VariableType::State),
    Read::Variables(VariableType::State),
];

/// The schedule and the progress of the readings of one controller.
#[derive(Debug, Default)]
pub(super) struct Loading {
    is_live: bool,
    /// When the next reading begins.
    due: Option<Instant>,
    /// When the last reading ended.
    last_end: Option<Instant>,
    /// The remaining reads of this reading.
    rest: VecDeque<Read>,
    /// The read whose answer is awaited.
    outstanding: Option<(CallNumber, Read)>,
    /// Whether a read of this reading has failed.
    has_failed: bool,
}

impl Loading {
    /// Schedules a reading now, because the stream is live.
    pub(super) fn connected(&mut self, now: Instant) {
        self.is_live = true;
        self.due = Some(now);
    }

    /// Pauses reading, because the stream is not live.
    pub(super) fn lost(&mut self) {
        self.is_live = false;
    }

    /// Schedules a reading after a change of structure.
    pub(super) fn changed(&mut self, now: Instant) {
        let earliest = self.last_end.map_or(now, |end| end + MIN_SPACING);
        let at = (now + SETTLE_DELAY).max(earliest);
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Schedules a second reading, to confirm that an object is gone.
    pub(super) fn schedule_confirmation(&mut self, now: Instant) {
        let at = now + MIN_SPACING;
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Returns the read to send now, if any.
    pub(super) fn next(&mut self, now: Instant) -> Option<Read> {
        if !self.is_live || self.outstanding.is_some() {
            return None;
        }
        if self.rest.is_empty() && self.due.is_some_and(|due| due <= now) {
            self.due = None;
            self.has_failed = false;
            self.rest = ALL.into();
        }
        self.rest.front().copied()
    }

    /// Notes that the read that [`next`](Self::next) returned was sent, as this call.
    pub(super) fn note_sent(&mut self, number: CallNumber) {
        self.outstanding = self.rest.pop_front().map(|read| (number, read));
    }

    /// Handles an answer. Returns whether it belongs to the outstanding read.
    pub(super) fn answered(&mut self, now: Instant, number: CallNumber, is_good: bool) -> bool {
        let Some((_, read)) = self.outstanding.take_if(|(sent, _)| *sent == number) else {
            return false;
        };
        if !is_good {
            // Without the controller's UUID, the other reads are useless. After any other failure
            // (some controllers have no programs or variables), the reading continues. In both
            // cases it is repeated later.
            self.has_failed = true;
            if read == Read::Config {
                self.rest.clear();
            }
        }
        if self.rest.is_empty() {
            self.last_end = Some(now);
            if self.has_failed {
                self.due = Some(self.due.map_or(now + RETRY, |due| due.min(now + RETRY)));
            }
        }
        true
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let is_free = self.is_live && self.outstanding.is_none() && self.rest.is_empty();
        self.due.filter(|_| is_free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers each read and returns the reads that were sent.
    fn read_all(loading: &mut Loading, now: Instant, is_good: impl Fn(Read) -> bool) -> Vec<Read> {
        let mut sent = Vec::new();
        while let Some(read) = loading.next(now) {
            let number = CallNumber(sent.len() as u64);
            loading.note_sent(number);
            assert!(loading.next(now).is_none(), "one at a time");
            assert!(loading.answered(now, number, is_good(read)));
            sent.push(read);
        }
        sent
    }

    #[test]
    fn everything_is_read_once_live_and_again_after_a_change() {
        let start = Instant::now();
        let mut loading = Loading::default();
        loading.changed(start);
        assert!(
            loading.next(start + SETTLE_DELAY).is_none(),
            "not while away"
        );
        loading.connected(start);
        assert_eq!(read_all(&mut loading, start, |_| true), ALL);
        loading.changed(start + Duration::from_secs(1));
        loading.changed(start + Duration::from_secs(2));
        assert_eq!(loading.deadline(), Some(start + MIN_SPACING));
        assert_eq!(read_all(&mut loading, start + MIN_SPACING, |_| true), ALL);
        loading.changed(start + MIN_SPACING * 3);
        assert_eq!(
            loading.deadline(),
            Some(start + MIN_SPACING * 3 + SETTLE_DELAY)
        );
    }

    #[test]
    fn a_failed_reading_is_repeated() {
        let start = Instant::now();
        let mut loading = Loading::default();
        loading.connected(start);
        assert_eq!(read_all(&mut loading, start, |_| false), [Read::Config]);
        assert_eq!(loading.deadline(), Some(start + RETRY));
        let no_programs = |read| read != Read::Programs;
        assert_eq!(read_all(&mut loading, start + RETRY, no_programs), ALL);
        assert_eq!(loading.deadline(), Some(start + RETRY * 2));
        loading.lost();
        assert_eq!(loading.deadline(), None);
    }

    #[test]
    fn an_answer_to_another_call_changes_nothing() {
        let start = Instant::now();
        let mut loading = Loading::default();
        loading.connected(start);
        loading.next(start);
        loading.note_sent(CallNumber(7));
        assert!(!loading.answered(start, CallNumber(8), true));
        assert!(loading.answered(start, CallNumber(7), true));
    }
}
