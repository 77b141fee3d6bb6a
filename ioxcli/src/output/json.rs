//! For programs: one JSON object a line.

use ioxproto::Notification;
use ioxproto::line::Line;

/// Writes JSON lines.
#[derive(Debug)]
pub(crate) struct Json;

impl Json {
    pub(crate) fn show(&self, notification: &Notification, out: &mut Vec<u8>) {
        if let Some(line) = Line::of(notification) {
            write(&line, out);
        }
    }

    /// A message that is no event, with what it is instead.
    pub(crate) fn ignored(&self, reason: &str, out: &mut Vec<u8>) {
        write(&Line::ignored(reason), out);
    }

    /// A line that is not what it should be.
    pub(crate) fn malformed(&self, error: &str, out: &mut Vec<u8>) {
        write(&Line::malformed(error), out);
    }
}

fn write(line: &Line<'_>, out: &mut Vec<u8>) {
    // Texts and numbers always serialise, and a vector takes everything.
    let _ = serde_json::to_writer(&mut *out, line);
    out.push(b'\n');
}
