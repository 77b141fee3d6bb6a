//! How old an event is, by the controller's own clock.
//!
//! On `/api/events/subscribe` a replayed frame keeps the time of the original change, so a replay
//! tells "happened while I was reconnecting" from "last changed in spring". Controllers' clocks are
//! wrong, so ages are counted against the clock that the live frames show, not against ours.
//!
//! Rules:
//!
//! * A live frame with a timestamp shows how far the controller's clock is from ours. Frames arrive
//!   late, never early, so of the last eight the one that came quickest counts.
//! * When the controller says that its clock was set (`_4` action 0, live), what was learned before
//!   is void.
//! * Before a live frame was seen, nothing is known. A replayed frame of `/rest/subscribe` is
//!   stamped at the connect and never tells an age.
//! * A time up to 10 s ahead of the controller's clock is now; one farther ahead is unknown.

use std::time::{Duration, SystemTime};

use crate::view::Timestamp;
use crate::vocabulary::{SystemConfigAction, SystemControl};
use crate::{Event, SubscribePath};

/// How many live frames count.
const SAMPLES: usize = 8;
/// How far ahead of the controller's clock a time may be, rounding and jitter being what they are.
const TOLERANCE: Duration = Duration::from_secs(10);

/// The controller's clock as far as its live frames show it.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use ioxproto::{SubscribePath, freshness::ControllerClock};
/// # use ioxproto::{Frame, FrameReader};
/// # let event = |time: &str| {
/// #     let text = format!("<Event timestamp='{time}'><control>ST</control><action>0</action><node>n</node></Event>");
/// #     let Frame::Event(event) = FrameReader::new().read(&text) else { panic!("not an event") };
/// #     event
/// # };
/// # let live = event("2026-05-06T14:30:36-07:00").with_live(true);
/// # let replayed = event("2026-05-06T14:28:36-07:00");
/// let utc = SystemTime::UNIX_EPOCH + Duration::from_secs(1_778_103_000);
/// let mut clock = ControllerClock::new(SubscribePath::Api);
/// assert_eq!(clock.age(&replayed, utc), None);
/// clock.learn(&live, utc);
/// assert_eq!(clock.age(&replayed, utc), Some(Duration::from_secs(120)));
/// ```
#[derive(Clone, Debug)]
pub struct ControllerClock {
    path: SubscribePath,
    /// The controller's clock minus ours, in microseconds, of the last live frames.
    samples: [i64; SAMPLES],
    learned: usize,
}

impl ControllerClock {
    /// A clock of which nothing is known yet; the path says whether replayed frames keep the time
    /// of their change.
    #[must_use]
    pub fn new(path: SubscribePath) -> Self {
        Self {
            path,
            samples: [0; SAMPLES],
            learned: 0,
        }
    }

    /// Takes note of an event that came at `utc` by our clock. Only live ones with a timestamp
    /// teach anything.
    pub fn learn(&mut self, event: &Event, utc: SystemTime) {
        if !event.is_live() {
            return;
        }
        if event.control() == SystemControl::SystemConfig.code()
            && event.action() == SystemConfigAction::TimeChanged.code()
        {
            self.learned = 0;
        }
        let Some(time) = Timestamp::parse(event.timestamp()) else {
            return;
        };
        let Some(ahead) = micros(utc).and_then(|now| time.unix_micros().checked_sub(now)) else {
            return;
        };
        self.samples[self.learned % SAMPLES] = ahead;
        // The count stays small and keeps its place in the ring.
        self.learned = if self.learned + 1 == 2 * SAMPLES {
            SAMPLES
        } else {
            self.learned + 1
        };
    }

    /// How far the controller's clock is ahead of ours, in microseconds; negative when it is
    /// behind, `None` before a live frame showed it.
    #[must_use]
    pub fn ahead_micros(&self) -> Option<i64> {
        let known = &self.samples[..self.learned.min(SAMPLES)];
        known.iter().copied().max()
    }

    /// When the event happened, by our clock, where that is known.
    #[must_use]
    pub fn happened_at(&self, event: &Event) -> Option<SystemTime> {
        if !event.is_live() && self.path == SubscribePath::Rest {
            return None;
        }
        let time = Timestamp::parse(event.timestamp())?;
        let ours = time.unix_micros().checked_sub(self.ahead_micros()?)?;
        let distance = Duration::from_micros(ours.unsigned_abs());
        if ours < 0 {
            SystemTime::UNIX_EPOCH.checked_sub(distance)
        } else {
            SystemTime::UNIX_EPOCH.checked_add(distance)
        }
    }

    /// How old the event is at `utc` by our clock, where that is known: never negative.
    #[must_use]
    pub fn age(&self, event: &Event, utc: SystemTime) -> Option<Duration> {
        match utc.duration_since(self.happened_at(event)?) {
            Ok(age) => Some(age),
            Err(ahead) if ahead.duration() <= TOLERANCE => Some(Duration::ZERO),
            Err(_) => None,
        }
    }

    /// Whether the event happened at `since` by our clock or later, where that is known. With the
    /// moment of a loss: whether it happened while away.
    #[must_use]
    pub fn happened_since(&self, event: &Event, since: SystemTime) -> Option<bool> {
        Some(self.happened_at(event)? >= since)
    }
}

fn micros(utc: SystemTime) -> Option<i64> {
    match utc.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => after.as_micros().try_into().ok(),
        Err(before) => i64::try_from(before.duration().as_micros())
            .ok()?
            .checked_neg(),
    }
}
