//! The broker in use, and the one that replaces it.
//!
//! ```text
//!   replace ──► trying the new one ──connected──► the new one is in use, the old one is closed
//!                  │       ▲
//!                  └failed─┘  the old one stays in use
//! ```
//!
//! If the old one is not connected, the new one replaces it at once.

use std::time::Duration;

use tokio::time::timeout;
use tracing::{info, warn};

use crate::Broker;
use crate::machine::{BrokerLimits, Message, PublicationId};
use crate::mqtt::{BrokerEvent, LastWill, Link, Parting, Session};
use crate::topics::BridgeTopics;

/// How long to wait for outstanding messages when the bridge disconnects from a broker.
pub(crate) const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// The broker sessions of a bridge.
pub(crate) struct Brokers {
    instance: String,
    /// The broker that is used.
    current: Option<ManagedBroker>,
    /// The broker that replaces the current one once it is connected.
    next: Option<ManagedBroker>,
    link: Option<Box<dyn Link>>,
}

/// A broker and the session that keeps a connection to it.
struct ManagedBroker {
    broker: Broker,
    session: Session,
    has_failed: bool,
}

/// An event from the broker in use, or from the one that replaces it.
pub(crate) enum BrokerInput {
    Connected {
        limits: BrokerLimits,
        /// Whether this broker replaces the previous one.
        is_new: bool,
    },
    Lost,
    Message(Message),
    /// The broker has accepted a publication (`true`) or refused it.
    Acknowledged(PublicationId, bool),
}

impl Brokers {
    pub(crate) fn new(instance: &str, broker: Option<Broker>) -> Self {
        Self {
            instance: instance.to_owned(),
            current: broker.map(|broker| ManagedBroker::start(broker, instance)),
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
        self.current.as_ref().map(|managed| &managed.broker)
    }

    /// Waits for the next event. Cancel-safe.
    pub(crate) async fn next(&mut self) -> BrokerInput {
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
                    return BrokerInput::Connected { limits, is_new };
                }
                BrokerEvent::Lost if is_new => {
                    if let Some(next) = &mut self.next {
                        next.failed();
                    }
                }
                BrokerEvent::Lost => {
                    self.link = None;
                    return BrokerInput::Lost;
                }
                // Once connected, the new broker is the current one and no longer `next`.
                _ if is_new => {}
                BrokerEvent::Message(message) => return BrokerInput::Message(message),
                BrokerEvent::Acknowledged(id, is_taken) => {
                    return BrokerInput::Acknowledged(id, is_taken);
                }
            }
        }
    }

    /// Switches to another broker, or to none. Returns whether the broker was replaced at once. If
    /// not, [`next`](Self::next) returns [`BrokerInput::Connected`] once the new broker is
    /// connected. Returns `false` also if the broker is already in use; then nothing is replaced.
    pub(crate) fn replace(&mut self, broker: Option<Broker>) -> bool {
        self.next = None;
        if let Some(current) = &self.current {
            current.session.set_to_be_replaced(false);
        }
        if self.broker() == broker.as_ref() {
            return false;
        }
        let next = broker.map(|broker| ManagedBroker::start(broker, &self.instance));
        match (&self.current, next) {
            (Some(current), Some(next)) if self.link.is_some() => {
                let (host, port) = (&next.broker.host, next.broker.port);
                info!(
                    host,
                    port, "the broker is replaced as soon as the new one is connected"
                );
                current.session.set_to_be_replaced(true);
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

    /// Makes the next broker, or none, the current one, and disconnects from the previous one.
    fn take_over(&mut self) {
        let next = self.next.take();
        // If both are the same broker, it must not publish the last will, because the bridge is
        // still connected.
        let place = |managed: &ManagedBroker| (managed.broker.host.clone(), managed.broker.port);
        let old = std::mem::replace(&mut self.current, next);
        let is_same = old.as_ref().map(place) == self.current.as_ref().map(place);
        let link = self.link.take();
        if let (Some(mut old), Some(link)) = (old, link) {
            link.leave(match is_same {
                true => Parting::Silent,
                false => Parting::WithWill,
            });
            tokio::spawn(async move {
                // Disconnect even if the broker does not answer.
                let _ = timeout(LEAVE_TIMEOUT, old.session.wait_for_end()).await;
            });
        }
    }

    /// Disconnects from the broker in use.
    pub(crate) async fn leave(&mut self) {
        if let (Some(link), Some(current)) = (&self.link, &mut self.current) {
            link.leave(Parting::WithWill);
            current.session.wait_for_end().await;
        }
    }
}

impl ManagedBroker {
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

    /// Logs the first failed attempt to connect to a replacement.
    fn failed(&mut self) {
        if !std::mem::replace(&mut self.has_failed, true) {
            let (host, port) = (&self.broker.host, self.broker.port);
            warn!(
                host,
                port,
                "cannot connect to the new broker: the old one stays in use until that succeeds"
            );
        }
    }
}

async fn event_of(managed: Option<&mut ManagedBroker>) -> Option<BrokerEvent> {
    match managed {
        Some(managed) => managed.session.next().await,
        None => std::future::pending().await,
    }
}
