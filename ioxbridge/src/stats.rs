//! The statistics of a bridge, for metrics and health checks.

use std::collections::BTreeMap;
use std::time::Duration;

use ioxproto::Status;

/// A snapshot of the statistics of a bridge.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// The statistics of the broker; `None` if there is no broker.
    pub broker: Option<BrokerStats>,
    /// The statistics of the controllers, by name.
    pub controllers: BTreeMap<String, ControllerStats>,
    /// The number of turns of the bridge's loop that updated these statistics, about one per
    /// second.
    pub turns: u64,
}

/// The statistics of the broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerStats {
    /// Whether the bridge is connected to the broker.
    pub is_connected: bool,
    /// The number of connections to the broker so far.
    pub connects: u64,
    /// Messages that the broker has acknowledged.
    pub published: u64,
    /// Events that were dropped because the broker was disconnected or too slow.
    pub dropped_events: u64,
    /// Messages that were sent and are not acknowledged yet.
    pub in_flight: usize,
    /// Topics and events that wait to be sent.
    pub waiting: usize,
    /// Messages that the broker refused, or that were too large for it.
    pub refused: u64,
    /// Commands received.
    pub commands: u64,
    /// Commands that were not carried out, by reason.
    pub ignored_commands: BTreeMap<&'static str, u64>,
}

/// The statistics of one controller.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ControllerStats {
    /// The controller's UUID, once it is known.
    pub uuid: Option<String>,
    /// The stream's status.
    pub status: Status,
    /// Whether the controller counts as available.
    pub is_available: bool,
    /// The statistics of the stream.
    pub stream: ioxproto::Stats,
    /// How often the connection was lost or a reconnect failed, by the code of the reason.
    pub losses: BTreeMap<&'static str, u64>,
    /// How often a value was found to differ from the controller's own.
    pub drift: u64,
    /// Completed calls, by outcome: `ok`, or the code of the error.
    pub calls: BTreeMap<&'static str, u64>,
    /// How long the calls took.
    pub call_durations: CallDurations,
    /// Calls that are not complete.
    pub pending_calls: usize,
    /// The number of known nodes and scenes.
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

/// A histogram of call durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallDurations {
    /// The number of calls per bucket. Bucket `i` holds the durations up to and including
    /// [`BOUNDS`](Self::BOUNDS)`[i]` that exceed the bound before it. The last bucket holds those
    /// that exceed all bounds.
    pub counts: [u64; Self::BOUNDS.len() + 1],
    /// The sum of all durations.
    pub sum: Duration,
}

impl CallDurations {
    /// The bounds of the histogram, in milliseconds.
    pub const BOUNDS: [u64; 8] = [10, 50, 100, 250, 1000, 2500, 10_000, 60_000];

    /// Adds the duration of a call.
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
