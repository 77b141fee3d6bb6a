//! How notifications are shown.

mod json;
mod screen;
mod table;
mod text;

use ioxproto::{Notification, Stats};

pub(crate) use self::json::Json;
pub(crate) use self::screen::{Ended, Screen, nobody_reads, stdout_has_colour};
pub(crate) use self::table::house;
pub(crate) use self::text::Text;
use crate::arguments::Format;

/// One way of showing.
#[derive(Debug)]
pub(crate) enum View {
    Text(Text),
    Json(Json),
    /// What comes is counted, and nothing more.
    Count,
}

impl View {
    pub(crate) fn new(format: Format) -> Self {
        match format {
            Format::Text => Self::Text(Text::new(stdout_has_colour())),
            Format::Json => Self::Json(Json),
            Format::None => Self::Count,
        }
    }

    /// Appends the line or lines that a notification gives, if any.
    pub(crate) fn show(&mut self, notification: &Notification, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => text.show(notification, out),
            Self::Json(json) => json.show(notification, out),
            Self::Count => {}
        }
    }

    /// Whether it tells people why the status changed; else that goes to standard error.
    pub(crate) fn gives_reasons(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Appends what there is to say at the end.
    pub(crate) fn finish(&mut self, stats: &Stats, out: &mut Vec<u8>) {
        if let Self::Count = self {
            let replayed = stats.events.saturating_sub(stats.live_events);
            let text = format!(
                "{} events ({replayed} replayed, {} live), {} ignored, {} malformed\n\
                 {} frames, {} bytes, {} gaps, {} with invalid UTF-8, {} with forbidden characters\n\
                 {} attempts to connect, {} reconnects\n",
                stats.events,
                stats.live_events,
                stats.ignored,
                stats.malformed,
                stats.frames,
                stats.bytes,
                stats.gaps,
                stats.invalid_utf8,
                stats.forbidden_characters,
                stats.attempts,
                stats.reconnects,
            );
            out.extend_from_slice(text.as_bytes());
        }
    }
}
