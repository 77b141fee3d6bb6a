//! The controller's clock, and the stamps that it puts on events.

use std::time::Duration;

use super::operation::Content;

/// Microseconds since 1970.
pub type Micros = i64;

/// An event as the replay sees it.
#[derive(Clone, Copy, Debug)]
pub struct Stamped {
    pub content: Content,
    pub stamp: Option<Micros>,
    /// The subscription that it belongs to.
    pub sid: u8,
}

/// The base from which the stamp of an event is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    Clock,
    /// The last stamp of the connection; the clock if there is none.
    Last,
    /// The first stamp of the connection; the clock if there is none.
    First,
}

/// The stamp of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    Missing,
    /// Text that is not a time.
    Broken,
    At(Base, Micros),
}

/// The controller's clock, and the first and last stamp that it has given.
#[derive(Debug)]
pub struct Clock {
    now: Micros,
    first: Option<Micros>,
    last: Option<Micros>,
}

impl Clock {
    pub fn new() -> Self {
        Self {
            now: 1_778_000_000_123_456,
            first: None,
            last: None,
        }
    }

    pub fn pass(&mut self, time: Duration) {
        self.now += Micros::try_from(time.as_micros()).unwrap_or_default();
    }

    /// Sets the clock forward or back.
    pub fn step(&mut self, by: Micros) {
        self.now += by;
    }

    pub fn new_connection(&mut self) {
        (self.first, self.last) = (None, None);
    }

    pub fn stamp(&mut self, stamp: Stamp) -> Option<Micros> {
        let Stamp::At(base, by) = stamp else {
            return None;
        };
        let base = match base {
            Base::Clock => None,
            Base::Last => self.last,
            Base::First => self.first,
        };
        let stamp = base.unwrap_or(self.now) + by;
        self.first.get_or_insert(stamp);
        self.last = Some(stamp);
        Some(stamp)
    }
}

/// Formats a stamp as RFC 3339 with this offset from UTC in hours, without a fraction if it is
/// zero.
pub fn written(stamp: Micros, offset: i64) -> String {
    let local = stamp + offset * 3_600_000_000;
    let (second, fraction) = (local.div_euclid(1_000_000), local.rem_euclid(1_000_000));
    let (day, second) = (second.div_euclid(86_400), second.rem_euclid(86_400));
    let (year, month, day) = date(day);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = match fraction {
        0 => String::new(),
        fraction => format!(".{fraction:06}"),
    };
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{offset:+03}:00"
    )
}

/// Converts days since 1970-01-01 to a date.
fn date(day: i64) -> (i64, i64, i64) {
    // Years are counted from March here, so that the leap day is the last of its year.
    let day = day + 719_468;
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 {
        (year, month + 3)
    } else {
        (year + 1, month - 9)
    };
    (era * 400 + year, month, day)
}
