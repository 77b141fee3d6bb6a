//! The connection to the broker.
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
//! * The bridge tries for ever. The waits start over once a connection has held for 30 s.
//! * Each connection has a client of its own, so that nothing of the one before it is sent again by
//!   the library: the machine says what is to be sent.
//! * The session outlives the connection by [`SESSION_EXPIRY`], since a broker publishes the last
//!   will when the session ends: with an expiry of 0 the delay of the will would be void, and with
//!   a clean start every reconnection would publish it. What the session kept meanwhile is late,
//!   and the machine ignores it.
//! * [`Link`] is all that the bridge asks of an MQTT library.

mod rumqtt;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use crate::Broker;
use crate::machine::{BrokerLimits, Message, Publication, PublicationId, Subscription};

/// How long the last will waits, and the session with it.
pub(crate) const SESSION_EXPIRY: Duration = Duration::from_secs(30);
/// The largest message that the broker may send, in bytes.
const LONGEST_MESSAGE: u32 = 256 * 1024;
/// How many pieces of news wait for the bridge.
const WAITING_NEWS: usize = 1024;
/// The waits between attempts, in seconds.
const BACKOFF: [u64; 6] = [1, 2, 5, 10, 30, 60];
/// A connection that lasted this long resets the backoff.
const PROVED: Duration = Duration::from_secs(30);

/// What the broker tells.
pub(crate) enum BrokerEvent {
    Connected(Box<dyn Link>, BrokerLimits),
    Lost,
    Message(Message),
    /// The broker has taken a publication, or refuses it.
    Acknowledged(PublicationId, bool),
}

/// An open connection to a broker. Its methods queue; they never wait.
pub(crate) trait Link: Send {
    /// Publishes at least once, and tells when the broker has taken it.
    fn publish(&self, publication: Publication);
    /// Publishes at least once, not retained.
    fn mark(&self, topic: &str, payload: String);
    fn subscribe(&self, subscription: Subscription);
    fn unsubscribe(&self, filter: String);
    /// Ends the connection.
    fn leave(&self, parting: Parting);
}

/// How a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// The last will is published after its delay.
    WithWill,
    /// The last will is discarded: the bridge has another connection to the same broker.
    Silent,
}

/// What is left on the broker when the bridge goes.
#[derive(Clone, Debug)]
pub(crate) struct LastWill {
    pub(crate) topic: String,
    pub(crate) payload: &'static str,
}

/// Keeps a connection to the broker.
#[derive(Debug)]
pub(crate) struct Session {
    news: mpsc::Receiver<BrokerEvent>,
    task: JoinHandle<()>,
    /// Whether another session is to take its place: its end is then no reason for a warning.
    is_outgoing: Arc<AtomicBool>,
}

impl Session {
    pub(crate) fn start(broker: Broker, client_id: String, will: LastWill) -> Self {
        let (sender, news) = mpsc::channel(WAITING_NEWS);
        let is_outgoing = Arc::<AtomicBool>::default();
        let outgoing = Arc::clone(&is_outgoing);
        let task = tokio::spawn(keep(broker, client_id, will, sender, outgoing));
        Self {
            news,
            task,
            is_outgoing,
        }
    }

    /// Says whether another session is to take its place.
    pub(crate) fn set_outgoing(&self, is_outgoing: bool) {
        self.is_outgoing.store(is_outgoing, Ordering::Relaxed);
    }

    /// Waits until the connection has ended.
    pub(crate) async fn ended(&mut self) {
        while !matches!(self.next().await, None | Some(BrokerEvent::Lost)) {}
    }

    /// What the broker tells next. A dropped future has taken nothing.
    pub(crate) async fn next(&mut self) -> Option<BrokerEvent> {
        self.news.recv().await
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
    news: mpsc::Sender<BrokerEvent>,
    is_outgoing: Arc<AtomicBool>,
) {
    let mut failures = 0;
    let mut last_error = String::new();
    loop {
        let began = Instant::now();
        let error = rumqtt::run(&broker, &client_id, &will, &news).await;
        if news.send(BrokerEvent::Lost).await.is_err() {
            return;
        }
        if began.elapsed() >= PROVED {
            failures = 0;
        }
        let wait = Duration::from_secs(BACKOFF[failures.min(BACKOFF.len() - 1)]);
        failures += 1;
        let has_left = matches!(error, rumqtt::LinkError::Left);
        let is_expected = has_left || is_outgoing.load(Ordering::Relaxed);
        let error = error.to_string();
        let (host, port) = (&broker.host, broker.port);
        // Said once: a broker that is away for a day says the same a thousand times.
        if error == last_error || is_expected {
            debug!(host, port, ?wait, "the broker is away: {error}");
        } else {
            warn!(host, port, ?wait, "the broker is away: {error}");
        }
        last_error = error;
        tokio::time::sleep(wait).await;
    }
}
