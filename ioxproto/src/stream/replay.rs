//! The replay of one connection: whether an event belongs to it, and whether it has ended.
//!
//! Stamps are read only in the first two minutes of listening (`replay_window`), and on
//! `/rest/subscribe` until the end mark. After that, only the state of the stream decides whether
//! an event is live.

use std::time::Duration;

use super::end_mark::EndMark;
use super::replay_stamps::ReplayStamps;
use super::stamp_parser::StampParser;
use crate::{Event, SubscribePath};

/// The replay of one connection.
#[derive(Debug)]
pub(super) struct Replay {
    path: SubscribePath,
    mark: EndMark,
    replay_stamps: ReplayStamps,
    parser: StampParser,
    /// Stamps are read until the listening clock shows this time.
    window_ends: Duration,
    /// Whether the end mark has ended the replay permanently.
    over: bool,
    /// Whether the controller sent a `SubscriptionResponse`, as controllers do that send an end
    /// mark.
    responded: bool,
}

/// What an event shows about the replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Its stamp shows that it belongs to the replay.
    pub(super) stamped_as_replay: bool,
    /// It is a property event after a valid end mark, and does not prolong the drain.
    pub(super) after_mark: bool,
    /// The end mark is still valid after this event, so this controller marks the end of its
    /// replay.
    pub(super) confirms_mark: bool,
}

impl Replay {
    pub(super) fn new(path: SubscribePath, window_ends: Duration) -> Self {
        Self {
            path,
            mark: EndMark::default(),
            replay_stamps: ReplayStamps::new(path),
            parser: StampParser::default(),
            window_ends,
            over: false,
            responded: false,
        }
    }

    /// Whether a valid end mark was received.
    pub(super) fn has_valid_mark(&self) -> bool {
        self.mark.is_valid()
    }

    /// Whether an end mark was received, valid or doubted.
    pub(super) fn has_seen_mark(&self) -> bool {
        self.mark.is_seen()
    }

    /// Whether a stamped event was received.
    pub(super) fn is_stamped(&self) -> bool {
        self.replay_stamps.is_stamped()
    }

    /// Whether a `SubscriptionResponse` was received.
    pub(super) fn has_response(&self) -> bool {
        self.responded
    }

    /// A `SubscriptionResponse` was received.
    pub(super) fn subscription_response(&mut self) {
        self.responded = true;
    }

    /// Ends the drain, and the replay if its end mark is valid.
    pub(super) fn end_drain(&mut self) {
        self.over |= self.mark.is_valid();
    }

    /// Processes the next event.
    pub(super) fn event(&mut self, event: &Event, draining: bool, listened: Duration) -> Verdict {
        if self.over || (listened > self.window_ends && !draining) {
            return Verdict::default();
        }
        // A drain can last longer than the window in which stamps are read.
        let stamp = (listened <= self.window_ends)
            .then(|| self.parser.parse(event.timestamp()))
            .flatten();
        let mut verdict = Verdict::default();
        if self.path == SubscribePath::Rest {
            let was_valid = self.mark.is_valid();
            self.mark
                .event(event, stamp, self.replay_stamps.replay_began());
            if self.mark.is_valid() && event.control() != "_22" {
                verdict.confirms_mark = true;
                verdict.after_mark = was_valid && event.is_of_node();
                self.over |= !draining;
            }
        }
        if (!self.mark.is_valid() || event.control() == "_22")
            && let Some(stamp) = stamp
        {
            verdict.stamped_as_replay = self.replay_stamps.is_replay(event, stamp, draining);
        }
        verdict
    }
}
