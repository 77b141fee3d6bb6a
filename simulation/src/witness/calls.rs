//! The rules about calls, judged by what was asked, what the controller received, and what came of
//! it:
//!
//! * Each call ends once, in time, and at a stop at the latest.
//! * A command that is not absolute reaches a controller that may carry it out once at most.
//! * Confirmed is only what a live event has shown since the command was sent; unchanged only what
//!   the state said before.
//! * No more calls are under way than the controller serves, and one to each target.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ioxproto::rest::{CallId, Confirmation};

use super::{HAIR, Witness};

/// What is known of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// A read, or something that is not counted.
    Read,
    /// A command that may be repeated.
    Absolute,
    /// A command that must not be repeated; no other has its path.
    Once,
    /// An absolute command that waits for the event with this value, which no other has.
    Confirmed { value: i32, within: Duration },
    /// An absolute command that waits for an event, to a value that may be set already.
    Known { within: Duration },
}

/// What is seen of calls.
#[derive(Debug, Default)]
pub(super) struct CallsSeen {
    pending: BTreeMap<CallId, Pending>,
    ended: BTreeSet<CallId>,
    /// How often the controller received a command that must not be repeated, and did not refuse
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
    nature: Nature,
}

impl Witness {
    /// A call is made.
    pub(crate) fn calls(&mut self, now: Duration, id: CallId, path: &str, nature: Nature) {
        self.now = now;
        let within = match nature {
            Nature::Confirmed { within, .. } | Nature::Known { within } => within,
            Nature::Read | Nature::Absolute | Nature::Once => Duration::ZERO,
        };
        if nature == Nature::Once {
            self.calls.once.insert(path.to_owned());
        }
        let pending = Pending {
            due: now + self.timing.call + within,
            path: path.to_owned(),
            nature,
        };
        let fresh = self.calls.pending.insert(id, pending).is_none();
        let fresh = fresh && !self.calls.ended.contains(&id);
        self.check(fresh, "two calls have one id");
    }

    /// The exchange of a call begins, beside these others that are under way.
    pub(crate) fn sends_call(
        &mut self,
        host: &str,
        request: &[u8],
        others: &[String],
        most: usize,
    ) {
        self.goes_to(host, request);
        let path = path_of(request);
        self.check(others.len() < most, "more calls are under way than may be");
        if let Some(target) = target(&path) {
            let alone = !others
                .iter()
                .any(|other| self::target(other) == Some(target));
            self.check(alone, "two commands to one target are under way");
        }
        self.calls.sent_in_attempt = true;
        let value = path.rsplit_once('/').map(|(_, value)| value.parse());
        if let Some(Ok(value)) = value {
            self.calls.sent.insert(value);
        }
    }

    /// The controller received a request, and answered with this status.
    pub(crate) fn controller_received(&mut self, path: &str, status: Option<u16>) {
        if status == Some(401) || !self.calls.once.contains(path) {
            return;
        }
        let received = self.calls.received.entry(path.to_owned()).or_default();
        *received += 1;
        let twice = *received > 1;
        self.check(!twice, "a command was sent twice that is not absolute");
    }

    /// A call was answered.
    pub(crate) fn call_answered(&mut self, status: Option<u16>) {
        if matches!(status, Some(401 | 403)) {
            self.call_doubts_token();
        }
    }

    /// A text was handed to the core, and this came of it.
    pub(crate) fn shows_value(&mut self, text: &str, is_live: bool) {
        let value = is_live.then(|| text.split("<val>").nth(1)).flatten();
        let value = value.and_then(|rest| rest.split('<').next()?.parse().ok());
        if let Some(value) = value
            && self.calls.sent.contains(&value)
        {
            self.calls.shown.insert(value);
        }
    }

    /// A call has ended.
    pub(crate) fn call_ends(&mut self, id: CallId, confirmation: Option<Confirmation>) {
        let Some(call) = self.calls.pending.remove(&id) else {
            return self.fail("a call ends that is over, or was never made");
        };
        self.calls.ended.insert(id);
        match (call.nature, confirmation) {
            (Nature::Confirmed { value, .. }, Some(Confirmation::Confirmed)) => {
                let shown = self.calls.shown.contains(&value);
                self.check(shown, "confirmed without a live event since it was sent");
            }
            (Nature::Confirmed { .. }, Some(Confirmation::Unchanged)) => {
                self.fail("unchanged, and the value is new");
            }
            (Nature::Read | Nature::Absolute | Nature::Once, Some(_)) => {
                self.fail(format!("confirmed, and nobody asked: {}", call.path));
            }
            _ => {}
        }
    }

    /// The driver was woken so much too late: an answer that came meanwhile begins the wait for an
    /// event later.
    pub(super) fn forgive_lateness(&mut self, late: Duration) {
        for call in self.calls.pending.values_mut() {
            call.due += late;
        }
    }

    /// The driver is about to wait until then.
    pub(crate) fn calls_end_in_time(&mut self, now: Duration, until: Option<Duration>) {
        let first = self.calls.pending.values().min_by_key(|call| call.due);
        let Some(first) = first else { return };
        let due = first.due;
        // If the process was stopped meanwhile, the deadline is due at once.
        let wakes = until.is_some_and(|until| until <= now.max(due) + HAIR);
        if !wakes {
            let (path, until) = (&first.path, until.map(|until| until.saturating_sub(due)));
            self.fail(format!("{path} outlives its limit by {until:?}"));
        }
    }

    /// The stream is at rest.
    pub(crate) fn calls_are_over(&mut self) {
        let left = self.calls.pending.len();
        self.check(left == 0, "at rest, with calls pending");
    }
}

/// The path of a request.
pub(crate) fn path_of(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    text.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// What a command sets; `None` for what is not a command.
fn target(path: &str) -> Option<&str> {
    let is_command = path.contains("/vars/set/") || path.contains("/cmd/");
    is_command.then(|| path.rsplit_once('/').map(|(target, _)| target))?
}
