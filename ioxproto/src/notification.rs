//! What a listener is told.

use std::sync::Arc;

use crate::mirror::Property;
use crate::names::NamesRead;
use crate::{Event, Ignored, Malformed, StatusChange};

/// One thing that happened on the stream, in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Notification {
    /// The status changed.
    Status(StatusChange),
    /// An event, marked [`is_live`](Event::is_live) or not.
    Event(Event),
    /// Numbers are missing, repeated, or went back.
    Gap(Gap),
    /// A text frame that is no well-formed event, not even after recovery.
    Malformed(Malformed),
    /// A text frame that is no event and needs no attention.
    Ignored(Ignored),
    /// The stream needs an access token of the caller's, who answers through the driver's handle.
    /// Only a stream of [`own_tokens`](crate::Config::own_tokens) asks.
    TokenWanted {
        /// Whether the controller refused the last one: another is needed, not the same again.
        rejected: bool,
    },
    /// The names of the house were read, or could not be. Only a stream that reads them says so
    /// ([`Config::read_names`](crate::Config::read_names)).
    Names(NamesRead),
    /// A property has another value than its events have told, and is corrected. Only a stream that
    /// audits itself says so ([`Config::self_audit`](crate::Config::self_audit)).
    Drift(Drift),
    /// So many of the oldest notifications were dropped because the consumer was slow and the queue
    /// was asked to drop rather than wait.
    Dropped(u64),
}

/// A property whose value no event has told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drift {
    /// The node.
    pub node: Arc<str>,
    /// The property.
    pub control: Arc<str>,
    /// What the controller reports.
    pub property: Property,
}

/// The controller's numbering is not what it should be: frames were lost on the way, or it repeats
/// itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The subscription whose numbers these are.
    pub sid: Arc<str>,
    /// The last number accounted for, and one.
    pub expected: i64,
    /// The number that came.
    pub got: i64,
}
