//! What a bridge has seen and done, for metrics and health checks.

use std::collections::BTreeMap;
use std::time::Duration;

use ioxproto::Status;

/// What a bridge has seen and done so far; a copy.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// The broker's part; `None` if there is no broker.
    pub broker: Option<BrokerStats>,
    /// The controllers, by name.
    pub controllers: BTreeMap<String, ControllerStats>,
    /// How often the bridge's loop has run. It runs at least every 10 s.
    pub turns: u64,
}

/// What a bridge has done with its broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerStats {
    /// Whether it is connected.
    pub is_connected: bool,
    /// Times that the broker was connected.
    pub connects: u64,
    /// Messages that the broker has acknowledged.
    pub published: u64,
    /// Events that were dropped because the broker was away or too slow.
    pub dropped_events: u64,
    /// Messages that are sent and not acknowledged.
    pub in_flight: usize,
    /// Topics whose latest state waits to be sent, and events that wait.
    pub waiting: usize,
    /// Messages that were too large for the broker, or that it refused.
    pub refused: u64,
    /// Commands that came.
    pub commands: u64,
    /// Commands that were not carried out, by the reason.
    pub ignored_commands: BTreeMap<&'static str, u64>,
}

/// What a bridge has seen of a controller.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ControllerStats {
    /// The controller's UUID, once it is known.
    pub uuid: Option<String>,
    /// The stream's status.
    pub status: Status,
    /// Whether the controller counts as available.
    pub is_available: bool,
    /// What the stream has seen.
    pub stream: ioxproto::Stats,
    /// How often the connection was lost, by the code of the reason.
    pub losses: BTreeMap<&'static str, u64>,
    /// How often a value was found to differ from the controller's own.
    pub drift: u64,
    /// Calls that have ended, by what they came to: `ok`, or the code of the error.
    pub calls: BTreeMap<&'static str, u64>,
    /// How long the calls took.
    pub call_durations: CallDurations,
    /// Calls that have not ended.
    pub pending_calls: usize,
    /// Nodes and scenes that are known.
    pub nodes: usize,
}

impl Default for ControllerStats {
    fn default() -> Self {
        Self {
            uuid: None,
            status: Status::NotStarted,
            is_available: false,
            stream: ioxproto::Stats::default(),
            losses: BTreeMap::new(),
            drift: 0,
            calls: BTreeMap::new(),
            call_durations: CallDurations::default(),
            pending_calls: 0,
            nodes: 0,
        }
    }
}

/// How long calls took: a histogram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallDurations {
    /// How many took no longer than the bound at the same place of [`BOUNDS`](Self::BOUNDS), and
    /// longer than the one before it; at the end those over all bounds.
    pub counts: [u64; Self::BOUNDS.len() + 1],
    /// All durations together.
    pub sum: Duration,
}

impl CallDurations {
    /// The bounds of the histogram, in milliseconds.
    pub const BOUNDS: [u64; 8] = [10, 50, 100, 250, 1000, 2500, 10_000, 60_000];

    /// Counts one more.
    pub fn add(&mut self, duration: Duration) {
        let bound = |bound: &u64| duration <= Duration::from_millis(*bound);
        let at = Self::BOUNDS.iter().position(bound);
        self.counts[at.unwrap_or(Self::BOUNDS.len())] += 1;
        self.sum += duration;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_at_the_first_bound_that_holds_it() {
        let mut durations = CallDurations::default();
        for millis in [0, 10, 11, 60_000, 60_001] {
            durations.add(Duration::from_millis(millis));
        }
        assert_eq!(durations.counts, [2, 1, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(durations.sum, Duration::from_millis(120_022));
    }
}
