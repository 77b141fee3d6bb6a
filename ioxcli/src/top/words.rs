//! Formats times and durations in a few characters, for a cell of the screen.

use std::time::{Duration, SystemTime};

use jiff::tz::TimeZone;

/// Formats a duration in its largest unit, such as `5s`, `12m`, `3h` or `4d`.
pub(super) fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// Formats the time of day in a time zone.
pub(super) fn time_of_day(time: SystemTime, zone: &TimeZone) -> String {
    let Ok(instant) = jiff::Timestamp::try_from(time) else {
        return String::new();
    };
    let zoned = instant.to_zoned_datetime(zone.clone());
    zoned.strftime("%H:%M:%S").to_string()
}
