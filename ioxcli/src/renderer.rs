//! Which notifications are shown, and when it is enough.

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

/// Says once that there are no names, when the stream goes on without.
#[derive(Debug, Default)]
pub(crate) struct Unnamed {
    reason: Option<String>,
    has_said: bool,
}

impl Unnamed {
    /// The names were read, or not.
    pub(crate) fn take(&mut self, read: &NamesRead) {
        let is_known = read.names.has(NamesPart::Nodes);
        let error = read.error(NamesPart::Nodes).filter(|_| !is_known);
        self.reason = error.map(ToString::to_string);
    }

    /// The status changed: an attempt that fails has a better reason.
    pub(crate) fn say(&mut self, controller: &str, status: Status) {
        if status == Status::StreamSyncing
            && let Some(reason) = self.reason.take()
            && !std::mem::replace(&mut self.has_said, true)
        {
            say(format_args!("{controller}: without names: {reason}"));
        }
    }
}

/// Takes notifications and makes lines of them.
#[derive(Debug)]
pub(crate) struct Renderer {
    pub(crate) controller: String,
    pub(crate) view: View,
    /// What is known of the house, if somebody wants to know.
    pub(crate) state: Option<ControllerState>,
    /// Whole lines that are not yet handed over.
    pub(crate) buffer: Vec<u8>,
    names: Names,
    unnamed: Unnamed,
    selection: Selection,
    quiet: Option<Quiet>,
    events_only: bool,
    changes_only: bool,
    /// Whether messages that are no events are shown.
    shows_ignored: bool,
    /// Whether a replay has been complete, so that nodes that were named have been looked for.
    has_looked: bool,
    /// Events until it is enough; none, if it never is.
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
            unnamed: Unnamed::default(),
            selection: Selection::new(&output.selection, output.live_only),
            events_only: output.only == Some(Only::Events),
            changes_only: output.changes_only,
            has_looked: false,
            left: output.max_events,
        }
    }

    /// Uses the names of the house from now on.
    fn know(&mut self, read: &NamesRead) {
        self.unnamed.take(read);
        self.names = Names::of(read);
        self.selection.resolve(&self.names);
    }

    /// Shows a notification. `true` when it is enough.
    pub(crate) fn take(&mut self, notification: &Notification) -> bool {
        match notification {
            Notification::Event(event) => {
                let repeats = self.changes_only && self.is_known(event);
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
                self.unnamed.say(&self.controller, change.status);
                if !self.tells_status() {
                    say_why(&self.controller, change);
                }
                if !self.events_only {
                    self.show(notification);
                }
                if change.status == Status::Connected && !self.has_looked {
                    self.has_looked = true;
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
                self.know(read);
            }
            Notification::Ignored(_) if !self.shows_ignored => {}
            other if !self.events_only => self.show(other),
            _ => {}
        }
        self.left == Some(0)
    }

    /// Whether a change of the status is shown with its reason, to people.
    fn tells_status(&self) -> bool {
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
        quiet && !self.selection.names(event)
    }

    /// Whether it repeats the value that a property or a variable has already.
    fn is_known(&self, event: &Event) -> bool {
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

/// A loss or an incomplete replay and its reason, for people, where standard output is for
/// programs.
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
