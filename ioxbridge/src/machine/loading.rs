//! When a controller is read: what it is, its names, its programs and variables.
//!
//! ```text
//!          connected, change of structure, retry
//!   idle ────────────────────────────────────────► due ──► reading, one call after the other
//!    ▲                                                              │
//!    └──────────────────────────────────────────────────────────────┘ all answered, or one failed
//! ```
//!
//! Rules:
//!
//! * All is read right after the stream is live, and again 2 s after a change of structure, 30 s
//!   after the last reading at the earliest. A reading that failed is repeated after 10 s.
//! * A reading that lacks something known is followed by another 30 s later: only what two complete
//!   readings in a row lack is gone.
//! * While the stream is away nothing is read.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ioxproto::view::VariableType;

use super::{CallNumber, Read};

/// How long after a change of structure.
const SETTLE: Duration = Duration::from_secs(2);
/// The shortest time from one reading to the next that a change causes.
const APART: Duration = Duration::from_secs(30);
/// How long after a reading that failed.
const RETRY: Duration = Duration::from_secs(10);

/// All that is read, in this order.
const ALL: [Read; 7] = [
    Read::Config,
    Read::Nodes,
    Read::Programs,
    Read::Definitions(VariableType::Integer),
    Read::Variables(VariableType::Integer),
    Read::Definitions(VariableType::State),
    Read::Variables(VariableType::State),
];

#[derive(Debug, Default)]
pub(super) struct Loading {
    is_live: bool,
    due: Option<Instant>,
    last_end: Option<Instant>,
    rest: VecDeque<Read>,
    outstanding: Option<(CallNumber, Read)>,
    /// A read of this reading has failed.
    has_failed: bool,
}

impl Loading {
    /// The stream is live: everything is read at once.
    pub(super) fn connected(&mut self, now: Instant) {
        self.is_live = true;
        self.due = Some(now);
    }

    /// The stream is away.
    pub(super) fn lost(&mut self) {
        self.is_live = false;
    }

    /// Something is no longer as it was read.
    pub(super) fn changed(&mut self, now: Instant) {
        let earliest = self.last_end.map_or(now, |end| end + APART);
        let at = (now + SETTLE).max(earliest);
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Something known is missing: a second reading is to say the same.
    pub(super) fn doubted(&mut self, now: Instant) {
        let at = now + APART;
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// What is to be read now, if anything.
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

    /// That was asked for.
    pub(super) fn asked(&mut self, number: CallNumber) {
        self.outstanding = self.rest.pop_front().map(|read| (number, read));
    }

    /// Whether an answer is to what was asked for; if so, the next is read.
    pub(super) fn answered(&mut self, now: Instant, number: CallNumber, is_good: bool) -> bool {
        let Some((_, read)) = self.outstanding.take_if(|(asked, _)| *asked == number) else {
            return false;
        };
        if !is_good {
            // Without the controller's UUID nothing else is of use. Some controllers have no
            // programs or variables to read, which must not keep the names from being used.
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

    /// Reads everything, and says what was asked for.
    fn read_all(loading: &mut Loading, now: Instant, is_good: impl Fn(Read) -> bool) -> Vec<Read> {
        let mut asked = Vec::new();
        while let Some(read) = loading.next(now) {
            let number = CallNumber(asked.len() as u64);
            loading.asked(number);
            assert!(loading.next(now).is_none(), "one at a time");
            assert!(loading.answered(now, number, is_good(read)));
            asked.push(read);
        }
        asked
    }

    #[test]
    fn everything_is_read_once_live_and_again_after_a_change() {
        let start = Instant::now();
        let mut loading = Loading::default();
        loading.changed(start);
        assert!(loading.next(start + SETTLE).is_none(), "not while away");
        loading.connected(start);
        assert_eq!(read_all(&mut loading, start, |_| true), ALL);
        loading.changed(start + Duration::from_secs(1));
        loading.changed(start + Duration::from_secs(2));
        assert_eq!(loading.deadline(), Some(start + APART));
        assert_eq!(read_all(&mut loading, start + APART, |_| true), ALL);
        loading.changed(start + APART * 3);
        assert_eq!(loading.deadline(), Some(start + APART * 3 + SETTLE));
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
    fn a_stranger_answer_changes_nothing() {
        let start = Instant::now();
        let mut loading = Loading::default();
        loading.connected(start);
        loading.next(start);
        loading.asked(CallNumber(7));
        assert!(!loading.answered(start, CallNumber(8), true));
        assert!(loading.answered(start, CallNumber(7), true));
    }
}
