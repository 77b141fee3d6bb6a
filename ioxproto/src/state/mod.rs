//! The state of a controller: the latest values of its nodes, programs, variables and scenes.
//!
//! [`ControllerState`] is fed events, from a stream or not, or seeded by the caller. It keeps what
//! an update does not carry, and says what changed. It is a value: a clone is a consistent
//! snapshot, and it can be written as JSON.
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
//! Each change says its [`Occasion`]. A replay sets the state, and nobody should act on it as on
//! news: its changes are [`Occasion::Replay`]. When it ends (the status `connected`, or
//! [`ControllerState::end_replay`]), what is different from what was known before it is told once
//! more, as [`Occasion::WhileAway`]: the door that was opened during an outage. A state that knew
//! nothing before, neither from an earlier replay nor seeded, has nothing to tell. A replayed event
//! that the network held up until after the status `connected` belongs to the replay that has
//! ended: what it changes is [`Occasion::WhileAway`] at once.
//!
//! The controller's replay is the last of each property, so what changed and changed back during an
//! outage is not in the values. On `/api/events/subscribe` it is in the times: see
//! [`ControllerState::with_change_times`].
//!
//! # JSON
//!
//! The shape is stable:
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
//! `names` holds nodes, scenes (`"scene"`) and folders (`"folder"`); it is empty, and every other
//! `name` null, until the names are read. `heard_at` is UTC of the last event; null where none came
//! since the replay. Members are only ever added. `complete` says whether the latest replay has
//! ended whole. Texts are never null; numbers, words and times are where they are not known. Keys
//! are in order.
//!
//! # Memory
//!
//! What a controller can make it keep is bounded by [`Limits`]. Texts are copied and never pin a
//! message's buffer; the names of units, controls and properties are kept once. An update of a
//! known property reuses its storage.

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

/// What a [`ControllerState`] may come to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers build it from its default, and a new limit is a change for them"
)]
pub struct Limits {
    /// The most entries: properties, programs, variables, scenes and members of scenes together.
    /// Default 200,000.
    pub entries: usize,
    /// The longest texts of one property together, in bytes: address, ids, value, display text.
    /// Default 4096.
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
/// By default it grows: what it hears of, it keeps. [`ControllerState::known_only`] makes one that
/// keeps up only what it was seeded with.
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
    /// An empty state that grows with what it hears of.
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

    /// An empty state that updates only what it knows: nodes, programs, variables and scenes that
    /// the caller seeds. A known node may come to have more properties.
    #[must_use]
    pub fn known_only() -> Self {
        Self {
            grows: false,
            ..Self::new()
        }
    }

    /// The same state with other limits. What is over them already stays.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same state, for a stream on `/api/events/subscribe`, whose replayed frames keep the time
    /// of the change: a property that has its old value again but a later time changed and came
    /// back while away (the door that was opened and closed, the button that was pressed), and is
    /// told as well. On `/rest/subscribe`, where replayed frames are stamped at the connect, it
    /// would tell of every property.
    #[must_use]
    pub fn with_change_times(mut self) -> Self {
        self.change_times = true;
        self
    }

    /// Whether it takes up addresses that it does not know.
    #[must_use]
    pub fn is_growing(&self) -> bool {
        self.grows
    }

    /// How many updates were left out: over a limit, or with a payload that cannot be read.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// How many entries it holds, as [`Limits::entries`] counts them.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// The addresses of its nodes, in order.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.nodes.keys().map(AsRef::as_ref)
    }

    /// A property of a node.
    #[must_use]
    pub fn property(&self, node: &str, control: &str) -> Option<&Property> {
        let slots = &self.nodes.get(node)?.slots;
        let at = find(slots, control).ok()?;
        Some(&slots[at].property)
    }

    /// The properties of a node by their ids, in order; none of an unknown node.
    pub fn properties(&self, node: &str) -> impl Iterator<Item = (&str, &Property)> {
        self.nodes
            .get(node)
            .into_iter()
            .flat_map(|node| &node.slots)
            .map(|slot| (slot.control.as_ref(), &slot.property))
    }

    /// Whether the latest replay has ended whole: not while one is under way, nor after one that
    /// ran out of time ([`Reason::ReplayIncomplete`](crate::Reason::ReplayIncomplete)).
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.away.is_complete()
    }

    /// The properties that the last complete replay did not mention although it was known before:
    /// what the controller no longer has, such as those of a node that was removed during an
    /// outage. They are kept until the caller [forgets](Self::forget_node) their node. None before
    /// a replay was complete.
    pub fn not_replayed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.nodes.iter().flat_map(|(node, kept)| {
            kept.slots
                .iter()
                .filter(|slot| self.away.missed(slot.replay))
                .map(move |slot| (node.as_ref(), slot.control.as_ref()))
        })
    }

    /// A program.
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

    /// A variable.
    #[must_use]
    pub fn variable(&self, id: VariableId) -> Option<&Variable> {
        self.variables.get(&id).map(|kept| &kept.value)
    }

    /// All variables, integers before states, in order of their numbers.
    pub fn variables(&self) -> impl Iterator<Item = (VariableId, &Variable)> {
        self.variables
            .iter()
            .map(|(id, variable)| (*id, &variable.value))
    }

    /// The addresses of its scenes, in order.
    pub fn scenes(&self) -> impl Iterator<Item = &str> {
        self.scenes.addresses()
    }

    /// The members of a scene, in order; none of an unknown one.
    pub fn members(&self, scene: &str) -> impl Iterator<Item = &str> {
        self.scenes.members(scene)
    }

    /// The scenes that a node is in, in order.
    pub fn scenes_of(&self, node: &str) -> impl Iterator<Item = &str> {
        self.scenes.of(node).iter().map(AsRef::as_ref)
    }
}

fn find(slots: &[Slot], control: &str) -> Result<usize, usize> {
    slots.binary_search_by(|slot| slot.control.as_ref().cmp(control))
}
