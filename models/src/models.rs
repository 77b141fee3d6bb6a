//! The models. Their names say what must hold; a thread that waits in vain is a deadlock, which
//! shuttle reports.

#![expect(
    missing_docs,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a model is a test, which is documented by its name and ends by a panic"
)]

use std::env;

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

pub mod delivery;
pub mod shared;
pub mod shared_driver;

const DEFAULT_SCHEDULES: usize = 500;
const SWITCHES: usize = 3;
/// A thread's stack, in bytes: the driver's body needs more than shuttle gives by itself.
const STACK: usize = 1024 * 1024;

/// Runs a model in as many orders as `IOX_SCHEDULES` says, once drawn evenly and once with few
/// switches at chosen places, which finds other faults.
pub fn explore(model: fn()) {
    let schedules =
        env::var("IOX_SCHEDULES").map_or(DEFAULT_SCHEDULES, |schedules| schedules.parse().unwrap());
    let mut config = Config::new();
    config.stack_size = STACK;
    Runner::new(RandomScheduler::new(schedules), config.clone()).run(model);
    Runner::new(PctScheduler::new(SWITCHES, schedules), config).run(model);
}
