//! The broker in use, and the one that is to take its place.
//!
//! ```text
//!   replace ──► trying the new one ──connected──► the new one is in use, the old one is left
//!                  │       ▲
//!                  └failed─┘  the old one stays in use
//! ```
//!
//! If the old one is not connected, the new one takes its place at once.

use std::time::Duration;

use tokio::time::timeout;
use tracing::{info, warn};

use crate::Broker;
use crate::machine::{BrokerLimits, Message, PublicationId};
use crate::mqtt::{BrokerEvent, LastWill, Link, Parting, Session};
use crate::topics::BridgeTopics;

/// How long the broker has for what is still to be sent when the bridge leaves it.
pub(crate) const FAREWELL: Duration = Duration::from_secs(1);

/// The sessions of a bridge with brokers.
pub(crate) struct Brokers {
    instance: String,
    current: Option<Kept>,
    next: Option<Kept>,
    link: Option<Box<dyn Link>>,
}

/// A broker to which a connection is kept.
struct Kept {
    broker: Broker,
    session: Session,
    has_failed: bool,
}

/// What is heard of brokers.
pub(crate) enum Heard {
    Connected {
        limits: BrokerLimits,
        /// Whether it takes the place of another.
        is_new: bool,
    },
    Lost,
    Message(Message),
    /// The broker has taken a publication, or refuses it.
    Acknowledged(PublicationId, bool),
}

impl Brokers {
    pub(crate) fn new(instance: &str, broker: Option<Broker>) -> Self {
        Self {
            instance: instance.to_owned(),
            current: broker.map(|broker| Kept::start(broker, instance)),
            next: None,
            link: None,
        }
    }

    /// The connection to the broker in use.
    pub(crate) fn link(&self) -> Option<&dyn Link> {
        self.link.as_deref()
    }

    /// The broker in use, connected or not.
    pub(crate) fn broker(&self) -> Option<&Broker> {
        self.current.as_ref().map(|kept| &kept.broker)
    }

    /// What is heard next. A dropped future has taken nothing.
    pub(crate) async fn next(&mut self) -> Heard {
        loop {
            let (event, is_new) = tokio::select! {
                Some(event) = event_of(self.current.as_mut()) => (event, false),
                Some(event) = event_of(self.next.as_mut()) => (event, true),
                else => std::future::pending().await,
            };
            match event {
                BrokerEvent::Connected(link, limits) => {
                    if is_new {
                        self.take_over();
                    }
                    self.link = Some(link);
                    return Heard::Connected { limits, is_new };
                }
                BrokerEvent::Lost if is_new => {
                    if let Some(next) = &mut self.next {
                        next.failed();
                    }
                }
                BrokerEvent::Lost => {
                    self.link = None;
                    return Heard::Lost;
                }
                // It says nothing before it is connected, and then it is in use.
                _ if is_new => {}
                BrokerEvent::Message(message) => return Heard::Message(message),
                BrokerEvent::Acknowledged(id, is_taken) => {
                    return Heard::Acknowledged(id, is_taken);
                }
            }
        }
    }

    /// Takes another broker, or none, in the place of the one so far. Says whether that is in use
    /// now; otherwise [`next`](Self::next) tells when it is.
    pub(crate) fn replace(&mut self, broker: Option<Broker>) -> bool {
        self.next = None;
        if let Some(current) = &self.current {
            current.session.set_outgoing(false);
        }
        if self.broker() == broker.as_ref() {
            return false;
        }
        let next = broker.map(|broker| Kept::start(broker, &self.instance));
        match (&self.current, next) {
            (Some(current), Some(next)) if self.link.is_some() => {
                let (host, port) = (&next.broker.host, next.broker.port);
                info!(
                    host,
                    port, "the broker is replaced as soon as the new one is connected"
                );
                current.session.set_outgoing(true);
                self.next = Some(next);
                false
            }
            (_, next) => {
                self.next = next;
                self.take_over();
                true
            }
        }
    }

    /// Lets the next broker, or none, be the one in use, and leaves the one so far.
    fn take_over(&mut self) {
        let next = self.next.take();
        // Where both are one broker, its last will would be published although the bridge is there.
        let place = |kept: &Kept| (kept.broker.host.clone(), kept.broker.port);
        let old = std::mem::replace(&mut self.current, next);
        let is_same = old.as_ref().map(place) == self.current.as_ref().map(place);
        let link = self.link.take();
        if let (Some(mut old), Some(link)) = (old, link) {
            link.leave(match is_same {
                true => Parting::Silent,
                false => Parting::WithWill,
            });
            tokio::spawn(async move {
                // Leave even if the broker does not answer.
                let _ = timeout(FAREWELL, old.session.ended()).await;
            });
        }
    }

    /// Leaves the broker in use.
    pub(crate) async fn leave(&mut self) {
        if let (Some(link), Some(current)) = (&self.link, &mut self.current) {
            link.leave(Parting::WithWill);
            current.session.ended().await;
        }
    }
}

impl Kept {
    fn start(broker: Broker, instance: &str) -> Self {
        let client_id = broker.client_id.clone();
        let client_id = client_id.unwrap_or_else(|| format!("iox-{instance}"));
        let will = LastWill {
            topic: BridgeTopics::new(instance).state,
            payload: "offline",
        };
        Self {
            session: Session::start(broker.clone(), client_id, will),
            broker,
            has_failed: false,
        }
    }

    /// An attempt to take the place of another failed.
    fn failed(&mut self) {
        if !std::mem::replace(&mut self.has_failed, true) {
            let (host, port) = (&self.broker.host, self.broker.port);
            warn!(
                host,
                port, "the new broker cannot be had: the old one stays in use until it can"
            );
        }
    }
}

async fn event_of(kept: Option<&mut Kept>) -> Option<BrokerEvent> {
    match kept {
        Some(kept) => kept.session.next().await,
        None => std::future::pending().await,
    }
}
