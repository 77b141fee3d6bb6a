//! What of a stream is shown, and when it is enough.

use ioxproto::mirror::ControllerState;
use ioxproto::{Event, Notification, Status, StatusChange};

use crate::arguments::Output;
use crate::connection::advice;
use crate::output::View;
use crate::selection::Selection;
use crate::stderr::say;

/// Takes notifications and makes lines of them.
#[derive(Debug)]
pub(crate) struct Showing {
    pub(crate) controller: String,
    pub(crate) view: View,
    /// The picture of the house, if somebody wants one.
    pub(crate) state: Option<ControllerState>,
    /// Whole lines that are not yet handed over.
    pub(crate) buffer: Vec<u8>,
    selection: Selection,
    /// Events until it is enough; none, if it never is.
    left: Option<u64>,
}

impl Showing {
    pub(crate) fn new(controller: String, output: &Output) -> Self {
        Self {
            controller,
            view: View::new(output.format),
            state: output.state.is_some().then(ControllerState::new),
            buffer: Vec::new(),
            selection: Selection::new(&output.selection, output.live_only),
            left: output.max_events,
        }
    }

    /// Shows a notification. `true` when it is enough.
    pub(crate) fn take(&mut self, notification: &Notification) -> bool {
        match notification {
            Notification::Event(event) => {
                if let Some(state) = &mut self.state {
                    state.update(event);
                }
                if self.counts(event) {
                    self.view.show(notification, &mut self.buffer);
                }
            }
            Notification::Status(change) => {
                if let Some(state) = &mut self.state {
                    state.apply_status(change);
                }
                if !self.view.gives_reasons() {
                    say_why(&self.controller, change);
                }
                self.view.show(notification, &mut self.buffer);
            }
            other => self.view.show(other, &mut self.buffer),
        }
        self.left == Some(0)
    }

    /// Whether an event is one of those that were asked for.
    fn counts(&mut self, event: &Event) -> bool {
        if self.left == Some(0) || !self.selection.takes(event) {
            return false;
        }
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        true
    }
}

/// A loss or an incomplete replay and its reason, for people, where standard output is for programs.
pub(crate) fn say_why(controller: &str, change: &StatusChange) {
    let Some(reason) = &change.reason else {
        return;
    };
    let advice = advice(reason);
    if let Some(wait) = change.retry_in {
        let seconds = wait.as_secs_f32();
        say(format_args!(
            "{controller}: {reason}{advice}; next attempt in {seconds:.0} s"
        ));
    } else if change.status == Status::Connected {
        say(format_args!("{controller}: {reason}{advice}"));
    }
}
