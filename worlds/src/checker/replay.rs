//! The rules about the replay: when it ends, and which events are live.

use std::time::Duration;

use ioxproto::{Event, Reason, Status, StatusChange};

use super::{Checker, TOLERANCE};
use crate::wire::Truth;

/// The longest that the stream may listen after the end mark, and the events sent within a second
/// of it, before it is connected. A frame takes time on a slow line.
const BEHIND_MARK: Duration = Duration::from_secs(5);

impl Checker {
    /// Checks whether a delivered event is rightly reported as live or replayed.
    pub(super) fn check_live_or_replayed(&mut self, event: &Event, truth: Truth) {
        let live = event.is_live();
        let connected = self.status == Status::Connected;
        self.check(!live || connected, "an event is live in the wrong status");
        if live && truth.replay {
            let window = self.heard - self.connection.upgraded_heard + TOLERANCE;
            let dated = truth.dated
                && self.connection.anchored
                && window < self.timing.replay_window
                && !(self.api && truth.clock_was_set);
            if dated || !self.connection.fell_silent {
                self.fail("a replayed frame is reported as live");
            } else {
                self.excused += 1;
            }
        }
        if !live && !truth.replay && !truth.spoiled {
            let misled = truth.clock_was_set || self.connection.ahead;
            let by_own_time = truth.stamped && (!truth.settled || misled);
            self.check(
                !connected || by_own_time,
                "a live event is reported as replayed",
            );
            let since_mark = self.heard - self.connection.near_mark_heard;
            let drains = !connected && since_mark <= BEHIND_MARK + self.timing.overrun;
            self.check(
                !truth.past_mark || truth.clock_set || drains,
                "an event well after the end mark is reported as replayed",
            );
        }
        self.note_stamps(event, truth);
    }

    /// Notes the stamps with which later ones are compared, and the end mark.
    fn note_stamps(&mut self, event: &Event, truth: Truth) {
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

    /// Notes whether the drain could end before this input: by silence, by its cap, or after the
    /// end mark.
    pub(super) fn note_silence(&mut self, available: Duration) {
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

    /// Returns the shortest silence that can end the drain, given what has arrived.
    fn shortest_quiet(&self) -> Duration {
        if self.connection.mark_heard.is_some() {
            self.timing.drain_quiet_after_mark
        } else if self.owes_mark && !self.api {
            self.timing.drain_quiet_unmarked
        } else {
            self.timing.drain_quiet
        }
    }

    /// Checks that the stream is connected in time after the replay.
    pub(super) fn check_drain_ends(&mut self) {
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
        let most = quiet + self.timing.overrun + TOLERANCE;
        self.check(silent <= most, "the drain does not end");
    }

    /// The stream reports the end of the replay: checks that it is not too early.
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
            self.fail("a replay is reported as incomplete before its time limit");
        }
    }
}
