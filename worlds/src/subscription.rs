//! What the controller's site knows about the frames of one subscription.

use std::time::{Duration, SystemTime};

use ioxproto::view::Timestamp;

use crate::wire::{Truth, between};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Subscription {
    /// Frames of the replay that the controller has not sent yet, without heartbeats.
    replay_left: usize,
    accepted_at: Duration,
    /// The controller's wall clock when it accepted the subscriber.
    accepted_utc: SystemTime,
    /// When the controller sent the end mark.
    marked_at: Option<Duration>,
    /// The controller's wall clock was set, and no heartbeat has left since.
    clock_set: bool,
    /// The controller's wall clock was set at any time on this connection.
    clock_was_set: bool,
}

impl Subscription {
    pub(crate) fn new() -> Self {
        Self {
            replay_left: 0,
            accepted_at: Duration::ZERO,
            accepted_utc: SystemTime::UNIX_EPOCH,
            marked_at: None,
            clock_set: false,
            clock_was_set: false,
        }
    }

    /// The controller accepts the subscriber, and has this many frames to replay.
    pub(crate) fn accept(&mut self, now: Duration, utc: SystemTime, replay: usize) {
        self.replay_left = replay;
        self.accepted_at = now;
        self.accepted_utc = utc;
    }

    /// The controller's wall clock is set.
    pub(crate) fn set_clock(&mut self) {
        self.clock_set = true;
        self.clock_was_set = true;
    }

    /// Determines what the world knows about the controller's next text frame. Heartbeats do not
    /// count as frames of the replay.
    pub(crate) fn truth(&mut self, now: Duration, utc: SystemTime, api: bool, text: &str) -> Truth {
        if text.contains("spolisy") {
            return Truth::default();
        }
        let replaying = self.replay_left > 0;
        let heartbeat = text.contains("<control>_0</control>");
        let past_mark = self.marked_at.is_some_and(|at| now > at + SECOND);
        if heartbeat && self.accepted_at < now {
            self.clock_set = false;
        } else if !heartbeat {
            self.replay_left = self.replay_left.saturating_sub(1);
        }
        if !api && text.contains("<control>_22</control>") {
            self.marked_at = Some(now);
        }
        let replay = replaying && (!heartbeat || self.accepted_at == now);
        let stamp = between(text, "timestamp=", ">")
            .and_then(|stamp| Timestamp::parse(stamp.trim_matches(['\\', '"'])))
            .and_then(Timestamp::to_system_time);
        let fresh = stamp.is_some_and(|stamp| stamp + SECOND / 10 >= self.accepted_utc);
        let old = stamp.is_some_and(|stamp| stamp + SECOND * 5 / 2 < self.accepted_utc);
        Truth {
            replay,
            spoiled: false,
            stamped: stamp.is_some(),
            dated: replay && if api { old } else { stamp.is_some() },
            fresh,
            ahead: stamp.is_some_and(|stamp| stamp > utc),
            past_mark,
            settled: now > self.accepted_at + SECOND * 6,
            clock_set: self.clock_set,
            clock_was_set: self.clock_was_set,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);
    const EVENT: &str = "<Event><control>ST</control></Event>";
    const HEARTBEAT: &str = "<Event><control>_0</control></Event>";
    const MARK: &str = "<Event><control>_22</control></Event>";

    /// Accepts a subscription that replays two frames.
    fn accepted() -> Subscription {
        let mut subscription = Subscription::new();
        subscription.accept(NOW, SystemTime::UNIX_EPOCH, 2);
        subscription
    }

    fn truth_after(subscription: &mut Subscription, after: Duration, text: &str) -> Truth {
        let utc = SystemTime::UNIX_EPOCH + after;
        subscription.truth(NOW + after, utc, false, text)
    }

    #[test]
    fn heartbeats_do_not_count_as_replayed_frames() {
        let mut subscription = accepted();
        let mut is_replayed = |text| truth_after(&mut subscription, SECOND, text).replay;
        let sent = [EVENT, HEARTBEAT, EVENT, EVENT].map(&mut is_replayed);
        assert_eq!(sent, [true, false, true, false]);
    }

    #[test]
    fn a_frame_long_after_the_end_mark_is_past_it() {
        let mut subscription = accepted();
        let mut at = |seconds: u32, text| truth_after(&mut subscription, SECOND * seconds, text);
        assert!(!at(1, MARK).past_mark);
        assert!(!at(2, EVENT).past_mark);
        let late = at(7, EVENT);
        assert!(late.past_mark && late.settled);
    }

    #[test]
    fn a_heartbeat_ends_the_doubt_after_the_clock_was_set() {
        let mut subscription = accepted();
        subscription.set_clock();
        let truth = truth_after(&mut subscription, SECOND, EVENT);
        assert!(truth.clock_set && truth.clock_was_set);
        let truth = truth_after(&mut subscription, SECOND, HEARTBEAT);
        assert!(!truth.clock_set && truth.clock_was_set);
    }

    #[test]
    fn a_stamp_is_compared_with_the_acceptance_and_the_clock() {
        let mut subscription = accepted();
        let mut stamped = |stamp: &str| {
            let text = format!("<Event timestamp=\"{stamp}\"><control>ST</control></Event>");
            truth_after(&mut subscription, SECOND * 10, &text)
        };
        let before = stamped("1969-12-31T23:59:50.000000+00:00");
        assert!(before.stamped && !before.fresh && !before.ahead);
        let fresh = stamped("1970-01-01T00:00:05.000000+00:00");
        assert!(fresh.fresh && !fresh.ahead);
        let ahead = stamped("1970-01-01T00:01:00.000000+00:00");
        assert!(ahead.fresh && ahead.ahead);
    }
}
