//! The drain of the replay: when it begins, what prolongs it, and when it ends.

use std::time::Duration;

use tracing::debug;

use super::timers::Timer;
use super::{Connection, Machine, State};
use crate::{Event, Now, Profile, Reason, Status, StatusChange, SubscribePath};

impl Machine {
    pub(super) fn begin_drain(&mut self) {
        let timing = &self.config.timing;
        self.timers
            .after_listening(Timer::DrainPast, timing.drain_cap_past);
        self.timers
            .after_listening(Timer::DrainCap, timing.drain_cap);
        self.prolong_drain(false);
    }

    /// Returns whether an event is live, and prolongs the drain if the event is replayed. `live`
    /// says whether the drain has ended.
    pub(super) fn classify(&mut self, event: &Event, live: bool) -> bool {
        let verdict = self.replay.event(event, !live, self.timers.listened());
        self.shows_end_mark |= verdict.confirms_mark;
        if !live {
            self.postpone_drain_past(verdict.stamped_as_replay);
            self.prolong_drain(verdict.after_mark);
        }
        live && !verdict.stamped_as_replay
    }

    /// Restarts the silence that ends the drain, unless the message is a property event after the
    /// end mark.
    pub(super) fn prolong_drain(&mut self, after_mark: bool) {
        let State::Draining(connection) = &mut self.state else {
            return;
        };
        if !connection.accepted || after_mark {
            return;
        }
        connection.marked_at = match connection.marked_at {
            _ if !self.replay.has_valid_mark() => None,
            None => Some(self.timers.listened()),
            since => since,
        };
        let quiet = self.drain_quiet();
        self.timers.after_listening(Timer::DrainQuiet, quiet);
    }

    /// Returns the silence that ends the drain from now on.
    fn drain_quiet(&self) -> Duration {
        let timing = &self.config.timing;
        match self.state {
            // System events after the mark prolong the drain only up to the usual limit.
            State::Draining(Connection {
                marked_at: Some(since),
                ..
            }) => timing
                .drain_quiet_after_mark
                .min((since + timing.drain_quiet).saturating_sub(self.timers.listened())),
            _ if self.expects_end_mark() => timing.drain_quiet_unmarked.max(timing.drain_quiet),
            _ => timing.drain_quiet,
        }
    }

    /// Whether an end mark is expected but has not arrived.
    fn expects_end_mark(&self) -> bool {
        self.config.path == SubscribePath::Rest
            && !self.replay.has_seen_mark()
            && (self.shows_end_mark
                || self.replay.has_response()
                || self.config.profile == Profile::Isy994)
    }

    /// Postpones the end of a busy house's drain after an event whose stamp shows it to be
    /// replayed. The first stamped event starts the timer.
    fn postpone_drain_past(&mut self, stamped_as_replay: bool) {
        if !self.replay.is_stamped() || self.expects_end_mark() {
            return;
        }
        let quiet = if stamped_as_replay {
            self.config.timing.drain_past_quiet
        } else {
            Duration::ZERO
        };
        self.timers.postpone(Timer::DrainPast, quiet);
    }

    /// Ends the drain of a busy house: no stamp has shown a replayed event for `drain_past_quiet`,
    /// so later events are live.
    pub(super) fn end_busy_drain(&mut self, now: Now) {
        if self.replay.is_stamped() && !self.expects_end_mark() {
            self.end_drain(now, Timer::DrainPast);
        }
    }

    /// Ends the drain when this timer is due. While a message is still arriving, restarts the timer
    /// instead.
    pub(super) fn end_drain(&mut self, now: Now, timer: Timer) {
        let State::Draining(connection) = self.state else {
            return;
        };
        let timing = &self.config.timing;
        let extension = if timer == Timer::DrainQuiet {
            self.drain_quiet()
        } else {
            timing.drain_quiet_after_mark
        };
        if connection.mid_message && !extension.is_zero() {
            debug!("the drain continues: a message is still arriving");
            self.timers.after_listening(timer, extension);
            return;
        }
        let incomplete = timer == Timer::DrainCap && !self.replay.has_valid_mark();
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
            .after_listening(Timer::Proven, timing.proven_after);
        self.shows_end_mark |= self.replay.has_valid_mark();
        self.replay.end_drain();
        self.stats.incomplete_replays += u64::from(incomplete);
        self.stats.reconnects += u64::from(self.was_connected);
        self.was_connected = true;
        self.set_status(now, change);
        self.ping();
    }
}
