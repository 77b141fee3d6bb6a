//! Keeps a connection to the broker.
//!
//! ```text
//!            connected                lost, refused
//!   trying ────────────► connected ────────────────► waiting ──► trying
//!      │  failed                                         ▲  1, 2, 5, 10, 30, 60 s
//!      └─────────────────────────────────────────────────┘
//! ```
//!
//! Rules:
//!
//! * The bridge retries without a limit. A connection that lasts 30 s resets the backoff.
//! * Each connection uses a new client of the library, so that the library does not resend messages
//!   of the previous connection. The machine decides what is sent.
//! * The session outlives the connection by [`SESSION_EXPIRY`], because the broker publishes the
//!   last will at the latest when the session ends. With an expiry of 0 the delay of the will would
//!   have no effect, and with a clean start every reconnect would publish the will. The machine
//!   ignores commands that the broker kept for the session.
//! * [`Link`] is the only interface of the bridge to an MQTT library.

mod rumqtt;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use crate::Broker;
use crate::machine::{BrokerLimits, Message, Publication, PublicationId, Subscription};

/// The delay of the last will, and the expiry of the session.
pub(crate) const SESSION_EXPIRY: Duration = Duration::from_secs(30);
/// The maximum size of a packet from the broker, in bytes.
const MAX_PACKET: u32 = 256 * 1024;
/// The maximum number of events that wait for the bridge.
const MAX_WAITING_EVENTS: usize = 1024;
/// The waits between attempts, in seconds.
const BACKOFF: [u64; 6] = [1, 2, 5, 10, 30, 60];
/// A connection that lasted this long resets the backoff.
const STABLE_AFTER: Duration = Duration::from_secs(30);

/// An event from the connection to a broker.
pub(crate) enum BrokerEvent {
    Connected(Box<dyn Link>, BrokerLimits),
    Lost,
    Message(Message),
    /// The broker has accepted a publication (`true`) or refused it.
    Acknowledged(PublicationId, bool),
}

/// An open connection to a broker. Its methods queue a request and return at once.
pub(crate) trait Link: Send {
    /// Publishes with QoS 1, and reports the acknowledgement as [`BrokerEvent::Acknowledged`].
    fn publish(&self, publication: Publication);
    /// Publishes a mark: with QoS 1, not retained.
    fn mark(&self, topic: &str, payload: String);
    fn subscribe(&self, subscription: Subscription);
    fn unsubscribe(&self, filter: String);
    /// Closes the connection.
    fn leave(&self, parting: Parting);
}

/// How a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// The last will is published after its delay.
    WithWill,
    /// The last will is discarded: the bridge has another connection to the same broker.
    Silent,
}

/// The message that the broker publishes when the connection is lost.
#[derive(Clone, Debug)]
pub(crate) struct LastWill {
    pub(crate) topic: String,
    pub(crate) payload: &'static str,
}

/// A task that keeps a connection to a broker.
#[derive(Debug)]
pub(crate) struct Session {
    events: mpsc::Receiver<BrokerEvent>,
    task: JoinHandle<()>,
    /// Whether another session will replace this one. A lost connection is then not a warning.
    is_to_be_replaced: Arc<AtomicBool>,
}

impl Session {
    pub(crate) fn start(broker: Broker, client_id: String, will: LastWill) -> Self {
        let (sender, events) = mpsc::channel(MAX_WAITING_EVENTS);
        let is_to_be_replaced = Arc::<AtomicBool>::default();
        let outgoing = Arc::clone(&is_to_be_replaced);
        let task = tokio::spawn(keep(broker, client_id, will, sender, outgoing));
        Self {
            events,
            task,
            is_to_be_replaced,
        }
    }

    /// Sets whether another session will replace this one.
    pub(crate) fn set_to_be_replaced(&self, is_to_be_replaced: bool) {
        self.is_to_be_replaced
            .store(is_to_be_replaced, Ordering::Relaxed);
    }

    /// Waits until the connection has ended.
    pub(crate) async fn wait_for_end(&mut self) {
        while !matches!(self.next().await, None | Some(BrokerEvent::Lost)) {}
    }

    /// Waits for the next event. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<BrokerEvent> {
        self.events.recv().await
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(
    broker: Broker,
    client_id: String,
    will: LastWill,
    sender: mpsc::Sender<BrokerEvent>,
    is_to_be_replaced: Arc<AtomicBool>,
) {
    let mut failures = 0;
    let mut last_error = String::new();
    loop {
        let began = Instant::now();
        let error = rumqtt::run(&broker, &client_id, &will, &sender).await;
        if sender.send(BrokerEvent::Lost).await.is_err() {
            return;
        }
        if began.elapsed() >= STABLE_AFTER {
            failures = 0;
        }
        let wait = Duration::from_secs(BACKOFF[failures.min(BACKOFF.len() - 1)]);
        failures += 1;
        let has_left = matches!(error, rumqtt::LinkError::Left);
        let is_expected = has_left || is_to_be_replaced.load(Ordering::Relaxed);
        let error = error.to_string();
        let (host, port) = (&broker.host, broker.port);
        // Warn only when the error changes: an outage of a day repeats it a thousand times.
        if error == last_error || is_expected {
            debug!(host, port, ?wait, "the broker is not connected: {error}");
        } else {
            warn!(host, port, ?wait, "the broker is not connected: {error}");
        }
        last_error = error;
        tokio::time::sleep(wait).await;
    }
}
