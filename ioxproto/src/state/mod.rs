//! The state of a controller: the latest values of its nodes, programs, variables and scenes.
//!
//! The caller applies events to a [`ControllerState`], or seeds it with known values. Values that
//! an event does not contain are kept. Applying an event returns the changes that it made. The
//! state is a plain value: a clone is a consistent snapshot, and it can be serialized as JSON.
//!
//! ```
//! use ioxproto::state::ControllerState;
//! # use ioxproto::{Frame, FrameReader};
//! # let text = r#"<Event><control>ST</control><action uom="17" prec="1">725</action><node>n001_porch</node></Event>"#;
//! # let Frame::Event(event) = FrameReader::new().read(text) else { panic!("not an event") };
//!
//! let mut state = ControllerState::new();
//! for change in state.apply_event(&event) {
//!     println!("{change}");
//! }
//! let temperature = state.property("n001_porch", "ST").and_then(|property| property.number());
//! assert_eq!(temperature.map(|number| number.to_string()).as_deref(), Some("72.5"));
//! ```
//!
//! # Replay, live, while away
//!
//! Each change has an [`Occasion`]. A replay sets the state, and its changes are
//! [`Occasion::Replay`]: they are not news, and an application should not react to them. When the
//! replay ends (the status `connected`, or [`ControllerState::end_replay`]), each value that
//! differs from the value before the replay is reported once more, as [`Occasion::WhileAway`]: for
//! example, a door that was opened during an outage. If nothing was known before the replay,
//! neither from an earlier replay nor from seeding, nothing is reported. If the network delays a
//! replayed event until after the status `connected`, the event still belongs to that replay, and
//! its changes are reported as [`Occasion::WhileAway`] immediately.
//!
//! A replay has only the latest value of each property. If a value changed and changed back during
//! an outage, the values do not show it. On `/api/events/subscribe` the times show it: see
//! [`ControllerState::with_change_times`].
//!
//! # JSON
//!
//! The format is stable:
//!
//! ```json
//! {
//!   "complete": true,
//!   "nodes": {"42 92 8C 1": {"ST": {"raw": "255", "value": 255, "uom": "100", "precision": 0,
//!     "formatted": "On", "name": "Status", "time": "2026-05-05T18:52:41.875777-07:00",
//!     "unit": "", "text": "On", "heard_at": "2026-05-06T01:52:41.901Z"}}},
//!   "programs": {"008D": {"name": "Porch at dusk", "status": true, "enabled": true, "run_at_reboot": false, "run_state": "idle",
//!     "evaluation": "true", "last_run": "2026-05-06T14:30:36-07:00", "last_finish": null, "next_run": null}},
//!   "variables": {"state": {"12": {"name": "Guests", "value": 5.1, "init": null, "time": null}}},
//!   "scenes": {"25614": ["42 92 8C 1"]},
//!   "names": {"42 92 8C 1": {"kind": "node", "name": "Hall lamp", "folder": "Ground floor/Hall",
//!     "enabled": true, "comm_error": false, "heard_at": "2026-05-06T01:52:41.901Z",
//!     "node_def_id": "DimmerLampSwitch_ADV", "device_type": "1.32.69.0", "family": 1,
//!     "primary": "42 92 8C 1"}}
//! }
//! ```
//!
//! `names` has nodes, scenes (`"scene"`) and folders (`"folder"`). Until the names are read, it is
//! empty, and every other `name` is null. `heard_at` is when the node or property last reported, in
//! UTC; null if that is unknown. `complete` says whether the latest replay is complete. Texts are
//! never null; unknown numbers, words and times are. Addresses and ids are sorted. New versions
//! may add members but do not remove any.
//!
//! # Memory
//!
//! [`Limits`] bound the memory that a controller can make the state use. Texts are copied, so they
//! do not keep a message's buffer alive. The names of units, controls and properties are stored
//! once and shared. An update of a known property reuses its storage.

mod apply;
mod away;
mod change;
mod heard;
mod intern;
#[cfg(feature = "serde")]
mod json;
mod names;
mod program;
mod property;
mod scene;
mod seed;
mod shared;
mod variable;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::away::{Away, Kept};
pub use self::change::{
    Change, ChangeKind, Invalidated, Occasion, ProgramChange, PropertyChange, VariableChanged,
};
pub use self::heard::Heard;
use self::heard::Node;
use self::intern::SharedTexts;
pub use self::program::Program;
pub use self::property::Property;
use self::property::Slot;
use self::scene::Scenes;
pub use self::shared::SharedState;
pub use self::variable::Variable;
use crate::names::Names;
use crate::view::{ProgramId, VariableId};

/// The limits on the size of a [`ControllerState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers build it from its default, and a new limit is a change for them"
)]
pub struct Limits {
    /// The maximum number of entries: nodes, properties, programs, variables, scenes and members of
    /// scenes together. Default 200,000.
    pub entries: usize,
    /// The maximum length of the texts of one property together, in bytes: address, ids, value and
    /// display text. Default 4096.
    pub texts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 200_000,
            texts: 4096,
        }
    }
}

/// The state of a controller; see the [module](self).
///
/// By default it grows: an event of an unknown node, program, variable or scene adds it.
/// [`ControllerState::known_only`] creates a state that updates only what the caller has seeded.
#[derive(Clone, Debug)]
pub struct ControllerState {
    nodes: BTreeMap<Arc<str>, Node>,
    programs: BTreeMap<ProgramId, Kept<Program>>,
    variables: BTreeMap<VariableId, Kept<Variable>>,
    scenes: Scenes,
    names: Arc<Names>,
    /// The nodes that do not answer the controller.
    comm_errors: BTreeSet<Arc<str>>,
    texts: SharedTexts,
    away: Away,
    limits: Limits,
    grows: bool,
    change_times: bool,
    entries: usize,
    left_out: u64,
}

impl Default for ControllerState {
    fn default() -> Self {
        Self::new()
    }
}

impl ControllerState {
    /// Creates an empty state that grows: it adds each address that it receives an event of.
    #[must_use]
    pub fn new() -> Self {
        Self {
            nodes: BTreeMap::new(),
            programs: BTreeMap::new(),
            variables: BTreeMap::new(),
            scenes: Scenes::default(),
            names: Arc::default(),
            comm_errors: BTreeSet::new(),
            texts: SharedTexts::default(),
            away: Away::default(),
            limits: Limits::default(),
            grows: true,
            change_times: false,
            entries: 0,
            left_out: 0,
        }
    }

    /// Creates an empty state that updates only the nodes, programs, variables and scenes that the
    /// caller seeds. It does add new properties to a known node.
    #[must_use]
    pub fn known_only() -> Self {
        Self {
            grows: false,
            ..Self::new()
        }
    }

    /// Sets other limits. Entries that already exceed them are kept.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Also compares the times of changes, for a stream on `/api/events/subscribe`.
    ///
    /// Its replayed frames have the time of the change. If a property has the same value as before
    /// the replay but a later time, it changed and changed back while away (a door that was opened
    /// and closed, a button that was pressed), and is reported too. Do not use this with
    /// `/rest/subscribe`: its replayed frames have the time of the connection, so every property
    /// would be reported.
    #[must_use]
    pub fn with_change_times(mut self) -> Self {
        self.change_times = true;
        self
    }

    /// Whether an event of an unknown address adds that address.
    #[must_use]
    pub fn is_growing(&self) -> bool {
        self.grows
    }

    /// The number of updates left out because they exceed a limit or their payload cannot be read.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The number of entries, counted as in [`Limits::entries`].
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// The addresses of all nodes, in order.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.nodes.keys().map(AsRef::as_ref)
    }

    /// Looks up a property of a node.
    #[must_use]
    pub fn property(&self, node: &str, control: &str) -> Option<&Property> {
        let slots = &self.nodes.get(node)?.slots;
        let at = find(slots, control).ok()?;
        Some(&slots[at].property)
    }

    /// The properties of a node with their ids, in order; empty for an unknown node.
    pub fn properties(&self, node: &str) -> impl Iterator<Item = (&str, &Property)> {
        self.nodes
            .get(node)
            .into_iter()
            .flat_map(|node| &node.slots)
            .map(|slot| (slot.control.as_ref(), &slot.property))
    }

    /// Whether the latest replay is complete. It is not while the replay is in progress, nor if it
    /// ran out of time ([`Reason::ReplayIncomplete`](crate::Reason::ReplayIncomplete)).
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.away.is_complete()
    }

    /// The known properties that the last complete replay did not include. The controller no longer
    /// has them, for example because their node was removed during an outage. They are kept until
    /// the caller [forgets](Self::forget_node) their node. Empty until a replay is complete.
    pub fn not_replayed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.nodes.iter().flat_map(|(node, kept)| {
            kept.slots
                .iter()
                .filter(|slot| self.away.is_missing(slot.last_replay))
                .map(move |slot| (node.as_ref(), slot.control.as_ref()))
        })
    }

    /// Looks up a program by its id.
    #[must_use]
    pub fn program(&self, id: ProgramId) -> Option<&Program> {
        self.programs.get(&id).map(|kept| &kept.value)
    }

    /// All programs, in order of their ids.
    pub fn programs(&self) -> impl Iterator<Item = (ProgramId, &Program)> {
        self.programs
            .iter()
            .map(|(id, program)| (*id, &program.value))
    }

    /// Looks up a variable by its id.
    #[must_use]
    pub fn variable(&self, id: VariableId) -> Option<&Variable> {
        self.variables.get(&id).map(|kept| &kept.value)
    }

    /// All variables: first the integer variables, then the state variables, in order of their
    /// numbers.
    pub fn variables(&self) -> impl Iterator<Item = (VariableId, &Variable)> {
        self.variables
            .iter()
            .map(|(id, variable)| (*id, &variable.value))
    }

    /// The addresses of all scenes, in order.
    pub fn scenes(&self) -> impl Iterator<Item = &str> {
        self.scenes.addresses()
    }

    /// The members of a scene, in order; empty for an unknown scene.
    pub fn members(&self, scene: &str) -> impl Iterator<Item = &str> {
        self.scenes.members(scene)
    }

    /// The scenes that a node is a member of, in order.
    pub fn scenes_of(&self, node: &str) -> impl Iterator<Item = &str> {
        self.scenes.scenes_of(node).iter().map(AsRef::as_ref)
    }
}

fn find(slots: &[Slot], control: &str) -> Result<usize, usize> {
    slots.binary_search_by(|slot| slot.control.as_ref().cmp(control))
}
