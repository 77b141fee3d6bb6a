//! The event log: the latest entries of all controllers, as many as fit its limit.

use std::collections::VecDeque;
use std::time::SystemTime;

use ioxproto::Notification;
use ioxproto::words;

use super::controller::Controller;
use crate::connection::sentence;
use crate::output::harmless;

/// How many entries are kept.
const LIMIT: usize = 5_000;

/// How an entry looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Live,
    Replay,
    /// A change of the status, or the outcome of a command.
    Notice,
    /// Something is wrong.
    Warning,
}

/// One line of the log.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Counts up from 1; a paused log shows nothing later than where it was paused.
    pub(super) number: u64,
    pub(super) at: SystemTime,
    pub(super) controller: usize,
    pub(super) tone: Tone,
    /// The name of the node; empty where it is about none.
    pub(super) subject: String,
    pub(super) text: String,
    /// What a filter is compared with: everything above and the address, in lower case.
    searched: String,
}

impl Entry {
    pub(super) fn matches(&self, filter: &str) -> bool {
        self.searched.contains(filter)
    }
}

/// The log.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: VecDeque<Entry>,
    last: u64,
}

impl Log {
    /// The number of the latest entry.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The entries up to a number, the latest first.
    pub(super) fn latest<'a>(
        &'a self,
        until: u64,
        filter: &'a str,
    ) -> impl Iterator<Item = &'a Entry> {
        let entries = self.entries.iter().rev();
        entries.filter(move |entry| entry.number <= until && entry.matches(filter))
    }

    /// Adds what a notification says, if anything. Gives the entry.
    pub(super) fn take(
        &mut self,
        now: SystemTime,
        index: usize,
        controller: &Controller,
        notification: &Notification,
    ) -> Option<&Entry> {
        let (tone, address, text) = match notification {
            Notification::Event(event) => {
                let tone = match event.is_live() {
                    true => Tone::Live,
                    false => Tone::Replay,
                };
                let text = words::of_event(event, controller.house.names());
                (tone, event.node(), text)
            }
            Notification::Status(change) => {
                let mut text = change.status.to_string();
                if let Some(reason) = sentence(change) {
                    text = format!("{text}: {reason}");
                }
                let tone = match change.retry_in.is_some() || change.status.is_at_rest() {
                    true => Tone::Warning,
                    false => Tone::Notice,
                };
                (tone, "", text)
            }
            Notification::Gap(gap) => {
                let text = format!("gap: expected frame {}, got {}", gap.expected, gap.got);
                (Tone::Warning, "", text)
            }
            Notification::Malformed(malformed) => {
                let text = format!("malformed frame: {}", malformed.cause);
                (Tone::Warning, "", text)
            }
            Notification::Dropped(count) => {
                (Tone::Warning, "", format!("dropped {count} notifications"))
            }
            _ => return None,
        };
        let subject = match address {
            "" => "",
            address => controller.name_of(address),
        };
        let name = controller.label.clone();
        self.add(now, (index, &name), tone, (address, subject), &text);
        self.entries.back()
    }

    /// Adds an entry about a controller, given with its label, and a subject, given as address and
    /// name.
    pub(super) fn add(
        &mut self,
        now: SystemTime,
        (controller, label): (usize, &str),
        tone: Tone,
        (address, subject): (&str, &str),
        text: &str,
    ) {
        if self.entries.len() == LIMIT {
            self.entries.pop_front();
        }
        self.last += 1;
        let searched = format!("{label} {address} {subject} {text}").to_lowercase();
        self.entries.push_back(Entry {
            number: self.last,
            at: now,
            controller,
            tone,
            subject: harmless(subject),
            text: harmless(text),
            searched,
        });
    }
}
