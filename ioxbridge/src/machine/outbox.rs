//! What is to be on the broker, what is there, and what is on its way.
//!
//! ```text
//!            set, clear                    next            acknowledged
//!   want ───────────────► queued ───────────────► in flight ───────────────► known
//!                            ▲                        │ refused, broker lost
//!                            └────────────────────────┘ (want differs from known)
//! ```
//!
//! Rules:
//!
//! * Of each topic the latest payload is kept, and one publication at a time is in flight. A newer
//!   payload waits for the acknowledgement of the older one.
//! * A topic is sent if what it is to hold differs from what the broker is known to hold. After a
//!   lost connection nothing is known, so that everything is sent again.
//! * An owner that is held keeps its topics queued: what is on the broker is being listed.
//! * Owners take turns.
//! * Events have no latest payload. At most [`MOST_EVENTS`] wait; the rest are dropped and counted,
//!   as are all while the broker is away, and those in flight when it is lost.
//! * What the broker refuses, or what is larger than it takes, counts as known: it is not sent
//!   again before it changes or the broker comes back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use tracing::warn;

use super::{Publication, PublicationId};

/// How many events wait for the broker.
pub(super) const MOST_EVENTS: usize = 1000;

/// How many publications are in flight at a time, if the broker does not take fewer.
const MOST_IN_FLIGHT: usize = 32;

/// What an MQTT message needs beside topic and payload, at most.
const OVERHEAD: usize = 16;

/// Whose topic it is: a number of the machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Owner(pub(super) u64);

#[derive(Debug)]
pub(super) struct Outbox {
    topics: BTreeMap<Arc<str>, Entry>,
    queues: BTreeMap<Owner, VecDeque<Arc<str>>>,
    held: BTreeSet<Owner>,
    /// Whose turn was last.
    turn: Owner,
    events: VecDeque<(Arc<str>, Arc<[u8]>)>,
    in_flight: BTreeMap<PublicationId, InFlight>,
    next_id: u64,
    limits: Option<BrokerLimits>,
    /// Counts the connections.
    connection: u64,
    counts: OutboxCounts,
}

/// What the outbox has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OutboxCounts {
    pub(super) published: u64,
    pub(super) dropped_events: u64,
    pub(super) refused: u64,
}

/// What a broker takes, as it said when it was connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BrokerLimits {
    /// The largest packet, in bytes.
    pub(crate) packet: usize,
    /// How many publications it takes before it has acknowledged one.
    pub(crate) in_flight: usize,
}

impl Default for BrokerLimits {
    fn default() -> Self {
        Self {
            packet: usize::MAX,
            in_flight: usize::from(u16::MAX),
        }
    }
}

#[derive(Debug)]
struct Entry {
    owner: Owner,
    want: Want,
    /// What the broker holds; `None` if that is not known.
    known: Option<Arc<[u8]>>,
    /// The connection on which that was found, for what is not claimed.
    found_on: u64,
    is_queued: bool,
    is_in_flight: bool,
}

/// What a topic is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Want {
    /// The bridge does not say: it was found on the broker.
    Unclaimed,
    /// Nothing.
    Nothing,
    Payload(Arc<[u8]>),
}

#[derive(Debug)]
enum InFlight {
    State(Arc<str>, Arc<[u8]>),
    Event,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            topics: BTreeMap::new(),
            queues: BTreeMap::new(),
            held: BTreeSet::new(),
            turn: Owner(0),
            events: VecDeque::new(),
            in_flight: BTreeMap::new(),
            next_id: 0,
            limits: None,
            connection: 0,
            counts: OutboxCounts::default(),
        }
    }

    /// Lets a topic hold a payload.
    pub(super) fn set(&mut self, owner: Owner, topic: &str, payload: Vec<u8>) {
        self.want(owner, topic, Want::Payload(payload.into()));
    }

    /// Removes what a topic holds.
    pub(super) fn clear(&mut self, owner: Owner, topic: &str) {
        self.want(owner, topic, Want::Nothing);
    }

    fn want(&mut self, owner: Owner, topic: &str, want: Want) {
        match self.topics.get_mut(topic) {
            Some(entry) => {
                // What an earlier connection found may be gone.
                if entry.want == Want::Unclaimed && entry.found_on != self.connection {
                    entry.known = None;
                }
                entry.owner = owner;
                entry.want = want;
            }
            None => {
                let entry = Entry {
                    owner,
                    want,
                    known: None,
                    found_on: 0,
                    is_queued: false,
                    is_in_flight: false,
                };
                self.topics.insert(topic.into(), entry);
            }
        }
        self.queue(topic);
    }

    /// Queues a topic if it is to be sent and neither queued nor in flight.
    fn queue(&mut self, topic: &str) {
        let Some((topic, _)) = self.topics.get_key_value(topic) else {
            return;
        };
        let topic = Arc::clone(topic);
        let Some(entry) = self.topics.get_mut(&topic) else {
            return;
        };
        if entry.is_due() && !entry.is_queued && !entry.is_in_flight {
            entry.is_queued = true;
            self.queues.entry(entry.owner).or_default().push_back(topic);
        }
    }

    /// An event: sent once or not at all.
    pub(super) fn event(&mut self, topic: &str, payload: Vec<u8>) {
        if self.limits.is_none() {
            self.counts.dropped_events += 1;
            return;
        }
        if self.events.len() == MOST_EVENTS {
            self.events.pop_front();
            self.counts.dropped_events += 1;
        }
        self.events.push_back((topic.into(), payload.into()));
    }

    /// What a topic was found to hold.
    pub(super) fn found(&mut self, owner: Owner, topic: &str, payload: &[u8]) {
        let entry = self.topics.entry(topic.into()).or_insert_with(|| Entry {
            owner,
            want: Want::Unclaimed,
            known: None,
            found_on: 0,
            is_queued: false,
            is_in_flight: false,
        });
        if !entry.is_in_flight {
            entry.known = Some(payload.into());
            entry.found_on = self.connection;
        }
        self.queue(topic);
    }

    /// What a topic is to hold, or was found to hold if the bridge does not say.
    pub(super) fn payload(&self, topic: &str) -> Option<&[u8]> {
        let entry = self.topics.get(topic)?;
        match &entry.want {
            Want::Payload(payload) => Some(payload),
            Want::Unclaimed => entry.known.as_deref().filter(|known| !known.is_empty()),
            Want::Nothing => None,
        }
    }

    /// What the broker holds as far as that is known, else what the topic is to hold.
    pub(super) fn held(&self, topic: &str) -> Option<&[u8]> {
        let known = self.topics.get(topic)?.known.as_deref();
        known.or_else(|| self.payload(topic))
    }

    /// The topics that begin like this and hold something, found ones too.
    pub(super) fn topics_under(&self, prefix: &str) -> Vec<Arc<str>> {
        let from: (Bound<&str>, Bound<&str>) = (Bound::Included(prefix), Bound::Unbounded);
        self.topics
            .range::<str, _>(from)
            .map(|(topic, _)| topic)
            .take_while(|topic| topic.starts_with(prefix))
            .filter(|topic| self.payload(topic).is_some())
            .cloned()
            .collect()
    }

    pub(super) fn hold(&mut self, owner: Owner) {
        self.held.insert(owner);
    }

    pub(super) fn release(&mut self, owner: Owner) {
        self.held.remove(&owner);
    }

    /// Sends what an owner's topics of these hold once more.
    pub(super) fn repeat(&mut self, owner: Owner, is_meant: impl Fn(&str) -> bool) {
        let topics: Vec<Arc<str>> = self
            .topics
            .iter()
            .filter(|(topic, entry)| {
                entry.owner == owner && matches!(entry.want, Want::Payload(_)) && is_meant(topic)
            })
            .map(|(topic, _)| Arc::clone(topic))
            .collect();
        for topic in topics {
            if let Some(entry) = self.topics.get_mut(&topic) {
                entry.known = None;
            }
            self.queue(&topic);
        }
    }

    /// Another broker takes the place of the one so far: what was found there, and what was removed
    /// there, says nothing of it.
    pub(super) fn forget_found(&mut self) {
        self.topics
            .retain(|_, entry| matches!(entry.want, Want::Payload(_)));
    }

    /// The broker is there. What it holds is not known.
    pub(super) fn connected(&mut self, limits: BrokerLimits) {
        self.lost();
        self.limits = Some(limits);
        self.connection += 1;
        let topics: Vec<Arc<str>> = self.topics.keys().cloned().collect();
        for topic in topics {
            if let Some(entry) = self.topics.get_mut(&topic)
                && entry.want != Want::Unclaimed
            {
                entry.known = None;
            }
            self.queue(&topic);
        }
    }

    /// The broker is away.
    pub(super) fn lost(&mut self) {
        self.limits = None;
        self.counts.dropped_events += self.events.len() as u64;
        self.events.clear();
        for (_, in_flight) in std::mem::take(&mut self.in_flight) {
            match in_flight {
                InFlight::Event => self.counts.dropped_events += 1,
                InFlight::State(topic, _) => {
                    if let Some(entry) = self.topics.get_mut(&topic) {
                        entry.is_in_flight = false;
                        entry.known = None;
                    }
                    self.queue(&topic);
                }
            }
        }
    }

    /// The next publication, if the broker is there and takes another.
    pub(super) fn next(&mut self) -> Option<Publication> {
        let limits = self.limits?;
        loop {
            if self.in_flight.len() >= limits.in_flight.min(MOST_IN_FLIGHT) {
                return None;
            }
            let (topic, payload, retain) = match self.events.pop_front() {
                Some((topic, payload)) => (topic, payload, false),
                None => {
                    let (topic, payload) = self.next_state()?;
                    (topic, payload, true)
                }
            };
            if topic.len() + payload.len() + OVERHEAD > limits.packet {
                warn!(%topic, bytes = payload.len(), limit = limits.packet, "the broker takes no message of this size: it is left out");
                self.counts.refused += 1;
                if let Some(entry) = self.topics.get_mut(&topic).filter(|_| retain) {
                    entry.known = Some(payload);
                }
                continue;
            }
            let id = PublicationId(self.next_id);
            self.next_id += 1;
            let in_flight = if retain {
                InFlight::State(Arc::clone(&topic), Arc::clone(&payload))
            } else {
                InFlight::Event
            };
            self.in_flight.insert(id, in_flight);
            return Some(Publication {
                id,
                topic,
                payload,
                retain,
            });
        }
    }

    /// The next topic of the owner whose turn it is, and its payload.
    fn next_state(&mut self) -> Option<(Arc<str>, Arc<[u8]>)> {
        loop {
            let ready = |owner: &Owner| !self.held.contains(owner);
            let after = self
                .queues
                .range(Owner(self.turn.0 + 1)..)
                .map(|(owner, _)| *owner);
            let before = self.queues.range(..=self.turn).map(|(owner, _)| *owner);
            let owner = after.chain(before).find(ready)?;
            self.turn = owner;
            let queue = self.queues.get_mut(&owner)?;
            let topic = queue.pop_front();
            if queue.is_empty() {
                self.queues.remove(&owner);
            }
            let Some(topic) = topic else { continue };
            let Some(entry) = self.topics.get_mut(&topic) else {
                continue;
            };
            if entry.owner != owner {
                // Its new owner's queue has it as well, or will once it is due again.
                entry.is_queued = false;
                self.queue(&topic);
                continue;
            }
            entry.is_queued = false;
            if !entry.is_due() {
                continue;
            }
            entry.is_in_flight = true;
            let payload = match &entry.want {
                Want::Payload(payload) => Arc::clone(payload),
                Want::Nothing | Want::Unclaimed => Arc::from([]),
            };
            return Some((topic, payload));
        }
    }

    /// The broker has taken a publication, or refuses it.
    pub(super) fn acknowledged(&mut self, id: PublicationId, is_taken: bool) {
        let Some(in_flight) = self.in_flight.remove(&id) else {
            return;
        };
        if is_taken {
            self.counts.published += 1;
        } else {
            self.counts.refused += 1;
        }
        let InFlight::State(topic, payload) = in_flight else {
            return;
        };
        let Some(entry) = self.topics.get_mut(&topic) else {
            return;
        };
        entry.is_in_flight = false;
        let is_gone = payload.is_empty() && entry.want == Want::Nothing;
        entry.known = Some(payload);
        if is_gone {
            self.topics.remove(&topic);
        } else {
            self.queue(&topic);
        }
    }

    pub(super) fn counts(&self) -> OutboxCounts {
        self.counts
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether nothing is queued or in flight but topics of this owner.
    pub(super) fn is_idle_but(&self, owner: Owner) -> bool {
        self.in_flight.is_empty() && self.queues.keys().all(|queued| *queued == owner)
    }

    pub(super) fn waiting(&self) -> usize {
        self.events.len() + self.queues.values().map(VecDeque::len).sum::<usize>()
    }

    pub(super) fn is_connected(&self) -> bool {
        self.limits.is_some()
    }
}

impl Entry {
    /// Whether the broker holds something else than it should.
    fn is_due(&self) -> bool {
        match &self.want {
            Want::Unclaimed => false,
            Want::Nothing => self.known.as_deref() != Some(&[]),
            Want::Payload(payload) => self.known.as_ref() != Some(payload),
        }
    }
}
