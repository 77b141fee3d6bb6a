//! A model of the replay of one connection: its end, and which events belong to it, by the end mark
//! and by the controller's stamps.

use std::time::Duration;

use super::operation::Content;
use super::seconds;
use super::stamp::{Micros, Stamped};

/// How long after the connection stamps are considered.
const WINDOW: Duration = seconds(120);

const HALF_A_SECOND: Micros = 500_000;
const SECOND: Micros = 1_000_000;

/// The path of the subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    Rest,
    Api,
}

/// The replay of one connection.
#[derive(Debug)]
pub struct Replay {
    path: Path,
    /// The reading of the listening clock when the connection was opened.
    opened: Duration,
    /// The last two events.
    before: [Option<Content>; 2],
    mark: Option<Mark>,
    /// The end mark no longer matters: it has ended the drain, or was confirmed after it.
    over: bool,
    /// `/rest/subscribe`: the stamps of one subscription's replay, in the order of their arrival.
    replayed: Vec<Micros>,
    sid: u8,
    /// `/api/events/subscribe`: the newest stamp.
    newest: Option<Micros>,
    /// A `SubscriptionResponse` arrived.
    pub responded: bool,
}

/// An end mark that has arrived.
#[derive(Debug)]
struct Mark {
    stamp: Option<Micros>,
    /// `_4`/5 and `_4`/6 came directly before it.
    announced: bool,
    /// A later event contradicts it.
    doubted: bool,
}

/// What an event means for the replay.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Its stamp shows that it belongs to the replay.
    pub replay: bool,
    /// It does not prolong the drain.
    pub behind_mark: bool,
    /// It shows that the mark before it was the end of the replay.
    pub confirms_mark: bool,
}

impl Replay {
    pub fn new(path: Path, heard: Duration) -> Self {
        Self {
            path,
            opened: heard,
            before: [None; 2],
            mark: None,
            over: false,
            replayed: Vec::new(),
            sid: 0,
            newest: None,
            responded: false,
        }
    }

    /// Whether an end mark arrived that no later event contradicts.
    pub fn is_marked(&self) -> bool {
        self.mark.as_ref().is_some_and(|mark| !mark.doubted)
    }

    /// Whether an end mark arrived at all.
    pub fn is_mark_seen(&self) -> bool {
        self.mark.is_some()
    }

    pub fn is_stamped(&self) -> bool {
        !self.replayed.is_empty() || self.newest.is_some()
    }

    /// Notes that the drain has ended.
    pub fn drained(&mut self) {
        self.over |= self.is_marked();
    }

    pub fn event(&mut self, heard: Duration, draining: bool, event: Stamped) -> Verdict {
        let in_window = heard <= self.opened + WINDOW;
        if self.over || !(in_window || draining) {
            return Verdict::default();
        }
        let stamp = event.stamp.filter(|_| in_window);
        let mut verdict = Verdict::default();
        if self.path == Path::Rest {
            let was_marked = self.is_marked();
            self.judge_mark(event.content, stamp);
            if event.content != Content::EndMark && self.is_marked() {
                verdict.confirms_mark = true;
                verdict.behind_mark = was_marked && event.content.is_of_node();
                self.over = !draining;
                return verdict;
            }
        }
        verdict.replay = stamp.is_some_and(|stamp| match self.path {
            Path::Rest => self.is_of_connect(event.sid, stamp, draining),
            Path::Api => self.is_old(event.content, stamp),
        });
        verdict
    }

    fn judge_mark(&mut self, content: Content, stamp: Option<Micros>) {
        let before = self.before;
        self.before = [before[1], Some(content)];
        if content == Content::EndMark {
            self.mark = Some(Mark {
                stamp,
                announced: before == [Some(Content::Batch), Some(Content::Battery)],
                doubted: false,
            });
        }
        let Some(mark) = &mut self.mark else {
            return;
        };
        // The clock was set back: later stamps are compared with that of the heartbeat, which
        // counts as later than the mark.
        if let (Content::Heartbeat(_), Some(stamp), Some(first)) =
            (content, stamp, self.replayed.first())
            && first - stamp > HALF_A_SECOND
        {
            mark.stamp = Some(stamp - HALF_A_SECOND - 1);
        }
        let later = match (mark.stamp, stamp) {
            (Some(mark), Some(stamp)) => Some(stamp - mark > HALF_A_SECOND),
            _ => None,
        };
        match later {
            Some(true) => mark.doubted = false,
            Some(false) if content.is_of_node() => mark.doubted = true,
            None if content.is_of_node() && !mark.announced => mark.doubted = true,
            _ => {}
        }
    }

    /// Whether an event on `/rest/subscribe` was stamped at the connection, as replayed events are.
    fn is_of_connect(&mut self, sid: u8, stamp: Micros, draining: bool) -> bool {
        let same = sid == self.sid && !self.replayed.is_empty();
        if !same && draining {
            self.sid = sid;
            self.replayed = vec![stamp];
            return true;
        }
        let Some(&first) = self.replayed.first().filter(|_| same) else {
            return false;
        };
        if (stamp - first).abs() > 5 * SECOND {
            return false;
        }
        let earlier = self
            .replayed
            .iter()
            .any(|other| *other - stamp <= HALF_A_SECOND);
        let later = self
            .replayed
            .iter()
            .any(|other| stamp - *other <= HALF_A_SECOND);
        if draining || earlier && later {
            self.replayed.push(stamp);
        }
        earlier && later
    }

    /// Whether an event on `/api/events/subscribe` is older than the events before it.
    fn is_old(&mut self, content: Content, stamp: Micros) -> bool {
        let newest = self.newest.unwrap_or(stamp);
        if matches!(content, Content::Heartbeat(_) | Content::TimeChanged) {
            self.newest = Some(stamp);
            return false;
        }
        self.newest = Some(newest.max(stamp));
        newest - stamp > 2 * SECOND
    }
}
