//! One controller on the broker: what is published of it, and what it is told.
//!
//! ```text
//!                 UUID read, states listed                 listed              mark
//!   Listing states ───────────────────────► Listing discovery ───► Opening commands ───► Open
//!        ▲ broker connected                                                 ▲
//!        └──────────── broker connected, once everything was listed ────────┘
//! ```
//!
//! Rules:
//!
//! * A replay refreshes states and is not an event. A value that it repeats keeps the time that it
//!   has on the broker.
//! * The controller is online once its stream is live, and offline after it was away for as long as
//!   the options say.
//! * Removed is what a live event names, or what two complete readings in a row lack; never after a
//!   reading that failed. What was removed is not published again before a reading has it.
//! * A command waits at most 10 s for its controller. A newer one to the same topic replaces it.

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

/// How many entries of a controller are kept and published.
const MOST_ENTRIES: usize = 50_000;

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
    /// The scenes that a node is in, by slugs.
    scenes_of: BTreeMap<String, Vec<String>>,
    programs: BTreeMap<ProgramId, String>,
    /// Names and decimal places.
    variables: BTreeMap<VariableId, (String, u32)>,
    /// What the last complete reading lacked.
    missing: BTreeSet<String>,
    /// When the heartbeat of a sensor is missing, by slug.
    heartbeats: BTreeMap<String, Instant>,
    /// The slugs of nodes that are gone.
    removed: BTreeSet<String>,
    loading: Loading,
    away_since: Option<Instant>,
    is_available: Option<bool>,
    connects: u64,
    /// Values that a self-audit has corrected.
    drift: u64,
    sync: Sync,
    waiting: BTreeMap<String, PendingCommand>,
    sent: BTreeMap<CallNumber, String>,
}

/// A node or scene as it was read.
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

/// How far the house has come with the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sync {
    states_listed: bool,
    discovery_listed: bool,
    /// A mark of the listing of the discovery messages is on its way.
    is_listing_discovery: bool,
    is_connected: bool,
    /// Commands that come now were not sent while the bridge was away.
    is_open: bool,
}

/// A command that waits for its controller.
#[derive(Debug)]
struct PendingCommand {
    call: Call<Confirmation>,
    until: Instant,
}

impl House {
    pub(super) fn new(watch: WatchId, name: &str, now: Now) -> Self {
        let limits = Limits {
            entries: MOST_ENTRIES,
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
            sync: Sync::default(),
            waiting: BTreeMap::new(),
            sent: BTreeMap::new(),
        }
    }

    pub(super) fn owner(&self) -> Owner {
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

    /// The name of a node, or its address, and the words of an event.
    pub(crate) fn words_of(&self, event: &Event) -> (String, String) {
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

    pub(crate) fn nodes(&self) -> usize {
        self.records.len()
    }
}
