//! Liveness and readiness of the bridge.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Stats;

/// How long the loop may take for a turn. It normally turns every second.
const LIMIT: Duration = Duration::from_secs(30);

/// Observes the turns of the bridge's loop.
#[derive(Debug)]
pub(super) struct Health {
    /// The last observed number of turns, and when it was first observed.
    seen: Mutex<(u64, Instant)>,
}

impl Health {
    pub(super) fn new() -> Self {
        Self {
            seen: Mutex::new((0, Instant::now())),
        }
    }

    /// Fails if the loop has not turned for too long.
    pub(super) fn check_alive(&self, stats: &Stats) -> Result<(), String> {
        self.check_alive_at(stats.turns, Instant::now())
    }

    fn check_alive_at(&self, turns: u64, now: Instant) -> Result<(), String> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, since) = *seen;
        if turns != before {
            *seen = (turns, now);
            return Ok(());
        }
        let silent = now.saturating_duration_since(since);
        match silent > LIMIT {
            true => Err(format!(
                "the bridge has not responded for {} s",
                silent.as_secs()
            )),
            false => Ok(()),
        }
    }
}

/// Fails if the bridge is not operational: it is still starting, or the broker is not connected.
pub(super) fn check_ready(stats: &Stats) -> Result<(), String> {
    if stats.turns == 0 {
        return Err("the bridge is starting".to_owned());
    }
    match &stats.broker {
        Some(broker) if !broker.is_connected => Err("the broker is not connected".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BrokerStats;

    #[test]
    fn a_loop_that_does_not_turn_is_noticed() {
        let health = Health::new();
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        assert!(health.check_alive_at(7, at(1)).is_ok());
        assert!(health.check_alive_at(7, at(30)).is_ok());
        assert!(health.check_alive_at(7, at(32)).is_err());
        assert!(health.check_alive_at(8, at(33)).is_ok());
        assert!(health.check_alive_at(8, at(63)).is_ok());
    }

    #[test]
    fn a_bridge_without_its_broker_is_not_ready() {
        let mut stats = Stats::default();
        assert!(check_ready(&stats).is_err());
        stats.turns = 1;
        assert!(
            check_ready(&stats).is_ok(),
            "there is no broker to wait for"
        );
        stats.broker = Some(BrokerStats::default());
        assert!(check_ready(&stats).is_err());
        stats.broker = Some(BrokerStats {
            is_connected: true,
            ..BrokerStats::default()
        });
        assert!(check_ready(&stats).is_ok());
    }
}
