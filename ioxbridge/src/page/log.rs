//! The event log of the page: the latest entries, and how many events came in each minute.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use ioxproto::Now;
use serde::Serialize;

use super::entry::{json, millis, safe};

/// How many entries are kept.
pub(super) const LIMIT: usize = 500;
/// The longest text of an entry, in characters.
const LONGEST: usize = 400;
/// How many minutes are counted.
const MINUTES: usize = 30;

/// How an entry looks.
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
    /// The address of the node that it is about; empty if none.
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
        self.node = safe(node);
        self.name = safe(name);
        self
    }

    pub(super) fn saying(mut self, text: &str) -> Self {
        self.text = safe(text).chars().take(LONGEST).collect();
        self
    }
}

/// The log, each entry as JSON.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: VecDeque<Arc<str>>,
    last: u64,
}

impl Log {
    /// Adds an entry, and gives it its number. Returns it as JSON.
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

#[derive(Serialize)]
struct Numbered<'a> {
    number: u64,
    #[serde(flatten)]
    entry: &'a Entry,
}

/// How many live events came in each of the last minutes.
#[derive(Debug, Default)]
pub(super) struct Minutes {
    counts: VecDeque<(u64, u64)>,
}

impl Minutes {
    pub(super) fn count(&mut self, now: SystemTime) {
        let minute = millis(now) / 60_000;
        match self.counts.back_mut() {
            // A clock that was set back counts on in the minute that it had reached.
            Some((last, count)) if *last >= minute => *count += 1,
            _ => {
                if self.counts.len() == MINUTES {
                    self.counts.pop_front();
                }
                self.counts.push_back((minute, 1));
            }
        }
    }

    /// The current minute, and the counts of the minutes up to it.
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
