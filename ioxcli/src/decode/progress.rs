//! A progress bar, shown only on a terminal and only if it does not mix with the output.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::arguments::Format;

const BAR: &str = "{bar:30} {percent:>3} %  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left";

/// A progress bar on standard error.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Creates a bar for this many bytes. Shows nothing if the number is unknown.
    pub(super) fn new(bytes: Option<u64>, format: Format) -> Self {
        let disturbs = format != Format::None && io::stdout().is_terminal();
        let bar = match bytes {
            Some(bytes) if !disturbs => {
                // indicatif draws only on terminals.
                ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr_with_hz(5))
            }
            _ => ProgressBar::hidden(),
        };
        // The template is valid. If it were not, the default style would be used.
        Self(match ProgressStyle::with_template(BAR) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    pub(super) fn read(&mut self, bytes: usize) {
        self.0.inc(bytes as u64);
    }

    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
