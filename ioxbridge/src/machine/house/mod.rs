//! Publishes the state of one controller to the broker, and carries out the commands to the
//! controller.
//!
//! ```text
//!                 UUID read, states listed                 listed              mark
//!   Listing states ───────────────────────► Listing discovery ───► Opening commands ───► Open
//!        ▲ broker connected                                                 ▲
//!        └──────────── broker connected, once everything was listed ────────┘
//! ```
//!
//! A mark is a message that the bridge publishes and receives back. Messages that arrive before it
//! were already on the broker.
//!
//! Rules:
//!
//! * A replay refreshes states; its events are not published as events. If a replayed value
//!   equals the published one, its timestamp is not changed.
//! * The controller is `online` once its stream is live, and `offline` once it has been
//!   disconnected for the availability delay.
//! * An object (node, scene, program or variable) is removed if a live event reports it, or if it
//!   is missing from two successful readings of the controller in a row. A removed node is not
//!   published again until a reading contains it.
//! * A command waits at most 10 s for its controller. A newer command to the same topic replaces
//!   it.

mod announce;
mod broker;
mod commands;
mod controller;
mod publish;
mod removal;
mod sensing;
mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use ioxproto::names::Names;
use ioxproto::rest::{Call, Confirmation};
use ioxproto::state::{ControllerState, Limits};
use ioxproto::view::{ProgramId, VariableId};
use ioxproto::{Event, Now, Status, StatusChange, words};

pub(crate) use self::shown::View;
use super::CallNumber;
use super::loading::Loading;
use super::outbox::Owner;
use crate::topics::ControllerTopics;
use crate::watch::WatchId;

/// The maximum number of entries that are kept and published for a controller.
const MAX_ENTRIES: usize = 50_000;

/// What the bridge knows of one controller and its house.
#[derive(Debug)]
pub(crate) struct House {
    watch: WatchId,
    name: String,
    topics: ControllerTopics,
    uuid: Option<String>,
    firmware: String,
    status: StatusChange,
    state: ControllerState,
    names: Names,
    /// Nodes and scenes, by slug.
    records: BTreeMap<String, Record>,
    /// The slugs of the scenes that a node is in, by the node's slug.
    scenes_of: BTreeMap<String, Vec<String>>,
    programs: BTreeMap<ProgramId, String>,
    /// Names and decimal places.
    variables: BTreeMap<VariableId, (String, u32)>,
    /// The objects that the last reading lacked.
    missing: BTreeSet<String>,
    /// The deadlines of the sensors' next heartbeats, by slug.
    heartbeats: BTreeMap<String, Instant>,
    /// The slugs of nodes that are gone.
    removed: BTreeSet<String>,
    loading: Loading,
    /// Since when the stream is not connected.
    away_since: Option<Instant>,
    /// The availability last published; `None` before the first.
    is_available: Option<bool>,
    connects: u64,
    /// The number of values that a self-audit has corrected.
    drift: u64,
    progress: BrokerProgress,
    /// The commands that wait for the connection to the controller, by topic.
    waiting: BTreeMap<String, PendingCommand>,
    /// The topics of the commands in flight, by call.
    sent: BTreeMap<CallNumber, String>,
}

/// A node or scene, as read from the controller.
#[derive(Clone, Debug, Default)]
struct Record {
    address: String,
    is_scene: bool,
    definition: String,
    device_type: String,
    family: u32,
    zwave_category: Option<u32>,
    primary: String,
    /// The slugs of a scene's members.
    members: Vec<String>,
}

/// How far the listing of the broker's messages and the subscription to commands have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct BrokerProgress {
    states_listed: bool,
    discovery_listed: bool,
    /// Whether the discovery messages are being listed: the mark has not come back.
    is_listing_discovery: bool,
    is_broker_connected: bool,
    /// Whether commands are carried out: the mark sent after the subscription has come back, so all
    /// outdated commands have arrived and been refused.
    is_open: bool,
}

/// A command that waits for the connection to its controller.
#[derive(Debug)]
struct PendingCommand {
    call: Call<Confirmation>,
    until: Instant,
}

impl House {
    pub(super) fn new(watch: WatchId, name: &str, now: Now) -> Self {
        let limits = Limits {
            entries: MAX_ENTRIES,
            ..Limits::default()
        };
        Self {
            watch,
            name: name.to_owned(),
            topics: ControllerTopics::new(name),
            uuid: None,
            firmware: String::new(),
            status: StatusChange::new(Status::NotStarted),
            state: ControllerState::new().with_limits(limits),
            names: Names::default(),
            records: BTreeMap::new(),
            scenes_of: BTreeMap::new(),
            programs: BTreeMap::new(),
            variables: BTreeMap::new(),
            missing: BTreeSet::new(),
            heartbeats: BTreeMap::new(),
            removed: BTreeSet::new(),
            loading: Loading::default(),
            away_since: Some(now.monotonic),
            is_available: None,
            connects: 0,
            drift: 0,
            progress: BrokerProgress::default(),
            waiting: BTreeMap::new(),
            sent: BTreeMap::new(),
        }
    }

    pub(super) fn owner(&self) -> Owner {
        // 0 is the bridge.
        Owner(self.watch.0 + 1)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn uuid(&self) -> Option<&str> {
        self.uuid.as_deref()
    }

    pub(crate) fn is_available(&self) -> bool {
        self.is_available == Some(true)
    }

    /// Returns the name or address of the event's node, and the text of the event.
    pub(crate) fn describe_event(&self, event: &Event) -> (String, String) {
        let node = event.node();
        let named = self.names.node(node).filter(|named| !named.name.is_empty());
        let name = named.map_or(node, |named| &named.name);
        (name.to_owned(), words::of_event(event, &self.names))
    }

    pub(crate) fn status(&self) -> &StatusChange {
        &self.status
    }

    pub(crate) fn drift(&self) -> u64 {
        self.drift
    }

    /// The number of nodes and scenes.
    pub(crate) fn record_count(&self) -> usize {
        self.records.len()
    }
}
