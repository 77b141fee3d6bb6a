//! Recognises replayed events by their stamps.
//!
//! A stamp can show that an event is replayed in any state of the stream, since the network may
//! delay it until after the drain. A stamp never shows that an event is live.
//!
//! * `/rest/subscribe` stamps replayed events with the time of the connect: each within 0.5 s of
//!   the replayed events before it, and within 5 s of the first one of the same `sid`.
//! * `/api/events/subscribe` keeps the stamps of the original changes: an event stamped more than 2
//!   s before the newest stamp is replayed. A heartbeat or `_4`/0 (time changed) is stamped when it
//!   is sent, so its stamp becomes the newest, even if it is earlier.
//!
//! Only stamps of one connection are compared with each other. The local clock and the times in
//! tokens are not used, since they may differ from the controller's clock.

use crate::{Event, SubscribePath};

/// A replayed event is stamped at most this far from the replayed events before it, in
/// microseconds.
const MAX_DISTANCE: i64 = 500_000;
/// A replayed event is stamped at most this far from the first one, in microseconds.
const MAX_SPAN: i64 = 5_000_000;
/// On `/api/events/subscribe`, an event is replayed if it is this much older than the newest stamp,
/// in microseconds.
const MIN_AGE: i64 = 2_000_000;

/// The stamps of one connection.
#[derive(Debug)]
pub(super) enum ReplayStamps {
    /// `/rest/subscribe`: the stamps of the replay; `None` before the first stamped event.
    AtConnect(Option<Span>),
    /// `/api/events/subscribe`: the newest stamp.
    AtChange(Option<i64>),
}

/// The stamps of the replay of one subscription.
#[derive(Debug)]
pub(super) struct Span {
    sid: Box<str>,
    first: i64,
    earliest: i64,
    latest: i64,
}

impl ReplayStamps {
    pub(super) fn new(path: SubscribePath) -> Self {
        match path {
            SubscribePath::Rest => Self::AtConnect(None),
            SubscribePath::Api => Self::AtChange(None),
        }
    }

    /// Whether a stamped event was received.
    pub(super) fn is_stamped(&self) -> bool {
        matches!(self, Self::AtConnect(Some(_)) | Self::AtChange(Some(_)))
    }

    /// The stamp of the replay's first event, on `/rest/subscribe`.
    pub(super) fn replay_began(&self) -> Option<i64> {
        match self {
            Self::AtConnect(span) => span.as_ref().map(|span| span.first),
            Self::AtChange(_) => None,
        }
    }

    /// Processes the next event and its stamp in microseconds. Returns `true` if the stamp shows
    /// that the event is replayed.
    pub(super) fn is_replay(&mut self, event: &Event, stamp: i64, draining: bool) -> bool {
        match self {
            Self::AtConnect(span) => match span {
                Some(span) if *span.sid == *event.sid() => span.includes(stamp, draining),
                // A frame of an earlier subscription can precede the replay.
                span if draining => {
                    *span = Some(Span {
                        sid: event.sid().into(),
                        first: stamp,
                        earliest: stamp,
                        latest: stamp,
                    });
                    true
                }
                _ => false,
            },
            Self::AtChange(newest) => {
                let sent_now = matches!((event.control(), event.action()), ("_0", _) | ("_4", "0"));
                let before = newest.unwrap_or(stamp);
                *newest = Some(if sent_now { stamp } else { before.max(stamp) });
                !sent_now && stamp < before.saturating_sub(MIN_AGE)
            }
        }
    }
}

impl Span {
    /// Returns whether a stamp is close to those of the replay. While the replay drains, the stamp
    /// extends the span.
    fn includes(&mut self, stamp: i64, draining: bool) -> bool {
        if stamp.saturating_sub(self.first).saturating_abs() > MAX_SPAN {
            return false;
        }
        let close = (self.earliest.saturating_sub(MAX_DISTANCE)
            ..=self.latest.saturating_add(MAX_DISTANCE))
            .contains(&stamp);
        if close || draining {
            self.earliest = self.earliest.min(stamp);
            self.latest = self.latest.max(stamp);
        }
        close
    }
}
