//! A controller in `iox top`: its stream's status, its house, and the events of this session.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use ioxproto::names::NamesPart;
use ioxproto::state::{ChangeKind, ControllerState, Heard};
use ioxproto::{Event, Notification, Status, StatusChange};

use super::words;
use crate::connection::reason_text;
use crate::output::neutralise;

/// The number of minutes for which events are counted.
pub(super) const MINUTES: usize = 30;

/// The limit for events in the history of a node.
const HISTORY: usize = 20;

/// The limit for nodes with a history.
const HISTORIES: usize = 10_000;

/// An event of a node in this session.
#[derive(Clone, Debug)]
pub(super) struct HistoryEntry {
    pub(super) at: SystemTime,
    pub(super) text: String,
}

/// A controller and what is shown of it.
#[derive(Debug)]
pub(super) struct Controller {
    /// Its name in the configuration, or its URL.
    pub(super) label: String,
    pub(super) status: Status,
    /// When the stream connected, if it is connected.
    pub(super) connected_since: Option<SystemTime>,
    /// When the connection was last lost, and why.
    pub(super) last_loss: Option<(SystemTime, String)>,
    /// When the next attempt begins.
    pub(super) retry_at: Option<SystemTime>,
    /// Why there are no names, or why the replay is incomplete.
    pub(super) remark: Option<String>,
    pub(super) house: ControllerState,
    /// Live events of this session.
    pub(super) events: u64,
    /// The live events of each minute since the epoch, the latest last.
    minutes: VecDeque<(u64, u64)>,
    histories: BTreeMap<String, VecDeque<HistoryEntry>>,
}

impl Controller {
    pub(super) fn new(label: &str, has_change_times: bool) -> Self {
        let house = ControllerState::new();
        Self {
            label: neutralise(label),
            status: Status::NotStarted,
            connected_since: None,
            last_loss: None,
            retry_at: None,
            remark: None,
            house: match has_change_times {
                true => house.with_change_times(),
                false => house,
            },
            events: 0,
            minutes: VecDeque::with_capacity(MINUTES),
            histories: BTreeMap::new(),
        }
    }

    /// Applies a notification. Returns `true` if names, or the set of nodes, scenes, programs and
    /// variables, may have changed.
    pub(super) fn apply(&mut self, now: SystemTime, notification: &Notification) -> bool {
        let entries = self.house.entries();
        let changes = self.house.apply(notification);
        let mut is_restructured = changes.iter().any(|change| {
            matches!(
                change.kind,
                ChangeKind::Name(_) | ChangeKind::Structure { .. }
            )
        });
        match notification {
            Notification::Status(change) => self.take_status(now, change),
            Notification::Event(event) if event.is_live() => self.count(now, event),
            Notification::Names(read) => {
                is_restructured = true;
                let has_nodes = read.names.has(NamesPart::Nodes);
                let error = read.error(NamesPart::Nodes).filter(|_| !has_nodes);
                self.remark = error.map(|error| neutralise(&format!("without names: {error}")));
            }
            _ => {}
        }
        is_restructured || entries != self.house.entries()
    }

    fn take_status(&mut self, now: SystemTime, change: &StatusChange) {
        self.status = change.status;
        self.retry_at = change.retry_in.map(|wait| now + wait);
        let reason = reason_text(change).map(|reason| neutralise(&reason));
        match change.status {
            Status::Connected => {
                self.connected_since = Some(now);
                if reason.is_some() {
                    self.remark = reason;
                }
            }
            Status::LostConnection | Status::ReconnectFailed => {
                self.connected_since = None;
                self.last_loss = Some((now, reason.unwrap_or_default()));
            }
            _ => self.connected_since = None,
        }
    }

    fn count(&mut self, now: SystemTime, event: &Event) {
        self.events += 1;
        let minute = minute_of(now);
        match self.minutes.back_mut() {
            Some((last, count)) if *last >= minute => *count += 1,
            _ => {
                if self.minutes.len() == MINUTES {
                    self.minutes.pop_front();
                }
                self.minutes.push_back((minute, 1));
            }
        }
        let node = event.node();
        if node.is_empty() || (!self.histories.contains_key(node) && self.has_full_histories()) {
            return;
        }
        let history = self.histories.entry(node.to_owned()).or_default();
        if history.len() == HISTORY {
            history.pop_front();
        }
        let text = ioxproto::words::of_event(event, self.house.names());
        history.push_back(HistoryEntry { at: now, text });
    }

    fn has_full_histories(&self) -> bool {
        self.histories.len() >= HISTORIES
    }

    /// The number of live events in each of the last minutes, the current one last.
    pub(super) fn per_minute(&self, now: SystemTime) -> [u64; MINUTES] {
        let current = minute_of(now);
        let mut counts = [0; MINUTES];
        for (minute, count) in &self.minutes {
            let age = current.saturating_sub(*minute);
            if let Ok(age) = usize::try_from(age)
                && let Some(at) = (MINUTES - 1).checked_sub(age)
            {
                counts[at] += count;
            }
        }
        counts
    }

    /// The events of a node in this session, the latest first.
    pub(super) fn history(&self, node: &str) -> impl Iterator<Item = &HistoryEntry> {
        self.histories.get(node).into_iter().flatten().rev()
    }

    /// The name of a node or scene, else its address.
    pub(super) fn name_of<'a>(&'a self, address: &'a str) -> &'a str {
        match self.house.names().node(address) {
            Some(named) if !named.name.is_empty() => &named.name,
            _ => address,
        }
    }

    /// The problem of a node, as a mark and in words.
    pub(super) fn mark(
        &self,
        now: SystemTime,
        address: &str,
        silent_after: Duration,
    ) -> Option<(char, &'static str)> {
        if self.house.is_disabled(address) {
            return Some(('x', "disabled"));
        }
        if self.house.has_comm_error(address) {
            return Some(('!', "no answer"));
        }
        let heard = self.house.node_heard(address)?;
        let age = now.duration_since(heard.time()).unwrap_or_default();
        (age > silent_after).then_some(('z', "silent"))
    }
}

fn minute_of(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs() / 60
}

/// Formats how long ago a node was heard, with `>` if it may have been longer ago.
pub(super) fn age(now: SystemTime, heard: Option<Heard>) -> String {
    let Some(heard) = heard else {
        return String::new();
    };
    let ago = words::span(now.duration_since(heard.time()).unwrap_or_default());
    match heard {
        Heard::At(_) => ago,
        _ => format!(">{ago}"),
    }
}
