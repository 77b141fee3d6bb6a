//! The client: the core, the simulated driver, and the program that uses them. The driver follows
//! `ioxproto::driver`, with queues in place of sockets. Faults make it wake late, block on a slow
//! consumer, or stop running.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use fastrand::Rng;
use ioxproto::rest::{CallId, Request};
use ioxproto::{Profile, StreamMachine};

use crate::calls::Calls;
use crate::checker::CallKind;
use crate::clock::Clock;
use crate::consumer::Consumer;
use crate::link::Link;
use crate::network::Network;
use crate::provider::Provider;
use crate::random::{generator, pick};
use crate::settings::Settings;

/// How many notifications a driver queues beyond the capacity while calls are pending.
const BEYOND_FULL_QUEUE: usize = 4096;

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) settings: Settings,
    pub(crate) core: StreamMachine,
    pub(crate) consumer: Consumer,
    pub(crate) provider: Provider,
    pub(crate) calls: Calls,
    pub(crate) commands: VecDeque<Command>,
    /// The core's deadline; `None` if the core must be asked again.
    pub(crate) wait: Option<Instant>,
    pub(crate) at_rest: bool,
    /// The process does not run before this time.
    pub(crate) asleep_until: Duration,
    /// By how much the driver oversleeps the next wake-up.
    pub(crate) late: Duration,
    /// Set if bytes arrived since the last wait; `true` if they end in the middle of a message.
    pub(crate) received: Option<bool>,
    pub(crate) wake_ups: u64,
    /// The probability that the driver wakes late.
    pub(crate) sluggish: f64,
    /// The probability that input for an abandoned attempt still arrives.
    lingering: f64,
    rng: Rng,
}

#[derive(Clone, Debug)]
pub(crate) enum Command {
    Start,
    Stop,
    Call(Box<Request>, CallKind),
    Cancel(CallId),
}

impl Client {
    /// Makes a client that is always on time.
    pub(crate) fn prompt(settings: Settings) -> Self {
        Self {
            core: settings.core(),
            consumer: Consumer::fast(),
            provider: Provider::new(settings.seed),
            calls: Calls::none(),
            commands: VecDeque::new(),
            wait: None,
            at_rest: true,
            asleep_until: Duration::ZERO,
            late: Duration::ZERO,
            received: None,
            wake_ups: 0,
            sluggish: 0.0,
            lingering: 0.0,
            rng: generator(settings.seed, "client"),
            settings,
        }
    }

    pub(crate) fn draw(settings: Settings) -> Self {
        let seed = settings.seed;
        let mut rng = generator(seed, "client");
        Self {
            calls: Calls::draw(seed),
            sluggish: *pick(&mut rng, &[0.0, 0.01, 0.1]),
            lingering: *pick(&mut rng, &[0.0, 0.5, 1.0]),
            rng,
            ..Self::prompt(settings)
        }
    }

    /// Whether the stream is at rest, and nothing is going to start it.
    pub(crate) fn needs_start(&self) -> bool {
        self.at_rest && self.commands.is_empty()
    }

    pub(crate) fn sleep_until(&mut self, until: Duration) {
        self.asleep_until = self.asleep_until.max(until);
    }

    /// Draws by how much the driver oversleeps the wait that begins.
    pub(crate) fn draw_lateness(&mut self) {
        if self.rng.f64() < self.sluggish {
            let most = *pick(&mut self.rng, &[5, 200, 490, 700, 3000, 20_000]);
            self.late = Duration::from_millis(self.rng.u64(..most));
        }
    }

    /// Draws whether input for an attempt that is abandoned now still arrives.
    pub(crate) fn draw_lingers(&mut self) -> bool {
        self.rng.f64() < self.lingering
    }

    /// Returns how many calls may be in flight.
    pub(crate) fn most_calls(&self) -> usize {
        match (self.core.address().has_tls(), self.settings.profile) {
            (true, Profile::Isy994) => 1,
            (false, Profile::Isy994) => 2,
            _ => 4,
        }
    }

    /// Whether the driver does not read because the queue is full.
    pub(crate) fn waits_for_room(&self) -> bool {
        // While calls are pending, a driver reads although the queue is full: the consumer may be
        // waiting for a call.
        let more = match self.calls.pending.is_empty() {
            true => 0,
            false => BEYOND_FULL_QUEUE,
        };
        self.consumer.is_full(more) && !self.core.is_stopping()
    }

    /// Returns when the driver has something to do next; `None` if it waits for ever.
    pub(crate) fn wakes(&self, clock: &Clock, network: &Network) -> Option<Duration> {
        let runs = |at: Duration| at.max(self.asleep_until);
        if !self.commands.is_empty() {
            return Some(runs(clock.world()));
        }
        let late = network.next_arrival(|link| link.abandoned);
        let late = late.into_iter().chain(self.provider.due(true)).min();
        if self.at_rest {
            return late.map(runs);
        }
        if self.waits_for_room() {
            // Calls continue, and must end in time.
            let deadline = self.core.call_deadline();
            let due = deadline.map(|deadline| clock.of_client(deadline.at));
            let answers = network.next_arrival(Link::is_for_request);
            let first = answers.into_iter().chain(due).chain(late).min();
            return first.map(runs);
        }
        let Some(wait) = self.wait else {
            return Some(runs(clock.world()));
        };
        let readable = network.next_arrival(|_| true);
        let news = readable.into_iter().chain(self.provider.due(false));
        let due = clock.of_client(wait);
        let first = news.chain(late).fold(due, Duration::min);
        Some(runs(first + self.late))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_wakes_the_driver_at_once_unless_its_process_does_not_run() {
        let mut client = Client::prompt(Settings::plain());
        let (clock, network) = (Clock::new(), Network::calm(1));
        assert!(client.needs_start());
        assert_eq!(client.wakes(&clock, &network), None);
        client.commands.push_back(Command::Start);
        assert!(!client.needs_start());
        assert_eq!(client.wakes(&clock, &network), Some(Duration::ZERO));
        let until = Duration::from_secs(5);
        client.sleep_until(until);
        assert_eq!(client.wakes(&clock, &network), Some(until));
    }
}
