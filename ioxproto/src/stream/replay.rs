//! The replay of one connection: what each event says about its end, and whether it is part of it.
//!
//! Stamps are read in the first two minutes of listening only (`replay_window`), and on
//! `/rest/subscribe` until the end mark: after that the state of the stream decides alone.

use std::time::Duration;

use super::end_mark::EndMark;
use super::own_time::OwnTime;
use super::stamps::Stamps;
use crate::{Event, SubscribePath};

/// What one connection has shown of its replay.
#[derive(Debug)]
pub(super) struct Replay {
    path: SubscribePath,
    mark: EndMark,
    own_time: OwnTime,
    stamps: Stamps,
    /// The reading of the listening clock up to which stamps are read.
    window_ends: Duration,
    /// Whether the end mark has closed the replay for good.
    over: bool,
    /// Whether the controller began with a `SubscriptionResponse`, as those do that send a mark.
    responded: bool,
}

/// What an event says about the replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Its stamp shows that it is of the replay.
    pub(super) by_own_time: bool,
    /// It came behind a standing mark and does not prolong the drain.
    pub(super) behind_mark: bool,
    /// The mark stands although this came behind it: this controller shows the end of its replay.
    pub(super) confirms_mark: bool,
}

impl Replay {
    pub(super) fn new(path: SubscribePath, window_ends: Duration) -> Self {
        Self {
            path,
            mark: EndMark::default(),
            own_time: OwnTime::new(path),
            stamps: Stamps::default(),
            window_ends,
            over: false,
            responded: false,
        }
    }

    /// Whether the controller has said that the replay is over.
    pub(super) fn is_marked(&self) -> bool {
        self.mark.stands()
    }

    /// Whether an end mark came, doubted or not.
    pub(super) fn is_mark_seen(&self) -> bool {
        self.mark.is_seen()
    }

    /// Whether a stamped event came.
    pub(super) fn is_stamped(&self) -> bool {
        self.own_time.is_stamped()
    }

    /// Whether a `SubscriptionResponse` came.
    pub(super) fn is_responded(&self) -> bool {
        self.responded
    }

    /// A `SubscriptionResponse` came.
    pub(super) fn subscription_response(&mut self) {
        self.responded = true;
    }

    /// Ends the drain. The replay is over if its mark stands.
    pub(super) fn end_drain(&mut self) {
        self.over |= self.mark.stands();
    }

    /// Takes in the next event.
    pub(super) fn event(&mut self, event: &Event, draining: bool, heard: Duration) -> Verdict {
        if self.over || (heard > self.window_ends && !draining) {
            return Verdict::default();
        }
        // Nobody asks for stamps once the window is over; a drain can last longer.
        let stamp = (heard <= self.window_ends)
            .then(|| self.stamps.read(event.timestamp()))
            .flatten();
        let mut verdict = Verdict::default();
        if self.path == SubscribePath::Rest {
            let stood = self.mark.stands();
            self.mark.event(event, stamp, self.own_time.began());
            if self.mark.stands() && event.control() != "_22" {
                verdict.confirms_mark = true;
                verdict.behind_mark = stood && event.is_of_node();
                self.over |= !draining;
            }
        }
        if (!self.mark.stands() || event.control() == "_22")
            && let Some(stamp) = stamp
        {
            verdict.by_own_time = self.own_time.is_replay(event, stamp, draining);
        }
        verdict
    }
}
