//! The rules about the replay: where it ends, and what is live.

use std::time::Duration;

use ioxproto::{Event, Reason, Status, StatusChange};

use super::{HAIR, Witness};
use crate::wire::Truth;

/// How much listening may pass at most, behind the end mark and what left within a second of it,
/// before the stream is connected: a frame on a slow line takes its time.
const BEHIND_MARK: Duration = Duration::from_secs(5);

impl Witness {
    /// An event was delivered: was it rightly called live, or replay?
    pub(super) fn placed(&mut self, event: &Event, truth: Truth) {
        let live = event.is_live();
        let connected = self.status == Status::Connected;
        self.check(!live || connected, "an event is live in the wrong status");
        if live && truth.replay {
            let window = self.heard - self.connection.upgraded_heard + HAIR;
            let dated = truth.dated
                && self.connection.anchored
                && window < self.timing.replay_window
                && !(self.api && truth.clock_was_set);
            if dated || !self.connection.fell_silent {
                self.fail("a replayed frame passes as live");
            } else {
                self.excused += 1;
            }
        }
        if !live && !truth.replay && !truth.spoiled {
            let misled = truth.clock_was_set || self.connection.ahead;
            let by_own_time = truth.stamped && (!truth.settled || misled);
            self.check(
                !connected || by_own_time,
                "an event that happened just now is called replay",
            );
            let since_mark = self.heard - self.connection.near_mark_heard;
            let drains = !connected && since_mark <= BEHIND_MARK + self.timing.overrun;
            self.check(
                !truth.past_mark || truth.clock_set || drains,
                "an event well behind the end mark is called replay",
            );
        }
        self.anchors(event, truth);
    }

    /// Takes note of what later stamps are compared with, and of the end mark.
    fn anchors(&mut self, event: &Event, truth: Truth) {
        let syncing = self.status == Status::StreamSyncing;
        let connection = &mut self.connection;
        connection.anchored |= if self.api {
            truth.fresh
        } else {
            truth.replay && truth.stamped && syncing
        };
        if !truth.past_mark {
            connection.near_mark_heard = self.heard;
        }
        connection.stamped |= truth.stamped;
        let set_right = event.control() == "_0" && truth.stamped;
        connection.ahead = self.api && (truth.ahead || connection.ahead && !set_right);
        if event.control() == "_22" && !self.api {
            connection.mark_heard = Some(self.heard);
            self.may_expect_mark = true;
        }
    }

    /// Whether the wire was silent for so long before this that the drain had to end.
    pub(super) fn silence_before(&mut self, available: Duration) {
        let quiet = self.shortest_quiet();
        let connection = &mut self.connection;
        if !connection.accepted {
            return;
        }
        let silent = available.saturating_sub(connection.data_available);
        let lasted = available.saturating_sub(connection.opened);
        let capped = lasted >= self.timing.drain_cap
            || (connection.stamped && lasted >= self.timing.drain_cap_past);
        let behind = connection.mark_heard.map(|since| self.heard - since);
        let marked = behind >= Some(self.timing.drain_quiet);
        connection.fell_silent |= (silent >= quiet && !connection.mid_message) || capped || marked;
    }

    /// The least silence that can end the drain by what has come so far.
    fn shortest_quiet(&self) -> Duration {
        if self.connection.mark_heard.is_some() {
            self.timing.drain_quiet_after_mark
        } else if self.owes_mark && !self.api {
            self.timing.drain_quiet_unmarked
        } else {
            self.timing.drain_quiet
        }
    }

    /// Once nothing more comes of the replay, the stream is connected, and not later.
    pub(super) fn drain_ends(&mut self) {
        let connection = &mut self.connection;
        if connection.mid_message {
            connection.held_heard = self.heard;
        }
        let stopping = self.stop_asked.is_some();
        if self.status != Status::StreamSyncing || !connection.accepted || stopping {
            return;
        }
        let awaits = connection.mark_heard.is_none() && self.may_expect_mark && !self.api;
        let quiet = if awaits {
            self.timing.drain_quiet_unmarked
        } else {
            self.timing.drain_quiet
        };
        let silent = self.heard - connection.data_heard.max(connection.held_heard);
        let most = quiet + self.timing.overrun + HAIR;
        self.check(silent <= most, "the drain does not end");
    }

    /// The stream says that the replay is over.
    pub(super) fn connected(&mut self, change: &StatusChange) {
        self.connected_heard = self.heard;
        self.proved = false;
        let quiet = self.shortest_quiet();
        let connection = &self.connection;
        let silent = self.heard - connection.data_heard;
        let lasted = self.heard - connection.opened_heard;
        let capped = lasted >= self.timing.drain_cap;
        let past = connection.stamped && lasted >= self.timing.drain_cap_past;
        let behind_mark = connection.mark_heard.map(|since| self.heard - since);
        let marked = behind_mark.is_some_and(|behind| behind >= quiet);
        let incomplete = matches!(change.reason, Some(Reason::ReplayIncomplete { .. }));
        if !connection.accepted {
            self.fail("connected before the token was accepted");
        } else if connection.mid_message && behind_mark < Some(self.timing.drain_quiet) {
            self.fail("connected in the middle of a message");
        } else if silent < quiet && !capped && !past && !marked {
            self.fail(format!("connected after {silent:?} of silence"));
        } else if incomplete && !capped {
            self.fail("a replay is called incomplete before its time limit");
        }
    }
}
