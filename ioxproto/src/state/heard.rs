//! Records when nodes and properties last reported, and finds silent nodes.
//!
//! A live event is a report at the time of its receipt. A replayed event repeats what the
//! controller knows and does not say when the node reported, except on `/api/events/subscribe`,
//! where its stamp is the time of the change ([`ControllerState::with_change_times`]). Otherwise, a
//! replayed event only shows that there was no report since then.

use std::time::{Duration, SystemTime};

use super::property::Slot;
use super::{ControllerState, Occasion, find};
use crate::Event;
use crate::view::Timestamp;

/// When a node or property last reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Heard {
    /// At this time.
    At(SystemTime),
    /// Not since this time, when a replay first included it.
    NotSince(SystemTime),
}

/// The state of a node.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// Its properties, in order of their controls.
    pub(super) slots: Vec<Slot>,
    /// When it last reported, by a property or a command.
    pub(super) heard: Option<Heard>,
}

impl Heard {
    /// The time of the last report, or the time since which there was none.
    #[must_use]
    pub fn time(self) -> SystemTime {
        match self {
            Self::At(time) | Self::NotSince(time) => time,
        }
    }

    /// Combines this with the previous value: the later of two reports, or the earlier of two times
    /// without a report. A report takes precedence.
    fn merged_with(self, before: Option<Self>) -> Self {
        match (before, self) {
            (Some(Self::At(before)), Self::At(now)) => Self::At(before.max(now)),
            (Some(before), Self::NotSince(_)) => before,
            (_, now) => now,
        }
    }
}

impl ControllerState {
    /// Records an event of a node as a report of the node and of the property.
    pub(super) fn record_report(&mut self, event: &Event, occasion: Occasion) {
        let stamp = || Timestamp::parse(event.timestamp()).and_then(Timestamp::to_system_time);
        let received = event.received_at();
        let heard = match occasion {
            Occasion::Live => received.or_else(stamp).map(Heard::At),
            _ if self.change_times => stamp().map(Heard::At),
            _ => received.map(Heard::NotSince),
        };
        let (Some(heard), Some(node)) = (heard, self.nodes.get_mut(event.node())) else {
            return;
        };
        node.heard = Some(heard.merged_with(node.heard));
        if let Ok(at) = find(&node.slots, event.control()) {
            let slot = &mut node.slots[at];
            slot.heard = Some(heard.merged_with(slot.heard));
        }
    }

    /// When a property last reported; `None` if it is unknown, or was seeded and has not reported
    /// since.
    #[must_use]
    pub fn heard(&self, node: &str, control: &str) -> Option<Heard> {
        let slots = &self.nodes.get(node)?.slots;
        slots[find(slots, control).ok()?].heard
    }

    /// When a node last reported, by a property or a command.
    #[must_use]
    pub fn node_heard(&self, node: &str) -> Option<Heard> {
        self.nodes.get(node)?.heard
    }

    /// The nodes that have not reported for longer than this, with when they last reported. Leaves
    /// out disabled nodes, and nodes for which there was no event at all.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use ioxproto::state::ControllerState;
    /// # use ioxproto::{Frame, FrameReader};
    /// # let text = "<Event><control>ST</control><action>1</action><node>n001_leak</node></Event>";
    /// # let Frame::Event(event) = FrameReader::new().read(text) else { panic!("not an event") };
    /// let day = Duration::from_secs(24 * 60 * 60);
    /// let yesterday = SystemTime::UNIX_EPOCH + 20_000 * day;
    /// let mut state = ControllerState::new();
    /// state.update(&event.with_live(true).with_received_at(yesterday));
    /// let silent: Vec<_> = state.silent(yesterday + 2 * day, day).map(|(node, _)| node).collect();
    /// assert_eq!(silent, ["n001_leak"]);
    /// assert_eq!(state.silent(yesterday + day, day).count(), 0);
    /// ```
    pub fn silent(
        &self,
        now: SystemTime,
        longer_than: Duration,
    ) -> impl Iterator<Item = (&str, Heard)> {
        self.nodes.iter().filter_map(move |(address, node)| {
            let heard = node.heard?;
            let silent_for = now.duration_since(heard.time()).unwrap_or_default();
            let is_silent = silent_for > longer_than && !self.is_disabled(address);
            is_silent.then_some((address.as_ref(), heard))
        })
    }

    /// The nodes that do not answer the controller, in order of their addresses.
    pub fn comm_errors(&self) -> impl Iterator<Item = &str> {
        self.comm_errors.iter().map(AsRef::as_ref)
    }

    /// Whether a node does not answer the controller.
    #[must_use]
    pub fn has_comm_error(&self, node: &str) -> bool {
        self.comm_errors.contains(node)
    }

    /// Whether a node is known to be disabled.
    #[must_use]
    pub fn is_disabled(&self, node: &str) -> bool {
        let named = self.names.node(node);
        named.is_some_and(|named| !named.is_enabled)
    }
}
