//! The consumer of the notifications, and the queue to it.

use std::time::Duration;

use fastrand::Rng;

use crate::random::log_uniform;

#[derive(Debug)]
pub(crate) struct Consumer {
    queued: usize,
    capacity: usize,
    /// The time it needs for each notification.
    pace: Duration,
    /// It blocks the driver instead of taking from a queue.
    blocking: bool,
    next_take: Duration,
}

impl Consumer {
    pub(crate) fn fast() -> Self {
        Self {
            queued: 0,
            capacity: 64,
            pace: Duration::ZERO,
            blocking: false,
            next_take: Duration::ZERO,
        }
    }

    /// Passes a notification to it. Returns until when the driver is blocked.
    pub(crate) fn receive(&mut self, now: Duration) -> Duration {
        if self.blocking {
            return now + self.pace;
        }
        if !self.pace.is_zero() {
            if self.queued == 0 {
                self.next_take = self.next_take.max(now + self.pace);
            }
            self.queued += 1;
        }
        now
    }

    /// Returns when it next takes a notification from the queue.
    pub(crate) fn due(&self) -> Option<Duration> {
        (self.queued > 0).then_some(self.next_take)
    }

    /// Takes the notifications that are due.
    pub(crate) fn take(&mut self, now: Duration) {
        while self.due().is_some_and(|at| at <= now) {
            self.queued -= 1;
            self.next_take += self.pace;
        }
    }

    /// Whether the queue has this many notifications beyond its capacity.
    pub(crate) fn is_full(&self, beyond: usize) -> bool {
        self.queued >= self.capacity + beyond
    }

    pub(crate) fn slow_down(&mut self, now: Duration, rng: &mut Rng) {
        self.blocking = rng.bool();
        self.pace = log_uniform(rng, 0.001, 2.0);
        self.capacity = rng.usize(1..64);
        if rng.u8(..4) == 0 {
            // It takes nothing at all for a while.
            self.next_take = now + log_uniform(rng, 1.0, 600.0);
        }
    }

    pub(crate) fn speed_up(&mut self) {
        self.blocking = false;
        self.pace = Duration::ZERO;
        self.queued = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);
    const SECOND: Duration = Duration::from_secs(1);

    fn slow() -> Consumer {
        Consumer {
            capacity: 2,
            pace: SECOND,
            ..Consumer::fast()
        }
    }

    #[test]
    fn a_fast_consumer_never_fills_the_queue() {
        let mut consumer = Consumer::fast();
        for _ in 0..1000 {
            assert_eq!(consumer.receive(NOW), NOW);
        }
        assert!(!consumer.is_full(0));
        assert_eq!(consumer.due(), None);
    }

    #[test]
    fn a_slow_consumer_takes_at_its_pace() {
        let mut consumer = slow();
        assert_eq!(consumer.receive(NOW), NOW);
        assert_eq!(consumer.receive(NOW), NOW);
        assert!(consumer.is_full(0) && !consumer.is_full(1));
        assert_eq!(consumer.due(), Some(NOW + SECOND));
        consumer.take(NOW + SECOND);
        assert!(!consumer.is_full(0));
        assert_eq!(consumer.due(), Some(NOW + 2 * SECOND));
        consumer.take(NOW + 2 * SECOND);
        assert_eq!(consumer.due(), None);
    }

    #[test]
    fn a_blocking_consumer_holds_the_driver_and_queues_nothing() {
        let mut consumer = Consumer {
            blocking: true,
            ..slow()
        };
        assert_eq!(consumer.receive(NOW), NOW + SECOND);
        assert_eq!(consumer.due(), None);
    }
}
