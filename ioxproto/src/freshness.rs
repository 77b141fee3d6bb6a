//! The age of an event, by the controller's clock.
//!
//! On `/api/events/subscribe` a replayed frame keeps the time of the original change. With it, a
//! change during the outage can be distinguished from one months ago. Controllers' clocks are often
//! wrong, so ages are relative to the controller's clock as seen in live frames, not to the local
//! clock.
//!
//! Rules:
//!
//! * A live frame with a timestamp shows the offset of the controller's clock from the local clock.
//!   Frames arrive late, never early, so the largest offset of the last eight live frames is used:
//!   it has the shortest delay.
//! * When the controller reports that its clock was set (`_4` action 0, live), earlier samples are
//!   discarded.
//! * Before the first live frame, no age is known. A replayed frame on `/rest/subscribe` has the
//!   time of the connect, so its age is never known.
//! * If the time of an event is up to 10 s ahead of the controller's clock, its age is zero. If it
//!   is further ahead, its age is unknown.

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
    /// The number of samples taken, folded to stay below `2 * SAMPLES`. Modulo `SAMPLES` it is the
    /// position to write next.
    next: usize,
}

impl ControllerClock {
    /// Creates a clock without samples. The path determines whether replayed frames keep the time
    /// of their change.
    #[must_use]
    pub fn new(path: SubscribePath) -> Self {
        Self {
            path,
            samples: [0; SAMPLES],
            next: 0,
        }
    }

    /// Adds a sample from an event that arrived at `utc` by the local clock. Ignores events that
    /// are not live or have no timestamp.
    pub fn learn(&mut self, event: &Event, utc: SystemTime) {
        if !event.is_live() {
            return;
        }
        if event.control() == SystemControl::SystemConfig.code()
            && event.action() == SystemConfigAction::TimeChanged.code()
        {
            self.next = 0;
        }
        let Some(time) = Timestamp::parse(event.timestamp()) else {
            return;
        };
        let Some(ahead) = micros(utc).and_then(|now| time.unix_micros().checked_sub(now)) else {
            return;
        };
        self.samples[self.next % SAMPLES] = ahead;
        self.next = if self.next + 1 == 2 * SAMPLES {
            SAMPLES
        } else {
            self.next + 1
        };
    }

    /// How far the controller's clock is ahead of the local clock, in microseconds; negative if it
    /// is behind. `None` if there is no sample.
    #[must_use]
    pub fn ahead_micros(&self) -> Option<i64> {
        let known = &self.samples[..self.next.min(SAMPLES)];
        known.iter().copied().max()
    }

    /// When the event happened, by the local clock, if known.
    #[must_use]
    pub fn happened_at(&self, event: &Event) -> Option<SystemTime> {
        if !event.is_live() && self.path == SubscribePath::Rest {
            return None;
        }
        let time = Timestamp::parse(event.timestamp())?;
        let local_micros = time.unix_micros().checked_sub(self.ahead_micros()?)?;
        let distance = Duration::from_micros(local_micros.unsigned_abs());
        if local_micros < 0 {
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
            Err(error) if error.duration() <= TOLERANCE => Some(Duration::ZERO),
            Err(_) => None,
        }
    }

    /// Whether the event happened at or after `since` by the local clock, if known. If
    /// `since` is the time at which the connection was lost, this tells whether the event happened
    /// during the outage.
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
