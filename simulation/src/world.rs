//! The world of one seed: two machines, a network, a clock that jumps from one event to the
//! next.

use std::time::Duration;

use fastrand::Rng;
use ioxproto::{Config, Profile, ReadNames, Status, StreamMachine, SubscribePath, Timing};
use ioxsim::{Controller, ControllerOptions, Endpoint};

use crate::caller::Caller;
use crate::calls::Calls;
use crate::clock::Clock;
use crate::driver::{Command, Consumer, Driver};
use crate::identity::Identity;
use crate::link::Link;
use crate::network::Network;
use crate::site::{self, Entrance, Site, pick};
use crate::totals::Totals;
use crate::weather::Weather;
use crate::witness::{HOST, PASSWORD, Witness};

/// When the controller's clock was set, a probe is sent again after this time.
const PROBED_AGAIN: Duration = Duration::from_secs(40);

/// No call waits longer for the event that confirms it.
const LONGEST_CONFIRMATION: Duration = Duration::from_secs(31);

/// More steps than this in one seed mean that time hardly passes.
const MOST_STEPS: u64 = 5_000_000;

/// A seed whose world broke a rule.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Violation {
    /// The seed.
    pub seed: u64,
    /// When, in virtual time.
    pub at: Duration,
    /// Which rule.
    pub rule: String,
    /// What happened, in virtual time, if it was asked for.
    pub log: Vec<String>,
}

pub(crate) struct World {
    seed: u64,
    pub(crate) clock: Clock,
    pub(crate) rng: Rng,
    pub(crate) options: ControllerOptions,
    pub(crate) controller: Controller,
    pub(crate) entrance: Entrance,
    pub(crate) site: Site,
    pub(crate) links: Vec<Link>,
    pub(crate) network: Network,
    pub(crate) weather: Weather,
    pub(crate) identity: Identity,
    pub(crate) driver: Driver,
    pub(crate) caller: Caller,
    pub(crate) calls: Calls,
    /// Whether the stream reads the names of the house.
    pub(crate) reads_names: bool,
    pub(crate) profile: Profile,
    pub(crate) consumer: Consumer,
    pub(crate) witness: Witness,
    pub(crate) totals: Totals,
    /// The weather has cleared up.
    pub(crate) fair: bool,
    pub(crate) controller_clock_was_set: bool,
    log: Option<Vec<String>>,
    steps: u64,
}

/// How a world is set up.
pub(crate) struct Setting {
    pub(crate) seed: u64,
    pub(crate) entrance: Entrance,
    pub(crate) secured: bool,
    pub(crate) options: ControllerOptions,
    pub(crate) profile: Profile,
    pub(crate) jitter: f64,
    /// The longest message, in bytes.
    pub(crate) limit: usize,
    pub(crate) keep_trying: bool,
    pub(crate) read_names: ReadNames,
}

/// Steps one world, from a storm to fair weather to the end, and says what it saw.
///
/// # Errors
///
/// The first rule that was broken.
pub fn run(seed: u64, with_log: bool) -> Result<Totals, Violation> {
    let mut world = World::new(seed, with_log);
    world.live();
    match world.witness.violation() {
        None => {
            world.totals.seeds = 1;
            world.totals.virtual_time = world.clock.world();
            world.totals.excused = world.witness.excused;
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
        let entrance = *pick(
            &mut rng,
            &[
                Entrance::Local,
                Entrance::Local,
                Entrance::Portal,
                Entrance::Api,
                Entrance::OwnTokens,
                Entrance::OwnTokensApi,
            ],
        );
        let options = site::options(&mut rng, entrance);
        let isy994 = entrance == Entrance::Local && rng.bool();
        let setting = Setting {
            seed,
            entrance,
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
        let network = Network::of(&mut rng);
        let weather = Weather::of(&mut rng);
        Self {
            network,
            weather,
            calls: Calls::of(seed),
            log: with_log.then(Vec::new),
            rng,
            ..Self::made(setting)
        }
    }

    /// A world without weather.
    pub(crate) fn made(setting: Setting) -> Self {
        let clock = Clock::new();
        let mut timing = Timing::default();
        timing.jitter = setting.jitter;
        let Setting {
            seed,
            entrance,
            secured,
            options,
            limit,
            keep_trying,
            ..
        } = setting;
        let scheme = if secured { "https" } else { "http" };
        let config = Config::new(format!("{scheme}://{HOST}"))
            .profile(setting.profile)
            .timing(timing.clone())
            .max_message_bytes(limit)
            .keep_trying(keep_trying)
            .read_names(setting.read_names)
            .seed(seed);
        let config = match entrance {
            Entrance::Local => config.local_account("admin", PASSWORD),
            Entrance::Portal => config.portal_account("user@example.test", PASSWORD),
            Entrance::Api => config
                .portal_account("user@example.test", PASSWORD)
                .path(SubscribePath::Api),
            Entrance::OwnTokens => config.own_tokens(),
            Entrance::OwnTokensApi => config.own_tokens().path(SubscribePath::Api),
        };
        let Ok(core) = StreamMachine::new(config) else {
            unreachable!("the configuration is a good one")
        };
        Self {
            seed,
            controller: Controller::new(options.clone(), clock.controller()),
            clock,
            options,
            entrance,
            site: Site::Up,
            links: Vec::new(),
            network: Network::calm(),
            weather: Weather::none(),
            identity: Identity::new(secured),
            driver: Driver::new(core, timing.clone(), limit),
            caller: Caller::default(),
            calls: Calls::none(),
            profile: setting.profile,
            reads_names: setting.read_names != ReadNames::Never,
            consumer: Consumer {
                queued: 0,
                capacity: 64,
                pace: Duration::ZERO,
                blocking: false,
                next_take: Duration::ZERO,
            },
            witness: Witness::new(timing, limit, keep_trying, entrance, setting.profile),
            totals: Totals::default(),
            fair: false,
            controller_clock_was_set: false,
            log: None,
            steps: 0,
            rng: Rng::with_seed(seed),
        }
    }

    /// The line is made only if somebody reads it.
    pub(crate) fn log(&mut self, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            let at = self.clock.world().as_secs_f64();
            log.push(format!("{at:14.6}  {}", line()));
        }
    }

    fn live(&mut self) {
        let storm = *pick(&mut self.rng, &[300, 1800, 1800, 7200, 7200, 20_000]);
        let (seed, storm) = (self.seed, Duration::from_secs(storm));
        self.calls.spread(storm);
        self.log(|| format!("seed {seed}, a storm of {storm:?}"));
        self.driver.commands.push_back(Command::Start);
        self.pass_until(storm, |_| false);
        // A machine that sleeps or a process that is stopped wakes first.
        self.nothing_more_goes_wrong();
        let awake = self.driver.asleep_until.max(self.clock.world());
        self.pass_until(awake, |_| false);
        self.heals();
        if self.witness.is_content() {
            self.is_well();
        }
        if self.witness.is_content() {
            self.names_are_right();
        }
        if self.witness.is_content() {
            self.ends();
        }
    }

    /// The world turns healthy: within a bounded time the stream is connected, and what happens
    /// gets through.
    fn heals(&mut self) {
        self.log(|| "weather: clears up".to_owned());
        self.clears_up();
        // The longest honoured `Retry-After`, or the longest wait; before it, the silence that
        // shows a connection dead; beside it, an attempt.
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
        // Each shape of the first frame may have to be tried, each with tokens that are new.
        let tries = u32::from(self.entrance.is_api()) * 5;
        let bound =
            bound + tries * (longest.mul_f64(1.0 + timing.jitter) + Duration::from_secs(30));
        let until = self.clock.world() + bound;
        self.probed(until, "255");
    }

    /// Waits until a probe comes out at the other end, live.
    fn probed(&mut self, until: Duration, value: &str) {
        let mut sent = None;
        let before = self.totals.probes;
        while self.witness.is_content() && self.totals.probes == before {
            if self.clock.world() >= until {
                let status = self.witness.status();
                return self
                    .witness
                    .fail(format!("not well again in time: {status}"));
            }
            if self.driver.is_at_rest() && self.driver.commands.is_empty() {
                self.driver.commands.push_back(Command::Start);
            }
            let connected = |world: &Self| world.witness.status() == Status::Connected;
            let attempts = self.totals.connects;
            if connected(self) && sent != Some(attempts) {
                sent = Some(attempts);
                self.probe(value);
            } else if self.controller_clock_was_set {
                // Until a heartbeat, an event behind stamps of the future is called replay.
                self.probe(value);
            }
            let again = self.clock.world() + PROBED_AGAIN;
            self.pass_until(until.min(again), |world| {
                world.totals.probes > before
                    || (world.driver.is_at_rest() && world.driver.commands.is_empty())
                    || (connected(world) && sent != Some(world.totals.connects))
            });
        }
    }

    /// Ten quiet minutes: nothing is lost, and hardly anything is done.
    fn is_well(&mut self) {
        // Calls that are still pending end within their limit.
        let limit = self.driver.timing.call + LONGEST_CONFIRMATION;
        let calls_over = self.clock.world() + limit;
        self.pass_until(calls_over, |world| !world.calls.are_pending());
        let left = self.calls.are_pending();
        self.witness.check(!left, "calls are pending for too long");
        let (losses, wake_ups) = (self.totals.losses, self.driver.wake_ups);
        let messages = self.totals.messages;
        // What is still told of abandoned attempts would be counted, too.
        let abandoned = self.links.iter_mut().filter(|link| link.abandoned);
        abandoned.for_each(Link::drop_client_end);
        self.caller.forget_abandoned();
        let minutes = 10;
        let until = self.clock.world() + Duration::from_secs(60 * minutes);
        self.pass_until(until, |_| false);
        let connected = self.witness.status() == Status::Connected;
        self.witness.check(
            connected && self.totals.losses == losses,
            "a healthy connection is lost",
        );
        let came = self.totals.messages - messages;
        let woke = self.driver.wake_ups - wake_ups;
        // Messages in pieces wake it up to four times; reading the names takes four calls.
        let names = 60 * u64::from(self.reads_names);
        self.witness.check(
            woke <= 4 * came + 4 * minutes + names,
            &format!("woken {woke} times in {minutes} quiet minutes by {came} messages"),
        );
        self.probed(self.clock.world() + Duration::from_secs(5), "0");
    }

    fn ends(&mut self) {
        self.driver.commands.push_back(Command::Stop);
        let until = self.clock.world() + Duration::from_secs(10);
        self.pass_until(until, |_| false);
        let status = self.witness.status();
        self.witness
            .check(status == Status::Disconnected, "not stopped in the end");
        let seen = self.controller.portal_seen();
        // The wall clocks may be apart: the logout itself may come with a token that has expired.
        let last = seen.posts.back().map(|(endpoint, _)| *endpoint);
        let ended = matches!(last, Some(Endpoint::Logout | Endpoint::Refresh));
        self.witness.check(
            ended || !self.entrance.is_portal(),
            "the session is left open",
        );
        let left = self.controller.subscribers();
        self.witness
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
        self.witness
            .check(same, &format!("the stats are wrong: {stats:?} {all:?}"));
    }

    pub(crate) fn pass(&mut self, duration: Duration) {
        self.pass_until(self.clock.world() + duration, |_| false);
    }

    /// Lets the world go on until then, or until something is so.
    pub(crate) fn pass_until(&mut self, until: Duration, done: impl Fn(&Self) -> bool) {
        while self.witness.is_content() && !done(self) {
            self.steps += 1;
            if self.steps > MOST_STEPS {
                return self.witness.fail("time hardly passes");
            }
            let due = [
                Some(self.weather.next()),
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
            self.weather_due();
            self.calls_due();
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
