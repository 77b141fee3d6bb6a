//! The drain of the replay: when it begins, what prolongs it, and when it is over.

use std::time::Duration;

use tracing::debug;

use super::timers::Timer;
use super::{Connection, Machine, State};
use crate::{Event, Now, Profile, Reason, Status, StatusChange, SubscribePath};

impl Machine {
    pub(super) fn begin_drain(&mut self) {
        let timing = &self.config.timing;
        self.timers
            .after_hearing(Timer::DrainPast, timing.drain_cap_past);
        self.timers.after_hearing(Timer::DrainCap, timing.drain_cap);
        self.prolong_drain(false);
    }

    /// Decides whether an event is live, in a stream that is or is not past its drain, and what it
    /// means for the drain.
    pub(super) fn place(&mut self, event: &Event, live: bool) -> bool {
        let verdict = self.replay.event(event, !live, self.timers.heard());
        self.shows_end_mark |= verdict.confirms_mark;
        if !live {
            self.postpone_drain_past(verdict.by_own_time);
            self.prolong_drain(verdict.behind_mark);
        }
        live && !verdict.by_own_time
    }

    /// A message came: if the replay is draining, its quiet starts over, unless it is a property
    /// `behind_mark`.
    pub(super) fn prolong_drain(&mut self, behind_mark: bool) {
        let State::Draining(connection) = &mut self.state else {
            return;
        };
        if !connection.accepted || behind_mark {
            return;
        }
        connection.mark_heard = match connection.mark_heard {
            _ if !self.replay.is_marked() => None,
            None => Some(self.timers.heard()),
            since => since,
        };
        let quiet = self.drain_quiet();
        self.timers.after_hearing(Timer::DrainQuiet, quiet);
    }

    /// How much silence ends the drain from here on.
    fn drain_quiet(&self) -> Duration {
        let timing = &self.config.timing;
        match self.state {
            // Events of the system follow the mark for a moment, not for ever.
            State::Draining(Connection {
                mark_heard: Some(since),
                ..
            }) => timing
                .drain_quiet_after_mark
                .min((since + timing.drain_quiet).saturating_sub(self.timers.heard())),
            _ if self.expects_end_mark() => timing.drain_quiet_unmarked.max(timing.drain_quiet),
            _ => timing.drain_quiet,
        }
    }

    /// Whether a mark is to come that has not.
    fn expects_end_mark(&self) -> bool {
        self.config.path == SubscribePath::Rest
            && !self.replay.is_mark_seen()
            && (self.shows_end_mark
                || self.replay.is_responded()
                || self.config.profile == Profile::Isy994)
    }

    /// A busy house is live once its stamps have shown nothing of the replay for a while; this
    /// event is of the replay, or may be the stamp that was missing.
    fn postpone_drain_past(&mut self, by_own_time: bool) {
        if !self.replay.is_stamped() || self.expects_end_mark() {
            return;
        }
        let quiet = if by_own_time {
            self.config.timing.drain_past_quiet
        } else {
            Duration::ZERO
        };
        self.timers.postpone(Timer::DrainPast, quiet);
    }

    /// Ends the drain when no stamp has shown a replayed event for a while: later events are live
    /// ones of a busy house.
    pub(super) fn drain_past(&mut self, now: Now) {
        if self.replay.is_stamped() && !self.expects_end_mark() {
            self.end_drain(now, Timer::DrainPast);
        }
    }

    /// Ends the replay by this rule, unless a message of it is still arriving: then the rule is
    /// applied again once that message is complete.
    pub(super) fn end_drain(&mut self, now: Now, rule: Timer) {
        let State::Draining(connection) = self.state else {
            return;
        };
        let timing = &self.config.timing;
        let again = if rule == Timer::DrainQuiet {
            self.drain_quiet()
        } else {
            timing.drain_quiet_after_mark
        };
        if connection.mid_message && !again.is_zero() {
            debug!("a message of the replay is still arriving");
            self.timers.after_hearing(rule, again);
            return;
        }
        let incomplete = rule == Timer::DrainCap && !self.replay.is_marked();
        let mut change = StatusChange::new(Status::Connected);
        if incomplete {
            let after = timing.drain_cap;
            change = change.with_reason(Reason::ReplayIncomplete { after });
        }
        self.state = State::Live(connection);
        for timer in [Timer::DrainQuiet, Timer::DrainPast, Timer::DrainCap] {
            self.timers.cancel(timer);
        }
        self.timers
            .after_hearing(Timer::Proven, timing.proven_after);
        self.shows_end_mark |= self.replay.is_marked();
        self.replay.end_drain();
        self.stats.incomplete_replays += u64::from(incomplete);
        self.stats.reconnects += u64::from(self.was_connected);
        self.was_connected = true;
        self.set_status(now, change);
        self.ping();
    }
}
