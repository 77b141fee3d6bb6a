//! The network between the machines, and the delays of the client's driver.

use std::time::Duration;

use fastrand::Rng;

use crate::site::pick;

/// The properties of the network and of the driver that uses it.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) latency: Duration,
    pub(crate) jitter_micros: u64,
    /// Nothing arrives before this time.
    pub(crate) held_until: Duration,
    /// The probability that a message arrives in pieces.
    pub(crate) piecemeal: f64,
    /// The rate towards the client on new connections, if the line is slow.
    pub(crate) bytes_per_second: Option<u32>,
    pub(crate) names: Names,
    /// The probability that the driver wakes late.
    pub(crate) sluggish: f64,
    /// The probability that input for an abandoned attempt still arrives.
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

    pub(crate) fn draw(rng: &mut Rng) -> Self {
        Self {
            latency: Duration::from_micros(*pick(rng, &[50, 1000, 20_000, 150_000])),
            jitter_micros: *pick(rng, &[0, 500, 30_000, 400_000]),
            held_until: Duration::ZERO,
            piecemeal: *pick(rng, &[0.0, 0.0, 0.05, 0.5]),
            // 2,000 is a line of 16 kbit/s. At 500, the replay of a house takes a minute.
            bytes_per_second: *pick(rng, &[None, None, None, Some(2000), Some(500)]),
            names: Names::Resolve,
            sluggish: *pick(rng, &[0.0, 0.01, 0.1]),
            lingering: *pick(rng, &[0.0, 0.5, 1.0]),
        }
    }
}

/// The outcome of DNS look-ups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    Resolve,
    Fail,
    Hang,
}
