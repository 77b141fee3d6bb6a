//! The names of the house: when they are read, and how they stay right.
//!
//! ```text
//!            connected, an event that asks      quiet for 2 s, 30 s since       the answers
//!   ┌──────┐ ───────────────────────────► ┌─────┐ the last reading  ┌─────────┐ are there
//!   │ Idle │                              │ Due │ ────────────────► │ Reading │ ──┐
//!   └──────┘ ◄─────────────┐              └─────┘                   └─────────┘   │
//!      ▲                   │                 ▲  failed: 30, 60 … 600 s later │    │
//!      │                   │                 └───────────────────────────────┘    │
//!      └───────────────────┴──────────────────────────────────────────────────────┘
//! ```
//!
//! The rules:
//!
//! * **Calls of the machine's own**: they share the queue, limits and tokens of the caller's calls,
//!   and no id of theirs reaches the caller. Nodes first, and the rest once they have been
//!   answered, so that a refused account is tried once.
//! * **Before the subscription**, if the caller wants that and no names are known yet: for 10 s at
//!   most (`names_before`), then the attempt goes on without. Any failure ends the wait.
//! * **After `connected`**, if they were not read since the last connection was lost: what happened
//!   meanwhile was not heard.
//! * **Read again** when an event does not tell all that changed: 2 s after the last such event
//!   (`names_quiet`), and 30 s at least after the last reading began (`names_spacing`), while the
//!   stream is live. Renames, moves and removals come from the event alone.
//! * **An unknown address, program or variable asks once**: what a reading does not bring is not
//!   there to be read.
//! * **Events that come while the names are read** are followed once more in what was read, which
//!   may be older than they are.
//! * **A failed or partial reading keeps what was known** and is tried again after 30 s, then 60 s,
//!   up to 10 min. A refusal of programs or variables is an answer: not every controller has them.
//! * **Replay is history**: only live lifecycle events change names or ask.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::debug;

use super::timers::{Deadline, Timer};
use super::{Machine, State};
use crate::config::ReadNames;
use crate::names::{Missing, Names, NamesPart, NamesRead};
use crate::rest::{self, CallError, CallId, CallProblem, RawAnswer, Request};
use crate::view::{VariableType, View};
use crate::vocabulary::{SystemControl, TriggerAction};
use crate::{Action, Event, Notification, Now, Timing};

/// What is read when the nodes have been.
const AFTER_NODES: [NamesPart; 3] = [
    NamesPart::Programs,
    NamesPart::Variables(VariableType::Integer),
    NamesPart::Variables(VariableType::State),
];
/// The longest wait before a failed reading is tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// Events that are kept while the names are read; more of them lead to another reading.
const MOST_EVENTS: usize = 64;
/// The longest such event, in bytes.
const LONGEST_EVENT: usize = 16 * 1024;
/// Addresses and ids that are remembered as seen.
const MOST_SEEN: usize = 50_000;

/// Reads the names of the house.
#[derive(Debug)]
pub(super) struct Loader {
    when: ReadNames,
    timing: LoaderTiming,
    known: Arc<Names>,
    reading: Option<Reading>,
    due: Option<Due>,
    last_began: Option<Instant>,
    failures: u32,
    /// Whether the names were read since the last connection was lost.
    is_fresh: bool,
    /// Whether this attempt has read them, or tried to.
    has_tried: bool,
    /// Addresses of nodes that are known, or were asked for.
    seen: BTreeSet<Box<str>>,
    /// The same of programs and variables.
    seen_ids: BTreeSet<NumberedItem>,
}

#[derive(Debug)]
struct LoaderTiming {
    quiet: Duration,
    spacing: Duration,
}

/// When to read again.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: Instant,
    /// The first event that asked.
    since: Instant,
}

#[derive(Debug)]
struct Reading {
    calls: Vec<(CallId, NamesPart)>,
    /// What is to be asked for next.
    next: Vec<NamesPart>,
    names: Names,
    missing: Vec<Missing>,
    events: Vec<Event>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum NumberedItem {
    Program(crate::view::ProgramId),
    Variable(crate::view::VariableId),
}

impl Loader {
    pub(super) fn new(when: ReadNames, timing: &Timing) -> Self {
        Self {
            when,
            timing: LoaderTiming {
                quiet: timing.names_quiet,
                spacing: timing.names_spacing,
            },
            known: Arc::default(),
            reading: None,
            due: None,
            last_began: None,
            failures: 0,
            is_fresh: false,
            has_tried: false,
            seen: BTreeSet::new(),
            seen_ids: BTreeSet::new(),
        }
    }

    /// An attempt to connect begins.
    pub(super) fn begin_attempt(&mut self) {
        self.has_tried = false;
    }

    /// Whether this attempt is to read the names before it subscribes.
    fn comes_first(&self) -> bool {
        let never_read = !self.known.has(NamesPart::Nodes);
        self.when == ReadNames::BeforeSubscribing && never_read && !self.has_tried
    }

    /// The stream is connected.
    pub(super) fn connected(&mut self, now: Instant) {
        if self.when != ReadNames::Never && !self.is_fresh && self.reading.is_none() {
            self.read_at(now, now);
        }
    }

    /// Marks the names as stale: events of the time without a connection are missed.
    pub(super) fn mark_stale(&mut self) {
        self.is_fresh = false;
        self.due = None;
    }

    fn read_at(&mut self, since: Instant, wanted: Instant) {
        let spaced = self.last_began.map(|began| began + self.timing.spacing);
        let at = wanted.max(spaced.unwrap_or(wanted));
        self.due = Some(Due { at, since });
    }

    /// Something changed that the event does not tell.
    fn ask(&mut self, now: Instant) {
        let since = self.due.map_or(now, |due| due.since);
        // Read even if something in the house changes all the time.
        let wanted = (now + self.timing.quiet).min(since + self.timing.spacing);
        self.read_at(since, wanted);
    }

    /// An event came.
    pub(super) fn event(&mut self, now: Instant, event: &Event) {
        if self.when == ReadNames::Never {
            return;
        }
        let control = event.control();
        let asks = if event.is_of_node() {
            self.is_unknown_node(event.node())
        } else if control == SystemControl::NodeLifecycle.code() {
            event.is_live() && self.follow(event)
        } else if control == SystemControl::Trigger.code() {
            self.trigger(event)
        } else {
            false
        };
        if asks {
            debug!(
                control,
                action = event.action(),
                "the names are to be read again"
            );
            self.ask(now);
        }
    }

    fn follow(&mut self, event: &Event) -> bool {
        let Ok(change) = event.lifecycle() else {
            return false;
        };
        let mut asks = false;
        if let Some(reading) = &mut self.reading {
            let fits = event.document().len() <= LONGEST_EVENT;
            match fits && reading.events.len() < MOST_EVENTS {
                true => reading.events.push(event.clone()),
                false => asks = true,
            }
        }
        if self.known.has(NamesPart::Nodes) {
            asks |= Arc::make_mut(&mut self.known).follow(&change).needs_reading;
        }
        asks
    }

    fn trigger(&mut self, event: &Event) -> bool {
        match TriggerAction::of(event.action()) {
            Some(TriggerAction::GetStatus | TriggerAction::VariableTable) => event.is_live(),
            Some(
                TriggerAction::ProgramStatus
                | TriggerAction::VariableValue
                | TriggerAction::VariableInit,
            ) => self.is_unknown_item(event),
            _ => false,
        }
    }

    /// Whether no node of this address was read, asked once.
    fn is_unknown_node(&mut self, address: &str) -> bool {
        if !self.known.has(NamesPart::Nodes) || self.seen.contains(address) {
            return false;
        }
        if self.seen.len() >= MOST_SEEN {
            return false;
        }
        self.seen.insert(address.into());
        self.known.node(address).is_none()
    }

    fn is_unknown_item(&mut self, event: &Event) -> bool {
        let (part, item, is_known) = match event.view() {
            Ok(View::Program(status)) => {
                let is_known = self.known.program(status.id).is_some();
                (
                    NamesPart::Programs,
                    NumberedItem::Program(status.id),
                    is_known,
                )
            }
            Ok(View::Variable(change)) => {
                let is_known = self.known.variable(change.id).is_some();
                let part = NamesPart::Variables(change.id.kind);
                (part, NumberedItem::Variable(change.id), is_known)
            }
            _ => return false,
        };
        let fits = self.seen_ids.len() < MOST_SEEN;
        !is_known && self.known.has(part) && fits && self.seen_ids.insert(item)
    }

    fn begin(&mut self, now: Instant) {
        debug!("reading the names of the house");
        self.due = None;
        self.last_began = Some(now);
        self.has_tried = true;
        self.reading = Some(Reading {
            calls: Vec::new(),
            next: vec![NamesPart::Nodes],
            names: Names::default(),
            missing: Vec::new(),
            events: Vec::new(),
        });
    }

    /// Whether a call is one of these.
    pub(super) fn owns(&self, call: CallId) -> bool {
        let reading = self.reading.as_ref();
        reading.is_some_and(|reading| reading.calls.iter().any(|(id, _)| *id == call))
    }

    /// A call of these is over.
    pub(super) fn answered(&mut self, call: CallId, outcome: Result<RawAnswer, CallError>) {
        let Some(reading) = &mut self.reading else {
            return;
        };
        let Some(place) = reading.calls.iter().position(|(id, _)| *id == call) else {
            return;
        };
        let (_, part) = reading.calls.remove(place);
        match take(part, outcome, &mut reading.names) {
            Ok(()) if part == NamesPart::Nodes => reading.next.extend(AFTER_NODES),
            Ok(()) => {}
            Err(error) => {
                debug!(%part, %error, "names could not be read");
                if part == NamesPart::Nodes && is_answer(&error) {
                    reading.next.extend(AFTER_NODES);
                } else if part == NamesPart::Nodes {
                    // What keeps from the one keeps from the others.
                    let missing = |part| Missing {
                        part,
                        error: error.clone(),
                    };
                    reading.missing.extend(AFTER_NODES.map(missing));
                }
                reading.missing.push(Missing { part, error });
            }
        }
    }

    /// What was read, once all is answered.
    fn finish(&mut self, now: Instant) -> Option<NamesRead> {
        let is_done = |reading: &Reading| reading.calls.is_empty() && reading.next.is_empty();
        let mut reading = self.reading.take_if(|reading| is_done(reading))?;
        if reading.names.has(NamesPart::Nodes) {
            for event in &reading.events {
                if let Ok(change) = event.lifecycle() {
                    reading.names.follow(&change);
                }
            }
        }
        if self.known.is_covered_by(&reading.names) {
            self.known = Arc::new(reading.names);
        } else {
            Arc::make_mut(&mut self.known).take_parts(&reading.names);
        }
        let failed = reading
            .missing
            .iter()
            .any(|missing| missing.part == NamesPart::Nodes || !is_answer(&missing.error));
        self.is_fresh = !failed;
        if failed {
            let wait = self.timing.spacing * 2_u32.saturating_pow(self.failures.min(16));
            self.failures = self.failures.saturating_add(1);
            let at = now + wait.min(LONGEST_WAIT.max(self.timing.spacing));
            self.due = Some(Due { at, since: now });
        } else {
            self.failures = 0;
        }
        debug!(complete = reading.missing.is_empty(), "the names were read");
        Some(NamesRead {
            names: Arc::clone(&self.known),
            missing: reading.missing,
        })
    }

    /// Ends the reading with what there is.
    fn give_up(&mut self, after: Duration) -> Vec<CallId> {
        let Some(reading) = &mut self.reading else {
            return Vec::new();
        };
        let pending: Vec<(CallId, NamesPart)> = reading.calls.drain(..).collect();
        let mut parts: Vec<NamesPart> = pending.iter().map(|(_, part)| *part).collect();
        if parts.contains(&NamesPart::Nodes) {
            parts.extend(AFTER_NODES);
        }
        parts.append(&mut reading.next);
        let phase = None;
        reading
            .missing
            .extend(parts.into_iter().map(|part| Missing {
                part,
                error: CallError::without_effect(CallProblem::TimedOut { phase, after }),
            }));
        pending.into_iter().map(|(id, _)| id).collect()
    }

    /// Forgets the reading: the stream ends.
    fn abandon(&mut self) -> Vec<CallId> {
        self.due = None;
        let reading = self.reading.take();
        let calls = reading.map(|reading| reading.calls).unwrap_or_default();
        calls.into_iter().map(|(id, _)| id).collect()
    }
}

/// Whether the controller has answered that there are none, or something that cannot be read.
fn is_answer(error: &CallError) -> bool {
    matches!(
        error.problem,
        CallProblem::Refused {
            status: 400..500,
            ..
        } | CallProblem::Answer(_)
    )
}

fn request(part: NamesPart) -> Request {
    match part {
        NamesPart::Nodes => rest::nodes().into(),
        NamesPart::Programs => rest::programs().into(),
        NamesPart::Variables(kind) => rest::variable_definitions(kind).into(),
    }
}

fn take(
    part: NamesPart,
    outcome: Result<RawAnswer, CallError>,
    names: &mut Names,
) -> Result<(), CallError> {
    match part {
        NamesPart::Nodes => names.take_nodes(&rest::nodes().outcome(outcome)?),
        NamesPart::Programs => names.take_programs(&rest::programs().outcome(outcome)?),
        NamesPart::Variables(kind) => {
            let definitions = rest::variable_definitions(kind).outcome(outcome)?;
            names.take_variables(kind, &definitions);
        }
    }
    Ok(())
}

impl Machine {
    /// Reads the names before the attempt goes on to subscribe. `false` if there is nothing to wait
    /// for.
    pub(super) fn read_names_first(&mut self, now: Now) -> bool {
        if !self.loader.comes_first() {
            return false;
        }
        // A reading that the last connection began ends here, or its calls would reach the caller.
        let calls = self.loader.abandon();
        self.drop_calls(calls);
        self.loader.begin(now.monotonic);
        self.state = State::ReadingNames;
        self.timers.cancel_all();
        let until = now.monotonic + self.config.timing.names_before;
        self.timers.at(Timer::Names, until);
        true
    }

    /// The names have taken too long.
    pub(super) fn names_overdue(&mut self) {
        let calls = self.loader.give_up(self.config.timing.names_before);
        self.drop_calls(calls);
    }

    /// When the names are due to be read.
    pub(super) fn loader_deadline(&self) -> Option<Deadline> {
        let is_live = matches!(self.state, State::Live(_));
        // A reading under way ends first: by its calls, which have deadlines of their own.
        let may_begin = is_live && self.loader.reading.is_none();
        let due = self.loader.due.filter(|_| may_begin)?;
        let reason = "the names of the house";
        Some(Deadline { at: due.at, reason })
    }

    /// After each input: begins to read what is due, asks for the next part, and tells what was
    /// read.
    pub(super) fn carry_on_names(&mut self, now: Now) {
        match self.state {
            State::AtRest | State::Stopping { .. } => {
                let calls = self.loader.abandon();
                return self.drop_calls(calls);
            }
            State::Live(_) => {
                let due = self.loader.due.is_some_and(|due| due.at <= now.monotonic);
                if due && self.loader.reading.is_none() {
                    self.loader.begin(now.monotonic);
                }
            }
            _ => {}
        }
        let next = self
            .loader
            .reading
            .as_mut()
            .map(|reading| std::mem::take(&mut reading.next));
        for part in next.unwrap_or_default() {
            let id = self.own_call(now, request(part));
            if let Some(reading) = &mut self.loader.reading {
                reading.calls.push((id, part));
            }
        }
        if let Some(read) = self.loader.finish(now.monotonic) {
            let notification = Notification::Names(read);
            self.actions.push_back(Action::Notify(notification));
            if let State::ReadingNames = self.state {
                self.sign_in_or_connect(now);
            }
        }
    }
}
