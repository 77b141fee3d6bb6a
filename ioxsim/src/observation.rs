//! What a server saw of its clients.

use std::collections::{BTreeMap, VecDeque};

use http::HeaderMap;

use crate::controller::SubscriberId;

/// Of lists that would grow for ever, so many of the latest entries are kept.
const KEPT: usize = 1000;

/// What a server saw so far.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Observation {
    /// TCP connections accepted.
    pub connections: u64,
    /// TCP connections that are open now.
    pub open: usize,
    /// TLS handshakes that did not come to an end.
    pub failed_handshakes: u64,
    /// HTTP requests whose head came in full.
    pub requests: u64,
    /// Upgrades answered with a 101.
    pub upgrades: u64,
    /// Subscribers now.
    pub subscribers: usize,
    /// The headers of the last request; the value of `Authorization` does not show in `Debug`.
    pub last_request_headers: HeaderMap,
    /// The path of the last request.
    pub last_request_path: String,
    /// Bytes that came as HTTP, in requests whole or in part.
    pub http_bytes: u64,
    /// Close codes from clients, in order; none for a close frame without a code. At most the last 1000.
    pub closes: VecDeque<Option<u16>>,
    /// Text messages from clients.
    pub texts: u64,
    /// Pings from clients.
    pub pings: u64,
    /// What went out to each subscriber, also to those that are gone. At most the last 1000.
    pub sent: BTreeMap<SubscriberId, Sent>,
}

/// What went out to one subscriber: written to its socket, which is not yet read by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Text messages, those sent as raw bytes left out.
    pub texts: u64,
    /// Bytes, framing included.
    pub bytes: u64,
}

impl Observation {
    /// The text messages that went out to all subscribers.
    #[must_use]
    pub fn texts_sent(&self) -> u64 {
        self.sent.values().map(|sent| sent.texts).sum()
    }

    /// What went out to the latest subscriber.
    #[must_use]
    pub fn latest(&self) -> Sent {
        self.sent.values().next_back().copied().unwrap_or_default()
    }

    pub(crate) fn subscribed(&mut self, id: SubscriberId) {
        self.upgrades += 1;
        self.subscribers += 1;
        self.sent.insert(id, Sent::default());
        if self.sent.len() > KEPT {
            self.sent.pop_first();
        }
    }

    pub(crate) fn closed(&mut self, code: Option<u16>) {
        self.closes.push_back(code);
        if self.closes.len() > KEPT {
            self.closes.pop_front();
        }
    }

    pub(crate) fn wrote(&mut self, id: SubscriberId, texts: u64, bytes: usize) {
        if let Some(sent) = self.sent.get_mut(&id) {
            sent.texts += texts;
            sent.bytes += bytes as u64;
        }
    }
}
