//! The network between the machines: its connections, and when each of them delivers.

use std::time::Duration;

use fastrand::Rng;
use ioxproto::{ConnectionId, Exchange, FailureKind, Phase};
use ioxsim::{Ending, SubscriberId};

use crate::link::{ClientEnd, Link, Owner};
use crate::random::{generator, pick};
use crate::wire::{Arrival, Sent};

#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) links: Vec<Link>,
    pub(crate) latency: Duration,
    pub(crate) jitter_micros: u64,
    /// The rate towards the client on new connections, if the line is slow.
    pub(crate) bytes_per_second: Option<u32>,
    pub(crate) names: Names,
    /// Nothing arrives before this time.
    held_until: Duration,
    /// The probability that a message arrives in pieces.
    piecemeal: f64,
    rng: Rng,
}

/// The outcome of DNS look-ups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    Resolve,
    Fail,
    Hang,
}

impl Network {
    pub(crate) fn calm(seed: u64) -> Self {
        Self {
            links: Vec::new(),
            latency: Duration::from_millis(1),
            jitter_micros: 0,
            bytes_per_second: None,
            names: Names::Resolve,
            held_until: Duration::ZERO,
            piecemeal: 0.0,
            rng: generator(seed, "network"),
        }
    }

    pub(crate) fn draw(seed: u64) -> Self {
        let calm = Self::calm(seed);
        let mut rng = calm.rng.clone();
        Self {
            latency: Duration::from_micros(*pick(&mut rng, &[50, 1000, 20_000, 150_000])),
            jitter_micros: *pick(&mut rng, &[0, 500, 30_000, 400_000]),
            // 2,000 is a line of 16 kbit/s. At 500, the replay of a house takes a minute.
            bytes_per_second: *pick(&mut rng, &[None, None, None, Some(2000), Some(500)]),
            piecemeal: *pick(&mut rng, &[0.0, 0.0, 0.05, 0.5]),
            rng,
            ..calm
        }
    }

    /// Ends the faults of the network, except those of its look-ups.
    pub(crate) fn recover(&mut self, now: Duration) {
        self.held_until = Duration::ZERO;
        self.latency = self.latency.min(Duration::from_millis(150));
        self.jitter_micros = self.jitter_micros.min(30_000);
        self.bytes_per_second = None;
        for link in &mut self.links {
            link.speed_up(now);
        }
    }

    /// Draws the arrival time of what is sent now.
    fn arrival_time(&mut self, now: Duration) -> Duration {
        let spread = Duration::from_micros(self.rng.u64(..=self.jitter_micros));
        (now + self.latency + spread).max(self.held_until)
    }
}

/// What the client does.
impl Network {
    /// Looks the name up, and connects.
    pub(crate) fn dial(&mut self, now: Duration, owner: Owner, exchange: Exchange) {
        let mut link = Link::new(owner, exchange, self.bytes_per_second);
        let looked_up = now + Duration::from_millis(self.rng.u64(..20));
        match self.names {
            Names::Resolve => {
                link.send_to_client(looked_up, Arrival::Reached(Phase::Connecting));
                link.send_to_controller(self.arrival_time(looked_up), Sent::Dial);
            }
            Names::Fail => {
                link.send_to_client(looked_up, Arrival::Failed(FailureKind::NameNotResolved));
            }
            Names::Hang => {}
        }
        self.links.push(link);
    }

    pub(crate) fn send(&mut self, now: Duration, owner: Owner, sent: Sent) {
        let at = self.arrival_time(now);
        if let Some(link) = self.link(owner) {
            link.send_to_controller(at, sent);
        }
    }

    /// Closes the client's end.
    pub(crate) fn hang_up(&mut self, now: Duration, index: usize) {
        let at = self.arrival_time(now);
        self.links[index].send_to_controller(at, Sent::Gone);
        self.links[index].drop_client_end();
    }

    /// Closes the client's end. If it lingers, its input still arrives for a while, as with a
    /// driver that has threads.
    pub(crate) fn abandon(&mut self, now: Duration, owner: Owner, lingers: bool) {
        let Some(index) = self.links.iter().position(|link| link.owner == owner) else {
            return;
        };
        if !lingers {
            return self.hang_up(now, index);
        }
        let at = self.arrival_time(now);
        let delayed_to = now + Duration::from_millis(self.rng.u64(..20_000));
        let link = &mut self.links[index];
        link.send_to_controller(at, Sent::Gone);
        link.hold(now, delayed_to);
        link.abandoned = true;
    }

    /// Drops all input for what the client has abandoned.
    pub(crate) fn drop_abandoned(&mut self) {
        let abandoned = self.links.iter_mut().filter(|link| link.abandoned);
        abandoned.for_each(Link::drop_client_end);
    }
}

/// What the controller does.
impl Network {
    /// Sends something to the client: a message in pieces, with the probability that is set.
    pub(crate) fn send_to_client(&mut self, now: Duration, index: usize, arrival: Arrival) {
        let is_message = matches!(arrival, Arrival::Message(..));
        if is_message && self.rng.f64() < self.piecemeal {
            for _ in 0..1 + self.rng.usize(..3) {
                self.send_to_client(now, index, Arrival::Piece);
            }
        }
        let at = self.arrival_time(now);
        self.links[index].send_to_client(at, arrival);
    }

    /// Sends the answer to a request, in one to three pieces.
    pub(crate) fn answer(&mut self, now: Duration, index: usize, bytes: &[u8]) {
        let pieces = 1 + self.rng.usize(..3);
        for piece in bytes.chunks(bytes.len().div_ceil(pieces).max(1)) {
            self.send_to_client(now, index, Arrival::Bytes(piece.to_vec()));
        }
    }

    /// Sends a message that takes this long to arrive.
    pub(crate) fn send_slowly(
        &mut self,
        now: Duration,
        index: usize,
        message: Arrival,
        lasts: Duration,
    ) {
        let at = self.arrival_time(now);
        let link = &mut self.links[index];
        link.send_to_client(at, Arrival::Piece);
        link.send_to_client(at + lasts / 2, Arrival::Piece);
        link.send_to_client(at + lasts, message);
    }

    /// Ends a connection from the controller's side.
    pub(crate) fn end(&mut self, now: Duration, index: usize, ending: Ending) {
        let at = self.arrival_time(now);
        let link = &mut self.links[index];
        let is_subscriber = link.subscriber.take().is_some();
        match ending {
            Ending::Close(code) if is_subscriber => link.send_to_client(at, Arrival::Close(code)),
            Ending::Reset => link.reset(at),
            Ending::MidFrame => {
                link.send_to_client(at, Arrival::Piece);
                link.send_to_client(at, Arrival::Fin);
            }
            _ => link.send_to_client(at, Arrival::Fin),
        }
    }
}

/// What goes wrong.
impl Network {
    /// The controller's machine goes down: each connection is reset, ended or dead, at random.
    pub(crate) fn lose_controller(&mut self, now: Duration) {
        for index in 0..self.links.len() {
            let at = self.arrival_time(now);
            let fate = self.rng.u8(..4);
            let link = &mut self.links[index];
            link.subscriber = None;
            match fate {
                0 => link.reset(at),
                1 => link.send_to_client(at, Arrival::Fin),
                _ => link.die(now),
            }
        }
    }

    /// Makes the streams' connections half-open: nothing passes, and neither end notices. Returns
    /// the subscribers that the controller still has.
    pub(crate) fn half_open(&mut self, now: Duration) -> Vec<SubscriberId> {
        self.cut(|link| link.die(now))
    }

    /// Resets the streams' connections at this time. Returns the subscribers that the controller
    /// has lost.
    pub(crate) fn reset(&mut self, at: Duration) -> Vec<SubscriberId> {
        self.cut(|link| link.reset(at))
    }

    fn cut(&mut self, how: impl Fn(&mut Link)) -> Vec<SubscriberId> {
        let mut cut = Vec::new();
        for link in &mut self.links {
            if let Some(id) = link.subscriber.take() {
                how(link);
                cut.push(id);
            }
        }
        cut
    }

    /// Lets nothing arrive before the given time.
    pub(crate) fn hold(&mut self, now: Duration, until: Duration) {
        self.held_until = self.held_until.max(until);
        for link in &mut self.links {
            link.hold(now, until);
        }
    }
}

/// Look-ups.
impl Network {
    pub(crate) fn link(&mut self, owner: Owner) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.owner == owner)
    }

    /// Returns the indices of the connections with a subscriber, as the controller sees them.
    pub(crate) fn subscribed(&self) -> Vec<usize> {
        let indices = 0..self.links.len();
        let open = indices.filter(|index| self.links[*index].subscriber.is_some());
        open.collect()
    }

    pub(crate) fn find_subscriber(&self, id: SubscriberId) -> Option<usize> {
        let is_its = |link: &Link| link.subscriber == Some(id);
        self.links.iter().position(is_its)
    }

    /// Returns when the client can next read something on one of these connections.
    pub(crate) fn next_arrival(&self, on: impl Fn(&Link) -> bool) -> Option<Duration> {
        let links = self.links.iter().filter(|link| on(link));
        links.filter_map(Link::readable).min()
    }

    /// Returns the first of these connections on which the client can read something now.
    pub(crate) fn find_arrival(&self, now: Duration, on: impl Fn(&Link) -> bool) -> Option<usize> {
        let has_arrival = |link: &Link| link.readable().is_some_and(|at| at <= now);
        let mut links = self.links.iter();
        links.position(|link| on(link) && has_arrival(link))
    }

    /// Returns when the next thing arrives at the controller.
    pub(crate) fn controller_due(&self) -> Option<Duration> {
        self.links.iter().filter_map(Link::controller_due).min()
    }

    /// Returns the WebSocket that the client uses.
    pub(crate) fn open_connection(&self) -> Option<ConnectionId> {
        self.links.iter().find_map(|link| match link.owner {
            Owner::Connection(id) if !link.abandoned && matches!(link.client, ClientEnd::Open) => {
                Some(id)
            }
            _ => None,
        })
    }

    /// Whether the client holds a connection.
    pub(crate) fn is_in_use(&self) -> bool {
        let is_held = |link: &Link| !link.abandoned && !matches!(link.client, ClientEnd::Gone);
        self.links.iter().any(is_held)
    }

    /// Returns the paths of the calls that are in flight.
    pub(crate) fn call_paths(&self) -> Vec<String> {
        self.links.iter().filter_map(Link::call_path).collect()
    }
}

#[cfg(test)]
mod tests {
    use ioxproto::Action;

    use super::*;
    use crate::clock::Clock;
    use crate::settings::Settings;
    use crate::wire::{Payload, Truth};

    const NOW: Duration = Duration::from_secs(100);
    const LATER: Duration = Duration::from_secs(1000);
    /// When something arrives that a calm network sends now.
    const ARRIVAL: Duration = Duration::from_millis(100_001);

    /// Lets the client dial once.
    fn dialed(mut network: Network) -> Network {
        let mut core = Settings::plain().core();
        core.start(Clock::new().client());
        let mut actions = std::iter::from_fn(|| core.poll_action());
        let dial = actions.find_map(|action| match action {
            Action::Connect { id, upgrade, .. } => Some((id, upgrade)),
            _ => None,
        });
        let (id, upgrade) = dial.expect("the core connects at once");
        network.dial(NOW, Owner::Connection(id), upgrade);
        network
    }

    /// Lets the client dial once, and delivers all that this causes.
    fn connected(network: Network) -> Network {
        let mut network = dialed(network);
        read(&mut network);
        while network.links[0].at_controller(LATER).is_some() {}
        network
    }

    fn read(network: &mut Network) -> Vec<(Duration, Arrival)> {
        std::iter::from_fn(|| network.links[0].read(LATER)).collect()
    }

    fn byte(byte: u8) -> Arrival {
        Arrival::Bytes(vec![byte])
    }

    #[test]
    fn the_order_is_kept_whatever_the_jitter() {
        let mut network = connected(Network {
            jitter_micros: 400_000,
            ..Network::calm(1)
        });
        for sent in 0..100 {
            network.send_to_client(NOW, 0, byte(sent));
        }
        let arrivals = read(&mut network);
        assert!(arrivals.is_sorted_by_key(|(at, _)| *at));
        let bytes: Vec<u8> = arrivals
            .iter()
            .filter_map(|(_, arrival)| match arrival {
                Arrival::Bytes(bytes) => bytes.first().copied(),
                _ => None,
            })
            .collect();
        assert_eq!(bytes, (0..100).collect::<Vec<u8>>());
    }

    #[test]
    fn a_slow_line_delivers_the_beginning_of_a_message_before_its_end() {
        let mut network = connected(Network {
            bytes_per_second: Some(100),
            ..Network::calm(1)
        });
        let message = Arrival::Message(Payload::Text(vec![b' '; 196]), Truth::default());
        network.send_to_client(NOW, 0, message);
        let arrivals = read(&mut network);
        let [(begins, Arrival::Piece), (ends, Arrival::Message(..))] = arrivals[..] else {
            panic!("{arrivals:?}");
        };
        assert_eq!(begins, ARRIVAL);
        assert_eq!(ends, ARRIVAL + Duration::from_secs(2));
    }

    #[test]
    fn a_dead_connection_delivers_nothing_but_what_has_arrived() {
        let mut network = connected(Network::calm(1));
        network.send_to_client(NOW, 0, byte(1));
        network.send_to_client(ARRIVAL, 0, byte(2));
        network.links[0].die(ARRIVAL);
        network.send_to_client(ARRIVAL, 0, byte(3));
        network.send(ARRIVAL, network.links[0].owner, Sent::Ping);
        let arrivals = read(&mut network);
        assert!(matches!(arrivals[..], [(_, Arrival::Bytes(_))]));
        assert_eq!(network.controller_due(), None);
    }

    #[test]
    fn a_hold_delays_what_is_in_flight_and_what_is_sent_later() {
        let mut network = connected(Network::calm(1));
        let until = NOW + Duration::from_secs(5);
        network.send_to_client(NOW, 0, byte(1));
        network.send_to_client(ARRIVAL, 0, byte(2));
        network.hold(ARRIVAL, until);
        network.send_to_client(ARRIVAL, 0, byte(3));
        network.send(ARRIVAL, network.links[0].owner, Sent::Ping);
        let arrivals: Vec<_> = read(&mut network).into_iter().map(|(at, _)| at).collect();
        assert_eq!(arrivals, [ARRIVAL, until, until]);
        assert_eq!(network.controller_due(), Some(until));
    }

    #[test]
    fn a_reset_loses_what_was_not_read() {
        let mut network = connected(Network::calm(1));
        network.send_to_client(NOW, 0, byte(1));
        network.end(ARRIVAL, 0, Ending::Reset);
        let arrivals = read(&mut network);
        assert!(matches!(arrivals[..], [(_, Arrival::Reset)]));
    }

    #[test]
    fn input_for_an_abandoned_connection_arrives_only_if_it_lingers() {
        for lingers in [true, false] {
            let mut network = connected(Network::calm(1));
            network.send_to_client(NOW, 0, byte(1));
            network.abandon(NOW, network.links[0].owner, lingers);
            let late = network.find_arrival(LATER, |link| link.abandoned);
            assert_eq!(late.is_some(), lingers);
            assert!(!network.is_in_use());
            let gone = network.links[0].at_controller(LATER);
            assert!(matches!(gone, Some(Sent::Gone)));
        }
    }

    #[test]
    fn only_a_name_that_resolves_leads_to_a_connection() {
        for (names, arrivals, connects) in [
            (Names::Resolve, 1, true),
            (Names::Fail, 1, false),
            (Names::Hang, 0, false),
        ] {
            let mut network = dialed(Network {
                names,
                ..Network::calm(1)
            });
            assert_eq!(read(&mut network).len(), arrivals, "{names:?}");
            let connecting = network.controller_due().is_some();
            assert_eq!(connecting, connects, "{names:?}");
        }
    }
}
