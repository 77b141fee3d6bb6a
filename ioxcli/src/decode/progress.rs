//! How far it is, for a person who waits: on a terminal alone, and only where it disturbs no
//! output.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::arguments::Format;

const BAR: &str = "{bar:30} {percent:>3} %  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left";

pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Over so many bytes; where that is not known, nothing is shown.
    pub(super) fn new(bytes: Option<u64>, format: Format) -> Self {
        let disturbs = format != Format::None && io::stdout().is_terminal();
        let bar = match bytes {
            Some(bytes) if !disturbs => {
                // Draws on terminals only.
                ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr_with_hz(5))
            }
            _ => ProgressBar::hidden(),
        };
        // The template is right, and without it there is a plainer one.
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
