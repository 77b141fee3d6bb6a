//! The clocks of the simulated world, which are one duration and what sets the others apart from
//! it.

use std::time::{Duration, Instant, SystemTime};

use ioxproto::Now;

/// The time of the world, and the clocks of the two machines in it.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    began: Now,
    world: Duration,
    /// How long the client's machine was suspended: its monotonic clock stood still.
    suspended: Duration,
    /// When that began, and for how long each time.
    suspensions: Vec<(Duration, Duration)>,
    /// How far the client's wall clock was set, in milliseconds.
    set_by: i64,
    /// How far the controller's was.
    controller_set_by: i64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            began: Now {
                // No clock is read after this: an instant has no other way to begin.
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

    /// Since the world began.
    pub(crate) fn world(&self) -> Duration {
        self.world
    }

    pub(crate) fn pass_to(&mut self, world: Duration) {
        debug_assert!(world >= self.world, "time goes forwards");
        self.world = world;
    }

    /// The client's machine is suspended for so long, from now on.
    pub(crate) fn suspend(&mut self, duration: Duration) {
        self.suspended += duration;
        self.suspensions.push((self.world, duration));
    }

    /// The client's wall clock is set.
    pub(crate) fn set_wall_clock(&mut self, by_milliseconds: i64) {
        self.set_by += by_milliseconds;
    }

    /// The controller's wall clock is set.
    pub(crate) fn set_controller_clock(&mut self, by_milliseconds: i64) {
        self.controller_set_by += by_milliseconds;
    }

    /// The client's monotonic clock, since the world began. While the machine is suspended nobody
    /// looks at it.
    pub(crate) fn client_ran(&self) -> Duration {
        self.world.saturating_sub(self.suspended)
    }

    /// What the client's monotonic clock showed when the world's showed this.
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

    /// What a wall clock shows that was set by so much.
    fn utc(&self, set_by: i64) -> SystemTime {
        let utc = self.began.utc + self.world;
        let set = Duration::from_millis(set_by.unsigned_abs());
        if set_by < 0 { utc - set } else { utc + set }
    }

    /// When the client's monotonic clock shows this.
    pub(crate) fn of_client(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.began.monotonic) + self.suspended
    }

    /// The reading of the client's monotonic clock, since the world began.
    pub(crate) fn reading(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.began.monotonic)
    }

    pub(crate) fn of_controller(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.began.monotonic)
    }
}
