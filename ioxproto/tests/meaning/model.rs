//! Compares the state with a naive model, for arbitrary frames, replays and reconnects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use ioxproto::dispatch::{Dispatcher, Filter};
use ioxproto::state::{Change, ChangeKind, ControllerState, Occasion, SharedState};
use ioxproto::view::{ProgramId, VariableId, VariableType};
use ioxproto::{Event, Notification, Status, StatusChange};
use proptest::prelude::*;

use super::{event, property, system};

/// A step of a stream.
#[derive(Clone, Debug)]
enum Step {
    Property {
        node: u8,
        control: u8,
        value: u8,
    },
    Program {
        id: u8,
        state: u8,
        enabled: Option<bool>,
    },
    Variable {
        id: u8,
        init: bool,
        value: Option<u8>,
    },
    Join {
        scene: u8,
        node: u8,
    },
    Leave {
        scene: u8,
        node: u8,
    },
    RemoveNode {
        node: u8,
    },
    Garbage(String),
    /// The connection is lost; another one syncs.
    Reconnect,
    /// The replay has ended.
    Connected,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let small = 0..3_u8;
    let step = prop_oneof![
        8 => (small.clone(), small.clone(), small.clone())
            .prop_map(|(node, control, value)| Step::Property { node, control, value }),
        3 => (small.clone(), prop_oneof![Just(0x11_u8), Just(0x22), Just(0x33), Just(0xF1), any::<u8>()], any::<Option<bool>>())
            .prop_map(|(id, state, enabled)| Step::Program { id, state, enabled }),
        3 => (small.clone(), any::<bool>(), proptest::option::weighted(0.8, small.clone()))
            .prop_map(|(id, init, value)| Step::Variable { id, init, value }),
        1 => (small.clone(), small.clone()).prop_map(|(scene, node)| Step::Join { scene, node }),
        1 => (small.clone(), small.clone()).prop_map(|(scene, node)| Step::Leave { scene, node }),
        1 => small.prop_map(|node| Step::RemoveNode { node }),
        1 => "[<>/a-z0-9&; ]{0,12}".prop_map(Step::Garbage),
        2 => Just(Step::Reconnect),
        3 => Just(Step::Connected),
    ];
    proptest::collection::vec(step, 0..60)
}

impl Step {
    fn event(&self) -> Option<Event> {
        Some(match self {
            Self::Property {
                node,
                control,
                value,
            } => property(
                &format!("n{node}"),
                &format!("GV{control}"),
                &value.to_string(),
            ),
            Self::Program { id, state, enabled } => {
                let enabled = match enabled {
                    Some(true) => "<on/>",
                    Some(false) => "<off/>",
                    None => "",
                };
                system(
                    "_1",
                    "0",
                    "",
                    &format!("<id>{id:X}</id>{enabled}<s>{state:02X}</s>"),
                )
            }
            Self::Variable { id, init, value } => {
                let (action, element) = if *init { ("7", "init") } else { ("6", "val") };
                let value = value.map(|value| value.to_string()).unwrap_or_default();
                let info = format!(
                    r#"<var type="1" id="{id}"><prec>0</prec><{element}>{value}</{element}></var>"#
                );
                system("_1", action, "", &info)
            }
            Self::Join { scene, node } => system(
                "_3",
                "MV",
                &format!("s{scene}"),
                &format!("<movedNode>n{node}</movedNode>"),
            ),
            Self::Leave { scene, node } => system(
                "_3",
                "RG",
                &format!("s{scene}"),
                &format!("<removedNode>n{node}</removedNode>"),
            ),
            Self::RemoveNode { node } => system("_3", "NR", &format!("n{node}"), ""),
            Self::Garbage(text) => {
                let text = text.replace('&', "&amp;").replace('<', "&lt;");
                event(&format!(
                    "<Event><control>_1</control><action>6</action><eventInfo>{text}</eventInfo></Event>"
                ))
            }
            Self::Reconnect | Self::Connected => return None,
        })
    }
}

type Properties = BTreeMap<(String, String), String>;
/// Status, enabled.
type Programs = BTreeMap<u32, (Option<bool>, Option<bool>)>;
/// Value, init.
type Variables = BTreeMap<u32, (Option<i64>, Option<i64>)>;

/// The naive model, which is copied at each step.
#[derive(Clone, Debug, Default, PartialEq)]
struct House {
    properties: Properties,
    programs: Programs,
    variables: Variables,
    members: BTreeSet<(String, String)>,
}

impl House {
    fn take(&mut self, step: &Step, live: bool) {
        match step {
            Step::Property {
                node,
                control,
                value,
            } => {
                let key = (format!("n{node}"), format!("GV{control}"));
                self.properties.insert(key, value.to_string());
            }
            Step::Program { id, state, enabled } => {
                let program = self.programs.entry((*id).into()).or_default();
                match state >> 4 {
                    2 => program.0 = Some(true),
                    3 => program.0 = Some(false),
                    _ => {}
                }
                program.1 = enabled.or(program.1);
            }
            Step::Variable {
                id,
                init,
                value: Some(value),
            } => {
                let variable = self.variables.entry((*id).into()).or_default();
                let place = if *init {
                    &mut variable.1
                } else {
                    &mut variable.0
                };
                *place = Some((*value).into());
            }
            Step::Join { scene, node } if live => {
                self.members
                    .insert((format!("s{scene}"), format!("n{node}")));
            }
            Step::Leave { scene, node } if live => {
                self.members
                    .remove(&(format!("s{scene}"), format!("n{node}")));
            }
            Step::RemoveNode { node } if live => {
                let node = format!("n{node}");
                self.properties.retain(|(of, _), _| *of != node);
                self.members.retain(|(_, member)| *member != node);
            }
            _ => {}
        }
    }

    fn of(state: &ControllerState) -> Self {
        let mut house = Self::default();
        for node in state.nodes() {
            for (control, property) in state.properties(node) {
                let key = (node.to_owned(), control.to_owned());
                house.properties.insert(key, property.raw().to_owned());
            }
        }
        for (id, program) in state.programs() {
            house
                .programs
                .insert(id.number(), (program.status, program.enabled));
        }
        for (id, variable) in state.variables() {
            let whole =
                |value: Option<ioxproto::view::Decimal>| value.and_then(|value| value.to_i64());
            house
                .variables
                .insert(id.number, (whole(variable.value), whole(variable.init)));
        }
        for scene in state.scenes() {
            for node in state.members(scene) {
                house.members.insert((scene.to_owned(), node.to_owned()));
            }
        }
        house
    }
}

/// The properties in a list of changes: node and control to raw value. Each may change at most
/// once.
fn properties_in(changes: &[Change]) -> Properties {
    let mut properties = Properties::new();
    for change in changes {
        if let ChangeKind::Property(property) = &change.kind {
            let key = (property.node.to_string(), property.control.to_string());
            let again = properties.insert(key, property.after.raw().to_owned());
            assert_eq!(again, None, "a property changes once");
        }
    }
    properties
}

/// Checks that the change of a property is followed by those of the scenes that contain its node,
/// and by no others.
fn scenes_follow(changes: &[Change], house: &House) {
    let mut expected: Vec<(String, String)> = Vec::new();
    for change in changes {
        match &change.kind {
            ChangeKind::Property(property) => {
                assert!(expected.is_empty(), "scenes are missing: {expected:?}");
                let node = property.node.to_string();
                let of_node = |(_, member): &&(String, String)| *member == node;
                expected = house.members.iter().filter(of_node).cloned().collect();
            }
            ChangeKind::Scene { scene, node, .. } => {
                assert_eq!(expected.remove(0), (scene.to_string(), node.to_string()));
            }
            _ => assert!(expected.is_empty()),
        }
    }
    assert!(expected.is_empty(), "scenes are missing: {expected:?}");
}

proptest! {
    #[test]
    fn the_state_agrees_with_the_model(steps in steps()) {
        let shared = SharedState::new(ControllerState::new());
        let dispatcher = Dispatcher::new();
        dispatcher.attach(shared.clone());
        let changes: Arc<Mutex<Vec<Change>>> = Arc::default();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let into = Arc::clone(&changes);
        dispatcher.on_change(move |change| into.lock().unwrap().push(change.clone())).detach();
        dispatcher.on_event(Filter::new(), |_| std::panic::resume_unwind(Box::new("isolated"))).detach();
        let (into, state) = (Arc::clone(&seen), shared.clone());
        dispatcher.on_event(Filter::new(), move |event| {
            // The state is updated before a listener runs.
            if event.is_node_property() {
                let raw = state.read(|state| state.property(event.node(), event.control()).map(|now| now.raw().to_owned()));
                assert_eq!(raw.as_deref(), Some(event.action()));
            }
            into.lock().unwrap().push(event.describe());
        }).detach();

        let mut house = House::default();
        // What was known when the outage began, and whether any replay was complete.
        let mut known: Option<House> = Some(House::default());
        let mut complete = false;
        let status = |status| dispatcher.dispatch(&Notification::Status(StatusChange::new(status)));
        status(Status::StreamSyncing);
        let mut fresh: BTreeSet<(String, String)> = BTreeSet::new();
        let mut events = 0;
        for step in &steps {
            let before = house.clone();
            if let Some(event) = step.event() {
                let live = known.is_none();
                house.take(step, live);
                dispatcher.dispatch_event(&event.with_live(live));
                events += 1;
                let changes = std::mem::take(&mut *changes.lock().unwrap());
                let occasion = if live { Occasion::Live } else { Occasion::Replay };
                prop_assert!(changes.iter().all(|change| change.occasion == occasion));
                scenes_follow(&changes, &house);
                let changed: Properties = house.properties.iter()
                    .filter(|(key, value)| before.properties.get(*key) != Some(value))
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect();
                if !live && !complete && let Step::Property { .. } = step {
                    fresh.extend(changed.keys().filter(|key| !before.properties.contains_key(*key)).cloned());
                }
                prop_assert_eq!(properties_in(&changes), changed);
            } else if matches!(step, Step::Reconnect) {
                status(Status::LostConnection);
                status(Status::StreamSyncing);
                known.get_or_insert_with(|| before.clone());
                // The properties from an earlier, incomplete replay count as known.
                if !complete {
                    known = Some(House { properties: house.properties.clone(), ..before });
                    fresh.clear();
                }
            } else if let Some(known) = known.take() {
                status(Status::Connected);
                let changes = std::mem::take(&mut *changes.lock().unwrap());
                prop_assert!(changes.iter().all(|change| change.occasion == Occasion::WhileAway));
                scenes_follow(&changes, &house);
                if complete {
                    let away: Properties = house.properties.iter()
                        .filter(|(key, value)| known.properties.get(*key) != Some(value))
                        .map(|(key, value)| (key.clone(), value.clone()))
                        .collect();
                    prop_assert_eq!(properties_in(&changes), away);
                } else {
                    // A first replay does not report the properties that it has added.
                    prop_assert!(properties_in(&changes).keys().all(|key| !fresh.contains(key)));
                }
                complete = true;
            } else {
                status(Status::Connected);
                prop_assert!(changes.lock().unwrap().is_empty());
            }
            shared.read(|state| {
                assert_eq!(House::of(state), house);
                let scenes = state.scenes().count();
                let members: usize = state.scenes().map(|scene| state.members(scene).count()).sum();
                let properties: usize = state.nodes().map(|node| state.properties(node).count()).sum();
                assert_eq!(
                    state.entries(),
                    state.nodes().count() + properties + state.programs().count() + state.variables().count() + scenes + members
                );
            });
        }
        prop_assert_eq!(seen.lock().unwrap().len(), events);
        prop_assert_eq!(dispatcher.panics(), events as u64);
        // Access by id agrees with the lists.
        shared.read(|state| {
            for (number, (status, _)) in &house.programs {
                assert_eq!(state.program(ProgramId::new(*number)).unwrap().status, *status);
            }
            for number in house.variables.keys() {
                let id = VariableId { kind: VariableType::Integer, number: *number };
                assert!(state.variable(id).is_some());
            }
            serde_json::to_string(state).unwrap();
        });
    }
}
