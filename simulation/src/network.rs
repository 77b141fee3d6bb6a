//! The network between the machines, and how the client's end of it stutters.

use std::time::Duration;

use fastrand::Rng;

use crate::site::pick;

/// What passes between the machines, and how.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) latency: Duration,
    pub(crate) jitter_micros: u64,
    /// Nothing arrives before this.
    pub(crate) held_until: Duration,
    /// How many messages come in pieces.
    pub(crate) piecemeal: f64,
    /// What passes towards the client in a second on a new connection, if the line is slow.
    pub(crate) bytes_per_second: Option<u32>,
    pub(crate) names: Names,
    /// How many of the driver's waits end too late.
    pub(crate) sluggish: f64,
    /// How many abandoned attempts are still told of.
    pub(crate) lingering: f64,
}

impl Network {
    pub(crate) fn calm() -> Self {
        Self {
            latency: Duration::from_millis(1),
            jitter_micros: 0,
            held_until: Duration::ZERO,
            piecemeal: 0.0,
            bytes_per_second: None,
            names: Names::Resolve,
            sluggish: 0.0,
            lingering: 0.0,
        }
    }

    pub(crate) fn of(rng: &mut Rng) -> Self {
        Self {
            latency: Duration::from_micros(*pick(rng, &[50, 1000, 20_000, 150_000])),
            jitter_micros: *pick(rng, &[0, 500, 30_000, 400_000]),
            held_until: Duration::ZERO,
            piecemeal: *pick(rng, &[0.0, 0.0, 0.05, 0.5]),
            // 2,000 is a line of 16 kbit/s; at 500, the replay of a house takes a minute.
            bytes_per_second: *pick(rng, &[None, None, None, Some(2000), Some(500)]),
            names: Names::Resolve,
            sluggish: *pick(rng, &[0.0, 0.01, 0.1]),
            lingering: *pick(rng, &[0.0, 0.5, 1.0]),
        }
    }
}

/// How name look-ups go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    Resolve,
    Fail,
    Hang,
}
