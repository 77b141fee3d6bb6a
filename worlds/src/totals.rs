//! Counts over many worlds.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use ioxproto::rest::{CallError, Confirmation, RawAnswer};
use ioxproto::{Notification, Status, StatusChange};

/// Counts over one seed or many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Worlds.
    pub seeds: u64,
    /// How long they lasted, in virtual time.
    pub virtual_time: Duration,
    /// Faults that were injected.
    pub faults: u64,
    /// Text frames that the core accepted.
    pub messages: u64,
    /// Events among them.
    pub events: u64,
    /// Live events among those.
    pub live: u64,
    /// Frames that were not events.
    pub ignored: u64,
    /// Frames that were not well-formed.
    pub malformed: u64,
    /// Gaps that were reported.
    pub gaps: u64,
    /// Attempts to connect.
    pub attempts: u64,
    /// Times that the stream became connected.
    pub connects: u64,
    /// Times that a connection or an attempt was lost.
    pub losses: u64,
    /// Calls that were made.
    pub calls: u64,
    /// How calls ended, and how often.
    pub call_ends: BTreeMap<&'static str, u64>,
    /// Inputs for what the core had abandoned.
    pub late_inputs: u64,
    /// Certificates that were refused.
    pub refused_certificates: u64,
    /// Probes that came through live.
    pub probes: u64,
    /// Replayed frames that were reported as live after a silence in the middle of the replay that
    /// was longer than the drain waits. No client can recognise them.
    pub excused: u64,
    /// Status changes by reason.
    pub reasons: BTreeMap<&'static str, u64>,
}

impl Totals {
    pub(crate) fn changed(&mut self, change: &StatusChange) {
        match change.status {
            Status::Connected => self.connects += 1,
            Status::LostConnection | Status::ReconnectFailed => self.losses += 1,
            _ => {}
        }
        if let Some(reason) = &change.reason {
            *self.reasons.entry(reason.code()).or_default() += 1;
        }
    }

    pub(crate) fn message(&mut self, returned: Option<&Notification>) {
        match returned {
            Some(Notification::Event(event)) => {
                self.messages += 1;
                self.events += 1;
                self.live += u64::from(event.is_live());
                self.probes += u64::from(event.is_live() && event.node() == "PROBE 1");
            }
            Some(Notification::Ignored(_)) => {
                self.messages += 1;
                self.ignored += 1;
            }
            Some(Notification::Malformed(_)) => {
                self.messages += 1;
                self.malformed += 1;
            }
            _ => {}
        }
    }

    pub(crate) fn call_done(&mut self, outcome: &Result<RawAnswer, CallError>) {
        let end = match outcome {
            Ok(answer) => match answer.confirmation {
                Some(Confirmation::Confirmed) => "confirmed",
                Some(Confirmation::Unchanged) => "unchanged",
                Some(_) => "unconfirmed",
                None => "answered",
            },
            Err(error) => error.code(),
        };
        *self.call_ends.entry(end).or_default() += 1;
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.virtual_time += other.virtual_time;
        self.faults += other.faults;
        self.messages += other.messages;
        self.events += other.events;
        self.live += other.live;
        self.ignored += other.ignored;
        self.malformed += other.malformed;
        self.gaps += other.gaps;
        self.attempts += other.attempts;
        self.connects += other.connects;
        self.losses += other.losses;
        self.late_inputs += other.late_inputs;
        self.refused_certificates += other.refused_certificates;
        self.probes += other.probes;
        self.excused += other.excused;
        self.calls += other.calls;
        for (end, count) in &other.call_ends {
            *self.call_ends.entry(end).or_default() += count;
        }
        for (reason, count) in &other.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.virtual_time.as_secs_f64() / 86_400.0;
        writeln!(f, "{} seeds, {days:.0} days of virtual time", self.seeds)?;
        writeln!(
            f,
            "{} faults; {} attempts; connected {} times, lost {} times; {} late inputs; {} certificates refused",
            self.faults,
            self.attempts,
            self.connects,
            self.losses,
            self.late_inputs,
            self.refused_certificates
        )?;
        writeln!(
            f,
            "{} frames: {} events, {} of them live, {} ignored, {} malformed; {} gaps",
            self.messages, self.events, self.live, self.ignored, self.malformed, self.gaps
        )?;
        writeln!(
            f,
            "{} replayed frames after a silence that ends any drain",
            self.excused
        )?;
        let ends = self.call_ends.iter();
        let ends: Vec<_> = ends.map(|(end, count)| format!("{end} {count}")).collect();
        writeln!(f, "{} calls: {}", self.calls, ends.join(", "))?;
        let reasons: Vec<_> = self
            .reasons
            .iter()
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect();
        write!(f, "reasons: {}", reasons.join(", "))
    }
}
