//! The self-audit: compares the values that events reported with those that the controller reports.
//!
//! ```text
//!           15 min            values differ           5 s later            still
//!   ┌──────┐ ─────► ┌───────┐ ────────────► ┌───────┐ ────────► ┌────────┐ ────► report drift
//!   │ Idle │        │ First │               │ Pause │           │ Second │
//!   └──────┘ ◄───── └───────┘ ◄──────────── └───────┘ ◄──────── └────────┘
//!             no difference, a failed call, the connection lost
//! ```
//!
//! The rules:
//!
//! * **While the stream is live**, the machine reads `/rest/status` every 15 min (`audit_every`),
//!   with a call of its own. After a failed call, it waits for the next audit.
//! * **Only numbers are compared**: no display texts, no times, no value in another unit or unknown
//!   on either side, and no property without an event so far.
//! * **Events have priority over answers**: a property with an event since the first reading began
//!   is not compared.
//! * **Two readings are needed**: a difference is drift if the second reading, 5 s later
//!   (`audit_again`), shows the number of the first. The state is then corrected, and the drift is
//!   counted ([`Stats::drifts`](crate::Stats::drifts)) and reported as [`Notification::Drift`].
//! * **Three drifts in one audit** mean that the subscription is dead although it sends heartbeats.
//!   The stream then reconnects ([`Reason::StaleSubscription`]), at most once in 6 h
//!   (`audit_reconnect`).
//! * **A property that drifts in two audits in a row** is reported both times, counts towards the
//!   three only the first time, and is then excluded until its next live event: the controller's
//!   answers contradict its events.
//!
//! The audit keeps its own [`ControllerState`]. The caller's state lags behind by the notifications
//! in the queue of a slow consumer, and those would look like drift. The second state uses memory
//! only if the audit is on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tracing::{debug, warn};

use super::timers::Deadline;
use super::{Machine, State};
use crate::notification::Drift;
use crate::rest::{self, CallError, CallId, RawAnswer, Statuses};
use crate::spelling::Spelling;
use crate::state::{ControllerState, Property};
use crate::view::Decimal;
use crate::{Action, Config, Event, Notification, Now, Reason};

/// This many drifts in one audit show that the subscription is dead.
const STALE_DRIFTS: usize = 3;
/// An audit ends if this many properties have events while it runs.
const MAX_TOUCHED: usize = 10_000;

/// A property, by its node's address and its control.
type Key = (String, String);

/// Compares the values from events with those that the controller reports.
#[derive(Debug)]
pub(super) struct Auditor {
    is_on: bool,
    /// The time between two audits.
    every: Duration,
    /// The pause between the two reads of an audit.
    second_after: Duration,
    state: ControllerState,
    stage: Stage,
    /// When the next audit begins.
    due: Option<Instant>,
    /// Properties with an event since the audit began.
    touched: BTreeSet<Key>,
    /// Properties that drifted in the last audit.
    last_drifts: BTreeSet<Key>,
    /// Properties that drifted in two audits in a row.
    excluded: BTreeSet<Key>,
    /// When an audit last ended the connection.
    reconnected_at: Option<Instant>,
}

/// The progress of an audit: two reads with a pause between them.
#[derive(Debug)]
enum Stage {
    Idle,
    First {
        call: Option<CallId>,
    },
    Pause {
        until: Instant,
        suspects: BTreeMap<Key, Decimal>,
    },
    Second {
        call: Option<CallId>,
        suspects: BTreeMap<Key, Decimal>,
    },
}

impl Auditor {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            is_on: config.self_audit,
            every: config.timing.audit_every,
            second_after: config.timing.audit_again,
            state: ControllerState::new(),
            stage: Stage::Idle,
            due: None,
            touched: BTreeSet::new(),
            last_drifts: BTreeSet::new(),
            excluded: BTreeSet::new(),
            reconnected_at: None,
        }
    }

    pub(super) fn connected(&mut self, now: Instant) {
        self.due = self.is_on.then(|| now + self.every);
    }

    /// Processes an event.
    pub(super) fn event(&mut self, event: &Event) {
        if !self.is_on {
            return;
        }
        self.state.update(event);
        let is_idle = matches!(self.stage, Stage::Idle);
        if !event.is_node_property() || is_idle && self.excluded.is_empty() {
            return;
        }
        let key = (event.node().to_owned(), event.control().to_owned());
        if event.is_live() {
            self.excluded.remove(&key);
        }
        if !is_idle && self.touched.len() < MAX_TOUCHED {
            self.touched.insert(key);
        }
    }

    /// Whether a call belongs to the audit.
    pub(super) fn owns(&self, id: CallId) -> bool {
        self.call() == Some(id)
    }

    fn call(&self) -> Option<CallId> {
        match self.stage {
            Stage::First { call } | Stage::Second { call, .. } => call,
            Stage::Idle | Stage::Pause { .. } => None,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Idle => self.due,
            Stage::Pause { until, .. } => Some(*until),
            Stage::First { .. } | Stage::Second { .. } => None,
        }
    }

    /// Begins the next reading if it is due. The caller then makes the call.
    fn begin_due_reading(&mut self, now: Instant) -> bool {
        if self.deadline().is_none_or(|at| at > now) {
            return false;
        }
        self.stage = match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Pause { suspects, .. } => Stage::Second {
                call: None,
                suspects,
            },
            _ => {
                self.touched.clear();
                self.due = Some(now + self.every);
                Stage::First { call: None }
            }
        };
        true
    }

    fn set_call(&mut self, id: CallId) {
        if let Stage::First { call } | Stage::Second { call, .. } = &mut self.stage {
            *call = Some(id);
        }
    }

    /// Ends a running audit, and returns its call to cancel.
    fn abandon(&mut self) -> Option<CallId> {
        let call = self.call();
        self.stage = Stage::Idle;
        call
    }

    /// Processes the status that was read. Returns the drifts after the second reading.
    fn compare(&mut self, now: Instant, outcome: Result<RawAnswer, CallError>) -> Vec<Drift> {
        let stage = std::mem::replace(&mut self.stage, Stage::Idle);
        let statuses = match rest::status().outcome(outcome) {
            Ok(statuses) => statuses,
            Err(error) => {
                debug!(%error, "audit skipped: the status could not be read");
                return Vec::new();
            }
        };
        if self.touched.len() >= MAX_TOUCHED {
            debug!("audit skipped: too many events while it ran");
            return Vec::new();
        }
        let differing = self.differing(&statuses);
        if let Stage::Second { suspects, .. } = stage {
            let same = |drift: &Drift| {
                let key = (drift.node.to_string(), drift.control.to_string());
                suspects.get(&key).copied() == drift.property.number()
            };
            return differing.into_iter().filter(same).collect();
        }
        let numbers = differing.iter().filter_map(|drift| {
            let key = (drift.node.to_string(), drift.control.to_string());
            Some((key, drift.property.number()?))
        });
        let suspects: BTreeMap<Key, Decimal> = numbers.collect();
        if suspects.is_empty() {
            self.last_drifts.clear();
        } else {
            debug!(
                properties = suspects.len(),
                "values differ, reading them again"
            );
            let until = now + self.second_after;
            self.stage = Stage::Pause { until, suspects };
        }
        Vec::new()
    }

    /// Returns the properties whose numbers differ from those that events reported.
    fn differing(&self, statuses: &Statuses) -> Vec<Drift> {
        let nodes = self.state.nodes();
        let spelled: BTreeMap<Spelling, &str> =
            nodes.map(|node| (Spelling::of(node), node)).collect();
        let mut differing = Vec::new();
        for status in &statuses.nodes {
            let Some(node) = spelled.get(&Spelling::of(&status.address)) else {
                continue;
            };
            for reading in &status.properties {
                let key = (String::from(*node), reading.control.clone());
                let Some(known) = self.state.property(node, &reading.control) else {
                    continue;
                };
                let property = reading.to_property();
                let skipped = self.touched.contains(&key) || self.excluded.contains(&key);
                if !skipped && is_different(known, &property) {
                    differing.push(Drift {
                        node: (*node).into(),
                        control: reading.control.as_str().into(),
                        property,
                    });
                }
            }
        }
        differing
    }

    /// Corrects the state. Returns whether the drifts show that the subscription is dead.
    fn apply_drifts(&mut self, now: Instant, drifts: &[Drift], spacing: Duration) -> bool {
        let before = std::mem::take(&mut self.last_drifts);
        let mut new = 0;
        for drift in drifts {
            self.state.apply_drift(drift);
            let key = (drift.node.to_string(), drift.control.to_string());
            if before.contains(&key) {
                self.excluded.insert(key);
            } else {
                new += 1;
                self.last_drifts.insert(key);
            }
        }
        let last = self.reconnected_at;
        let is_spaced = last.is_none_or(|last| now.saturating_duration_since(last) >= spacing);
        let is_stale = new >= STALE_DRIFTS && is_spaced;
        if is_stale {
            self.reconnected_at = Some(now);
        }
        is_stale
    }
}

/// Whether both values are numbers in the same unit, and differ.
fn is_different(known: &Property, reported: &Property) -> bool {
    let (one, other) = (known.uom(), reported.uom());
    let same_unit = one == other || one.is_empty() || other.is_empty();
    match (known.number(), reported.number()) {
        (Some(known), Some(reported)) => same_unit && known != reported,
        _ => false,
    }
}

impl Machine {
    /// Returns when the audit begins or continues.
    pub(super) fn audit_deadline(&self) -> Option<Deadline> {
        let is_live = matches!(self.state, State::Live(_));
        let at = self.auditor.deadline().filter(|_| is_live)?;
        let reason = "the self-audit";
        Some(Deadline { at, reason })
    }

    /// Reads the status when it is due, handles the answer, and ends the audit when the connection
    /// ends.
    pub(super) fn advance_audit(&mut self, now: Now) {
        if !self.auditor.is_on {
            return;
        }
        if !matches!(self.state, State::Live(_)) {
            self.auditor.due = None;
            let call = self.auditor.abandon();
            return self.cancel_own_calls(call.into_iter().collect());
        }
        if self.auditor.begin_due_reading(now.monotonic) {
            debug!("auditing the values of all properties");
            let id = self.queue_own_call(now, rest::status().into());
            self.auditor.set_call(id);
        }
        let Some(outcome) = self.audit_answer.take() else {
            return;
        };
        let drifts = self.auditor.compare(now.monotonic, outcome);
        let spacing = self.config.timing.audit_reconnect;
        let is_stale =
            !drifts.is_empty() && self.auditor.apply_drifts(now.monotonic, &drifts, spacing);
        let properties = drifts.len();
        self.stats.drifts += u64::try_from(properties).unwrap_or(u64::MAX);
        for drift in drifts {
            warn!(node = %drift.node, control = %drift.control, value = drift.property.raw(), "a value has drifted and was corrected");
            let notification = Notification::Drift(drift);
            self.actions.push_back(Action::Notify(notification));
        }
        if let (true, State::Live(connection)) = (is_stale, &self.state) {
            self.actions.push_back(Action::Abort { id: connection.id });
            self.lose_connection(now, Reason::StaleSubscription { properties });
        }
    }
}
