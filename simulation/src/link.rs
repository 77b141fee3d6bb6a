//! One TCP connection between the machines, from its first packet to its last: what is under way in
//! each direction, in order, and the two ends.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use ioxproto::{ConnectionId, Exchange, RequestId};
use ioxsim::SubscriberId;

use crate::wire::{Arrival, Sent};
use crate::witness::path_of;

/// From this time on for one message, its beginning is there to read before its end.
const TRICKLES: Duration = Duration::from_millis(50);

/// What the client has it for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Connection(ConnectionId),
    Request(RequestId),
}

/// The client's end.
#[derive(Debug)]
pub(crate) enum ClientEnd {
    /// Until the answer to the request is there.
    Exchange(Box<Exchange>),
    /// Answered; what becomes of it is the core's to say.
    Answered,
    /// A WebSocket.
    Open,
    /// Dropped.
    Gone,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) owner: Owner,
    pub(crate) client: ClientEnd,
    /// The core has abandoned it, and a driver that has not caught up with that still tells of it.
    pub(crate) abandoned: bool,
    /// Nothing passes any more, and neither end knows.
    pub(crate) dead: bool,
    /// The certificate that was shown on it is one that the client accepts.
    pub(crate) trusted: bool,
    pub(crate) subscriber: Option<SubscriberId>,
    /// Frames of the replay that the controller has yet to send, heartbeats not counted.
    pub(crate) replay_left: usize,
    pub(crate) accepted_at: Duration,
    /// How much later the answer comes.
    pub(crate) delay: Duration,
    /// The controller's wall clock when it accepted the subscriber.
    pub(crate) accepted_utc: SystemTime,
    /// When the controller sent the end mark.
    pub(crate) marked_at: Option<Duration>,
    /// The controller's wall clock was set, and no heartbeat has left since.
    pub(crate) clock_set: bool,
    /// The same at any time on this connection.
    pub(crate) clock_was_set: bool,
    /// What passes towards the client in a second, if the line is slow.
    pub(crate) bytes_per_second: Option<u32>,
    inbound: VecDeque<(Duration, Arrival)>,
    outbound: VecDeque<(Duration, Sent)>,
}

impl Link {
    pub(crate) fn new(owner: Owner, exchange: Exchange, bytes_per_second: Option<u32>) -> Self {
        Self {
            accepted_utc: SystemTime::UNIX_EPOCH,
            marked_at: None,
            clock_set: false,
            clock_was_set: false,
            bytes_per_second,
            owner,
            client: ClientEnd::Exchange(Box::new(exchange)),
            abandoned: false,
            dead: false,
            trusted: false,
            subscriber: None,
            replay_left: 0,
            accepted_at: Duration::ZERO,
            delay: Duration::ZERO,
            inbound: VecDeque::new(),
            outbound: VecDeque::new(),
        }
    }

    /// Something is under way to the client, and is there at this time, or when what was sent
    /// before it is.
    pub(crate) fn send_to_client(&mut self, at: Duration, arrival: Arrival) {
        if !self.dead {
            let before = self.inbound.back().map_or(at, |(before, _)| *before);
            let begins = at.max(before);
            let lasts = self
                .bytes_per_second
                .map(|rate| arrival.length() / f64::from(rate));
            let lasts = Duration::from_secs_f64(lasts.unwrap_or(0.0));
            if matches!(arrival, Arrival::Message(..)) && lasts >= TRICKLES {
                self.inbound.push_back((begins, Arrival::Piece));
            }
            self.inbound.push_back((begins + lasts, arrival));
        }
    }

    pub(crate) fn send_to_controller(&mut self, at: Duration, sent: Sent) {
        if !self.dead {
            let before = self.outbound.back().map_or(at, |(before, _)| *before);
            self.outbound.push_back((at.max(before), sent));
        }
    }

    pub(crate) fn is_of_request(&self) -> bool {
        matches!(self.owner, Owner::Request(_))
    }

    /// The path of the call that is under way on it.
    pub(crate) fn call_path(&self) -> Option<String> {
        match (&self.owner, &self.client) {
            (Owner::Request(_), ClientEnd::Exchange(exchange))
                if !self.abandoned && exchange.request().starts_with(b"GET ") =>
            {
                Some(path_of(exchange.request()))
            }
            _ => None,
        }
    }

    /// When the client has something to read.
    pub(crate) fn readable(&self) -> Option<Duration> {
        let (at, _) = self.inbound.front()?;
        (!matches!(self.client, ClientEnd::Gone)).then_some(*at)
    }

    pub(crate) fn read(&mut self, now: Duration) -> Option<(Duration, Arrival)> {
        self.readable().filter(|at| *at <= now)?;
        self.inbound.pop_front()
    }

    /// How much the client has not read yet.
    pub(crate) fn unread(&self, now: Duration) -> usize {
        self.inbound.partition_point(|(at, _)| *at <= now)
    }

    pub(crate) fn controller_due(&self) -> Option<Duration> {
        self.outbound.front().map(|(at, _)| *at)
    }

    pub(crate) fn at_controller(&mut self, now: Duration) -> Option<Sent> {
        self.controller_due().filter(|at| *at <= now)?;
        self.outbound.pop_front().map(|(_, sent)| sent)
    }

    /// The network lets nothing through until then.
    pub(crate) fn hold(&mut self, now: Duration, until: Duration) {
        for (at, _) in &mut self.inbound {
            if *at > now {
                *at = (*at).max(until);
            }
        }
        for (at, _) in &mut self.outbound {
            *at = (*at).max(until);
        }
    }

    /// The line is slow no longer: what was on its way is there.
    pub(crate) fn speed_up(&mut self, now: Duration) {
        if self.bytes_per_second.take().is_some() {
            for (at, _) in &mut self.inbound {
                *at = (*at).min(now);
            }
        }
    }

    /// From now on nothing passes. What the client has received already it can still read.
    pub(crate) fn die(&mut self, now: Duration) {
        self.dead = true;
        self.inbound.truncate(self.unread(now));
        self.outbound.clear();
    }

    /// The connection is reset: what the client has not read is lost.
    pub(crate) fn reset(&mut self, at: Duration) {
        if !self.dead {
            self.inbound.clear();
            self.inbound.push_back((at, Arrival::Reset));
        }
    }

    pub(crate) fn drop_client_end(&mut self) {
        self.client = ClientEnd::Gone;
        self.inbound.clear();
    }

    /// Whether nothing more can happen on it.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.client, ClientEnd::Gone) && (self.outbound.is_empty() || self.dead)
    }
}
