//! What a server has seen of its clients.

use std::collections::{BTreeMap, VecDeque};

use http::{HeaderMap, Request};
use ioxproto::Secret;

use crate::fault::Endpoint;
use crate::output::SubscriberId;

/// How many of the latest entries each list keeps.
const MAX_KEPT: usize = 1000;

/// What a server has seen so far.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Observation {
    /// TCP connections accepted.
    pub connections: u64,
    /// TCP connections that are open now.
    pub open: usize,
    /// TLS handshakes that did not complete.
    pub failed_handshakes: u64,
    /// HTTP requests whose head was received in full.
    pub requests: u64,
    /// Upgrades answered with a 101.
    pub upgrades: u64,
    /// Subscribers now.
    pub subscribers: usize,
    /// The headers of the last request. `Debug` does not show the value of `Authorization`.
    pub last_request_headers: HeaderMap,
    /// The path of the last request.
    pub last_request_path: String,
    /// Bytes received as HTTP, including incomplete requests.
    pub http_bytes: u64,
    /// Close codes from clients, in order, at most the last 1000; `None` for a close frame without
    /// a code.
    pub closes: VecDeque<Option<u16>>,
    /// Text messages from clients.
    pub texts: u64,
    /// Pings from clients.
    pub pings: u64,
    /// What was seen of portal accounts.
    pub portal: PortalSeen,
    /// What was sent to each subscriber, including those that are gone. At most the last 1000.
    pub sent: BTreeMap<SubscriberId, Sent>,
}

/// What was seen of portal accounts. `Debug` does not show tokens.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PortalSeen {
    /// Logins, refreshes and logouts with the HTTP status of their answers, in order; `None` if the
    /// answer was not HTTP. At most the last 1000.
    pub posts: VecDeque<(Endpoint, Option<u16>)>,
    /// Logins that were granted.
    pub logins: u64,
    /// Refreshes that were granted.
    pub refreshes: u64,
    /// Logouts that were granted.
    pub logouts: u64,
    /// Sessions that are open now.
    pub sessions: usize,
    /// The tokens that clients have shown, in order. At most the last 1000.
    pub shown: VecDeque<Shown>,
    /// The tokens that were issued, access and refresh token in turn. At most the last 1000.
    pub issued: VecDeque<Secret>,
    /// The private key that answers with tokens also contain; `None` before the first one.
    pub broker_key: Option<Secret>,
}

/// A token that a client has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shown {
    /// Where it was shown.
    pub place: Place,
    /// The token.
    pub token: Secret,
    /// Whether it was accepted.
    pub accepted: bool,
}

/// Where a token can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// As Bearer on an upgrade.
    Upgrade,
    /// In a first frame `{"type":"auth","creds":{"token":…}}`.
    TypedFrame,
    /// In a first frame `{"auth":{"token":…}}`.
    BareFrame,
    /// In the body of a refresh.
    Refresh,
    /// As Bearer on a logout.
    Logout,
}

impl PortalSeen {
    pub(crate) fn answered(&mut self, endpoint: Endpoint, status: Option<u16>) {
        keep(&mut self.posts, (endpoint, status));
    }

    pub(crate) fn shown(&mut self, place: Place, token: String, accepted: bool) {
        let token = Secret::new(token);
        let shown = Shown {
            place,
            token,
            accepted,
        };
        keep(&mut self.shown, shown);
    }

    pub(crate) fn issued(&mut self, tokens: [String; 2]) {
        for token in tokens {
            keep(&mut self.issued, Secret::new(token));
        }
    }

    /// Returns how often this endpoint was called.
    #[must_use]
    pub fn asked(&self, endpoint: Endpoint) -> usize {
        let of_it = self.posts.iter().filter(|(asked, _)| *asked == endpoint);
        of_it.count()
    }
}

fn keep<T>(list: &mut VecDeque<T>, entry: T) {
    list.push_back(entry);
    if list.len() > MAX_KEPT {
        list.pop_front();
    }
}

/// What was sent to one subscriber: written to its socket, but not necessarily read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Text messages, except those sent as raw bytes.
    pub texts: u64,
    /// Bytes, including framing.
    pub bytes: u64,
}

impl Observation {
    /// Returns the number of text messages sent to all subscribers.
    #[must_use]
    pub fn texts_sent(&self) -> u64 {
        self.sent.values().map(|sent| sent.texts).sum()
    }

    /// Returns what was sent to the latest subscriber.
    #[must_use]
    pub fn latest(&self) -> Sent {
        self.sent.values().next_back().copied().unwrap_or_default()
    }

    pub(crate) fn requested<T>(&mut self, request: &Request<T>) {
        self.requests += 1;
        self.last_request_headers = request.headers().clone();
        self.last_request_path = request.uri().path().to_owned();
    }

    pub(crate) fn subscribed(&mut self, id: SubscriberId) {
        self.upgrades += 1;
        self.subscribers += 1;
        self.sent.insert(id, Sent::default());
        if self.sent.len() > MAX_KEPT {
            self.sent.pop_first();
        }
    }

    pub(crate) fn closed(&mut self, code: Option<u16>) {
        keep(&mut self.closes, code);
    }

    pub(crate) fn note_written(&mut self, id: SubscriberId, texts: u64, bytes: usize) {
        if let Some(sent) = self.sent.get_mut(&id) {
            sent.texts += texts;
            sent.bytes += bytes as u64;
        }
    }
}
