//! The rules about calls, checked against the requests, what the controller received, and the
//! outcomes:
//!
//! * Each call ends exactly once, within its limit, and no later than a stop.
//! * A command that is not absolute is sent at most once to a controller that may carry it out.
//! * A call is confirmed only by a live event after the command was sent, and unchanged only if the
//!   state had the value before.
//! * No more calls are in flight than the controller serves, and at most one command to each
//!   target.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ioxproto::rest::{CallId, Confirmation};

use super::{Checker, TOLERANCE};

/// The kind of a call: whether it may be repeated, and which event it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallKind {
    /// A read, or a command that is not counted.
    Read,
    /// A command that may be repeated.
    Absolute,
    /// A command that must not be repeated. Its path is unique.
    Once,
    /// An absolute command that waits for the event with this value. The value is unique.
    Confirmed { value: i32, within: Duration },
    /// An absolute command that waits for an event. Its value may already be set.
    Known { within: Duration },
}

/// What was observed of calls.
#[derive(Debug, Default)]
pub(super) struct CallsSeen {
    pending: BTreeMap<CallId, Pending>,
    ended: BTreeSet<CallId>,
    /// How often the controller received each command that must not be repeated, without refusing
    /// the account.
    received: BTreeMap<String, u32>,
    /// Commands that must not be repeated.
    once: BTreeSet<String>,
    /// Values that live events have shown since their commands were first sent.
    shown: BTreeSet<i32>,
    /// Values whose commands were sent.
    sent: BTreeSet<i32>,
    /// Tokens were renewed for a call since the last attempt began.
    pub(super) renews: bool,
    /// A call was sent since the last attempt began.
    pub(super) sent_in_attempt: bool,
}

#[derive(Clone, Debug)]
struct Pending {
    due: Duration,
    path: String,
    kind: CallKind,
}

impl Checker {
    /// A call is made: notes it, and when it must have ended.
    pub(crate) fn calls(&mut self, now: Duration, id: CallId, path: &str, kind: CallKind) {
        self.now = now;
        let within = match kind {
            CallKind::Confirmed { within, .. } | CallKind::Known { within } => within,
            CallKind::Read | CallKind::Absolute | CallKind::Once => Duration::ZERO,
        };
        if kind == CallKind::Once {
            self.calls.once.insert(path.to_owned());
        }
        let pending = Pending {
            due: now + self.timing.call + within,
            path: path.to_owned(),
            kind,
        };
        let fresh = self.calls.pending.insert(id, pending).is_none();
        let fresh = fresh && !self.calls.ended.contains(&id);
        self.check(fresh, "two calls have one id");
    }

    /// The exchange of a call begins: checks it against the other calls in flight.
    pub(crate) fn sends_call(
        &mut self,
        host: &str,
        request: &[u8],
        others: &[String],
        most: usize,
    ) {
        self.check_host(host, request);
        let path = path_of(request);
        self.check(others.len() < most, "more calls are in flight than allowed");
        if let Some(target) = target(&path) {
            let alone = !others
                .iter()
                .any(|other| self::target(other) == Some(target));
            self.check(alone, "two commands to one target are in flight");
        }
        self.calls.sent_in_attempt = true;
        let value = path.rsplit_once('/').map(|(_, value)| value.parse());
        if let Some(Ok(value)) = value {
            self.calls.sent.insert(value);
        }
    }

    /// The controller answered a request with this status: checks that it received no command
    /// twice.
    pub(crate) fn controller_received(&mut self, path: &str, status: Option<u16>) {
        if status == Some(401) || !self.calls.once.contains(path) {
            return;
        }
        let received = self.calls.received.entry(path.to_owned()).or_default();
        *received += 1;
        let twice = *received > 1;
        self.check(!twice, "a command that is not absolute was sent twice");
    }

    /// A call was answered: notes whether its token was refused.
    pub(crate) fn call_answered(&mut self, status: Option<u16>) {
        if matches!(status, Some(401 | 403)) {
            self.doubt_token();
        }
    }

    /// A text frame was passed to the core: notes the variable's value that a live event shows.
    pub(crate) fn note_shown_value(&mut self, text: &str, is_live: bool) {
        let value = is_live.then(|| text.split("<val>").nth(1)).flatten();
        let value = value.and_then(|rest| rest.split('<').next()?.parse().ok());
        if let Some(value) = value
            && self.calls.sent.contains(&value)
        {
            self.calls.shown.insert(value);
        }
    }

    /// A call has ended: checks its confirmation.
    pub(crate) fn call_ends(&mut self, id: CallId, confirmation: Option<Confirmation>) {
        let Some(call) = self.calls.pending.remove(&id) else {
            return self.fail("a call ends that has already ended or was never made");
        };
        self.calls.ended.insert(id);
        match (call.kind, confirmation) {
            (CallKind::Confirmed { value, .. }, Some(Confirmation::Confirmed)) => {
                let shown = self.calls.shown.contains(&value);
                self.check(shown, "confirmed without a live event after it was sent");
            }
            (CallKind::Confirmed { .. }, Some(Confirmation::Unchanged)) => {
                self.fail("reported as unchanged, but the value is new");
            }
            (CallKind::Read | CallKind::Absolute | CallKind::Once, Some(_)) => {
                self.fail(format!(
                    "a confirmation that was not requested: {}",
                    call.path
                ));
            }
            _ => {}
        }
    }

    /// The driver woke this much too late. Until then it could not read answers, so that the wait
    /// for the event begins later.
    pub(super) fn forgive_lateness(&mut self, late: Duration) {
        for call in self.calls.pending.values_mut() {
            call.due += late;
        }
    }

    /// The driver is about to wait until this time: checks that no call outlives its limit.
    pub(crate) fn check_call_limits(&mut self, now: Duration, until: Option<Duration>) {
        let first = self.calls.pending.values().min_by_key(|call| call.due);
        let Some(first) = first else { return };
        let due = first.due;
        // If the process was stopped meanwhile, the deadline is due immediately.
        let wakes = until.is_some_and(|until| until <= now.max(due) + TOLERANCE);
        if !wakes {
            let (path, until) = (&first.path, until.map(|until| until.saturating_sub(due)));
            self.fail(format!("{path} outlives its limit by {until:?}"));
        }
    }

    /// The stream is at rest: checks that no call is pending.
    pub(crate) fn check_no_calls_pending(&mut self) {
        let left = self.calls.pending.len();
        self.check(left == 0, "at rest with calls pending");
    }
}

/// Returns the path of a request.
pub(crate) fn path_of(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    text.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// Returns the target of a command; `None` for any other path.
fn target(path: &str) -> Option<&str> {
    let is_command = path.contains("/vars/set/") || path.contains("/cmd/");
    is_command.then(|| path.rsplit_once('/').map(|(target, _)| target))?
}
