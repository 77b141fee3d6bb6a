//! The times that a driver passes to the core.

use std::time::{Duration, Instant, SystemTime};

/// The current time on two clocks, supplied by the driver. The core reads no clock.
///
/// Deadlines use the monotonic clock. UTC is used for
/// [`last_event_at`](crate::StreamMachine::last_event_at), for dates in `Retry-After`, and to
/// notice that the computer was asleep. A driver reads both clocks once each time it wakes.
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
    /// Advances both clocks by the same duration, as a fake clock does.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self {
            monotonic: self.monotonic + duration,
            utc: self.utc + duration,
        }
    }
}
