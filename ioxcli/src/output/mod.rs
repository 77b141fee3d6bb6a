//! The output formats for notifications.

mod clean;
mod json;
mod screen;
mod summary;
mod table;
mod text;
mod time;
mod tree;
mod value;

use std::time::SystemTime;

use ioxproto::line::Line;
use ioxproto::{Event, Notification, Stats, Status};

pub(crate) use self::clean::neutralise;
pub(crate) use self::screen::{Ended, Screen, is_closed_pipe, print, stdout_has_colour};
pub(crate) use self::table::{Stamps, controllers, house, listed, silent, silent_json};
use self::text::Text;
use crate::arguments::Format;
use crate::names::Names;

/// An output format.
#[derive(Debug)]
pub(crate) enum View {
    Text(Text),
    Json,
    /// Only the shown values.
    Value,
    /// Only counts events.
    Count,
}

impl View {
    pub(crate) fn new(format: Format) -> Self {
        match format {
            Format::Text => Self::Text(Text::new(stdout_has_colour())),
            Format::Json => Self::Json,
            Format::Value => Self::Value,
            Format::None => Self::Count,
        }
    }

    /// Shows the time in an event instead of the time of its receipt.
    pub(crate) fn with_times_of_events(self) -> Self {
        match self {
            Self::Text(text) => Self::Text(text.with_times_of_events()),
            other => other,
        }
    }

    /// Appends the lines of a notification, if any.
    pub(crate) fn show(
        &mut self,
        notification: &Notification,
        received: Option<SystemTime>,
        names: &Names,
        out: &mut Vec<u8>,
    ) {
        match self {
            Self::Text(text) => text.show(notification, names, out),
            Self::Json => json::show(notification, received, names, out),
            Self::Value => {
                if let Notification::Event(event) = notification {
                    value::show(event, out);
                }
            }
            Self::Count => {}
        }
    }

    /// Processes an event that is not shown.
    pub(crate) fn pass_over(&mut self, event: &Event) {
        if let Self::Text(text) = self {
            text.pass_over(event);
        }
    }

    /// Appends the line of a message that is not an event; `reason` says what it is.
    pub(crate) fn ignored(&self, reason: &str, received: Option<SystemTime>, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => text.ignored(reason, out),
            Self::Json => json::write(Line::ignored(reason), received, out),
            Self::Value | Self::Count => {}
        }
    }

    /// Appends the line of a malformed frame.
    pub(crate) fn malformed(&self, error: &str, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => text.malformed(error, out),
            Self::Json => json::write(Line::malformed(error), None, out),
            Self::Value | Self::Count => {}
        }
    }

    /// Appends the line of an unreadable input line.
    pub(crate) fn malformed_line(
        &self,
        error: &str,
        received: Option<SystemTime>,
        out: &mut Vec<u8>,
    ) {
        match self {
            Self::Text(text) => text.malformed_line(error, out),
            Self::Json => json::write(Line::malformed(error), received, out),
            Self::Value | Self::Count => {}
        }
    }

    /// Appends the status change of an input line.
    pub(crate) fn status(
        &mut self,
        status: Status,
        message: &str,
        retry_in: Option<f64>,
        out: &mut Vec<u8>,
    ) {
        if let Self::Text(text) = self {
            text.input_status(status, message, retry_in, out);
        }
    }

    /// Appends the gap of an input line.
    pub(crate) fn gap(&self, expected: i64, got: i64, out: &mut Vec<u8>) {
        if let Self::Text(text) = self {
            text.gap(expected, got, out);
        }
    }

    /// Whether it writes JSON lines.
    pub(crate) fn is_json(&self) -> bool {
        matches!(self, Self::Json)
    }

    /// Whether the format is for people and shows the reason of a status change. With other
    /// formats, the reason is written to standard error.
    pub(crate) fn is_for_people(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Appends the summary at the end.
    pub(crate) fn finish(&mut self, stats: &Stats, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => text.finish(stats, out),
            Self::Count => out.extend_from_slice(summary::counts(stats).as_bytes()),
            Self::Json | Self::Value => {}
        }
    }
}
