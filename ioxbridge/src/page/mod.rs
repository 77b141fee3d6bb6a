//! A pure model of the web page: it takes notifications, answers and time, and produces a snapshot
//! and numbered changes as JSON.
//!
//! ```text
//!   notifications, answers ──► mark what may have changed ──► flush: render it, keep what differs
//!                                                                 │
//!                       a reader at change n ◄── changes n+1 … ◄──┤ (the latest ones are kept)
//!                       any other reader     ◄── snapshot      ◄──┘
//! ```
//!
//! Rules:
//!
//! * A change contains what differs from the previous rendering. A reader that applies all changes
//!   to a snapshot arrives at the state of the latest snapshot.
//! * A reader that has missed more changes than are kept gets a snapshot.
//! * Memory is bounded by the limits on a controller's entries, the event log and the kept changes.
//! * Texts from controllers are neutralised only here.

mod entry;
mod feed;
mod log;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use ioxproto::view::View;
use ioxproto::{Event, Notification, Now, StatusChange};

pub(crate) use self::entry::{Key, Kind as EntryKind, ShownController, ShownEntry, ShownProperty};
pub(crate) use self::feed::{Feed, ModelRequest};
use self::log::Log;
use crate::BrokerStats;
use crate::watch::WatchId;

/// The maximum number of changes that are kept for readers that reconnect.
const CHANGES: usize = 1024;
/// The maximum size of the kept changes, in bytes.
const CHANGES_BYTES: usize = 4 * 1024 * 1024;

/// The source of the displayed data of one house, read when the model renders.
pub(crate) trait Source {
    /// Returns the keys of all entries.
    fn keys(&self) -> Vec<Key>;

    /// Returns an entry; `None` if it is gone.
    fn entry(&self, key: &Key) -> Option<ShownEntry>;

    /// Returns the data of the controller.
    fn controller(&self) -> ShownController;
}

/// The model of the page.
#[derive(Debug)]
pub(crate) struct Page {
    /// Distinguishes the changes of this page from those of an earlier process.
    instance: String,
    are_commands_allowed: bool,
    houses: BTreeMap<WatchId, House>,
    broker: String,
    is_broker_marked: bool,
    log: Log,
    /// The log entries for the next change, as JSON.
    new_log: Vec<Arc<str>>,
    /// The names of removed houses, and the keys of their entries, for the next change.
    removed: Vec<String>,
    /// The number of the latest change.
    last: u64,
    changes: VecDeque<Arc<str>>,
    changes_bytes: usize,
}

/// The rendered data of one house, with marks on what may have changed since.
#[derive(Debug)]
struct House {
    name: String,
    controller: String,
    entries: BTreeMap<Key, String>,
    /// The objects to render.
    marked: BTreeSet<Key>,
    is_all_marked: bool,
    is_controller_marked: bool,
    minutes: log::Minutes,
    status: StatusChange,
    since: SystemTime,
    last_loss: Option<(SystemTime, String)>,
}

impl Page {
    pub(crate) fn new(instance: String, are_commands_allowed: bool) -> Self {
        Self {
            instance,
            are_commands_allowed,
            houses: BTreeMap::new(),
            broker: "null".to_owned(),
            is_broker_marked: false,
            log: Log::default(),
            new_log: Vec::new(),
            removed: Vec::new(),
            last: 0,
            changes: VecDeque::new(),
            changes_bytes: 0,
        }
    }

    pub(crate) fn instance(&self) -> &str {
        &self.instance
    }

    /// Adds a house.
    pub(crate) fn add(&mut self, now: Now, watch: WatchId, name: &str, status: StatusChange) {
        self.houses.insert(
            watch,
            House {
                name: name.to_owned(),
                controller: String::new(),
                entries: BTreeMap::new(),
                marked: BTreeSet::new(),
                is_all_marked: true,
                is_controller_marked: true,
                minutes: log::Minutes::default(),
                status,
                since: now.utc,
                last_loss: None,
            },
        );
    }

    /// Removes a house.
    pub(crate) fn remove(&mut self, watch: WatchId) {
        let Some(house) = self.houses.remove(&watch) else {
            return;
        };
        if !self.houses.values().any(|other| other.name == house.name) {
            let entries = house.entries.keys();
            self.removed
                .extend(entries.map(|key| key.to_text(&house.name)));
            self.removed.push(house.name);
        }
    }

    /// Handles a notification. `words` returns the name of an event's node and the event's text.
    pub(crate) fn notified(
        &mut self,
        now: Now,
        watch: WatchId,
        notification: &Notification,
        words: impl FnOnce(&Event) -> (String, String),
    ) {
        let Some(house) = self.houses.get_mut(&watch) else {
            return;
        };
        house.mark(now, notification);
        let entry = |tone| log::Entry::new(now, &house.name, tone);
        let entry = match notification {
            Notification::Event(event) => {
                let (name, text) = words(event);
                let tone = match event.is_live() {
                    true => log::Tone::Live,
                    false => log::Tone::Replay,
                };
                entry(tone).about(event.node(), &name).saying(&text)
            }
            Notification::Status(change) => {
                let tone = match change.retry_in.is_some() || change.status.is_at_rest() {
                    true => log::Tone::Warning,
                    false => log::Tone::Notice,
                };
                entry(tone).saying(&change.to_string())
            }
            Notification::Gap(gap) => entry(log::Tone::Warning).saying(&format!(
                "gap: expected frame {}, got {}",
                gap.expected, gap.got
            )),
            Notification::Malformed(malformed) => {
                let text = format!("malformed frame: {}", malformed.cause);
                entry(log::Tone::Warning).saying(&text)
            }
            Notification::Dropped(count) => {
                entry(log::Tone::Warning).saying(&format!("dropped {count} notifications"))
            }
            _ => return,
        };
        self.new_log.push(self.log.add(&entry));
        // A replay may bring thousands of events between two changes; the log keeps no more either.
        if self.new_log.len() > log::LIMIT {
            self.new_log.remove(0);
        }
    }

    /// Marks everything in a house as possibly changed.
    pub(crate) fn mark_all(&mut self, watch: WatchId) {
        if let Some(house) = self.houses.get_mut(&watch) {
            house.is_all_marked = true;
        }
    }

    /// Sets the state of the broker.
    pub(crate) fn take_broker(&mut self, broker: Option<&BrokerStats>) {
        let shown = entry::broker(broker);
        if shown != self.broker {
            self.broker = shown;
            self.is_broker_marked = true;
        }
    }

    /// Whether there may be something to flush.
    pub(crate) fn is_marked(&self) -> bool {
        let houses = self.houses.values();
        self.is_broker_marked
            || !self.new_log.is_empty()
            || !self.removed.is_empty()
            || houses.into_iter().any(House::is_marked)
    }

    /// Renders what is marked, and keeps the differences as one change. Returns whether there are
    /// any.
    pub(crate) fn flush<S: Source>(
        &mut self,
        now: Now,
        source: impl Fn(WatchId) -> Option<S>,
    ) -> bool {
        let mut controllers = Vec::new();
        let mut entries = Vec::new();
        let mut removed = std::mem::take(&mut self.removed);
        for (watch, house) in &mut self.houses {
            if let Some(source) = source(*watch) {
                house.render(now, &source, &mut controllers, &mut entries, &mut removed);
            }
        }
        let new_log = std::mem::take(&mut self.new_log);
        let broker = std::mem::take(&mut self.is_broker_marked);
        if controllers.is_empty()
            && entries.is_empty()
            && removed.is_empty()
            && new_log.is_empty()
            && !broker
        {
            return false;
        }
        let mut change = String::from("{\"type\":\"change\"");
        let _ = write!(change, ",\"broker\":{}", self.broker);
        push_list(&mut change, "controllers", &controllers);
        push_list(&mut change, "entries", &entries);
        push_list(&mut change, "log", &new_log);
        let removed = serde_json::Value::from(removed);
        let _ = write!(change, ",\"removed\":{removed}}}");
        self.keep(change.into());
        true
    }

    fn keep(&mut self, change: Arc<str>) {
        self.last += 1;
        self.changes_bytes += change.len();
        self.changes.push_back(change);
        while self.changes.len() > CHANGES || self.changes_bytes > CHANGES_BYTES {
            let Some(oldest) = self.changes.pop_front() else {
                break;
            };
            self.changes_bytes -= oldest.len();
        }
    }

    /// Returns what a reader that has seen this event id needs: the changes since, or a snapshot,
    /// each with its event id.
    pub(crate) fn since(&self, seen: Option<&str>) -> Vec<(String, Arc<str>)> {
        let seen = seen
            .and_then(|id| id.strip_prefix(&self.instance)?.strip_prefix('-'))
            .and_then(|number| number.parse::<u64>().ok())
            .filter(|seen| *seen <= self.last);
        let missed = seen.and_then(|seen| usize::try_from(self.last - seen).ok());
        match missed {
            Some(missed) if missed <= self.changes.len() => {
                let changes = self.changes.iter().skip(self.changes.len() - missed);
                let numbers = self.last - missed as u64 + 1..;
                changes
                    .zip(numbers)
                    .map(|(change, number)| (self.id(number), Arc::clone(change)))
                    .collect()
            }
            _ => vec![(self.id(self.last), self.snapshot().into())],
        }
    }

    fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.instance)
    }

    /// Returns everything that is displayed, as last rendered.
    fn snapshot(&self) -> String {
        let mut text = String::from("{\"type\":\"snapshot\"");
        let _ = write!(text, ",\"commands\":{}", self.are_commands_allowed);
        let _ = write!(text, ",\"broker\":{}", self.broker);
        let rendered = |house: &&House| !house.controller.is_empty();
        let controllers = self.houses.values().filter(rendered);
        push_list(
            &mut text,
            "controllers",
            controllers.map(|house| &house.controller),
        );
        let entries = self
            .houses
            .values()
            .flat_map(|house| house.entries.values());
        push_list(&mut text, "entries", entries);
        push_list(&mut text, "log", self.log.entries());
        text.push('}');
        text
    }
}

/// Appends a member whose value is a list of JSON values.
fn push_list<T: AsRef<str>>(out: &mut String, name: &str, list: impl IntoIterator<Item = T>) {
    let _ = write!(out, ",\"{name}\":[");
    for (at, item) in list.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(item.as_ref());
    }
    out.push(']');
}

impl House {
    fn is_marked(&self) -> bool {
        self.is_all_marked || self.is_controller_marked || !self.marked.is_empty()
    }

    /// Marks what a notification may have changed.
    fn mark(&mut self, now: Now, notification: &Notification) {
        match notification {
            Notification::Event(event) => {
                self.mark_event(event);
                if event.is_live() {
                    self.minutes.count(now.utc);
                    self.is_controller_marked = true;
                }
            }
            Notification::Status(change) => self.take_status(now, change),
            Notification::Drift(drift) => {
                self.marked.insert(Key::Node(drift.node.to_string()));
            }
            // Any entry may have changed in the dropped notifications.
            Notification::Dropped(_) => self.is_all_marked = true,
            _ => {}
        }
    }

    fn mark_event(&mut self, event: &Event) {
        match event.view() {
            Ok(View::Property(_) | View::Command(_)) => {
                self.marked.insert(Key::Node(event.node().to_owned()));
            }
            Ok(View::Program(program)) => {
                self.marked.insert(Key::Program(program.id));
            }
            Ok(View::Variable(variable)) => {
                self.marked.insert(Key::Variable(variable.id));
            }
            // A change of names, folders or the set of nodes affects any entry.
            Ok(View::Lifecycle(_)) => self.is_all_marked = true,
            _ => {}
        }
    }

    fn take_status(&mut self, now: Now, change: &StatusChange) {
        let is_loss = change.retry_in.is_some() || change.status.is_at_rest();
        if let Some(reason) = change.reason.as_ref().filter(|_| is_loss) {
            self.last_loss = Some((now.utc, reason.to_string()));
        }
        self.since = now.utc;
        self.status = change.clone();
        self.is_controller_marked = true;
    }

    /// Renders what is marked, and adds what differs to the lists.
    fn render(
        &mut self,
        now: Now,
        source: &impl Source,
        controllers: &mut Vec<String>,
        entries: &mut Vec<String>,
        removed: &mut Vec<String>,
    ) {
        if std::mem::take(&mut self.is_controller_marked) || self.is_all_marked {
            let shown = source.controller();
            let shown = shown.render(
                &self.name,
                &self.status,
                self.since,
                self.last_loss.as_ref(),
                &self.minutes.latest(now.utc),
            );
            if shown != self.controller {
                controllers.push(shown.clone());
                self.controller = shown;
            }
        }
        if std::mem::take(&mut self.is_all_marked) {
            let keys = source.keys();
            let present: BTreeSet<&Key> = keys.iter().collect();
            self.entries.retain(|key, _| {
                let is_present = present.contains(key);
                if !is_present {
                    removed.push(key.to_text(&self.name));
                }
                is_present
            });
            self.marked.extend(keys);
        }
        for key in std::mem::take(&mut self.marked) {
            match source.entry(&key) {
                Some(shown) => {
                    let shown = shown.render(&self.name, &key);
                    if self.entries.get(&key) != Some(&shown) {
                        entries.push(shown.clone());
                        self.entries.insert(key, shown);
                    }
                }
                None if self.entries.remove(&key).is_some() => {
                    removed.push(key.to_text(&self.name));
                }
                None => {}
            }
        }
    }
}

#[cfg(test)]
#[path = "../../tests/unit/page.rs"]
mod tests;
