//! The event log of the page: the latest entries, and the number of events per minute.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use ioxproto::Now;
use serde::Serialize;

use super::entry::{json, millis, neutralise};

/// The maximum number of entries.
pub(super) const LIMIT: usize = 500;
/// The maximum length of an entry's text, in characters.
const MAX_TEXT: usize = 400;
/// The number of minutes for which events are counted.
const MINUTES: usize = 30;

/// The kind of an entry, which is also its style class.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Tone {
    Live,
    Replay,
    /// A change of the status.
    Notice,
    Warning,
}

/// One line of the log.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    /// Counts up from 1.
    number: u64,
    at: u64,
    controller: String,
    tone: Tone,
    /// The address of the node that the entry is about; empty if there is none.
    node: String,
    /// The name of that node.
    name: String,
    text: String,
}

impl Entry {
    pub(super) fn new(now: Now, controller: &str, tone: Tone) -> Self {
        Self {
            number: 0,
            at: millis(now.utc),
            controller: controller.to_owned(),
            tone,
            node: String::new(),
            name: String::new(),
            text: String::new(),
        }
    }

    pub(super) fn about(mut self, node: &str, name: &str) -> Self {
        self.node = neutralise(node);
        self.name = neutralise(name);
        self
    }

    pub(super) fn saying(mut self, text: &str) -> Self {
        self.text = neutralise(text).chars().take(MAX_TEXT).collect();
        self
    }
}

/// The log, with each entry as JSON.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: VecDeque<Arc<str>>,
    last: u64,
}

impl Log {
    /// Numbers and adds an entry. Returns it as JSON.
    pub(super) fn add(&mut self, entry: &Entry) -> Arc<str> {
        self.last += 1;
        if self.entries.len() == LIMIT {
            self.entries.pop_front();
        }
        let numbered = Numbered {
            number: self.last,
            entry,
        };
        let entry: Arc<str> = json(&numbered).into();
        self.entries.push_back(Arc::clone(&entry));
        entry
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Arc<str>> {
        self.entries.iter()
    }
}

/// A log entry with its number, as JSON.
#[derive(Serialize)]
struct Numbered<'a> {
    number: u64,
    #[serde(flatten)]
    entry: &'a Entry,
}

/// The number of live events in each of the last minutes.
#[derive(Debug, Default)]
pub(super) struct Minutes {
    counts: VecDeque<(u64, u64)>,
}

impl Minutes {
    pub(super) fn count(&mut self, now: SystemTime) {
        let minute = millis(now) / 60_000;
        match self.counts.back_mut() {
            // If the clock was set back, keep counting in the latest minute.
            Some((last, count)) if *last >= minute => *count += 1,
            _ => {
                if self.counts.len() == MINUTES {
                    self.counts.pop_front();
                }
                self.counts.push_back((minute, 1));
            }
        }
    }

    /// Returns the current minute, and the counts of the minutes up to and including it.
    pub(super) fn latest(&self, now: SystemTime) -> (u64, Vec<u64>) {
        let current = millis(now) / 60_000;
        let mut latest = vec![0; MINUTES];
        for (minute, count) in &self.counts {
            let age = usize::try_from(current.saturating_sub(*minute)).unwrap_or(MINUTES);
            if let Some(at) = (MINUTES - 1).checked_sub(age) {
                latest[at] += count;
            }
        }
        (current, latest)
    }
}
