//! The notifications of a stream.

use std::sync::Arc;

use crate::names::NamesRead;
use crate::state::Property;
use crate::{Event, Ignored, Malformed, StatusChange};

/// Something that happened on the stream. Notifications are delivered in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Notification {
    /// The status changed.
    Status(StatusChange),
    /// An event, marked [`is_live`](Event::is_live) or not.
    Event(Event),
    /// Sequence numbers are missing, repeated or out of order.
    Gap(Gap),
    /// A text frame that is not a well-formed event, even after repair.
    Malformed(Malformed),
    /// A valid text frame that is not an event.
    Ignored(Ignored),
    /// The stream needs an access token from the caller, who supplies it through the driver's
    /// handle. Only a stream with [`own_tokens`](crate::Config::own_tokens) asks.
    TokenWanted {
        /// Whether the controller refused the last token, so that a different one is needed.
        rejected: bool,
    },
    /// The names were read, or reading them failed. Only with
    /// [`Config::read_names`](crate::Config::read_names).
    Names(NamesRead),
    /// A property has a value that none of its events reported; the state is corrected. Only with
    /// [`Config::self_audit`](crate::Config::self_audit).
    Drift(Drift),
    /// The queue was full and is configured to drop: this many of the oldest notifications were
    /// lost.
    Dropped(u64),
}

/// A property with a value that no event reported.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drift {
    /// The node.
    pub node: Arc<str>,
    /// The property.
    pub control: Arc<str>,
    /// The property as the controller reports it.
    pub property: Property,
}

/// The sequence numbers of the controller have a gap or repeat: frames were lost or sent twice.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The subscription.
    pub sid: Arc<str>,
    /// The sequence number expected next.
    pub expected: i64,
    /// The sequence number received.
    pub got: i64,
}
