//! The stream machine.

mod stats;

pub use stats::Stats;

use std::time::{Instant, SystemTime};

use crate::{
    Action, Config, ConnectionId, ExchangeError, Failure, Notification, Now, Phase, Status,
};

/// What came in on an open WebSocket, as the library below saw it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Message<'a> {
    /// A text message's bytes, UTF-8 or not.
    Text(&'a [u8]),
    /// A binary message; never an event.
    Binary(&'a [u8]),
    /// A ping; the WebSocket library answers it.
    Ping,
    /// A pong.
    Pong,
}

/// When to tick next, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadline {
    /// The instant.
    pub at: Instant,
    /// What is due then, for logs and tests.
    pub reason: &'static str,
}

/// The machine.
#[derive(Debug)]
pub struct EventStream {
    config: Config,
}

#[allow(unused_variables)]
impl EventStream {
    /// A stream at rest.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// Begins, or begins anew after a stop or a failure. Does nothing while running.
    pub fn start(&mut self, now: Now) {}

    /// Ends politely, from any state.
    pub fn stop(&mut self, now: Now) {}

    /// An attempt has come this far.
    pub fn phase(&mut self, now: Now, id: ConnectionId, phase: Phase) {}

    /// The upgrade exchange is over.
    pub fn upgrade_answered(
        &mut self,
        now: Now,
        id: ConnectionId,
        answer: Result<http::Response<Vec<u8>>, ExchangeError>,
    ) {
    }

    /// A message came.
    pub fn message(
        &mut self,
        now: Now,
        id: ConnectionId,
        message: Message<'_>,
    ) -> Option<Notification> {
        None
    }

    /// Bytes came, and whether they end in the middle of a message. Optional but advised.
    pub fn bytes_received(&mut self, now: Now, id: ConnectionId, mid_message: bool) {}

    /// The peer closed: by a close frame (code and text) or the end of the input (neither).
    pub fn closed(&mut self, now: Now, id: ConnectionId, code: Option<u16>, text: &str) {}

    /// The attempt or the connection failed.
    pub fn failed(&mut self, now: Now, id: ConnectionId, failure: Failure) {}

    /// Time has passed; call it at the deadline, after reading what is there. Spurious calls do nothing.
    pub fn tick(&mut self, now: Now) {}

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        None
    }

    /// Call right before waiting, with everything read and done: when to tick.
    pub fn poll_timeout(&mut self, now: Now) -> Option<Deadline> {
        None
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::NotStarted
    }

    /// UTC of the last text frame of any kind.
    #[must_use]
    pub fn last_event_at(&self) -> Option<SystemTime> {
        None
    }

    /// The subscription's id on this connection; empty before its first event.
    #[must_use]
    pub fn sid(&self) -> &str {
        ""
    }

    /// What the stream has seen, up to now.
    #[must_use]
    pub fn stats(&self, now: Now) -> Stats {
        Stats::default()
    }
}
