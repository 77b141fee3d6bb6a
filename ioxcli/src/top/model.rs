//! The model of the screen, as a state machine without terminal, clock or streams.
//!
//! ```text
//!  keys, notifications, outcomes, ticks  ──►  ┌───────┐  ──►  send a command, suspend, quit
//!                        each with "now"      │ Model │
//!                                             └───────┘  ──►  whether to redraw
//! ```
//!
//! Rules:
//!
//! * An input asks for a redraw if and only if it changes something visible.
//! * A command is sent only after it is confirmed with `y`.
//! * A question refers to an address, so a rename or move in the meantime does not change it.
//! * Everything that grows over time has a limit: the log, the histories, the house.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use ioxproto::rest::{CallError, Command, Confirmation};
use ioxproto::{Notification, Status};
use jiff::tz::TimeZone;

use super::command::Target;
use super::controller::Controller;
use super::log::{EntryKind, Log};
use super::rows::{Path, Row, rows};

/// The view on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    Controllers,
    House,
    Events,
    /// The details of one node, opened from the house.
    Node,
}

/// The prompt in the last line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    /// The filter is being typed.
    Filter,
    /// A level in percent is being typed.
    Level {
        controller: usize,
        address: String,
        typed: String,
    },
    /// A command waits for confirmation.
    Confirm(PendingCommand),
}

/// A command before its confirmation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PendingCommand {
    pub(super) controller: usize,
    /// The command in words, such as `Hall lamp: on`.
    pub(super) what: String,
    pub(super) command: Command,
}

/// An input of the model.
#[derive(Debug)]
pub(super) enum Input {
    Key(Key),
    /// The screen has this many lines.
    Resized(u16),
    Notification(usize, Notification),
    /// The outcome of a command, with the controller's index and the command in words.
    Outcome(usize, String, Result<Confirmation, CallError>),
    /// One second has passed.
    Tick,
}

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Character(char),
    Control(char),
    Enter,
    Escape,
    Backspace,
    Tab,
    BackTab,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
}

/// An action that the model requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Send(PendingCommand),
    /// Restore the terminal, and stop the process until it is continued.
    Suspend,
    /// Draw the whole screen, in case its content was changed from outside.
    Repaint,
    Quit,
}

/// The state of the screen.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) controllers: Vec<Controller>,
    /// The controller whose house is shown.
    pub(super) selected: usize,
    pub(super) view: View,
    pub(super) has_help: bool,
    pub(super) prompt: Option<Prompt>,
    /// The filter, in lower case.
    pub(super) filter: String,
    pub(super) log: Log,
    /// The latest entry that a paused log shows.
    pub(super) paused: Option<u64>,
    /// How many entries the log is scrolled back.
    pub(super) scrolled: usize,
    pub(super) house_rows: Vec<Row>,
    pub(super) cursor: usize,
    /// The folders whose contents are hidden.
    pub(super) folded: BTreeSet<Path>,
    /// The node whose details are shown.
    pub(super) node: String,
    /// How many lines the details are scrolled.
    pub(super) details_scrolled: usize,
    /// The message in the last line, until the next key.
    pub(super) message: Option<(EntryKind, String)>,
    pub(super) now: SystemTime,
    pub(super) zone: TimeZone,
    pub(super) silent_after: Duration,
    /// The height of the terminal, in rows.
    pub(super) height: u16,
    needs_redraw: bool,
}

impl Model {
    pub(super) fn new(
        now: SystemTime,
        zone: TimeZone,
        controllers: Vec<Controller>,
        silent_after: Duration,
    ) -> Self {
        let view = match controllers.len() {
            1 => View::House,
            _ => View::Controllers,
        };
        Self {
            controllers,
            selected: 0,
            view,
            has_help: false,
            prompt: None,
            filter: String::new(),
            log: Log::default(),
            paused: None,
            scrolled: 0,
            house_rows: Vec::new(),
            cursor: 0,
            folded: BTreeSet::new(),
            node: String::new(),
            details_scrolled: 0,
            message: None,
            now,
            zone,
            silent_after,
            height: 24,
            needs_redraw: true,
        }
    }

    /// Whether something visible has changed since the last call.
    pub(super) fn take_redraw(&mut self) -> bool {
        std::mem::take(&mut self.needs_redraw)
    }

    /// Processes an input and returns the requested actions.
    pub(super) fn update(&mut self, now: SystemTime, input: Input) -> Vec<Effect> {
        self.now = now;
        match input {
            Input::Key(key) => {
                self.needs_redraw = true;
                return self.press(key);
            }
            Input::Resized(height) => {
                self.height = height;
                self.needs_redraw = true;
            }
            Input::Notification(index, notification) => {
                self.apply_notification(index, &notification);
            }
            Input::Outcome(index, what, outcome) => self.take_outcome(index, &what, &outcome),
            // Ages, uptimes and waits are shown everywhere but in the log.
            Input::Tick => self.needs_redraw |= self.view != View::Events,
        }
        Vec::new()
    }

    fn apply_notification(&mut self, index: usize, notification: &Notification) {
        let Some(controller) = self.controllers.get_mut(index) else {
            return;
        };
        let is_restructured = controller.apply(self.now, notification);
        let entry = self
            .log
            .add_notification(self.now, index, controller, notification);
        let is_entry_shown = entry.is_some_and(|entry| entry.matches(&self.filter));
        if is_entry_shown && self.scrolled > 0 && self.paused.is_none() {
            // Keep the entries that are being read in place.
            self.scrolled += 1;
        }
        if is_restructured && index == self.selected {
            self.arrange();
        }
        self.needs_redraw |= match (self.view, notification) {
            (_, Notification::Status(_) | Notification::Names(_)) => true,
            (View::Events, _) => is_entry_shown && self.paused.is_none(),
            (View::Controllers, _) => true,
            (View::House, _) => index == self.selected,
            (View::Node, Notification::Event(event)) => {
                index == self.selected && event.node() == self.node
            }
            (View::Node, _) => false,
        };
    }

    fn take_outcome(
        &mut self,
        index: usize,
        what: &str,
        outcome: &Result<Confirmation, CallError>,
    ) {
        let (kind, text) = match outcome {
            Ok(Confirmation::Confirmed) => (EntryKind::Notice, format!("{what}: confirmed")),
            Ok(Confirmation::Unchanged) => (
                EntryKind::Notice,
                format!("{what}: accepted; it already had this state"),
            ),
            Ok(_) => (
                EntryKind::Warning,
                format!("{what}: accepted, but no event shows that it was carried out"),
            ),
            Err(error) => (EntryKind::Warning, format!("{what}: {error}")),
        };
        self.note(index, kind, &text);
        self.say(kind, text);
    }

    /// Adds a line to the log.
    fn note(&mut self, index: usize, kind: EntryKind, text: &str) {
        if let Some(controller) = self.controllers.get(index) {
            let named = (index, &*controller.label);
            self.log.add(self.now, named, kind, ("", ""), text);
        }
    }

    /// Shows a message until the next key.
    pub(super) fn say(&mut self, kind: EntryKind, text: impl Into<String>) {
        self.message = Some((kind, text.into()));
        self.needs_redraw = true;
    }

    pub(super) fn controller(&self) -> &Controller {
        // There is at least one controller, and `selected` is always a valid index.
        &self.controllers[self.selected]
    }

    /// Rebuilds the rows of the house, and keeps the cursor on its row.
    pub(super) fn arrange(&mut self) {
        let before = self.house_rows.get(self.cursor).cloned();
        self.house_rows = rows(&self.controller().house, &self.folded, &self.filter);
        let found = before.and_then(|before| {
            let mut rows = self.house_rows.iter();
            rows.position(|row| row.is_same(&before))
        });
        let last = self.house_rows.len().saturating_sub(1);
        self.cursor = found.unwrap_or(self.cursor).min(last);
    }

    /// The target of a command in the current view, if any.
    pub(super) fn target(&self) -> Option<Target> {
        match self.view {
            View::Node => Some(Target::Node(self.node.clone())),
            View::House => match self.house_rows.get(self.cursor)? {
                Row::Node { address, .. } | Row::Scene { address, .. } => {
                    Some(Target::Node(address.clone()))
                }
                Row::Program(id) => Some(Target::Program(*id)),
                Row::Folder { .. } | Row::Variable(_) => None,
            },
            View::Controllers | View::Events => None,
        }
    }

    /// Whether commands can be sent now.
    pub(super) fn is_connected(&self) -> bool {
        self.controller().status == Status::Connected
    }
}
