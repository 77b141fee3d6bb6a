//! The waits between attempts.

use std::time::Duration;

/// Computes the wait after each consecutive failure.
///
/// The waits follow the schedule, and its last entry repeats. The schedule restarts only when a
/// connection has proved stable, so that a controller that accepts and then drops connections is
/// not flooded with attempts.
#[derive(Debug)]
pub(crate) struct Backoff {
    schedule: Vec<Duration>,
    jitter: f64,
    failures: usize,
}

impl Backoff {
    pub(crate) fn new(schedule: Vec<Duration>, jitter: f64) -> Self {
        Self {
            schedule,
            jitter,
            failures: 0,
        }
    }

    /// Counts a failure and returns the wait before the next attempt.
    pub(crate) fn next_wait(&mut self, random: &mut fastrand::Rng) -> Duration {
        let wait = self.scheduled_wait(self.failures);
        self.failures = self.failures.saturating_add(1);
        self.add_jitter(wait, random)
    }

    /// Returns the longest wait, for a failure that a person must fix. Does not count a failure.
    pub(crate) fn longest_wait(&self, random: &mut fastrand::Rng) -> Duration {
        self.add_jitter(self.scheduled_wait(usize::MAX), random)
    }

    /// Restarts the schedule, when a connection has proved stable.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    fn scheduled_wait(&self, failures: usize) -> Duration {
        let last = self.schedule.len().saturating_sub(1);
        self.schedule
            .get(failures.min(last))
            .copied()
            .unwrap_or(Duration::from_secs(60))
    }

    /// Adds jitter, which only lengthens a wait, so no attempt is early.
    fn add_jitter(&self, wait: Duration, random: &mut fastrand::Rng) -> Duration {
        wait + wait.mul_f64(self.jitter * random.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(values: &[u64]) -> Vec<Duration> {
        values.iter().copied().map(Duration::from_secs).collect()
    }

    #[test]
    fn waits_follow_the_schedule_and_stay_at_the_last() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut backoff = Backoff::new(seconds(&[1, 2, 5, 10, 30, 60]), 0.0);
        let waits: Vec<_> = (0..8).map(|_| backoff.next_wait(&mut random)).collect();
        assert_eq!(waits, seconds(&[1, 2, 5, 10, 30, 60, 60, 60]));
        backoff.reset();
        assert_eq!(backoff.next_wait(&mut random), Duration::from_secs(1));
        assert_eq!(backoff.longest_wait(&mut random), Duration::from_secs(60));
        assert_eq!(backoff.next_wait(&mut random), Duration::from_secs(2));
    }

    #[test]
    fn jitter_lengthens_only_and_is_seeded() {
        let draw = |seed| {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut backoff = Backoff::new(seconds(&[10]), 0.5);
            (0..100)
                .map(|_| backoff.next_wait(&mut random))
                .collect::<Vec<_>>()
        };
        let waits = draw(7);
        assert!(
            waits
                .iter()
                .all(|wait| (10.0..=15.0).contains(&wait.as_secs_f64()))
        );
        assert!(waits.iter().max() > waits.iter().min());
        assert_eq!(waits, draw(7));
        assert_ne!(waits, draw(8));
    }
}
