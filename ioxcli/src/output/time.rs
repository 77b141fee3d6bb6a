//! Formats times in the reader's local time.

use ioxproto::view::Timestamp;
use jiff::ZonedDateTime;
use jiff::tz::TimeZone;

/// Date and time in the reader's local time.
pub(super) fn on_readers_clock(time: Timestamp) -> Option<String> {
    let instant = jiff::Timestamp::from_microsecond(time.unix_micros()).ok()?;
    let zoned: ZonedDateTime = instant.to_zoned_datetime(TimeZone::system());
    Some(zoned.strftime("%Y-%m-%d %H:%M:%S").to_string())
}
