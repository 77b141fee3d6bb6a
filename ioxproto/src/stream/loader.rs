//! The loader: reads the names of the house and keeps them up to date.
//!
//! ```text
//!            connected, an unclear event        quiet for 2 s, 30 s since       all calls
//!   ┌──────┐ ───────────────────────────► ┌─────┐ the last reading  ┌─────────┐ answered
//!   │ Idle │                              │ Due │ ────────────────► │ Reading │ ──┐
//!   └──────┘ ◄─────────────┐              └─────┘                   └─────────┘   │
//!      ▲                   │                 ▲  failed: 30, 60 … 600 s later │    │
//!      │                   │                 └───────────────────────────────┘    │
//!      └───────────────────┴──────────────────────────────────────────────────────┘
//! ```
//!
//! The rules:
//!
//! * **The machine makes its own calls.** They share the queue, limits and tokens of the caller's
//!   calls, but their ids never reach the caller. Nodes are read first and the rest after the
//!   answer, so that a refused account is tried only once.
//! * **Before the subscription**, if configured and no names are known yet: for at most 10 s
//!   (`names_before`), then the attempt continues without names. Any failure ends the wait.
//! * **After `connected`**, if the names were not read since the last connection was lost:
//!   lifecycle events were missed meanwhile.
//! * **Again after an event that does not carry the whole change**: 2 s after the last such event
//!   (`names_quiet`), at least 30 s after the last reading began (`names_spacing`), and only while
//!   the stream is live. Renames, moves and removals need no reading.
//! * **An unknown address, program or variable schedules one reading**: if that reading does not
//!   contain it, no later one will.
//! * **Events received during a reading** are applied once more to its result, which may be older
//!   than they are.
//! * **A failed or partial reading keeps the known names** and is retried after 30 s, then 60 s, up
//!   to 10 min. A refusal of programs or variables is not retried: not every controller has them.
//! * **Replayed lifecycle events are ignored**: only live ones change names or schedule a reading.

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

/// The parts that are read after the nodes.
const AFTER_NODES: [NamesPart; 3] = [
    NamesPart::Programs,
    NamesPart::Variables(VariableType::Integer),
    NamesPart::Variables(VariableType::State),
];
/// The longest wait before a failed reading is retried.
const MAX_WAIT: Duration = Duration::from_secs(600);
/// The most events kept during a reading; further events schedule another reading.
const MAX_EVENTS: usize = 64;
/// The longest event kept, in bytes.
const MAX_EVENT_LENGTH: usize = 16 * 1024;
/// The most addresses, and the most ids, remembered as seen.
const MAX_SEEN: usize = 50_000;

/// Reads the names of the house and follows lifecycle events.
#[derive(Debug)]
pub(super) struct Loader {
    policy: ReadNames,
    timing: LoaderTiming,
    /// The names as last read, with the changes by events since.
    known: Arc<Names>,
    reading: Option<Reading>,
    due: Option<Due>,
    /// When the last reading began.
    last_began: Option<Instant>,
    /// The number of failed readings in a row.
    failures: u32,
    /// Whether the names were read since the last connection was lost.
    is_fresh: bool,
    /// Whether this attempt has already tried to read the names.
    has_tried: bool,
    /// Addresses of nodes that were looked up in the known names.
    seen: BTreeSet<Box<str>>,
    /// Programs and variables that were looked up in the known names.
    seen_ids: BTreeSet<NumberedItem>,
}

/// The times between events and readings.
#[derive(Debug)]
struct LoaderTiming {
    /// How long to wait after an event, for further ones.
    quiet: Duration,
    /// The minimum time between the beginnings of two readings.
    spacing: Duration,
}

/// A scheduled reading.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: Instant,
    /// The first request for this reading.
    requested_at: Instant,
}

/// A reading in progress.
#[derive(Debug)]
struct Reading {
    calls: Vec<(CallId, NamesPart)>,
    /// The parts to request next.
    next: Vec<NamesPart>,
    /// What was read so far.
    names: Names,
    /// The parts that could not be read.
    missing: Vec<Missing>,
    /// The events since the reading began, which may be newer than its answers.
    events: Vec<Event>,
}

/// A program or a variable, by its id.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum NumberedItem {
    Program(crate::view::ProgramId),
    Variable(crate::view::VariableId),
}

impl Loader {
    pub(super) fn new(policy: ReadNames, timing: &Timing) -> Self {
        Self {
            policy,
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
    fn must_read_first(&self) -> bool {
        let never_read = !self.known.has(NamesPart::Nodes);
        self.policy == ReadNames::BeforeSubscribing && never_read && !self.has_tried
    }

    /// The stream is connected.
    pub(super) fn connected(&mut self, now: Instant) {
        if self.policy != ReadNames::Never && !self.is_fresh && self.reading.is_none() {
            self.schedule_at(now, now);
        }
    }

    /// Marks the names as stale: events are missed while there is no connection.
    pub(super) fn mark_stale(&mut self) {
        self.is_fresh = false;
        self.due = None;
    }

    fn schedule_at(&mut self, requested_at: Instant, wanted: Instant) {
        let spaced = self.last_began.map(|began| began + self.timing.spacing);
        let at = wanted.max(spaced.unwrap_or(wanted));
        self.due = Some(Due { at, requested_at });
    }

    /// Schedules a reading after an event that does not carry the whole change.
    fn schedule(&mut self, now: Instant) {
        let requested_at = self.due.map_or(now, |due| due.requested_at);
        // Read even if such events arrive all the time.
        let wanted = (now + self.timing.quiet).min(requested_at + self.timing.spacing);
        self.schedule_at(requested_at, wanted);
    }

    /// Processes an event.
    pub(super) fn event(&mut self, now: Instant, event: &Event) {
        if self.policy == ReadNames::Never {
            return;
        }
        let control = event.control();
        let needs_reading = if event.is_of_node() {
            self.is_unknown_node(event.node())
        } else if control == SystemControl::NodeLifecycle.code() {
            event.is_live() && self.follow_lifecycle(event)
        } else if control == SystemControl::Trigger.code() {
            self.follow_trigger(event)
        } else {
            false
        };
        if needs_reading {
            debug!(
                control,
                action = event.action(),
                "an event requires reading the names again"
            );
            self.schedule(now);
        }
    }

    fn follow_lifecycle(&mut self, event: &Event) -> bool {
        let Ok(change) = event.lifecycle() else {
            return false;
        };
        let mut needs_reading = false;
        if let Some(reading) = &mut self.reading {
            let fits = event.text_length() <= MAX_EVENT_LENGTH;
            match fits && reading.events.len() < MAX_EVENTS {
                true => reading.events.push(event.clone()),
                false => needs_reading = true,
            }
        }
        if self.known.has(NamesPart::Nodes) {
            needs_reading |= Arc::make_mut(&mut self.known).follow(&change).needs_reading;
        }
        needs_reading
    }

    fn follow_trigger(&mut self, event: &Event) -> bool {
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

    /// Whether no node has this address. Returns `true` only once for each address.
    fn is_unknown_node(&mut self, address: &str) -> bool {
        if !self.known.has(NamesPart::Nodes) || self.seen.contains(address) {
            return false;
        }
        if self.seen.len() >= MAX_SEEN {
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
        let fits = self.seen_ids.len() < MAX_SEEN;
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

    /// Whether a call belongs to the current reading.
    pub(super) fn owns(&self, call: CallId) -> bool {
        let reading = self.reading.as_ref();
        reading.is_some_and(|reading| reading.calls.iter().any(|(id, _)| *id == call))
    }

    /// Processes the outcome of a call of the current reading.
    pub(super) fn answered(&mut self, call: CallId, outcome: Result<RawAnswer, CallError>) {
        let Some(reading) = &mut self.reading else {
            return;
        };
        let Some(index) = reading.calls.iter().position(|(id, _)| *id == call) else {
            return;
        };
        let (_, part) = reading.calls.remove(index);
        match store(part, outcome, &mut reading.names) {
            Ok(()) if part == NamesPart::Nodes => reading.next.extend(AFTER_NODES),
            Ok(()) => {}
            Err(error) => {
                debug!(%part, %error, "names could not be read");
                if part == NamesPart::Nodes && is_final_answer(&error) {
                    reading.next.extend(AFTER_NODES);
                } else if part == NamesPart::Nodes {
                    // The same failure would prevent reading the other parts.
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

    /// Completes the reading when all its calls are answered, and returns the names.
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
            .any(|missing| missing.part == NamesPart::Nodes || !is_final_answer(&missing.error));
        self.is_fresh = !failed;
        if failed {
            let wait = self.timing.spacing * 2_u32.saturating_pow(self.failures.min(16));
            self.failures = self.failures.saturating_add(1);
            let at = now + wait.min(MAX_WAIT.max(self.timing.spacing));
            self.due = Some(Due {
                at,
                requested_at: now,
            });
        } else {
            self.failures = 0;
        }
        debug!(complete = reading.missing.is_empty(), "the names were read");
        Some(NamesRead {
            names: Arc::clone(&self.known),
            missing: reading.missing,
        })
    }

    /// Ends the reading, and marks the unanswered parts as missing. Returns the calls to cancel.
    fn time_out(&mut self, after: Duration) -> Vec<CallId> {
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

    /// Drops the reading, and returns its calls to cancel.
    fn abandon(&mut self) -> Vec<CallId> {
        self.due = None;
        let reading = self.reading.take();
        let calls = reading.map(|reading| reading.calls).unwrap_or_default();
        calls.into_iter().map(|(id, _)| id).collect()
    }
}

/// Whether the controller has answered, so that a retry would not help: it refused, or sent an
/// unreadable answer.
fn is_final_answer(error: &CallError) -> bool {
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

fn store(
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
    /// Begins to read the names before subscribing. Returns `false` if the attempt need not wait
    /// for them.
    pub(super) fn begin_names_first(&mut self, now: Now) -> bool {
        if !self.loader.must_read_first() {
            return false;
        }
        // Cancel a reading of the last connection, or its calls would be reported to the caller.
        let calls = self.loader.abandon();
        self.cancel_own_calls(calls);
        self.loader.begin(now.monotonic);
        self.state = State::ReadingNames;
        self.timers.cancel_all();
        let until = now.monotonic + self.config.timing.names_before;
        self.timers.at(Timer::Names, until);
        true
    }

    /// Ends the wait for the names at its time limit.
    pub(super) fn time_out_names(&mut self) {
        let calls = self.loader.time_out(self.config.timing.names_before);
        self.cancel_own_calls(calls);
    }

    /// Returns when to read the names.
    pub(super) fn loader_deadline(&self) -> Option<Deadline> {
        let is_live = matches!(self.state, State::Live(_));
        // A running reading must end first; its calls have their own deadlines.
        let may_begin = is_live && self.loader.reading.is_none();
        let due = self.loader.due.filter(|_| may_begin)?;
        let reason = "the names of the house";
        Some(Deadline { at: due.at, reason })
    }

    /// Begins a reading that is due, requests its next parts, and delivers the names that were
    /// read.
    pub(super) fn advance_names(&mut self, now: Now) {
        match self.state {
            State::AtRest | State::Stopping { .. } => {
                let calls = self.loader.abandon();
                return self.cancel_own_calls(calls);
            }
            State::Live(_) => {
                let due = self.loader.due.is_some_and(|due| due.at <= now.monotonic);
                if due && self.loader.reading.is_none() {
                    self.loader.begin(now.monotonic);
                }
            }
            _ => {}
        }
        let Some(reading) = &mut self.loader.reading else {
            return;
        };
        for part in std::mem::take(&mut reading.next) {
            let id = self.queue_own_call(now, request(part));
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
