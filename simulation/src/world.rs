//! The world of one seed: two machines, a network, and a clock that jumps from one event to the
//! next.

use std::time::Duration;

use fastrand::Rng;
use ioxproto::{Config, Profile, ReadNames, Status, StreamMachine, SubscribePath, Timing};
use ioxsim::{Controller, ControllerOptions, Endpoint};

use crate::caller::Caller;
use crate::calls::Calls;
use crate::checker::{Checker, HOST, PASSWORD};
use crate::clock::Clock;
use crate::driver::{Command, Consumer, Driver};
use crate::faults::Faults;
use crate::identity::Identity;
use crate::link::Link;
use crate::network::Network;
use crate::site::{self, Access, Site, pick};
use crate::totals::Totals;

/// How long to wait before another probe is sent, if the controller's clock was set.
const PROBE_INTERVAL: Duration = Duration::from_secs(40);

/// Longer than any call waits for the event that confirms it.
const LONGEST_CONFIRMATION: Duration = Duration::from_secs(31);

/// A seed with more steps than this has stopped advancing its time.
const MAX_STEPS: u64 = 5_000_000;

/// A seed whose world broke a rule.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Violation {
    /// The seed.
    pub seed: u64,
    /// The virtual time.
    pub at: Duration,
    /// The rule that was broken.
    pub rule: String,
    /// The log, with virtual times; empty unless it was requested.
    pub log: Vec<String>,
}

pub(crate) struct World {
    seed: u64,
    pub(crate) clock: Clock,
    pub(crate) rng: Rng,
    pub(crate) options: ControllerOptions,
    pub(crate) controller: Controller,
    pub(crate) access: Access,
    pub(crate) site: Site,
    pub(crate) links: Vec<Link>,
    pub(crate) network: Network,
    pub(crate) faults: Faults,
    pub(crate) identity: Identity,
    pub(crate) driver: Driver,
    pub(crate) caller: Caller,
    pub(crate) calls: Calls,
    /// Whether the stream reads the names of the house.
    pub(crate) reads_names: bool,
    pub(crate) profile: Profile,
    pub(crate) consumer: Consumer,
    pub(crate) checker: Checker,
    pub(crate) totals: Totals,
    /// The faults have ended.
    pub(crate) healthy: bool,
    pub(crate) controller_clock_was_set: bool,
    log: Option<Vec<String>>,
    steps: u64,
}

/// The settings of a world.
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) access: Access,
    pub(crate) secured: bool,
    pub(crate) options: ControllerOptions,
    pub(crate) profile: Profile,
    pub(crate) jitter: f64,
    /// The maximum message length, in bytes.
    pub(crate) limit: usize,
    pub(crate) keep_trying: bool,
    pub(crate) read_names: ReadNames,
}

/// Runs one world: a period of faults, a healthy period, and a stop. Returns its totals.
///
/// # Errors
///
/// The first rule that was broken.
pub fn run(seed: u64, with_log: bool) -> Result<Totals, Violation> {
    let mut world = World::new(seed, with_log);
    world.run_phases();
    match world.checker.violation() {
        None => {
            world.totals.seeds = 1;
            world.totals.virtual_time = world.clock.world();
            world.totals.excused = world.checker.excused;
            Ok(world.totals)
        }
        Some(rule) => Err(Violation {
            seed,
            at: world.clock.world(),
            rule: rule.to_owned(),
            log: world.log.unwrap_or_default(),
        }),
    }
}

impl World {
    fn new(seed: u64, with_log: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let access = *pick(
            &mut rng,
            &[
                Access::Local,
                Access::Local,
                Access::Portal,
                Access::Api,
                Access::OwnTokens,
                Access::OwnTokensApi,
            ],
        );
        let options = site::options(&mut rng, access);
        let isy994 = access == Access::Local && rng.bool();
        let setup = Setup {
            seed,
            access,
            secured: rng.bool(),
            options,
            profile: if isy994 {
                Profile::Isy994
            } else {
                Profile::Iox
            },
            jitter: *pick(&mut rng, &[0.0, 0.0, 0.4]),
            limit: 64 * 1024,
            keep_trying: rng.u8(..3) == 0,
            read_names: *pick(
                &mut Rng::with_seed(seed ^ 0x6e61_6d65),
                &[
                    ReadNames::Never,
                    ReadNames::AfterConnected,
                    ReadNames::BeforeSubscribing,
                ],
            ),
        };
        let network = Network::draw(&mut rng);
        let faults = Faults::draw(&mut rng);
        Self {
            network,
            faults,
            calls: Calls::draw(seed),
            log: with_log.then(Vec::new),
            rng,
            ..Self::without_faults(setup)
        }
    }

    /// Makes a world without faults.
    pub(crate) fn without_faults(setup: Setup) -> Self {
        let clock = Clock::new();
        let mut timing = Timing::default();
        timing.jitter = setup.jitter;
        let Setup {
            seed,
            access,
            secured,
            options,
            limit,
            keep_trying,
            ..
        } = setup;
        let scheme = if secured { "https" } else { "http" };
        let config = Config::new(format!("{scheme}://{HOST}"))
            .profile(setup.profile)
            .timing(timing.clone())
            .max_message_bytes(limit)
            .keep_trying(keep_trying)
            .read_names(setup.read_names)
            .seed(seed);
        let config = match access {
            Access::Local => config.local_account("admin", PASSWORD),
            Access::Portal => config.portal_account("user@example.test", PASSWORD),
            Access::Api => config
                .portal_account("user@example.test", PASSWORD)
                .path(SubscribePath::Api),
            Access::OwnTokens => config.own_tokens(),
            Access::OwnTokensApi => config.own_tokens().path(SubscribePath::Api),
        };
        let Ok(core) = StreamMachine::new(config) else {
            unreachable!("the configuration is a good one")
        };
        Self {
            seed,
            controller: Controller::new(options.clone(), clock.controller()),
            clock,
            options,
            access,
            site: Site::Up,
            links: Vec::new(),
            network: Network::calm(),
            faults: Faults::none(),
            identity: Identity::new(secured),
            driver: Driver::new(core, timing.clone(), limit),
            caller: Caller::default(),
            calls: Calls::none(),
            profile: setup.profile,
            reads_names: setup.read_names != ReadNames::Never,
            consumer: Consumer {
                queued: 0,
                capacity: 64,
                pace: Duration::ZERO,
                blocking: false,
                next_take: Duration::ZERO,
            },
            checker: Checker::new(timing, limit, keep_trying, access, setup.profile),
            totals: Totals::default(),
            healthy: false,
            controller_clock_was_set: false,
            log: None,
            steps: 0,
            rng: Rng::with_seed(seed),
        }
    }

    /// Logs a line. The line is formatted only if a log is kept.
    pub(crate) fn log(&mut self, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            let at = self.clock.world().as_secs_f64();
            log.push(format!("{at:14.6}  {}", line()));
        }
    }

    fn run_phases(&mut self) {
        let fault_period = *pick(&mut self.rng, &[300, 1800, 1800, 7200, 7200, 20_000]);
        let (seed, fault_period) = (self.seed, Duration::from_secs(fault_period));
        self.calls.spread(fault_period);
        self.log(|| format!("seed {seed}, a fault_period of {fault_period:?}"));
        self.driver.commands.push_back(Command::Start);
        self.pass_until(fault_period, |_| false);
        // A suspended machine or a stopped process resumes first.
        self.stop_faults();
        let awake = self.driver.asleep_until.max(self.clock.world());
        self.pass_until(awake, |_| false);
        self.check_recovery();
        if self.checker.is_passing() {
            self.check_quiet_period();
        }
        if self.checker.is_passing() {
            self.check_names();
        }
        if self.checker.is_passing() {
            self.check_stop();
        }
    }

    /// Ends the faults, and checks that within a bounded time the stream is connected and delivers
    /// events.
    fn check_recovery(&mut self) {
        self.log(|| "faults: clears up".to_owned());
        self.restore_health();
        // The silence that shows a connection dead, then the longest wait or the longest honoured
        // `Retry-After`, then an attempt.
        let timing = self.driver.timing.clone();
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
        let tries = u32::from(self.access.is_api()) * 5;
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
            if self.driver.is_at_rest() && self.driver.commands.is_empty() {
                self.driver.commands.push_back(Command::Start);
            }
            let connected = |world: &Self| world.checker.status() == Status::Connected;
            let attempts = self.totals.connects;
            if connected(self) && sent != Some(attempts) {
                sent = Some(attempts);
                self.probe(value);
            } else if self.controller_clock_was_set {
                // If earlier stamps are in the future, events are reported as replayed until a
                // heartbeat.
                self.probe(value);
            }
            let again = self.clock.world() + PROBE_INTERVAL;
            self.pass_until(until.min(again), |world| {
                world.totals.probes > before
                    || (world.driver.is_at_rest() && world.driver.commands.is_empty())
                    || (connected(world) && sent != Some(world.totals.connects))
            });
        }
    }

    /// Checks that in ten quiet minutes no connection is lost and the driver rarely wakes.
    fn check_quiet_period(&mut self) {
        // Calls that are still pending must end within their limit.
        let limit = self.driver.timing.call + LONGEST_CONFIRMATION;
        let calls_over = self.clock.world() + limit;
        self.pass_until(calls_over, |world| !world.calls.are_pending());
        let left = self.calls.are_pending();
        self.checker.check(!left, "calls outlive their limit");
        let (losses, wake_ups) = (self.totals.losses, self.driver.wake_ups);
        let messages = self.totals.messages;
        // Late input for abandoned attempts would count as wake-ups: drop it.
        let abandoned = self.links.iter_mut().filter(|link| link.abandoned);
        abandoned.for_each(Link::drop_client_end);
        self.caller.forget_abandoned();
        let minutes = 10;
        let until = self.clock.world() + Duration::from_secs(60 * minutes);
        self.pass_until(until, |_| false);
        let connected = self.checker.status() == Status::Connected;
        self.checker.check(
            connected && self.totals.losses == losses,
            "a healthy connection is lost",
        );
        let came = self.totals.messages - messages;
        let woke = self.driver.wake_ups - wake_ups;
        // A message in pieces wakes the driver up to four times. Reading the names takes four
        // calls.
        let names = 60 * u64::from(self.reads_names);
        self.checker.check(
            woke <= 4 * came + 4 * minutes + names,
            &format!("woken {woke} times in {minutes} quiet minutes, with {came} messages"),
        );
        self.probe_until_live(self.clock.world() + Duration::from_secs(5), "0");
    }

    fn check_stop(&mut self) {
        self.driver.commands.push_back(Command::Stop);
        let until = self.clock.world() + Duration::from_secs(10);
        self.pass_until(until, |_| false);
        let status = self.checker.status();
        self.checker
            .check(status == Status::Disconnected, "not stopped in time");
        let seen = self.controller.portal_seen();
        // The wall clocks may differ, so that the token of the logout may have expired. Then the
        // last request is a refresh.
        let last = seen.posts.back().map(|(endpoint, _)| *endpoint);
        let ended = matches!(last, Some(Endpoint::Logout | Endpoint::Refresh));
        self.checker.check(
            ended || !self.access.is_portal(),
            "the portal session is left open",
        );
        let left = self.controller.subscribers();
        self.checker
            .check(left == 0, "the controller still has a subscriber");
        let stats = self.driver.core.stats(self.clock.client());
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

    pub(crate) fn pass(&mut self, duration: Duration) {
        self.pass_until(self.clock.world() + duration, |_| false);
    }

    /// Steps the world until the given time, or until `done` returns true.
    pub(crate) fn pass_until(&mut self, until: Duration, done: impl Fn(&Self) -> bool) {
        while self.checker.is_passing() && !done(self) {
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return self.checker.fail("too many steps: time hardly advances");
            }
            let due = [
                Some(self.faults.next()),
                Some(self.calls.next()),
                self.controller_timeout(),
                self.driver_wakes(),
                self.consumer_due(),
            ];
            let next = due.into_iter().flatten().min().unwrap_or(Duration::MAX);
            if next > until {
                self.clock.pass_to(until.max(self.clock.world()));
                return;
            }
            self.clock.pass_to(next.max(self.clock.world()));
            self.apply_due_faults();
            self.make_due_calls();
            self.controller_due();
            self.consumer_takes();
            if self
                .driver_wakes()
                .is_some_and(|at| at <= self.clock.world())
            {
                self.turn();
            }
        }
    }

    fn consumer_due(&self) -> Option<Duration> {
        (self.consumer.queued > 0).then_some(self.consumer.next_take)
    }

    fn consumer_takes(&mut self) {
        let now = self.clock.world();
        while self.consumer_due().is_some_and(|at| at <= now) {
            self.consumer.queued -= 1;
            self.consumer.next_take += self.consumer.pace;
        }
    }
}
