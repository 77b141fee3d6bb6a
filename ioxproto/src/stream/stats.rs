//! Counts of what a stream has seen.

use std::time::{Duration, Instant};

use crate::Status;

/// What a stream has seen since it was made; a plain copy, free of locks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Text frames of any kind.
    pub frames: u64,
    /// Bytes of those frames' text.
    pub bytes: u64,
    /// Events among them.
    pub events: u64,
    /// Events that were live.
    pub live_events: u64,
    /// Frames that were no events.
    pub ignored: u64,
    /// Frames that were not well-formed.
    pub malformed: u64,
    /// Frames with invalid UTF-8, taken with the bad bytes replaced.
    pub invalid_utf8: u64,
    /// Frames with characters that XML forbids, taken with these replaced.
    pub forbidden_characters: u64,
    /// Gaps, repeats and steps back of the numbering.
    pub gaps: u64,
    /// Replays that had not ended when their time limit (`drain_cap`) did.
    pub incomplete_replays: u64,
    /// Values that the self-audit has corrected.
    pub drifts: u64,
    /// Attempts to connect.
    pub attempts: u64,
    /// Times that a connection was live again after one was lost.
    pub reconnects: u64,
    time_in: [Duration; Status::ALL.len()],
}

impl Stats {
    /// How long the stream has been in a status, all its spells added up; zero for
    /// [`Status::NotStarted`], which begins before the stream knows any time.
    #[must_use]
    pub fn time_in(&self, status: Status) -> Duration {
        self.time_in[status as usize]
    }

    /// The same with more time in a status, for a driver whose snapshot is a moment old.
    #[must_use]
    pub fn and_in(mut self, status: Status, time: Duration) -> Self {
        self.time_in[status as usize] += time;
        self
    }

    /// Adds a spell in a status that began at `since`.
    pub(crate) fn spent(&mut self, status: Status, since: Instant, now: Instant) {
        self.time_in[status as usize] += now.saturating_duration_since(since);
    }
}
