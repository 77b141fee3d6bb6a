//! The state of battery sensors. They report it with commands, because their status (`ST`) is not
//! reliable.
//!
//! Rules:
//!
//! * Only live commands count. A replay repeats the last command of each kind, but not their order.
//! * Before the first live command, the state on the broker is used, or else the status, if known.
//! * If no heartbeat arrives within [`HEARTBEAT_TIMEOUT`], it is reported as missing. The time
//!   during which the controller is disconnected does not count, because no heartbeat can be
//!   received.

use std::time::{Duration, Instant};

use ioxproto::Now;
use ioxproto::view::NodeCommand;
use ioxproto::vocabulary::CommandWord;

use super::House;
use crate::discovery::kind::{self, Sense};
use crate::machine::{Shared, payload};
use crate::slug::slug;

/// The maximum time between two heartbeats. A sensor sends one every 24 h.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(25 * 60 * 60);

impl House {
    fn sense(&self, node: &str) -> Option<Sense> {
        let record = self.records.get(node)?;
        kind::sense(&self.facts(record))
    }

    /// Handles a live command from a node.
    pub(super) fn handle_sensor_command(
        &mut self,
        shared: &mut Shared,
        now: Now,
        command: &NodeCommand<'_>,
    ) {
        let node = slug(command.node);
        let is_on = match command.command {
            CommandWord::On => true,
            CommandWord::Off => false,
            _ => return,
        };
        match self.sense(&node) {
            None => {}
            Some(Sense::Own) => self.set_active(shared, now, &node, is_on),
            Some(Sense::Opposite) => {
                self.set_active(shared, now, &node, is_on);
                let first = self.records.get(&node).map(|record| slug(&record.primary));
                if is_on && let Some(first) = first.filter(|first| *first != node) {
                    self.set_active(shared, now, &first, false);
                }
            }
            Some(Sense::Heartbeat) => {
                self.set_active(shared, now, &node, false);
                self.heartbeats
                    .insert(node, now.monotonic + HEARTBEAT_TIMEOUT);
            }
        }
    }

    fn set_active(&self, shared: &mut Shared, now: Now, node: &str, is_active: bool) {
        if self.uuid.is_none() || self.removed.contains(node) {
            return;
        }
        let topic = self.topics.active(node);
        let payload = payload::active(is_active, now);
        shared.outbox.set(self.owner(), &topic, payload);
    }

    /// Publishes the initial state of all battery sensors.
    pub(super) fn publish_sensors(&mut self, shared: &mut Shared, now: Now) {
        if self.uuid.is_none() || !self.progress.states_listed {
            return;
        }
        let nodes: Vec<String> = self.records.keys().cloned().collect();
        for node in nodes {
            self.publish_sensor(shared, now, &node);
        }
    }

    pub(super) fn publish_sensor(&mut self, shared: &mut Shared, now: Now, node: &str) {
        let Some(sense) = self.sense(node) else {
            return;
        };
        if self.uuid.is_none() || !self.progress.states_listed {
            return;
        }
        if sense == Sense::Heartbeat {
            let due = now.monotonic + HEARTBEAT_TIMEOUT;
            self.heartbeats.entry(node.to_owned()).or_insert(due);
        }
        let topic = self.topics.active(node);
        let held = shared.outbox.payload(&topic);
        if let Some(held) = held.filter(|held| payload::is_active_payload(held)) {
            let held = held.to_vec();
            shared.outbox.set(self.owner(), &topic, held);
            return;
        }
        let Some(record) = self.records.get(node) else {
            return;
        };
        let status = self.state.property(&record.address, "ST");
        let status = status.and_then(|status| status.number());
        let is_battery = self.facts(record).part == 3;
        let is_active = match (sense, status) {
            (Sense::Heartbeat, _) => Some(false),
            (_, Some(number)) => Some(number.mantissa() != 0),
            // A sensor reports a low battery, but never a full one.
            (_, None) => is_battery.then_some(false),
        };
        if let Some(is_active) = is_active {
            self.set_active(shared, now, node, is_active);
        }
    }

    /// Extends all heartbeat deadlines by the time since the controller was lost.
    pub(super) fn extend_heartbeats(&mut self, now: Now, since: Instant) {
        let away = now.monotonic.saturating_duration_since(since);
        for due in self.heartbeats.values_mut() {
            *due += away;
        }
    }

    /// Reports the sensors of which the heartbeat is missing.
    pub(super) fn report_missing_heartbeats(&mut self, shared: &mut Shared, now: Now) {
        if self.away_since.is_some() {
            return;
        }
        let is_due = |due: &Instant| *due <= now.monotonic;
        let missing: Vec<String> = self
            .heartbeats
            .iter()
            .filter(|(_, due)| is_due(due))
            .map(|(node, _)| node.clone())
            .collect();
        for node in missing {
            // Start a new interval, so that a missing heartbeat is reported once per interval.
            self.heartbeats
                .insert(node.clone(), now.monotonic + HEARTBEAT_TIMEOUT);
            self.set_active(shared, now, &node, true);
        }
    }

    /// When the next heartbeat counts as missing.
    pub(super) fn heartbeat_due(&self) -> Option<Instant> {
        let due = self.heartbeats.values().copied().min();
        due.filter(|_| self.away_since.is_none())
    }

    pub(super) fn publish_nodes_enabled(&self, shared: &mut Shared) {
        for node in self.records.keys() {
            self.publish_enabled(shared, node);
        }
    }

    /// Publishes whether the controller talks to a device.
    pub(super) fn publish_enabled(&self, shared: &mut Shared, node: &str) {
        let Some(record) = self.records.get(node) else {
            return;
        };
        let is_first = record.primary.is_empty() || slug(&record.primary) == node;
        let named = self.names.node(&record.address);
        if self.uuid.is_none() || record.is_scene || !is_first || self.removed.contains(node) {
            return;
        }
        if let Some(named) = named {
            let payload = payload::enabled(named.is_enabled);
            shared
                .outbox
                .set(self.owner(), &self.topics.enabled(node), payload);
        }
    }
}
