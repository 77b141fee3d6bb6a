//! The clocks of the simulated world: one duration, and the offsets of the other clocks from it.

use std::time::{Duration, Instant, SystemTime};

use ioxproto::Now;

/// The time of the world, and the clocks of the two machines in it.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    began: Now,
    world: Duration,
    /// How long the client's machine was suspended in all. Its monotonic clock stood still
    /// meanwhile.
    suspended: Duration,
    /// The start and the duration of each suspension.
    suspensions: Vec<(Duration, Duration)>,
    /// The offset of the client's wall clock, in milliseconds.
    set_by: i64,
    /// The offset of the controller's wall clock, in milliseconds.
    controller_set_by: i64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            began: Now {
                // The only reading of a real clock: an `Instant` cannot be made in any other way.
                monotonic: Instant::now(),
                utc: SystemTime::UNIX_EPOCH + Duration::from_secs(1_778_000_000),
            },
            world: Duration::ZERO,
            suspended: Duration::ZERO,
            suspensions: Vec::new(),
            set_by: 0,
            controller_set_by: 0,
        }
    }

    /// The time since the world began.
    pub(crate) fn world(&self) -> Duration {
        self.world
    }

    pub(crate) fn pass_to(&mut self, world: Duration) {
        debug_assert!(world >= self.world, "time goes forwards");
        self.world = world;
    }

    /// Suspends the client's machine for this long, from now on.
    pub(crate) fn suspend(&mut self, duration: Duration) {
        self.suspended += duration;
        self.suspensions.push((self.world, duration));
    }

    /// Sets the client's wall clock forward or back.
    pub(crate) fn set_wall_clock(&mut self, by_milliseconds: i64) {
        self.set_by += by_milliseconds;
    }

    /// Sets the controller's wall clock forward or back.
    pub(crate) fn set_controller_clock(&mut self, by_milliseconds: i64) {
        self.controller_set_by += by_milliseconds;
    }

    /// The client's monotonic clock, since the world began. It must not be read while the machine
    /// is suspended.
    pub(crate) fn client_ran(&self) -> Duration {
        self.world.saturating_sub(self.suspended)
    }

    /// Converts a time of the world to the reading of the client's monotonic clock.
    pub(crate) fn client_reading(&self, world: Duration) -> Duration {
        let before = self.suspensions.iter().filter(|(began, _)| *began < world);
        let stood_still: Duration = before
            .map(|(began, duration)| (*duration).min(world - *began))
            .sum();
        world - stood_still
    }

    pub(crate) fn client(&self) -> Now {
        Now {
            monotonic: self.began.monotonic + self.client_ran(),
            utc: self.utc(self.set_by),
        }
    }

    pub(crate) fn controller(&self) -> Now {
        Now {
            monotonic: self.began.monotonic + self.world,
            utc: self.utc(self.controller_set_by),
        }
    }

    /// The reading of a wall clock with this offset, in milliseconds.
    fn utc(&self, set_by: i64) -> SystemTime {
        let utc = self.began.utc + self.world;
        let set = Duration::from_millis(set_by.unsigned_abs());
        if set_by < 0 { utc - set } else { utc + set }
    }

    /// Converts a future instant of the client's monotonic clock to the time of the world.
    pub(crate) fn of_client(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.began.monotonic) + self.suspended
    }

    /// Converts an instant of the client's monotonic clock to its reading since the world began.
    pub(crate) fn reading(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.began.monotonic)
    }

    pub(crate) fn of_controller(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.began.monotonic)
    }
}
