//! A clock that both ends of a connection can read, even in different processes.

use rustix::time::{ClockId, clock_gettime};

/// Returns the nanoseconds on `CLOCK_MONOTONIC`.
#[must_use]
pub fn nanoseconds() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // Neither part is negative.
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
