//! The age of an event, by the controller's clock.
//!
//! On `/api/events/subscribe` a replayed frame keeps the time of the original change. This
//! distinguishes "changed during the reconnect" from "last changed in spring". Controllers' clocks
//! are often wrong, so ages are relative to the controller's clock as seen in live frames, not to
//! the local clock.
//!
//! Rules:
//!
//! * A live frame with a timestamp shows the offset of the controller's clock from the local clock.
//!   Frames arrive late, never early, so the frame with the shortest delay of the last eight is
//!   used.
//! * When the controller reports that its clock was set (`_4` action 0, live), earlier samples are
//!   discarded.
//! * Before the first live frame, no age is known. A replayed frame of `/rest/subscribe` has the
//!   time of the connect, so its age is never known.
//! * A time up to 10 s ahead of the controller's clock counts as the current time; a time further
//!   ahead is unknown.

use std::time::{Duration, SystemTime};

use crate::view::Timestamp;
use crate::vocabulary::{SystemConfigAction, SystemControl};
use crate::{Event, SubscribePath};

/// How many live frames are kept as samples.
const SAMPLES: usize = 8;
/// How far ahead of the controller's clock a time may be, because of rounding and jitter.
const TOLERANCE: Duration = Duration::from_secs(10);

/// The controller's clock, as measured from its live frames.
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
    /// The controller's clock minus the local clock, in microseconds, for the last live frames.
    samples: [i64; SAMPLES],
    learned: usize,
}

impl ControllerClock {
    /// Creates a clock without samples. The path determines whether replayed frames keep the time
    /// of their change.
    #[must_use]
    pub fn new(path: SubscribePath) -> Self {
        Self {
            path,
            samples: [0; SAMPLES],
            learned: 0,
        }
    }

    /// Learns from an event that arrived at `utc` by the local clock. Ignores events that are not
    /// live or have no timestamp.
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
        // The count stays bounded and keeps its position in the ring.
        self.learned = if self.learned + 1 == 2 * SAMPLES {
            SAMPLES
        } else {
            self.learned + 1
        };
    }

    /// How far the controller's clock is ahead of the local clock, in microseconds; negative if it
    /// is behind, `None` before the first live frame.
    #[must_use]
    pub fn ahead_micros(&self) -> Option<i64> {
        let known = &self.samples[..self.learned.min(SAMPLES)];
        known.iter().copied().max()
    }

    /// When the event happened, by the local clock, if known.
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

    /// The age of the event at `utc` by the local clock, if known. Never negative.
    #[must_use]
    pub fn age(&self, event: &Event, utc: SystemTime) -> Option<Duration> {
        match utc.duration_since(self.happened_at(event)?) {
            Ok(age) => Some(age),
            Err(ahead) if ahead.duration() <= TOLERANCE => Some(Duration::ZERO),
            Err(_) => None,
        }
    }

    /// Whether the event happened at or after `since` by the local clock, if known. With the time
    /// of a loss as `since`: whether it happened during the outage.
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
