//! The controller's numbering of its frames: finds numbers that are missing, repeated or out of
//! order.

use std::sync::Arc;

use crate::Gap;

/// The most subscriptions tracked at a time; a connection has one, rarely a second.
const MAX_SUBSCRIPTIONS: usize = 8;

/// The last number of each subscription id on one connection.
///
/// A frame may use up a number without carrying it. After `k` such frames, the next number may be 1
/// to `k + 1` higher than the last. A subscription may begin with any number.
#[derive(Debug, Default)]
pub(crate) struct Numbering {
    subscriptions: Vec<Subscription>,
    /// The index of the subscription of the last event.
    current: usize,
}

/// The numbering of one subscription id.
#[derive(Debug)]
struct Subscription {
    sid: Arc<str>,
    last: Option<i64>,
    /// The number of frames without a number since the last numbered one.
    unnumbered: i64,
}

impl Numbering {
    /// The subscription id of the last event.
    pub(crate) fn sid(&self) -> &str {
        self.subscriptions
            .get(self.current)
            .map_or("", |subscription| &subscription.sid)
    }

    /// Counts a frame that carries neither number nor subscription id: it may have used up a number
    /// of any subscription.
    pub(crate) fn skip_unnumbered(&mut self) {
        for subscription in &mut self.subscriptions {
            subscription.unnumbered = subscription.unnumbered.saturating_add(1);
        }
    }

    /// Counts an event of a subscription. Without a number (`None`), it shows no gap.
    pub(crate) fn event(&mut self, sid: &str, number: Option<i64>) -> Option<Gap> {
        let subscription = self.select(sid);
        let Some(got) = number else {
            subscription.unnumbered = subscription.unnumbered.saturating_add(1);
            return None;
        };
        let unnumbered = std::mem::take(&mut subscription.unnumbered);
        let last = subscription.last.replace(got)?;
        let expected = last.saturating_add(1);
        let highest = expected.saturating_add(unnumbered);
        let gap = !(expected..=highest).contains(&got);
        gap.then(|| Gap {
            sid: Arc::clone(&subscription.sid),
            expected,
            got,
        })
    }

    fn select(&mut self, sid: &str) -> &mut Subscription {
        let known = self
            .subscriptions
            .iter()
            .position(|subscription| &*subscription.sid == sid);
        self.current = known.unwrap_or_else(|| {
            if self.subscriptions.len() == MAX_SUBSCRIPTIONS {
                self.subscriptions.remove(0);
            }
            self.subscriptions.push(Subscription {
                sid: sid.into(),
                last: None,
                unnumbered: 0,
            });
            self.subscriptions.len() - 1
        });
        &mut self.subscriptions[self.current]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(numbers: &[Option<i64>]) -> Vec<(i64, i64)> {
        let mut numbering = Numbering::default();
        let found = numbers
            .iter()
            .filter_map(|number| numbering.event("uuid:1", *number));
        found.map(|gap| (gap.expected, gap.got)).collect()
    }

    #[test]
    fn a_run_without_a_hole_is_silent_wherever_it_starts() {
        assert_eq!(gaps(&[Some(17), Some(18), Some(19)]), []);
    }

    #[test]
    fn a_missing_number_a_repeat_and_a_step_back_are_reported_once() {
        assert_eq!(gaps(&[Some(15), Some(16), Some(19), Some(20)]), [(17, 19)]);
        assert_eq!(gaps(&[Some(4), Some(4), Some(5)]), [(5, 4)]);
        assert_eq!(gaps(&[Some(9), Some(3), Some(4)]), [(10, 3)]);
    }

    #[test]
    fn a_frame_without_a_number_advances_the_count_and_reports_no_gap() {
        assert_eq!(gaps(&[Some(1), None, Some(3)]), []);
        assert_eq!(gaps(&[Some(1), None, Some(2)]), []);
        assert_eq!(gaps(&[Some(1), None, None, Some(4), Some(5)]), []);
        assert_eq!(gaps(&[Some(1), None, Some(4)]), [(2, 4)]);
        assert_eq!(gaps(&[None, None, Some(40)]), []);
    }

    #[test]
    fn a_frame_outside_any_subscription_accounts_for_one_number() {
        let mut numbering = Numbering::default();
        assert_eq!(numbering.event("a", Some(423)), None);
        numbering.skip_unnumbered();
        assert_eq!(numbering.event("a", Some(425)), None);
        assert!(numbering.event("a", Some(427)).is_some());
    }

    #[test]
    fn subscriptions_are_numbered_apart_and_bounded() {
        let mut numbering = Numbering::default();
        assert_eq!(numbering.event("a", Some(5)), None);
        assert_eq!(numbering.event("b", Some(0)), None);
        assert_eq!(numbering.event("a", Some(6)), None);
        assert_eq!(numbering.sid(), "a");
        for other in 0..100 {
            numbering.event(&format!("x{other}"), Some(1));
        }
        assert!(numbering.subscriptions.len() <= MAX_SUBSCRIPTIONS);
        assert_eq!(numbering.sid(), "x99");
    }

    #[test]
    fn numbers_at_the_ends_of_their_range_do_not_panic() {
        assert_eq!(
            gaps(&[Some(i64::MAX), Some(i64::MIN)]),
            [(i64::MAX, i64::MIN)]
        );
    }
}
