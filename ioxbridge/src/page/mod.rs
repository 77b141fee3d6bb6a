//! What the web page shows, as a pure model: notifications, answers and time go in; a snapshot and
//! numbered changes come out, as JSON.
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
//! * A change is what differs from what was rendered before, so that a reader that applies all
//!   changes to a snapshot has the state of the latest snapshot.
//! * A reader that missed more changes than are kept gets a snapshot.
//! * Memory is bounded: by the entries of the controllers, the event log and the kept changes.
//! * Texts of controllers are neutralised here, once.

mod entry;
mod feed;
mod log;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use ioxproto::view::View;
use ioxproto::{Event, Notification, Now, StatusChange};

pub(crate) use self::entry::{Key, Kind as EntryKind, Shown, ShownController, ShownProperty};
pub(crate) use self::feed::{Feed, Wanted};
use self::log::Log;
use crate::BrokerStats;
use crate::watch::WatchId;

/// How many changes are kept for readers that come back.
const CHANGES: usize = 1024;
/// How many bytes the kept changes may have.
const CHANGES_BYTES: usize = 4 * 1024 * 1024;

/// What is shown of one house, asked for when the model renders.
pub(crate) trait Source {
    /// The keys of everything that is shown.
    fn keys(&self) -> Vec<Key>;

    /// One entry; `None` if it is gone.
    fn entry(&self, key: &Key) -> Option<Shown>;

    /// The controller itself.
    fn controller(&self) -> ShownController;
}

/// The model of the page.
#[derive(Debug)]
pub(crate) struct Page {
    /// Tells the changes of this process from those of an earlier one.
    instance: String,
    are_commands_allowed: bool,
    houses: BTreeMap<WatchId, House>,
    broker: String,
    is_broker_marked: bool,
    log: Log,
    /// Log entries of the next change, as JSON.
    new_log: Vec<Arc<str>>,
    /// Keys of entries of houses that were removed.
    removed: Vec<String>,
    /// The number of the latest change.
    last: u64,
    changes: VecDeque<Arc<str>>,
    changes_bytes: usize,
}

/// What is rendered of one house, and what may have changed since.
#[derive(Debug)]
struct House {
    name: String,
    controller: String,
    entries: BTreeMap<Key, String>,
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

    /// Begins to show a house.
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

    /// Ends with a house.
    pub(crate) fn remove(&mut self, watch: WatchId) {
        let Some(house) = self.houses.remove(&watch) else {
            return;
        };
        if !self.houses.values().any(|other| other.name == house.name) {
            let entries = house.entries.keys();
            self.removed
                .extend(entries.map(|key| key.written(&house.name)));
            self.removed.push(house.name);
        }
    }

    /// Takes in a notification. `words` gives the name of an event's node, and what the event says.
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
        // A replay of thousands of events between two changes: the log keeps no more either.
        if self.new_log.len() > log::LIMIT {
            self.new_log.remove(0);
        }
    }

    /// Anything of a house may have changed: a part of it was read.
    pub(crate) fn mark_all(&mut self, watch: WatchId) {
        if let Some(house) = self.houses.get_mut(&watch) {
            house.is_all_marked = true;
        }
    }

    /// Takes in the state of the broker.
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

    /// Renders what was marked, and keeps what differs as one change. Returns whether something
    /// did.
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

    /// What a reader needs that has seen this event id, with the id that it has seen then: the
    /// changes since, or a snapshot.
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

    /// Everything that is shown, as it was rendered last.
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

/// Appends a member whose value is a list of JSON texts.
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

    /// Marks what a notification may change.
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
            // What was dropped may have changed anything.
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
            // Names, folders, and which nodes there are.
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

    /// Renders what is marked; adds what differs from before.
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
                    removed.push(key.written(&self.name));
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
                    removed.push(key.written(&self.name));
                }
                None => {}
            }
        }
    }
}

#[cfg(test)]
#[path = "../../tests/unit/page.rs"]
mod tests;
