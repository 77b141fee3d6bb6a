//! The models. Each is named after the property that it checks. A thread that is never woken is a
//! deadlock, which shuttle reports.

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
const MAX_SWITCHES: usize = 3;
/// A thread's stack, in bytes; the driver needs more than shuttle's default.
const STACK: usize = 1024 * 1024;

/// Runs a model in `IOX_SCHEDULES` orders (default 500) with each of two schedulers: a uniformly
/// random one, and one that switches threads at only a few chosen points, which finds other faults.
pub fn explore(model: fn()) {
    let schedules =
        env::var("IOX_SCHEDULES").map_or(DEFAULT_SCHEDULES, |schedules| schedules.parse().unwrap());
    let mut config = Config::new();
    config.stack_size = STACK;
    Runner::new(RandomScheduler::new(schedules), config.clone()).run(model);
    Runner::new(PctScheduler::new(MAX_SWITCHES, schedules), config).run(model);
}
