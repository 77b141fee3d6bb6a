//! Notifies the service manager: ready, status, keep-alive, stopping. Does nothing without one.

use std::time::Duration;

#[cfg(unix)]
use sd_notify::NotifyState;
use tracing::debug;

/// The service manager, such as systemd.
#[derive(Debug, Default)]
pub(crate) struct ServiceManager {
    /// The last reported status.
    status: String,
    /// The turns of the bridge's loop at the last keep-alive.
    turns: Option<u64>,
}

impl ServiceManager {
    /// How often a keep-alive is due; `None` without a watchdog.
    pub(crate) fn watchdog_interval() -> Option<Duration> {
        #[cfg(unix)]
        {
            // Twice per timeout, as systemd recommends.
            sd_notify::watchdog_enabled().map(|limit| limit / 2)
        }
        #[cfg(not(unix))]
        None
    }

    /// Reports that the service has started, or has finished a reload.
    pub(crate) fn ready(&mut self) {
        #[cfg(unix)]
        notify(&[NotifyState::Ready]);
    }

    /// Reports that the configuration is being reloaded.
    pub(crate) fn reloading(&mut self) {
        #[cfg(unix)]
        match NotifyState::monotonic_usec_now() {
            Ok(now) => notify(&[NotifyState::Reloading, now]),
            Err(_) => notify(&[NotifyState::Reloading]),
        }
    }

    /// Reports that the service is stopping.
    pub(crate) fn stopping(&mut self) {
        #[cfg(unix)]
        notify(&[NotifyState::Stopping]);
    }

    /// Reports a status line for people, if it has changed.
    pub(crate) fn status(&mut self, status: String) {
        if status != self.status {
            #[cfg(unix)]
            notify(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }

    /// Sends a keep-alive to the watchdog if the bridge's loop has turned since the last one.
    pub(crate) fn send_keep_alive(&mut self, turns: u64) {
        if !self.has_turned(turns) {
            debug!(turns, "the loop makes no progress: no keep-alive is sent");
            return;
        }
        #[cfg(unix)]
        notify(&[NotifyState::Watchdog]);
    }

    /// Whether the loop has turned since the last call.
    fn has_turned(&mut self, turns: u64) -> bool {
        self.turns.replace(turns) != Some(turns)
    }
}

#[cfg(unix)]
fn notify(state: &[NotifyState<'_>]) {
    // An unreachable service manager does not stop the service.
    if let Err(error) = sd_notify::notify(state) {
        debug!(%error, "cannot notify the service manager");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_without_progress_sends_no_keep_alive() {
        let mut manager = ServiceManager::default();
        let turned = [5, 6, 6, 6, 7].map(|turns| manager.has_turned(turns));
        assert_eq!(turned, [true, true, false, false, true]);
    }
}
