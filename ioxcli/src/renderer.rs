//! Selects the notifications to show, and formats them.

use std::time::SystemTime;

use ioxproto::names::{NamesPart, NamesRead};
use ioxproto::state::ControllerState;
use ioxproto::view::View as Kind;
use ioxproto::{Event, Notification, Status, StatusChange};

use crate::arguments::{Only, Output};
use crate::connection::advice;
use crate::names::Names;
use crate::output::View;
use crate::quiet::Quiet;
use crate::selection::Selection;
use crate::stderr::say;

/// Reports once that the names could not be read, if the stream connects without them.
#[derive(Debug, Default)]
pub(crate) struct MissingNames {
    reason: Option<String>,
    is_reported: bool,
}

impl MissingNames {
    /// Stores why the names could not be read, if so.
    pub(crate) fn note_reading(&mut self, read: &NamesRead) {
        let is_known = read.names.has(NamesPart::Nodes);
        let error = read.error(NamesPart::Nodes).filter(|_| !is_known);
        self.reason = error.map(ToString::to_string);
    }

    /// Reports the missing names once the stream is open. If the attempt fails before, the reason
    /// of that failure is reported instead.
    pub(crate) fn report(&mut self, controller: &str, status: Status) {
        if status == Status::StreamSyncing
            && let Some(reason) = self.reason.take()
            && !std::mem::replace(&mut self.is_reported, true)
        {
            say(format_args!("{controller}: without names: {reason}"));
        }
    }
}

/// Formats notifications as lines of output.
#[derive(Debug)]
pub(crate) struct Renderer {
    pub(crate) controller: String,
    pub(crate) view: View,
    /// The state of the house, if an option needs it.
    pub(crate) state: Option<ControllerState>,
    /// Complete lines that have not been passed on.
    pub(crate) buffer: Vec<u8>,
    names: Names,
    missing_names: MissingNames,
    selection: Selection,
    quiet: Option<Quiet>,
    events_only: bool,
    changes_only: bool,
    /// Whether messages other than events are shown.
    shows_ignored: bool,
    /// Whether the selected nodes have been checked, after the first complete replay.
    has_checked_nodes: bool,
    /// The number of events still to be shown; `None` without a limit.
    left: Option<u64>,
}

impl Renderer {
    pub(crate) fn new(controller: String, output: &Output) -> Self {
        let view = View::new(output.format);
        let for_people = view.is_for_people();
        Self {
            controller,
            quiet: (for_people && !output.all).then(Quiet::default),
            shows_ignored: !for_people || output.all || output.logging.verbose > 0,
            view,
            state: (output.state.is_some() || output.changes_only).then(ControllerState::new),
            buffer: Vec::new(),
            names: Names::none(),
            missing_names: MissingNames::default(),
            selection: Selection::new(&output.selection, output.live_only),
            events_only: output.only == Some(Only::Events),
            changes_only: output.changes_only,
            has_checked_nodes: false,
            left: output.max_events,
        }
    }

    /// Uses these names of the house from now on.
    fn set_names(&mut self, read: &NamesRead) {
        self.missing_names.note_reading(read);
        self.names = Names::of(read);
        self.selection.resolve(&self.names);
    }

    /// Processes a notification. Returns `true` when the limit for events is reached.
    pub(crate) fn handle_notification(&mut self, notification: &Notification) -> bool {
        match notification {
            Notification::Event(event) => {
                let repeats = self.changes_only && self.is_repetition(event);
                if let Some(state) = &mut self.state {
                    state.update(event);
                }
                self.names.update(event);
                if !repeats && self.left != Some(0) && self.selection.takes(event) {
                    if self.is_quiet(event) {
                        self.view.pass_over(event);
                    } else {
                        self.left = self.left.map(|left| left - 1);
                        self.show(notification);
                    }
                }
            }
            Notification::Status(change) => {
                if let Some(state) = &mut self.state {
                    state.apply_status(change);
                }
                self.missing_names.report(&self.controller, change.status);
                if !self.shows_reasons() {
                    say_why(&self.controller, change);
                }
                if !self.events_only {
                    self.show(notification);
                }
                if change.status == Status::Connected && !self.has_checked_nodes {
                    self.has_checked_nodes = true;
                    for sentence in self.selection.not_found() {
                        let controller = &self.controller;
                        say(format_args!("{controller}: after the replay, {sentence}"));
                    }
                }
            }
            Notification::Names(read) => {
                if let Some(state) = &mut self.state {
                    state.apply_names(&read.names);
                }
                self.set_names(read);
            }
            Notification::Ignored(_) if !self.shows_ignored => {}
            other if !self.events_only => self.show(other),
            _ => {}
        }
        self.left == Some(0)
    }

    /// Whether the output shows status changes with their reasons.
    fn shows_reasons(&self) -> bool {
        self.view.is_for_people() && !self.events_only
    }

    fn show(&mut self, notification: &Notification) {
        let received = Some(SystemTime::now());
        self.view
            .show(notification, received, &self.names, &mut self.buffer);
    }

    fn is_quiet(&mut self, event: &Event) -> bool {
        let quiet = self
            .quiet
            .as_mut()
            .is_some_and(|quiet| quiet.is_hidden(event));
        quiet && !self.selection.has_control(event)
    }

    /// Whether an event repeats the current value of a property or variable.
    fn is_repetition(&self, event: &Event) -> bool {
        let Some(state) = &self.state else {
            return false;
        };
        match event.view() {
            Ok(Kind::Property(property)) => state
                .property(property.node, property.control)
                .is_some_and(|known| known.shown() == property.shown()),
            Ok(Kind::Variable(change)) => state.variable(change.id).is_some_and(|known| {
                let known = match change.field {
                    ioxproto::view::VariableField::Init => known.init,
                    _ => known.value,
                };
                known == Some(change.number)
            }),
            _ => false,
        }
    }
}

/// Writes the reason of a lost connection or an incomplete replay to standard error. Used when
/// standard output does not show it.
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
