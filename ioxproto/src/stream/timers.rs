//! The stream's deadlines, each with its reason, on two clocks.
//!
//! What the machine itself waits for (a retry, a connect, a stop) is due at an instant. Silences
//! of the controller are due after so much *listening*: time counts for them only while the driver
//! waits on an empty socket. A driver that a consumer blocks, or a process that is stopped, hears
//! nothing, so its silence proves nothing.

use std::time::{Duration, Instant};

/// What can be due, in the order in which a tick takes what is due at once.
///
/// The order of this list counts, not which timer was due first:
///
/// * The first five are each the only timer of their state.
/// * Silence that decides about the token or the replay is taken before silence that shows the
///   connection dead: the status says how far the connection had come.
/// * A dead connection is not pinged and has not proved itself. Losing it cancels what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The wait between attempts is over.
    Retry,
    /// Name, TCP, TLS and upgrade took too long.
    Connect,
    /// A login or refresh, or the caller's token, took too long.
    SignIn,
    /// A polite stop took too long.
    Stop,
    /// The names of the house took too long to wait for.
    Names,
    /// Nothing came after the token was sent.
    TokenAccepted,
    /// The replay is over: nothing arrived for this long.
    DrainQuiet,
    /// No stamp has shown an event to be of the replay for this long.
    DrainPast,
    /// The replay has lasted as long as it may.
    DrainCap,
    /// The controller's heartbeat is overdue.
    Stall,
    /// A ping was not answered in time.
    Pong,
    /// It is time to ping a silent controller.
    Ping,
    /// The connection has lasted long enough to have proved itself.
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
            Self::TokenAccepted => "a sign that the token is accepted",
            Self::DrainQuiet => "quiet after the replay",
            Self::DrainPast => "stamps that show no replay any more",
            Self::DrainCap => "the replay's time limit",
            Self::Stall => "an overdue heartbeat",
            Self::Pong => "an unanswered ping",
            Self::Ping => "a ping after silence",
            Self::Proven => "the connection's proof",
        }
    }
}

/// When to tick next, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadline {
    /// The instant; in the past when something is due at once.
    pub at: Instant,
    /// What is due then, for logs and tests.
    pub reason: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum Due {
    At(Instant),
    /// A reading of the listening clock.
    Heard(Duration),
}

/// The timer table and the listening clock.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// In the order of [`Timer`].
    table: [Option<(Timer, Due)>; Timer::COUNT],
    heard: Duration,
    wait: Option<Wait>,
}

#[derive(Clone, Copy, Debug)]
struct Wait {
    since: Instant,
    until: Option<Instant>,
}

impl Timers {
    /// Due at an instant.
    pub(crate) fn at(&mut self, timer: Timer, at: Instant) {
        self.table[timer as usize] = Some((timer, Due::At(at)));
    }

    /// Due after so much listening from now on.
    pub(crate) fn after_hearing(&mut self, timer: Timer, silence: Duration) {
        self.table[timer as usize] = Some((timer, Due::Heard(self.heard + silence)));
    }

    /// Due after so much listening from now on, or later if it was.
    pub(crate) fn postpone(&mut self, timer: Timer, silence: Duration) {
        let reading = self.heard + silence;
        let before = self.table[timer as usize];
        let later = matches!(before, Some((_, Due::Heard(before))) if before > reading);
        if !later {
            self.table[timer as usize] = Some((timer, Due::Heard(reading)));
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
    pub(crate) fn heard(&self) -> Duration {
        self.heard
    }

    /// The driver begins to wait on an empty socket, until a timer or something else is due.
    pub(crate) fn begin_wait(&mut self, now: Instant, other: Option<Deadline>) -> Option<Deadline> {
        let timers = self.pending(now).map(|(timer, at)| Deadline {
            at,
            reason: timer.reason(),
        });
        // Of several at the same instant, the one that a tick takes first.
        let deadline = timers.chain(other).min_by_key(|deadline| deadline.at);
        self.wait = Some(Wait {
            since: now,
            until: deadline.map(|deadline| deadline.at),
        });
        deadline
    }

    /// Whether the driver waits on an empty socket, as far as is known.
    pub(crate) fn is_waiting(&self) -> bool {
        self.wait.is_some()
    }

    /// The driver's wait is over. Returns `false` if it ended so late that the driver cannot have
    /// been listening.
    pub(crate) fn end_wait(&mut self, now: Instant, overrun: Duration) -> bool {
        let Some(wait) = self.wait.take() else {
            return true;
        };
        let late = wait
            .until
            .is_some_and(|until| now.saturating_duration_since(until) > overrun);
        if !late {
            self.heard += now.saturating_duration_since(wait.since);
        }
        !late
    }

    /// Takes the first timer that is due out of the table.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let (due, _) = self.pending(now).find(|(_, at)| *at <= now)?;
        self.cancel(due);
        Some(due)
    }

    /// The timers that are set, in their order, each with the instant at which it is due if the
    /// driver listens from now on.
    fn pending(&self, now: Instant) -> impl Iterator<Item = (Timer, Instant)> {
        self.table.iter().flatten().filter_map(move |(timer, due)| {
            let at = match *due {
                Due::At(at) => Some(at),
                Due::Heard(reading) => now.checked_add(reading.saturating_sub(self.heard)),
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
    fn the_earliest_deadline_is_told_with_its_reason() {
        let start = epoch();
        let mut timers = Timers::default();
        assert_eq!(timers.begin_wait(start, None), None);
        timers.at(Timer::Connect, start + seconds(10.0));
        timers.after_hearing(Timer::DrainQuiet, seconds(1.0));
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
        timers.after_hearing(Timer::DrainQuiet, seconds(1.0));
        timers.begin_wait(start, None);
        assert!(timers.end_wait(start + seconds(0.4), OVERRUN));
        // Ten seconds in a consumer's hands.
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
        timers.after_hearing(Timer::DrainQuiet, seconds(1.0));
        timers.begin_wait(start, None);
        assert!(!timers.end_wait(start + seconds(7.0), OVERRUN));
        assert_eq!(timers.heard(), Duration::ZERO);
        assert_eq!(timers.take_due(start + seconds(7.0)), None);
    }

    #[test]
    fn a_wait_that_ended_half_a_second_late_still_counts() {
        let start = epoch();
        let mut timers = Timers::default();
        timers.after_hearing(Timer::DrainQuiet, seconds(1.0));
        timers.begin_wait(start, None);
        assert!(timers.end_wait(start + seconds(1.0) + OVERRUN, OVERRUN));
        assert_eq!(timers.heard(), seconds(1.0) + OVERRUN);
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
        // Whether all at the same instant, or the last of the list first.
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
