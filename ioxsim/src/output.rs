//! What the controller sends on a subscriber's connection.

use std::fmt;
use std::time::Duration;

use crate::fault::Ending;

/// Identifies one subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriberId(pub(crate) u64);

impl SubscriberId {
    /// Returns the subscription's id on the wire, such as `uuid:1`. A recorded house sends the id
    /// of its recording instead.
    #[must_use]
    pub fn sid(self) -> String {
        format!("uuid:{}", self.0)
    }
}

impl fmt::Display for SubscriberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An action on a subscriber's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Send a text message.
    Text(String),
    /// Answer a ping with this payload.
    Pong(Vec<u8>),
    /// Send these bytes as they are. They are frames, valid or not.
    Raw(Vec<u8>),
    /// Send these bytes one at a time, with this pause after each.
    Slowly {
        /// The bytes: frames, valid or not.
        bytes: Vec<u8>,
        /// The pause after each byte.
        pause: Duration,
    },
    /// Send one text message of this many bytes, in fragments. It is generated while it is sent, so
    /// that it may be larger than memory.
    Long {
        /// The length of the message, in bytes.
        bytes: u64,
        /// The length of each fragment, in bytes.
        fragment: u64,
    },
    /// End the connection. Nothing follows for this subscriber.
    End(Ending),
}
