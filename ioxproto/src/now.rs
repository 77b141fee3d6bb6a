//! The two clocks that a caller hands in.

use std::time::{Duration, Instant, SystemTime};

/// What time it is, as the caller's clocks say it. The core never asks a clock itself.
///
/// Deadlines live on the monotonic clock; UTC serves
/// [`last_event_at`](crate::EventStream::last_event_at), dates in `Retry-After`, and noticing that
/// the machine slept. A driver samples both once each time that it wakes.
///
/// ```
/// use std::time::{Duration, Instant, SystemTime};
/// let now = ioxproto::Now { monotonic: Instant::now(), utc: SystemTime::now() };
/// assert_eq!(now.after(Duration::from_secs(2)).monotonic - now.monotonic, Duration::from_secs(2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers build it, and these are all the clocks there are"
)]
pub struct Now {
    /// The monotonic clock.
    pub monotonic: Instant,
    /// The wall clock.
    pub utc: SystemTime,
}

impl Now {
    /// Both clocks moved on by the same duration; what a fake clock needs.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self {
            monotonic: self.monotonic + duration,
            utc: self.utc + duration,
        }
    }
}
