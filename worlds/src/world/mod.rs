//! The world of one seed: the controller's site, the network, the client, the faults, and a clock
//! that jumps from one event to the next.
//!
//! Each part knows only itself, and has its own randomness. The modules here pass what happens in
//! one part to the others, and to the checker.

mod callers;
mod faults;
mod phases;
mod reading;
mod serving;
mod turn;

use std::time::Duration;

use ioxsim::ControllerOptions;

use crate::checker::Checker;
use crate::client::Client;
use crate::clock::Clock;
use crate::faults::Faults;
use crate::network::Network;
use crate::settings::Settings;
use crate::site::{Site, draw_options};
use crate::totals::Totals;

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
    pub(crate) clock: Clock,
    pub(crate) site: Site,
    pub(crate) network: Network,
    pub(crate) faults: Faults,
    pub(crate) client: Client,
    pub(crate) checker: Checker,
    pub(crate) totals: Totals,
    log: Option<Vec<String>>,
    steps: u64,
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
        let settings = Settings::draw(seed);
        let options = draw_options(seed, settings.access);
        Self {
            network: Network::draw(seed),
            faults: Faults::draw(seed),
            client: Client::draw(settings.clone()),
            log: with_log.then(Vec::new),
            ..Self::without_faults(settings, options)
        }
    }

    /// Makes a world without faults.
    pub(crate) fn without_faults(settings: Settings, options: ControllerOptions) -> Self {
        let clock = Clock::new();
        Self {
            site: Site::new(clock.controller(), &settings, options),
            clock,
            network: Network::calm(settings.seed),
            faults: Faults::none(),
            checker: Checker::new(&settings),
            totals: Totals::default(),
            log: None,
            steps: 0,
            client: Client::prompt(settings),
        }
    }

    /// Logs a line. The line is formatted only if a log is kept.
    pub(crate) fn log(&mut self, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            let at = self.clock.world().as_secs_f64();
            log.push(format!("{at:14.6}  {}", line()));
        }
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
                Some(self.client.calls.next),
                self.controller_timeout(),
                self.client.wakes(&self.clock, &self.network),
                self.client.consumer.due(),
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
            self.client.consumer.take(self.clock.world());
            let wakes = self.client.wakes(&self.clock, &self.network);
            if wakes.is_some_and(|at| at <= self.clock.world()) {
                self.turn();
            }
        }
    }
}
