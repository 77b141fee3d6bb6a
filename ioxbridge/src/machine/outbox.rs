//! The outgoing messages: what each topic should hold, what the broker holds, and what is in
//! flight.
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
//! * Each topic has its latest payload and at most one publication in flight. A newer payload waits
//!   for the acknowledgement of the older one.
//! * A topic is sent if its wanted payload differs from the payload that the broker is known to
//!   hold. After a lost connection no payload is known, so everything is sent again.
//! * The topics of a held owner stay queued. An owner is held while its retained messages are
//!   listed.
//! * Owners take turns.
//! * Events are sent at most once and are not merged. At most [`MAX_EVENTS`] wait; beyond that,
//!   the oldest is dropped and counted. Events are also dropped and counted while the broker is
//!   disconnected, and if they are in flight when the connection is lost.
//! * A payload that the broker refuses, or that is too large for it, counts as known: it is sent
//!   again only after a change or on the next connection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use tracing::warn;

use super::{Publication, PublicationId};

/// The maximum number of events that wait for the broker.
pub(super) const MAX_EVENTS: usize = 1000;

/// The maximum number of publications in flight, if the broker's limit is not lower.
const MAX_IN_FLIGHT: usize = 32;

/// The maximum size of an MQTT message without its topic and payload, in bytes.
const OVERHEAD: usize = 16;

/// Identifies the owner of a topic: a house, or the bridge itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Owner(pub(super) u64);

/// The outgoing messages of all owners.
#[derive(Debug)]
pub(super) struct Outbox {
    topics: BTreeMap<Arc<str>, Entry>,
    /// The topics to send, by owner.
    queues: BTreeMap<Owner, VecDeque<Arc<str>>>,
    /// The owners whose topics stay queued.
    held: BTreeSet<Owner>,
    /// The owner that had the last turn.
    turn: Owner,
    events: VecDeque<(Arc<str>, Arc<[u8]>)>,
    in_flight: BTreeMap<PublicationId, InFlight>,
    next_id: u64,
    limits: Option<BrokerLimits>,
    /// The number of connections so far.
    connection: u64,
    counts: OutboxCounts,
}

/// The counters of the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OutboxCounts {
    pub(super) published: u64,
    pub(super) dropped_events: u64,
    pub(super) refused: u64,
}

/// The limits that a broker announces when it accepts a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BrokerLimits {
    /// The largest packet, in bytes.
    pub(crate) packet: usize,
    /// The maximum number of unacknowledged publications.
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

/// The state of one topic.
#[derive(Debug)]
struct Entry {
    owner: Owner,
    want: Want,
    /// The payload that the broker holds; `None` if unknown.
    known: Option<Arc<[u8]>>,
    /// For an unclaimed topic, the connection on which it was found.
    found_on: u64,
    is_queued: bool,
    is_in_flight: bool,
}

/// What a topic should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Want {
    /// Found on the broker; the bridge has not decided yet.
    Unclaimed,
    /// No retained message.
    Nothing,
    Payload(Arc<[u8]>),
}

/// What a publication in flight carries.
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

    /// Sets the payload that a topic should hold.
    pub(super) fn set(&mut self, owner: Owner, topic: &str, payload: Vec<u8>) {
        self.want(owner, topic, Want::Payload(payload.into()));
    }

    /// Removes the retained message of a topic.
    pub(super) fn clear(&mut self, owner: Owner, topic: &str) {
        self.want(owner, topic, Want::Nothing);
    }

    fn want(&mut self, owner: Owner, topic: &str, want: Want) {
        match self.topics.get_mut(topic) {
            Some(entry) => {
                // A payload that was found on an earlier connection may be outdated.
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

    /// Queues a topic if it is due and neither queued nor in flight.
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

    /// Adds an event, which is sent once or dropped.
    pub(super) fn event(&mut self, topic: &str, payload: Vec<u8>) {
        if self.limits.is_none() {
            self.counts.dropped_events += 1;
            return;
        }
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
            self.counts.dropped_events += 1;
        }
        self.events.push_back((topic.into(), payload.into()));
    }

    /// Notes the payload that a topic was found to hold.
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

    /// Returns the wanted payload of a topic, or the found one if the topic is unclaimed.
    pub(super) fn payload(&self, topic: &str) -> Option<&[u8]> {
        let entry = self.topics.get(topic)?;
        match &entry.want {
            Want::Payload(payload) => Some(payload),
            Want::Unclaimed => entry.known.as_deref().filter(|known| !known.is_empty()),
            Want::Nothing => None,
        }
    }

    /// Returns the payload that the broker holds or, if unknown, the wanted payload.
    pub(super) fn held_payload(&self, topic: &str) -> Option<&[u8]> {
        let known = self.topics.get(topic)?.known.as_deref();
        known.or_else(|| self.payload(topic))
    }

    /// Returns the topics with this prefix that have a payload, including unclaimed ones.
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

    /// Sends the payloads of an owner's topics again, for the topics that `is_selected` selects.
    pub(super) fn repeat(&mut self, owner: Owner, is_selected: impl Fn(&str) -> bool) {
        let topics: Vec<Arc<str>> = self
            .topics
            .iter()
            .filter(|(topic, entry)| {
                entry.owner == owner && matches!(entry.want, Want::Payload(_)) && is_selected(topic)
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

    /// Forgets what was found and removed on the previous broker, because another one replaces it.
    pub(super) fn forget_found(&mut self) {
        self.topics
            .retain(|_, entry| matches!(entry.want, Want::Payload(_)));
    }

    /// Handles a new connection: what the broker holds is unknown.
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

    /// Handles the loss of the connection.
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

    /// Takes the next publication, if the broker is connected and accepts another.
    pub(super) fn next(&mut self) -> Option<Publication> {
        let limits = self.limits?;
        loop {
            if self.in_flight.len() >= limits.in_flight.min(MAX_IN_FLIGHT) {
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
                warn!(%topic, bytes = payload.len(), limit = limits.packet, "the message exceeds the broker's limit and is not sent");
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

    /// Takes the next topic of the owner whose turn it is, and its payload.
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
                // The topic has a new owner: queue it there if it is still due.
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

    /// Handles the broker's acknowledgement, or refusal, of a publication.
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

    /// Whether nothing is in flight, and only topics of this owner are queued.
    pub(super) fn is_idle_except(&self, owner: Owner) -> bool {
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
    /// Whether the broker's payload is unknown or differs from the wanted one.
    fn is_due(&self) -> bool {
        match &self.want {
            Want::Unclaimed => false,
            Want::Nothing => self.known.as_deref() != Some(&[]),
            Want::Payload(payload) => self.known.as_ref() != Some(payload),
        }
    }
}
