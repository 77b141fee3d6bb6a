//! What a service manager is told: ready, status, alive, stopping. Without one, nothing.

use std::time::Duration;

#[cfg(unix)]
use sd_notify::NotifyState;
use tracing::debug;

/// The service manager, systemd for one.
#[derive(Debug, Default)]
pub(crate) struct ServiceManager {
    /// What it was told last.
    status: String,
    /// The turns of the loop at the last sign of life.
    turns: Option<u64>,
}

impl ServiceManager {
    /// How often a sign of life is due; `None` if nobody waits for one.
    pub(crate) fn watchdog_interval() -> Option<Duration> {
        #[cfg(unix)]
        {
            // Twice in its time, as systemd recommends.
            sd_notify::watchdog_enabled().map(|limit| limit / 2)
        }
        #[cfg(not(unix))]
        None
    }

    /// Everything is started.
    pub(crate) fn ready(&mut self) {
        #[cfg(unix)]
        tell(&[NotifyState::Ready]);
    }

    /// The configuration is read again.
    pub(crate) fn reloading(&mut self) {
        #[cfg(unix)]
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    /// The end has begun.
    pub(crate) fn stopping(&mut self) {
        #[cfg(unix)]
        tell(&[NotifyState::Stopping]);
    }

    /// One line for people; told when it changed.
    pub(crate) fn status(&mut self, status: String) {
        if status != self.status {
            #[cfg(unix)]
            tell(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }

    /// Gives a sign of life if the bridge's loop has turned since the last one.
    pub(crate) fn alive(&mut self, turns: u64) {
        if !self.has_turned(turns) {
            debug!(turns, "the loop has not turned: no sign of life is given");
            return;
        }
        #[cfg(unix)]
        tell(&[NotifyState::Watchdog]);
    }

    /// Whether the loop has turned since this was asked last.
    fn has_turned(&mut self, turns: u64) -> bool {
        self.turns.replace(turns) != Some(turns)
    }
}

#[cfg(unix)]
fn tell(state: &[NotifyState<'_>]) {
    // A manager that is gone is no reason to stop.
    if let Err(error) = sd_notify::notify(state) {
        debug!(%error, "the service manager cannot be told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_stands_still_gives_no_sign_of_life() {
        let mut manager = ServiceManager::default();
        let turned = [5, 6, 6, 6, 7].map(|turns| manager.has_turned(turns));
        assert_eq!(turned, [true, true, false, false, true]);
    }
}
