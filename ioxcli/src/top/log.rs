//! The event log: the latest entries of all controllers, up to a limit.

use std::collections::VecDeque;
use std::time::SystemTime;

use ioxproto::Notification;
use ioxproto::words;

use super::controller::Controller;
use crate::connection::reason_text;
use crate::output::neutralise;

/// The limit for entries.
const LIMIT: usize = 5_000;

/// The kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    Live,
    Replay,
    /// A change of the status that is not a problem, or the outcome of a command.
    Notice,
    /// A problem.
    Warning,
}

/// One line of the log.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Counts up from 1. A paused log shows only entries up to the number that was the last when it
    /// was paused.
    pub(super) number: u64,
    pub(super) at: SystemTime,
    pub(super) controller: usize,
    pub(super) kind: EntryKind,
    /// The name of the node; empty if the entry is not about a node.
    pub(super) subject: String,
    pub(super) text: String,
    /// The text to which a filter applies, in lower case: label, address, name and text.
    search_text: String,
}

impl Entry {
    pub(super) fn matches(&self, filter: &str) -> bool {
        self.search_text.contains(filter)
    }
}

/// The log.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: VecDeque<Entry>,
    last_number: u64,
}

impl Log {
    /// The number of the latest entry.
    pub(super) fn last_number(&self) -> u64 {
        self.last_number
    }

    /// The entries up to a number that match a filter, the latest first.
    pub(super) fn entries_until<'a>(
        &'a self,
        until: u64,
        filter: &'a str,
    ) -> impl Iterator<Item = &'a Entry> {
        let entries = self.entries.iter().rev();
        entries.filter(move |entry| entry.number <= until && entry.matches(filter))
    }

    /// Adds an entry for a notification and returns it; `None` if no entry is made for this kind of
    /// notification.
    pub(super) fn add_notification(
        &mut self,
        now: SystemTime,
        index: usize,
        controller: &Controller,
        notification: &Notification,
    ) -> Option<&Entry> {
        let (kind, address, text) = match notification {
            Notification::Event(event) => {
                let kind = match event.is_live() {
                    true => EntryKind::Live,
                    false => EntryKind::Replay,
                };
                let text = words::of_event(event, controller.house.names());
                (kind, event.node(), text)
            }
            Notification::Status(change) => {
                let mut text = change.status.to_string();
                if let Some(reason) = reason_text(change) {
                    text = format!("{text}: {reason}");
                }
                let kind = match change.retry_in.is_some() || change.status.is_at_rest() {
                    true => EntryKind::Warning,
                    false => EntryKind::Notice,
                };
                (kind, "", text)
            }
            Notification::Gap(gap) => {
                let text = format!("gap: expected frame {}, got {}", gap.expected, gap.got);
                (EntryKind::Warning, "", text)
            }
            Notification::Malformed(malformed) => {
                let text = format!("malformed frame: {}", malformed.cause);
                (EntryKind::Warning, "", text)
            }
            Notification::Dropped(count) => (
                EntryKind::Warning,
                "",
                format!("dropped {count} notifications"),
            ),
            _ => return None,
        };
        let subject = match address {
            "" => "",
            address => controller.name_of(address),
        };
        let name = controller.label.clone();
        self.add(now, (index, &name), kind, (address, subject), &text);
        self.entries.back()
    }

    /// Adds an entry. The controller is given as index and label, the subject as address and name.
    pub(super) fn add(
        &mut self,
        now: SystemTime,
        (controller, label): (usize, &str),
        kind: EntryKind,
        (address, subject): (&str, &str),
        text: &str,
    ) {
        if self.entries.len() == LIMIT {
            self.entries.pop_front();
        }
        self.last_number += 1;
        let search_text = format!("{label} {address} {subject} {text}").to_lowercase();
        self.entries.push_back(Entry {
            number: self.last_number,
            at: now,
            controller,
            kind,
            subject: neutralise(subject),
            text: neutralise(text),
            search_text,
        });
    }
}
