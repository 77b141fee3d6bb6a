//! Replay by its own time: what an event's stamp says about whether it belongs to the replay.
//!
//! A stamp can show that an event is of the replay, in every state of the stream: the network may
//! have held it up until after the drain. A stamp never shows that an event is live.
//!
//! * `/rest/subscribe` stamps the replay at the connect, close together: within 0.5 s of the
//!   replayed events so far and within 5 s of the first of the same `sid`.
//! * `/api/events/subscribe` keeps the stamps of the original changes: an event stamped more than
//!   2 s before the newest stamp seen is of the replay. A heartbeat or `_4`/0 (time changed) is
//!   stamped when it is sent, so it sets the newest stamp to its own, backwards too.
//!
//! Only stamps of one connection are compared with each other. The clocks of this machine and the
//! times in tokens do not count: they need not agree with the controller's.

use crate::{Event, SubscribePath};

/// How close to the replayed events so far the next one is stamped, in microseconds.
const CLOSE: i64 = 500_000;
/// How close to the first event the whole replay is stamped, in microseconds.
const WHOLE: i64 = 5_000_000;
/// How much older than the newest stamp an event of the other path must be, in microseconds.
const OLDER: i64 = 2_000_000;

/// The stamps that one connection has shown, as its path sets them.
#[derive(Debug)]
pub(super) enum OwnTime {
    /// `/rest/subscribe`: the stamps of the replay; none before the first stamped event.
    Connect(Option<Span>),
    /// `/api/events/subscribe`: the newest stamp.
    Change(Option<i64>),
}

/// The stamps of the replay of one subscription.
#[derive(Debug)]
pub(super) struct Span {
    sid: Box<str>,
    first: i64,
    earliest: i64,
    latest: i64,
}

impl OwnTime {
    pub(super) fn new(path: SubscribePath) -> Self {
        match path {
            SubscribePath::Rest => Self::Connect(None),
            SubscribePath::Api => Self::Change(None),
        }
    }

    /// Whether a stamped event came.
    pub(super) fn is_stamped(&self) -> bool {
        matches!(self, Self::Connect(Some(_)) | Self::Change(Some(_)))
    }

    /// The stamp of the replay's first event, on `/rest/subscribe`.
    pub(super) fn began(&self) -> Option<i64> {
        match self {
            Self::Connect(span) => span.as_ref().map(|span| span.first),
            Self::Change(_) => None,
        }
    }

    /// Takes in the next event and its stamp in microseconds; `true` if its stamp shows that it is
    /// of the replay.
    pub(super) fn is_replay(&mut self, event: &Event, stamp: i64, draining: bool) -> bool {
        match self {
            Self::Connect(span) => match span {
                Some(span) if *span.sid == *event.sid() => span.take(stamp, draining),
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
            Self::Change(newest) => {
                let sent_now = matches!((event.control(), event.action()), ("_0", _) | ("_4", "0"));
                let before = newest.unwrap_or(stamp);
                *newest = Some(if sent_now { stamp } else { before.max(stamp) });
                !sent_now && stamp < before.saturating_sub(OLDER)
            }
        }
    }
}

impl Span {
    /// Whether a stamp is of the replay. While it drains, every event near the first one is.
    fn take(&mut self, stamp: i64, draining: bool) -> bool {
        if stamp.saturating_sub(self.first).saturating_abs() > WHOLE {
            return false;
        }
        let close = (self.earliest.saturating_sub(CLOSE)..=self.latest.saturating_add(CLOSE))
            .contains(&stamp);
        if close || draining {
            self.earliest = self.earliest.min(stamp);
            self.latest = self.latest.max(stamp);
        }
        close
    }
}
