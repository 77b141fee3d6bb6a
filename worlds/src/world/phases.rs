//! The phases of a world: a period of faults, a recovery, a quiet period, and a stop.

use std::time::Duration;

use ioxproto::Status;
use ioxsim::Endpoint;

use super::World;
use crate::client::Command;

/// How long to wait before another probe is sent, if the controller's clock was set.
const PROBE_INTERVAL: Duration = Duration::from_secs(40);

/// Longer than any call waits for the event that confirms it.
const LONGEST_CONFIRMATION: Duration = Duration::from_secs(31);

impl World {
    pub(super) fn run_phases(&mut self) {
        let (seed, period) = (self.client.settings.seed, self.faults.period);
        self.client.calls.spread(period);
        self.log(|| format!("seed {seed}, a fault period of {period:?}"));
        self.client.commands.push_back(Command::Start);
        self.pass_until(period, |_| false);
        // A suspended machine or a stopped process resumes first.
        self.stop_faults();
        let awake = self.client.asleep_until.max(self.clock.world());
        self.pass_until(awake, |_| false);
        let first = Self::check_recovery as fn(&mut Self);
        for check in [
            first,
            Self::check_quiet_period,
            Self::check_names,
            Self::check_stop,
        ] {
            if self.checker.is_passing() {
                check(self);
            }
        }
    }

    /// Ends the faults, and checks that within a bounded time the stream is connected and delivers
    /// events.
    fn check_recovery(&mut self) {
        self.log(|| "faults: clears up".to_owned());
        self.restore_health();
        // The silence that shows a connection dead, then the longest wait or the longest honoured
        // `Retry-After`, then an attempt.
        let timing = self.client.settings.timing();
        let longest = timing.backoff.iter().max().copied().unwrap_or_default();
        let wait = longest
            .mul_f64(1.0 + timing.jitter)
            .max(timing.retry_after_max);
        let bound = timing.stall_max
            + timing.stall_grace
            + timing.overrun
            + timing.connect
            + wait
            + Duration::from_secs(15);
        // Each form of the first frame may be tried, each with new tokens.
        let tries = u32::from(self.client.settings.access.is_api()) * 5;
        let bound =
            bound + tries * (longest.mul_f64(1.0 + timing.jitter) + Duration::from_secs(30));
        let until = self.clock.world() + bound;
        self.probe_until_live(until, "255");
    }

    /// Sends probes until one is delivered as live.
    fn probe_until_live(&mut self, until: Duration, value: &str) {
        let mut sent = None;
        let before = self.totals.probes;
        while self.checker.is_passing() && self.totals.probes == before {
            if self.clock.world() >= until {
                let status = self.checker.status();
                return self.checker.fail(format!("no recovery in time: {status}"));
            }
            if self.client.needs_start() {
                self.client.commands.push_back(Command::Start);
            }
            let connected = |world: &Self| world.checker.status() == Status::Connected;
            let attempts = self.totals.connects;
            if connected(self) && sent != Some(attempts) {
                sent = Some(attempts);
                self.probe(value);
            } else if self.site.clock_was_set {
                // If earlier stamps are in the future, events are reported as replayed until a
                // heartbeat.
                self.probe(value);
            }
            let again = self.clock.world() + PROBE_INTERVAL;
            self.pass_until(until.min(again), |world| {
                world.totals.probes > before
                    || world.client.needs_start()
                    || (connected(world) && sent != Some(world.totals.connects))
            });
        }
    }

    /// Checks that in ten quiet minutes no connection is lost and the driver rarely wakes.
    fn check_quiet_period(&mut self) {
        // Calls that are still pending must end within their limit.
        let limit = self.client.settings.timing().call + LONGEST_CONFIRMATION;
        let calls_over = self.clock.world() + limit;
        self.pass_until(calls_over, |world| world.client.calls.pending.is_empty());
        let ended = self.client.calls.pending.is_empty();
        self.checker.check(ended, "calls outlive their limit");
        let (losses, wake_ups) = (self.totals.losses, self.client.wake_ups);
        let messages = self.totals.messages;
        // Late input for abandoned attempts would count as wake-ups: drop it.
        self.network.drop_abandoned();
        self.client.provider.forget_abandoned();
        let minutes = 10;
        let until = self.clock.world() + Duration::from_secs(60 * minutes);
        self.pass_until(until, |_| false);
        let connected = self.checker.status() == Status::Connected;
        self.checker.check(
            connected && self.totals.losses == losses,
            "a healthy connection is lost",
        );
        let came = self.totals.messages - messages;
        let woke = self.client.wake_ups - wake_ups;
        // A message in pieces wakes the driver up to four times. Reading the names takes four
        // calls.
        let names = 60 * u64::from(self.client.settings.reads_names());
        self.checker.check(
            woke <= 4 * came + 4 * minutes + names,
            &format!("woken {woke} times in {minutes} quiet minutes, with {came} messages"),
        );
        self.probe_until_live(self.clock.world() + Duration::from_secs(5), "0");
    }

    /// Checks that the names in the state are those of the house.
    fn check_names(&mut self) {
        if !self.client.settings.reads_names() {
            return;
        }
        match self.site.read_nodes(self.clock.controller()) {
            Ok(nodes) => {
                let wrong = self.client.calls.wrong_names(&nodes);
                self.checker.check(
                    wrong.is_empty(),
                    &format!("the names differ from those of the house: {wrong:?}"),
                );
            }
            Err(error) => self
                .checker
                .fail(format!("the nodes of the house cannot be read: {error}")),
        }
    }

    fn check_stop(&mut self) {
        self.client.commands.push_back(Command::Stop);
        let until = self.clock.world() + Duration::from_secs(10);
        self.pass_until(until, |_| false);
        let status = self.checker.status();
        self.checker
            .check(status == Status::Disconnected, "not stopped in time");
        let seen = self.site.controller.portal_seen();
        // The wall clocks may differ, so that the token of the logout may have expired. Then the
        // last request is a refresh.
        let last = seen.posts.back().map(|(endpoint, _)| *endpoint);
        let ended = matches!(last, Some(Endpoint::Logout | Endpoint::Refresh));
        self.checker.check(
            ended || !self.client.settings.access.is_portal(),
            "the portal session is left open",
        );
        let left = self.site.controller.subscribers();
        self.checker
            .check(left == 0, "the controller still has a subscriber");
        let stats = self.client.core.stats(self.clock.client());
        let all: Duration = Status::ALL
            .into_iter()
            .map(|status| stats.time_in(status))
            .sum();
        let same = stats.events == self.totals.events
            && stats.live_events == self.totals.live
            && stats.ignored == self.totals.ignored
            && stats.malformed == self.totals.malformed
            && stats.gaps == self.totals.gaps
            && stats.frames == stats.events + stats.ignored + stats.malformed
            && all == self.clock.client_ran();
        self.checker
            .check(same, &format!("the stats are wrong: {stats:?} {all:?}"));
    }
}
