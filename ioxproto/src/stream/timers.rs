//! The stream's deadlines, each with its reason, on two clocks.
//!
//! Waits of the machine itself (a retry, a connect, a stop) are due at an instant. Silences of the
//! controller are due after a duration of *listening*, which counts only while the driver waits on
//! an empty socket. A driver that a slow consumer blocks, or a suspended process, does not listen,
//! so silence then says nothing about the controller.

use std::time::{Duration, Instant};

/// The timers, in the order in which a tick runs those that are due at the same time.
///
/// The order of this list decides, not which timer was due first:
///
/// * The first five are each the only timer of their state.
/// * Silence that decides about the token or the replay is handled before silence that shows a dead
///   connection, so that the status says how far the connection had come.
/// * A dead connection is not pinged and has not proved stable. Losing it cancels the later timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The wait between attempts is over.
    Retry,
    /// Name resolution, TCP, TLS and upgrade took too long.
    Connect,
    /// A login or refresh, or the caller's token, took too long.
    SignIn,
    /// A graceful stop took too long.
    Stop,
    /// Reading the names of the house took too long.
    Names,
    /// Nothing was received after the token was sent.
    TokenAccepted,
    /// The replay has ended: nothing was received for long enough.
    DrainQuiet,
    /// No stamp has shown a replayed event for long enough.
    DrainPast,
    /// The replay has reached its time limit.
    DrainCap,
    /// The controller's heartbeat is overdue.
    Stall,
    /// A ping was not answered in time.
    Pong,
    /// It is time to ping a silent controller.
    Ping,
    /// The connection has lasted long enough to count as stable.
    Proven,
}

impl Timer {
    /// How many timers there are.
    const COUNT: usize = Self::Proven as usize + 1;

    fn reason(self) -> &'static str {
        match self {
            Self::Retry => "the next attempt",
            Self::Connect => "the attempt's time limit",
            Self::SignIn => "the login's time limit",
            Self::Stop => "the stop's time limit",
            Self::Names => "the time limit of the names",
            Self::TokenAccepted => "the first text frame after the token",
            Self::DrainQuiet => "quiet after the replay",
            Self::DrainPast => "stamps that no longer show a replay",
            Self::DrainCap => "the replay's time limit",
            Self::Stall => "an overdue heartbeat",
            Self::Pong => "an unanswered ping",
            Self::Ping => "a ping after silence",
            Self::Proven => "a stable connection",
        }
    }
}

/// When to tick next, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadline {
    /// The instant; in the past if something is already due.
    pub at: Instant,
    /// The reason, for logs and tests.
    pub reason: &'static str,
}

/// When a timer is due.
#[derive(Clone, Copy, Debug)]
enum Due {
    At(Instant),
    /// A reading of the listening clock.
    Listened(Duration),
}

/// The timer table and the listening clock.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// In the order of [`Timer`].
    table: [Option<(Timer, Due)>; Timer::COUNT],
    /// The reading of the listening clock.
    listened: Duration,
    wait: Option<Wait>,
}

/// The wait of the driver: since when, and until when at the latest.
#[derive(Clone, Copy, Debug)]
struct Wait {
    since: Instant,
    until: Option<Instant>,
}

impl Timers {
    /// Sets a timer to an instant.
    pub(crate) fn at(&mut self, timer: Timer, at: Instant) {
        self.table[timer as usize] = Some((timer, Due::At(at)));
    }

    /// Sets a timer to a duration of listening from now on.
    pub(crate) fn after_listening(&mut self, timer: Timer, silence: Duration) {
        self.table[timer as usize] = Some((timer, Due::Listened(self.listened + silence)));
    }

    /// Like `after_listening`, but never moves a timer to an earlier time.
    pub(crate) fn postpone(&mut self, timer: Timer, silence: Duration) {
        let reading = self.listened + silence;
        let before = self.table[timer as usize];
        let later = matches!(before, Some((_, Due::Listened(before))) if before > reading);
        if !later {
            self.table[timer as usize] = Some((timer, Due::Listened(reading)));
        }
    }

    pub(crate) fn cancel(&mut self, timer: Timer) {
        self.table[timer as usize] = None;
    }

    pub(crate) fn cancel_all(&mut self) {
        self.table = Default::default();
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.table[timer as usize].is_some()
    }

    /// The listening clock.
    pub(crate) fn listened(&self) -> Duration {
        self.listened
    }

    /// Notes that the driver begins to wait on an empty socket. Returns the earliest deadline of
    /// the timers and `other`.
    pub(crate) fn begin_wait(&mut self, now: Instant, other: Option<Deadline>) -> Option<Deadline> {
        let timers = self.pending(now).map(|(timer, at)| Deadline {
            at,
            reason: timer.reason(),
        });
        // Of several deadlines at the same instant, `min_by_key` returns the one that a tick
        // handles first.
        let deadline = timers.chain(other).min_by_key(|deadline| deadline.at);
        self.wait = Some(Wait {
            since: now,
            until: deadline.map(|deadline| deadline.at),
        });
        deadline
    }

    /// Whether the driver waits on an empty socket.
    pub(crate) fn is_waiting(&self) -> bool {
        self.wait.is_some()
    }

    /// Ends the driver's wait. Returns `false` if it ended so late that the driver cannot have been
    /// listening.
    pub(crate) fn end_wait(&mut self, now: Instant, overrun: Duration) -> bool {
        let Some(wait) = self.wait.take() else {
            return true;
        };
        let late = wait
            .until
            .is_some_and(|until| now.saturating_duration_since(until) > overrun);
        if !late {
            self.listened += now.saturating_duration_since(wait.since);
        }
        !late
    }

    /// Removes and returns the first timer that is due.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let (due, _) = self.pending(now).find(|(_, at)| *at <= now)?;
        self.cancel(due);
        Some(due)
    }

    /// Returns the timers that are set, in their order, each with its instant if the driver listens
    /// from now on.
    fn pending(&self, now: Instant) -> impl Iterator<Item = (Timer, Instant)> {
        self.table.iter().flatten().filter_map(move |(timer, due)| {
            let at = match *due {
                Due::At(at) => Some(at),
                Due::Listened(reading) => now.checked_add(reading.saturating_sub(self.listened)),
            };
            Some((*timer, at?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVERRUN: Duration = Duration::from_millis(500);

    #[expect(
        clippy::disallowed_methods,
        reason = "a fake clock needs one instant to begin at"
    )]
    fn epoch() -> Instant {
        Instant::now()
    }

    fn seconds(value: f64) -> Duration {
        Duration::from_secs_f64(value)
    }

    #[test]
    fn the_earliest_deadline_is_returned_with_its_reason() {
        let start = epoch();
        let mut timers = Timers::default();
        assert_eq!(timers.begin_wait(start, None), None);
        timers.at(Timer::Connect, start + seconds(10.0));
        timers.after_listening(Timer::DrainQuiet, seconds(1.0));
        let deadline = timers.begin_wait(start, None).unwrap();
        assert_eq!(
            (deadline.at, deadline.reason),
            (start + seconds(1.0), "quiet after the replay")
        );
    }

    #[test]
    fn silence_counts_only_while_waiting() {
        let start = epoch();
        let mut timers = Timers::default();
        timers.after_listening(Timer::DrainQuiet, seconds(1.0));
        timers.begin_wait(start, None);
        assert!(timers.end_wait(start + seconds(0.4), OVERRUN));
        // The consumer blocks the driver for 10 s.
        let later = start + seconds(10.4);
        assert_eq!(timers.take_due(later), None);
        assert_eq!(
            timers.begin_wait(later, None).unwrap().at,
            later + seconds(0.6)
        );
        assert!(timers.end_wait(later + seconds(0.6), OVERRUN));
        assert_eq!(
            timers.take_due(later + seconds(0.6)),
            Some(Timer::DrainQuiet)
        );
    }

    #[test]
    fn a_wait_that_ended_far_too_late_counts_for_nothing() {
        let start = epoch();
        let mut timers = Timers::default();
        timers.after_listening(Timer::DrainQuiet, seconds(1.0));
        timers.begin_wait(start, None);
        assert!(!timers.end_wait(start + seconds(7.0), OVERRUN));
        assert_eq!(timers.listened(), Duration::ZERO);
        assert_eq!(timers.take_due(start + seconds(7.0)), None);
    }

    #[test]
    fn a_wait_that_ended_half_a_second_late_still_counts() {
        let start = epoch();
        let mut timers = Timers::default();
        timers.after_listening(Timer::DrainQuiet, seconds(1.0));
        timers.begin_wait(start, None);
        assert!(timers.end_wait(start + seconds(1.0) + OVERRUN, OVERRUN));
        assert_eq!(timers.listened(), seconds(1.0) + OVERRUN);
    }

    #[test]
    fn taking_what_is_due_empties_the_table_and_repeats_nothing() {
        let start = epoch();
        let mut timers = Timers::default();
        timers.at(Timer::Retry, start);
        assert_eq!(timers.take_due(start), Some(Timer::Retry));
        assert_eq!(timers.take_due(start), None);
    }

    #[test]
    fn what_is_due_at_once_is_taken_in_the_order_of_the_list() {
        let order = [
            Timer::Retry,
            Timer::Connect,
            Timer::SignIn,
            Timer::Stop,
            Timer::Names,
            Timer::TokenAccepted,
            Timer::DrainQuiet,
            Timer::DrainPast,
            Timer::DrainCap,
            Timer::Stall,
            Timer::Pong,
            Timer::Ping,
            Timer::Proven,
        ];
        let start = epoch();
        let due = start + seconds(order.len() as f64);
        let mut timers = Timers::default();
        // All at the same instant, then the last of the list first.
        for step in [0.0, 1.0] {
            for (index, timer) in order.into_iter().enumerate() {
                timers.at(timer, due - seconds(step * index as f64));
            }
            let earliest = if step == 0.0 { order[0] } else { order[12] };
            assert_eq!(
                timers.begin_wait(start, None).unwrap().reason,
                earliest.reason()
            );
            let taken = std::iter::from_fn(|| timers.take_due(due));
            assert_eq!(taken.collect::<Vec<_>>(), order);
        }
    }
}
