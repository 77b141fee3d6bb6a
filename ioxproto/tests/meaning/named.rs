//! The names in the state of the house, and their changes.

use std::sync::{Arc, Mutex};

use ioxproto::dispatch::Dispatcher;
use ioxproto::names::{Names, NamesRead};
use ioxproto::rest::{Nodes, Programs, VariableDefinitions};
use ioxproto::state::{ChangeKind, ControllerState, SharedState};
use ioxproto::view::VariableType;
use ioxproto::{Event, Notification};

use super::{live, property, system};

const NODES: &str = r#"<nodes>
    <folder flag="0"><address>7</address><name>Hall</name></folder>
    <node flag="128" nodeDefId="Dimmer"><address>1A 2B 3C 1</address><name>Lamp</name><parent type="3">7</parent><type>1.32.69.0</type></node>
    <node flag="144"><address>n003_t1</address><name>Attic</name><enabled>false</enabled></node>
    <group flag="132"><address>20481</address><name>Evening</name><members><link type="16">1A 2B 3C 1</link></members></group></nodes>"#;
const PROGRAMS: &str = r#"<programs><program id="008D" folder="false"><name>Porch at dusk</name></program></programs>"#;
const VARIABLES: &str = r#"<CList type="VAR_INT"><e id="3" name="Guests"/></CList>"#;

#[expect(clippy::unwrap_used, reason = "the answers are this test's own")]
fn read(nodes: Option<&str>, programs: Option<&str>, variables: Option<&str>) -> Notification {
    let mut names = Names::default();
    if let Some(nodes) = nodes {
        names.take_nodes(&Nodes::parse(nodes.as_bytes()).unwrap());
    }
    if let Some(programs) = programs {
        names.take_programs(&Programs::parse(programs.as_bytes()).unwrap());
    }
    if let Some(variables) = variables {
        let kind = VariableType::Integer;
        let definitions = VariableDefinitions::parse(variables.as_bytes(), kind);
        names.take_variables(kind, &definitions.unwrap());
    }
    Notification::Names(NamesRead::new(Arc::new(names)))
}

fn named() -> ControllerState {
    let mut state = ControllerState::new();
    let changes = state.apply(&read(Some(NODES), Some(PROGRAMS), Some(VARIABLES)));
    let errors = |kind: &ChangeKind| matches!(kind, ChangeKind::CommError { .. });
    assert!(
        changes.iter().all(|change| errors(&change.kind)),
        "a first reading is not news"
    );
    state
}

fn changes(state: &mut ControllerState, notification: &Notification) -> Vec<String> {
    state
        .apply(notification)
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn lifecycle(action: &str, node: &str, info: &str) -> Event {
    system("_3", action, node, info)
}

#[test]
fn names_are_looked_up_through_the_state() {
    let state = named();
    let lamp = state.names().node("1a.2b.3c.1").unwrap();
    assert_eq!((&*lamp.name, &*lamp.device_type), ("Lamp", "1.32.69.0"));
    assert_eq!(state.names().folder("1A 2B 3C 1"), "Hall");
    assert_eq!(state.members("20481").collect::<Vec<_>>(), ["1A 2B 3C 1"]);
    assert!(state.is_disabled("n003_t1") && !state.is_disabled("1A 2B 3C 1"));
    assert_eq!(state.comm_errors().collect::<Vec<_>>(), ["n003_t1"]);
}

#[test]
fn a_live_rename_is_reported_and_a_replayed_one_is_not() {
    let mut state = named();
    let rename = lifecycle("NN", "1A 2B 3C 1", "<newName>Hall lamp</newName>");
    let reported = changes(&mut state, &Notification::Event(rename.clone()));
    assert!(
        !reported
            .iter()
            .any(|reported| reported.contains("renamed from")),
        "{reported:?}"
    );
    assert_eq!(state.names().node("1A 2B 3C 1").unwrap().name, "Lamp");
    let reported = changes(&mut state, &Notification::Event(rename.with_live(true)));
    assert_eq!(
        reported[0],
        "node 1A 2B 3C 1: renamed from Lamp to Hall lamp"
    );
    assert_eq!(state.names().node("1A 2B 3C 1").unwrap().name, "Hall lamp");
}

#[test]
fn a_snapshot_keeps_its_names() {
    let mut state = named();
    let snapshot = state.clone();
    let rename = lifecycle("NN", "1A 2B 3C 1", "<newName>Hall lamp</newName>");
    state.update(&rename.with_live(true));
    assert_eq!(snapshot.names().node("1A 2B 3C 1").unwrap().name, "Lamp");
}

#[test]
fn a_second_reading_reports_the_differences() {
    let mut state = named();
    state.update(&live("n003_t1", "ST", "1"));
    let nodes = r#"<nodes><folder><address>7</address><name>Entrance</name></folder>
        <node><address>1A 2B 3C 1</address><name>Lamp</name><enabled>false</enabled></node>
        <node><address>n004_x</address><name>New</name></node></nodes>"#;
    let programs = r#"<programs><program id="008D"><name>Porch</name></program><program id="8E"><name>B</name></program></programs>"#;
    let reported = changes(
        &mut state,
        &read(Some(nodes), Some(programs), Some("<CList/>")),
    );
    let expected = [
        "scene 20481: removed (found by reading)",
        "node n003_t1: removed (found by reading)",
        "node 1A 2B 3C 1: moved from 7 to the top (found by reading)",
        "node 1A 2B 3C 1: disabled (found by reading)",
        "folder 7: renamed from Hall to Entrance (found by reading)",
        "node n004_x: added (found by reading)",
        "program 008D: renamed from Porch at dusk to Porch (found by reading)",
        "program 008E: added (found by reading)",
        "variable integer 3: removed (found by reading)",
    ];
    for line in expected {
        assert!(reported.contains(&line.to_owned()), "{line}: {reported:?}");
    }
    assert_eq!(state.property("n003_t1", "ST"), None, "it is gone");
    assert_eq!(state.scenes().next(), None);
}

#[test]
fn a_partial_reading_keeps_the_other_names() {
    let mut state = named();
    assert!(changes(&mut state, &read(None, Some(PROGRAMS), None)).is_empty());
    assert!(state.names().node("1A 2B 3C 1").is_some());
    assert_eq!(state.names().variables().count(), 1);
    assert_eq!(state.members("20481").count(), 1);
}

#[test]
fn comm_errors_come_and_go_with_live_events() {
    let mut state = named();
    let event = |action: &str| lifecycle(action, "1A 2B 3C 1", "");
    assert!(changes(&mut state, &Notification::Event(event("NE"))).is_empty());
    assert!(!state.has_comm_error("1A 2B 3C 1"), "replay is history");
    let reported = changes(
        &mut state,
        &Notification::Event(event("NE").with_live(true)),
    );
    assert_eq!(reported, ["node 1A 2B 3C 1: does not answer"]);
    assert!(state.has_comm_error("1A 2B 3C 1"));
    assert!(
        changes(
            &mut state,
            &Notification::Event(event("NE").with_live(true))
        )
        .is_empty()
    );
    let reported = changes(
        &mut state,
        &Notification::Event(event("CE").with_live(true)),
    );
    assert_eq!(reported, ["node 1A 2B 3C 1: answers again"]);
    assert!(!state.has_comm_error("1A 2B 3C 1"));
}

#[test]
fn the_json_contains_the_names() {
    let mut state = named();
    state.update(&property("1A 2B 3C 1", "ST", "255"));
    state.update(&system("_1", "0", "", "<id>8D</id><on/><s>21</s>"));
    let json = serde_json::to_value(&state).unwrap();
    let lamp = &json["names"]["1A 2B 3C 1"];
    assert_eq!(
        (&lamp["kind"], &lamp["name"], &lamp["folder"]),
        (&"node".into(), &"Lamp".into(), &"Hall".into())
    );
    assert_eq!(lamp["enabled"], true);
    assert_eq!(json["names"]["n003_t1"]["comm_error"], true);
    assert_eq!(json["names"]["20481"]["kind"], "scene");
    assert_eq!(json["programs"]["008D"]["name"], "Porch at dusk");
    assert_eq!(json["programs"]["008D"]["status"], true);
    assert_eq!(json["nodes"]["1A 2B 3C 1"]["ST"]["raw"], "255");
}

#[test]
fn listeners_receive_the_changes_found_by_a_reading() {
    let dispatcher = Dispatcher::new();
    dispatcher.attach(SharedState::new(named()));
    let reported = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&reported);
    let listener = move |change: &ioxproto::state::Change| {
        heard.lock().unwrap().push(change.to_string());
    };
    dispatcher.on_change(listener).detach();
    let renamed = NODES.replace("<name>Lamp", "<name>Hall lamp");
    dispatcher.dispatch(&read(Some(&renamed), None, None));
    assert_eq!(
        *reported.lock().unwrap(),
        ["node 1A 2B 3C 1: renamed from Lamp to Hall lamp (found by reading)"]
    );
    let state = dispatcher.state().unwrap();
    let name = state.read(|state| {
        state
            .names()
            .node("1A 2B 3C 1")
            .map(|lamp| lamp.name.clone())
    });
    assert_eq!(name.as_deref(), Some("Hall lamp"));
}
