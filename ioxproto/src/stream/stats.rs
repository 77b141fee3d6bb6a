//! Counters of a stream.

use std::time::{Duration, Instant};

use crate::Status;

/// Counters of a stream since it was created; a plain copy without locks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Text frames of any kind.
    pub frames: u64,
    /// Bytes of those frames' text.
    pub bytes: u64,
    /// Events.
    pub events: u64,
    /// Events that were live.
    pub live_events: u64,
    /// Well-formed frames that were not events.
    pub ignored: u64,
    /// Frames that were not well-formed.
    pub malformed: u64,
    /// Frames with invalid UTF-8; the invalid bytes were replaced.
    pub invalid_utf8: u64,
    /// Frames with characters that XML forbids; they were replaced.
    pub forbidden_characters: u64,
    /// Gaps: missing, repeated or decreasing sequence numbers.
    pub gaps: u64,
    /// Replays that did not end within their time limit (`drain_cap`).
    pub incomplete_replays: u64,
    /// Values that the self-audit corrected.
    pub drifts: u64,
    /// Attempts to connect.
    pub attempts: u64,
    /// How often a connection became live again after one was lost.
    pub reconnects: u64,
    time_in: [Duration; Status::ALL.len()],
}

impl Stats {
    /// Returns the total time in a status; zero for [`Status::NotStarted`], which begins before the
    /// stream knows the time.
    #[must_use]
    pub fn time_in(&self, status: Status) -> Duration {
        self.time_in[status as usize]
    }

    /// Adds time in a status, for a driver whose snapshot is slightly old.
    #[must_use]
    pub fn and_in(mut self, status: Status, time: Duration) -> Self {
        self.time_in[status as usize] += time;
        self
    }

    /// Adds the time in a status from `since` to `now`.
    pub(crate) fn add_time(&mut self, status: Status, since: Instant, now: Instant) {
        self.time_in[status as usize] += now.saturating_duration_since(since);
    }
}
