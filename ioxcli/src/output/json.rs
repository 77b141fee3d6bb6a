//! The format JSON: one object for each line.

use std::time::SystemTime;

use ioxproto::Notification;
use ioxproto::line::Line;

use crate::names::Names;

/// Appends the line of a notification. A notification that asks the caller for something has no
/// line.
pub(super) fn show(
    notification: &Notification,
    received: Option<SystemTime>,
    names: &Names,
    out: &mut Vec<u8>,
) {
    if let Some(line) = Line::of(notification) {
        write(line.named(names.known()), received, out);
    }
}

/// Appends a line, with the time of receipt if it is known.
pub(super) fn write(line: Line<'_>, received: Option<SystemTime>, out: &mut Vec<u8>) {
    let line = match received {
        Some(time) => line.received(time),
        None => line,
    };
    // Cannot fail: strings and numbers always serialize, and writing to a vector succeeds.
    let _ = serde_json::to_writer(&mut *out, &line);
    out.push(b'\n');
}
