//! The self-audit: whether the values that events have told are those that the controller reports.
//!
//! ```text
//!           15 min            values differ           5 s later            still
//!   ┌──────┐ ─────► ┌───────┐ ────────────► ┌───────┐ ────────► ┌────────┐ ────► drift is told
//!   │ Idle │        │ First │               │ Pause │           │ Second │
//!   └──────┘ ◄───── └───────┘ ◄──────────── └───────┘ ◄──────── └────────┘
//!             no difference, a failed call, the connection lost
//! ```
//!
//! The rules:
//!
//! * **While the stream is live**, one `/rest/status` every 15 min (`audit_every`), by a call of
//!   the machine's own. A call that fails is left at that.
//! * **Numbers only**: display texts and times do not count, nor does a value in another unit, one
//!   that is unknown on either side, or a property that no event has told yet.
//! * **An event counts more than an answer**: a property of which an event came since the first
//!   reading began is not compared.
//! * **Read twice**: it is drift if the second reading, 5 s later (`audit_again`), shows the number
//!   of the first. Then it is corrected, counted ([`Stats::drifts`](crate::Stats::drifts)) and told
//!   as [`Notification::Drift`].
//! * **Three at once** mean that the subscription is dead although it sends heartbeats: connect
//!   again ([`Reason::StaleSubscription`]), once in 6 h at most (`audit_reconnect`).
//! * **What differs again in the next audit** is told once more and then left out, also of the
//!   count of three, until a live event of it comes: this controller does not agree with itself.
//!
//! The numbers are kept here, in a second [`ControllerState`], and not taken from the caller's:
//! that one lags behind by what waits in the queue of a slow consumer, and events on their way
//! would look like drift. It costs its memory only where the audit is on.

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

/// This many properties at once show that the subscription is dead.
const STALE: usize = 3;
/// Properties of which events come during an audit; more of them end it.
const MOST_TOUCHED: usize = 10_000;

/// A property, by its node's address and its control.
type Key = (String, String);

/// Compares what events have told with what the controller reports.
#[derive(Debug)]
pub(super) struct Auditor {
    is_on: bool,
    every: Duration,
    again: Duration,
    house: ControllerState,
    stage: Stage,
    /// The next audit.
    due: Option<Instant>,
    /// Properties of which an event came since the audit began.
    touched: BTreeSet<Key>,
    /// What the last audit found.
    found: BTreeSet<Key>,
    left_out: BTreeSet<Key>,
    reconnected_at: Option<Instant>,
}

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
            again: config.timing.audit_again,
            house: ControllerState::new(),
            stage: Stage::Idle,
            due: None,
            touched: BTreeSet::new(),
            found: BTreeSet::new(),
            left_out: BTreeSet::new(),
            reconnected_at: None,
        }
    }

    pub(super) fn connected(&mut self, now: Instant) {
        self.due = self.is_on.then(|| now + self.every);
    }

    /// An event came.
    pub(super) fn event(&mut self, event: &Event) {
        if !self.is_on {
            return;
        }
        self.house.update(event);
        let is_idle = matches!(self.stage, Stage::Idle);
        if !event.is_node_property() || is_idle && self.left_out.is_empty() {
            return;
        }
        let key = (event.node().to_owned(), event.control().to_owned());
        if event.is_live() {
            self.left_out.remove(&key);
        }
        if !is_idle && self.touched.len() < MOST_TOUCHED {
            self.touched.insert(key);
        }
    }

    /// Whether a call is the audit's.
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

    /// Whether the status is to be read now.
    fn is_to_read(&mut self, now: Instant) -> bool {
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

    fn reads(&mut self, id: CallId) {
        if let Stage::First { call } | Stage::Second { call, .. } = &mut self.stage {
            *call = Some(id);
        }
    }

    /// Ends an audit that is under way.
    fn abandon(&mut self) -> Option<CallId> {
        let call = self.call();
        self.stage = Stage::Idle;
        call
    }

    /// The status was read. Returns what has drifted.
    fn answered(&mut self, now: Instant, outcome: Result<RawAnswer, CallError>) -> Vec<Drift> {
        let stage = std::mem::replace(&mut self.stage, Stage::Idle);
        let statuses = match rest::status().outcome(outcome) {
            Ok(statuses) => statuses,
            Err(error) => {
                debug!(%error, "no audit this time");
                return Vec::new();
            }
        };
        if self.touched.len() >= MOST_TOUCHED {
            debug!("no audit in a house this busy");
            return Vec::new();
        }
        let different = self.different(&statuses);
        if let Stage::Second { suspects, .. } = stage {
            let same = |drift: &Drift| {
                let key = (drift.node.to_string(), drift.control.to_string());
                suspects.get(&key).copied() == drift.property.number()
            };
            return different.into_iter().filter(same).collect();
        }
        let numbers = different.iter().filter_map(|drift| {
            let key = (drift.node.to_string(), drift.control.to_string());
            Some((key, drift.property.number()?))
        });
        let suspects: BTreeMap<Key, Decimal> = numbers.collect();
        if suspects.is_empty() {
            self.found.clear();
        } else {
            debug!(
                properties = suspects.len(),
                "values differ, and are read again"
            );
            let until = now + self.again;
            self.stage = Stage::Pause { until, suspects };
        }
        Vec::new()
    }

    /// The properties whose numbers differ from what events have told.
    fn different(&self, statuses: &Statuses) -> Vec<Drift> {
        let nodes = self.house.nodes();
        let spelled: BTreeMap<Spelling, &str> =
            nodes.map(|node| (Spelling::of(node), node)).collect();
        let mut different = Vec::new();
        for status in &statuses.nodes {
            let Some(node) = spelled.get(&Spelling::of(&status.address)) else {
                continue;
            };
            for reading in &status.properties {
                let key = (String::from(*node), reading.control.clone());
                let Some(known) = self.house.property(node, &reading.control) else {
                    continue;
                };
                let property = reading.to_property();
                let skipped = self.touched.contains(&key) || self.left_out.contains(&key);
                if !skipped && is_different(known, &property) {
                    different.push(Drift {
                        node: (*node).into(),
                        control: reading.control.as_str().into(),
                        property,
                    });
                }
            }
        }
        different
    }

    /// Takes what has drifted into account. Whether it shows that the subscription is dead.
    fn take(&mut self, now: Instant, drifts: &[Drift], spacing: Duration) -> bool {
        let before = std::mem::take(&mut self.found);
        let mut new = 0;
        for drift in drifts {
            self.house.apply_drift(drift);
            let key = (drift.node.to_string(), drift.control.to_string());
            if before.contains(&key) {
                self.left_out.insert(key);
            } else {
                new += 1;
                self.found.insert(key);
            }
        }
        let last = self.reconnected_at;
        let is_spaced = last.is_none_or(|last| now.saturating_duration_since(last) >= spacing);
        let is_stale = new >= STALE && is_spaced;
        if is_stale {
            self.reconnected_at = Some(now);
        }
        is_stale
    }
}

/// Whether both are numbers in the same unit, and not the same.
fn is_different(known: &Property, reported: &Property) -> bool {
    let (one, other) = (known.uom(), reported.uom());
    let same_unit = one == other || one.is_empty() || other.is_empty();
    match (known.number(), reported.number()) {
        (Some(known), Some(reported)) => same_unit && known != reported,
        _ => false,
    }
}

impl Machine {
    /// When the audit goes on.
    pub(super) fn audit_deadline(&self) -> Option<Deadline> {
        let is_live = matches!(self.state, State::Live(_));
        let at = self.auditor.deadline().filter(|_| is_live)?;
        let reason = "the self-audit";
        Some(Deadline { at, reason })
    }

    /// After each input: reads the status when that is due, and ends the audit with the connection.
    pub(super) fn carry_on_audit(&mut self, now: Now) {
        if !matches!(self.state, State::Live(_)) {
            self.auditor.due = None;
            let call = self.auditor.abandon();
            return self.drop_calls(call.into_iter().collect());
        }
        if self.auditor.is_to_read(now.monotonic) {
            debug!("auditing the values of all properties");
            let id = self.own_call(now, rest::status().into());
            self.auditor.reads(id);
        }
        let Some(outcome) = self.audit_answer.take() else {
            return;
        };
        let drifts = self.auditor.answered(now.monotonic, outcome);
        let spacing = self.config.timing.audit_reconnect;
        let is_stale = !drifts.is_empty() && self.auditor.take(now.monotonic, &drifts, spacing);
        let properties = drifts.len();
        self.stats.drifts += u64::try_from(properties).unwrap_or(u64::MAX);
        for drift in drifts {
            warn!(node = %drift.node, control = %drift.control, value = drift.property.raw(), "a value has drifted, and is corrected");
            let notification = Notification::Drift(drift);
            self.actions.push_back(Action::Notify(notification));
        }
        if let (true, State::Live(connection)) = (is_stale, &self.state) {
            self.actions.push_back(Action::Abort { id: connection.id });
            self.lose_connection(now, Reason::StaleSubscription { properties });
        }
    }
}
