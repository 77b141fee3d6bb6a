//! The controller's local time: UTC at a fixed offset.

use std::time::SystemTime;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan as _};

/// A moment in the controller's local time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalTime {
    civil: DateTime,
    offset_minutes: i32,
}

impl LocalTime {
    /// Converts `utc` to local time at this offset in minutes, which is clamped to a day.
    pub(crate) fn new(utc: SystemTime, offset_minutes: i32) -> Self {
        let offset_minutes = offset_minutes.clamp(-24 * 60, 24 * 60);
        let timestamp = Timestamp::try_from(utc).unwrap_or(Timestamp::UNIX_EPOCH);
        let offset = Offset::from_seconds(offset_minutes * 60).unwrap_or(Offset::UTC);
        Self {
            civil: offset.to_datetime(timestamp),
            offset_minutes,
        }
    }

    /// Formats it as in events: `2026-05-05T18:52:41.875777-07:00`.
    pub(crate) fn timestamp(&self) -> String {
        let time = self.civil;
        let sign = if self.offset_minutes < 0 { '-' } else { '+' };
        let offset = self.offset_minutes.unsigned_abs();
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}{sign}{:02}:{:02}",
            time.year(),
            time.month(),
            time.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.subsec_nanosecond() / 1000,
            offset / 60,
            offset % 60,
        )
    }

    /// Formats it as in program status: `260506 14:30:36 `. Controllers send the space at the end.
    pub(crate) fn of_program(&self) -> String {
        let time = self.civil;
        format!(
            "{:02}{:02}{:02} {:02}:{:02}:{:02} ",
            time.year() % 100,
            time.month(),
            time.day(),
            time.hour(),
            time.minute(),
            time.second(),
        )
    }

    /// Converts a time of [`of_program`](Self::of_program) to UTC, as `2026-05-06T21:30:36Z`;
    /// `None` for any other text.
    pub(crate) fn program_time_in_utc(&self, time: &str) -> Option<String> {
        let civil = DateTime::strptime("%y%m%d %H:%M:%S", time.trim_end()).ok()?;
        let utc = civil.checked_sub(self.offset_minutes.minutes()).ok()?;
        Some(utc.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    }

    /// Formats it as in variable changes: `20260506 13:23:15 `.
    pub(crate) fn of_variable(&self) -> String {
        format!("{:02}{}", self.civil.year() / 100, self.of_program())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_written_in_the_controllers_forms() {
        let utc = SystemTime::UNIX_EPOCH + Duration::from_micros(1_778_032_361_875_777);
        let local = LocalTime::new(utc, -7 * 60);
        assert_eq!(local.timestamp(), "2026-05-05T18:52:41.875777-07:00");
        assert_eq!(local.of_program(), "260505 18:52:41 ");
        assert_eq!(local.of_variable(), "20260505 18:52:41 ");
        let in_utc = local.program_time_in_utc("260505 18:52:41 ");
        assert_eq!(in_utc.as_deref(), Some("2026-05-06T01:52:41Z"));
        assert_eq!(local.program_time_in_utc(""), None);
        assert!(
            LocalTime::new(utc, 330)
                .timestamp()
                .ends_with("07:22:41.875777+05:30")
        );
    }
}
