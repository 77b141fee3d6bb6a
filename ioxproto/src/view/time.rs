//! The controller's times: instants with the controller's UTC offset, never the host's time zone.

use std::fmt;
use std::time::{Duration, SystemTime};

use jiff::civil::DateTime;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::Offset;

/// An instant by the controller's clock, to the microsecond, with the controller's UTC offset.
///
/// ```
/// use ioxproto::view::Timestamp;
///
/// let time = Timestamp::parse("2026-05-05T18:52:41.875777-07:00").ok_or("no timestamp")?;
/// assert_eq!(time.to_string(), "2026-05-05T18:52:41.875777-07:00");
/// assert_eq!(time.unix_micros(), 1_778_032_361_875_777);
/// assert_eq!(time.offset_seconds(), -7 * 3600);
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    micros: i64,
    offset_seconds: i32,
}

impl Timestamp {
    /// Parses ISO 8601 with a UTC offset; `None` for anything else, including a time without an
    /// offset.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        static PARSER: DateTimeParser = DateTimeParser::new();
        let pieces = PARSER.parse_pieces(text.trim().as_bytes()).ok()?;
        let civil = pieces.date().to_datetime(pieces.time()?);
        Self::at(civil, pieces.to_numeric_offset()?)
    }

    fn at(civil: DateTime, offset: Offset) -> Option<Self> {
        Some(Self {
            micros: offset.to_timestamp(civil).ok()?.as_microsecond(),
            offset_seconds: offset.seconds(),
        })
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix_micros(self) -> i64 {
        self.micros
    }

    /// The controller's offset from UTC, in seconds, positive to the east.
    #[must_use]
    pub fn offset_seconds(self) -> i32 {
        self.offset_seconds
    }

    /// The instant; `None` if the platform's clock cannot represent it.
    #[must_use]
    pub fn to_system_time(self) -> Option<SystemTime> {
        let distance = Duration::from_micros(self.micros.unsigned_abs());
        if self.micros < 0 {
            SystemTime::UNIX_EPOCH.checked_sub(distance)
        } else {
            SystemTime::UNIX_EPOCH.checked_add(distance)
        }
    }
}

/// ISO 8601 with the controller's offset, and with microseconds unless they are 0.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = Offset::from_seconds(self.offset_seconds).map_err(|_| fmt::Error)?;
        let instant = jiff::Timestamp::from_microsecond(self.micros).map_err(|_| fmt::Error)?;
        let civil = offset.to_datetime(instant);
        write_civil(f, civil)?;
        if civil.subsec_nanosecond() != 0 {
            write!(f, ".{:06}", civil.subsec_nanosecond() / 1000)?;
        }
        write_offset(f, self.offset_seconds)
    }
}

/// A time of a program or variable: the controller's local time in seconds, and its UTC offset if
/// the frame contains one.
///
/// Without an offset (an ISY-994 sends none) the instant is unknown: the host's time zone is not
/// used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ControllerTime {
    /// Seconds since 1970-01-01T00:00:00 in local time.
    local_seconds: i64,
    offset_seconds: Option<i32>,
}

impl ControllerTime {
    /// Parses `YYMMDD HH:MM:SS`, also with a four-digit year; ignores surrounding whitespace.
    pub(crate) fn parse(text: &str, of: Option<Timestamp>) -> Option<Self> {
        let text = text.trim();
        let format = match text.find(' ') {
            Some(6) => "%y%m%d %H:%M:%S",
            Some(8) => "%Y%m%d %H:%M:%S",
            _ => return None,
        };
        let civil = DateTime::strptime(format, text).ok()?;
        let local_seconds = Offset::UTC.to_timestamp(civil).ok()?.as_second();
        Some(Self {
            local_seconds,
            offset_seconds: of.map(Timestamp::offset_seconds),
        })
    }

    /// Parses a time of a REST answer: the format of frames, `2026/11/25 05:01:10 PM` with 12 or 24
    /// hours, or ISO 8601 with an offset.
    pub(crate) fn in_answer(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(time) = Timestamp::parse(text) {
            let seconds = time.micros.div_euclid(1_000_000);
            return Some(Self {
                local_seconds: seconds.checked_add(time.offset_seconds.into())?,
                offset_seconds: Some(time.offset_seconds),
            });
        }
        if text.as_bytes().get(4) != Some(&b'/') {
            return Self::parse(text, None);
        }
        let format = match text.as_bytes().last() {
            Some(b'M' | b'm') => "%Y/%m/%d %I:%M:%S %p",
            _ => "%Y/%m/%d %H:%M:%S",
        };
        let civil = DateTime::strptime(format, text).ok()?;
        Some(Self {
            local_seconds: Offset::UTC.to_timestamp(civil).ok()?.as_second(),
            offset_seconds: None,
        })
    }

    /// The instant, if the offset is known.
    #[must_use]
    pub fn instant(self) -> Option<Timestamp> {
        let offset_seconds = self.offset_seconds?;
        let seconds = self.local_seconds.checked_sub(offset_seconds.into())?;
        Some(Timestamp {
            micros: seconds.checked_mul(1_000_000)?,
            offset_seconds,
        })
    }

    /// The controller's UTC offset in seconds, if the frame contained one.
    #[must_use]
    pub fn offset_seconds(self) -> Option<i32> {
        self.offset_seconds
    }
}

/// ISO 8601: `2026-05-06T14:30:36-07:00`; without the offset if it is unknown.
impl fmt::Display for ControllerTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = jiff::Timestamp::from_second(self.local_seconds).map_err(|_| fmt::Error)?;
        write_civil(f, Offset::UTC.to_datetime(instant))?;
        match self.offset_seconds {
            Some(offset) => write_offset(f, offset),
            None => Ok(()),
        }
    }
}

fn write_civil(f: &mut fmt::Formatter<'_>, civil: DateTime) -> fmt::Result {
    write!(
        f,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        civil.year(),
        civil.month(),
        civil.day(),
        civil.hour(),
        civil.minute(),
        civil.second()
    )
}

fn write_offset(f: &mut fmt::Formatter<'_>, seconds: i32) -> fmt::Result {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}
