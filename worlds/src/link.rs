//! One TCP connection between the machines: what is in flight in each direction, in order, and the
//! state of both ends.

use std::collections::VecDeque;
use std::time::Duration;

use ioxproto::{ConnectionId, Exchange, RequestId};
use ioxsim::SubscriberId;

use crate::checker::path_of;
use crate::subscription::Subscription;
use crate::wire::{Arrival, Sent};

/// If a message takes this long to transfer, its beginning can be read before its end.
const SLOW_TRANSFER: Duration = Duration::from_millis(50);

/// What the client uses the connection for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Connection(ConnectionId),
    Request(RequestId),
}

/// The client's end.
#[derive(Debug)]
pub(crate) enum ClientEnd {
    /// The answer to the request is not complete.
    Exchange(Box<Exchange>),
    /// Answered; the core decides how it is used.
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
    /// The core has abandoned it, but the driver still reports its input.
    pub(crate) abandoned: bool,
    /// Nothing passes any more, and neither end notices.
    pub(crate) dead: bool,
    /// The client accepts the certificate that was shown on it.
    pub(crate) trusted: bool,
    pub(crate) subscriber: Option<SubscriberId>,
    pub(crate) subscription: Subscription,
    /// The rate towards the client, if the line is slow.
    pub(crate) bytes_per_second: Option<u32>,
    inbound: VecDeque<(Duration, Arrival)>,
    outbound: VecDeque<(Duration, Sent)>,
}

impl Link {
    pub(crate) fn new(owner: Owner, exchange: Exchange, bytes_per_second: Option<u32>) -> Self {
        Self {
            bytes_per_second,
            owner,
            client: ClientEnd::Exchange(Box::new(exchange)),
            abandoned: false,
            dead: false,
            trusted: false,
            subscriber: None,
            subscription: Subscription::new(),
            inbound: VecDeque::new(),
            outbound: VecDeque::new(),
        }
    }

    /// Sends something to the client. It arrives at this time, but not before anything that was
    /// sent earlier.
    pub(crate) fn send_to_client(&mut self, at: Duration, arrival: Arrival) {
        if !self.dead {
            let before = self.inbound.back().map_or(at, |(before, _)| *before);
            let begins = at.max(before);
            let lasts = self
                .bytes_per_second
                .map(|rate| arrival.length() / f64::from(rate));
            let lasts = Duration::from_secs_f64(lasts.unwrap_or(0.0));
            if matches!(arrival, Arrival::Message(..)) && lasts >= SLOW_TRANSFER {
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

    pub(crate) fn is_for_request(&self) -> bool {
        matches!(self.owner, Owner::Request(_))
    }

    /// Returns the path of the call that is in flight on it.
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

    /// Returns the number of arrivals that the client has not read yet.
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

    /// Delays everything in flight until the given time.
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

    /// Ends the slow rate: what was in flight has arrived.
    pub(crate) fn speed_up(&mut self, now: Duration) {
        if self.bytes_per_second.take().is_some() {
            for (at, _) in &mut self.inbound {
                *at = (*at).min(now);
            }
        }
    }

    /// Lets nothing pass from now on. The client can still read what has arrived.
    pub(crate) fn die(&mut self, now: Duration) {
        self.dead = true;
        self.inbound.truncate(self.unread(now));
        self.outbound.clear();
    }

    /// Resets the connection: what the client has not read is lost.
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
