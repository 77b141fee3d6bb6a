//! The state of the house: what is kept, reported and forgotten.

use std::time::Duration;

use ioxproto::state::{
    Change, ChangeKind, ControllerState, Invalidated, Limits, Occasion, Program, Property,
    SharedState, Variable,
};
use ioxproto::view::{ProgramId, RunState, Timestamp, VariableField, VariableId, VariableType};
use ioxproto::vocabulary::Lifecycle;
use ioxproto::{Event, Notification, Reason, Status, StatusChange};

use super::{event, live, property, system};

fn status(state: &mut ControllerState, status: Status) -> Vec<Change> {
    state.apply(&Notification::Status(StatusChange::new(status)))
}

fn shown(changes: &[Change]) -> Vec<String> {
    changes.iter().map(ToString::to_string).collect()
}

fn system_live(control: &str, action: &str, node: &str, info: &str) -> Event {
    system(control, action, node, info).with_live(true)
}

const STATE_12: VariableId = VariableId {
    kind: VariableType::State,
    number: 12,
};

#[test]
fn a_property_is_kept_with_all_parts_of_its_event() {
    let mut state = ControllerState::new();
    state.update(&property("n", "ST", "255"));
    let kept = state.property("n", "ST").unwrap();
    assert_eq!(
        (kept.raw(), kept.formatted(), kept.uom()),
        ("255", "255%", "100")
    );
    assert_eq!((kept.prec(), kept.name()), (Some(0), "Status"));
    assert_eq!(
        kept.time(),
        Timestamp::parse("2026-05-06T14:30:36.236101-07:00")
    );
    assert_eq!(kept.number().unwrap().to_string(), "255");
}

#[test]
fn parts_that_an_update_lacks_are_kept() {
    let mut state = ControllerState::new();
    state.update(&property("n", "ST", "255"));
    // As an ISY-994 sends it: without unit, decimal places, texts and time.
    let bare = |raw: &str| {
        event(&format!(
            "<Event><control>ST</control><action>{raw}</action><node>n</node></Event>"
        ))
    };
    assert!(state.apply_event(&bare("255")).is_empty());
    assert_eq!(state.property("n", "ST").unwrap().formatted(), "255%");
    state.update(&bare("0"));
    let kept = state.property("n", "ST").unwrap();
    assert_eq!(
        (kept.raw(), kept.uom(), kept.prec(), kept.name()),
        ("0", "100", Some(0), "Status")
    );
    // The display text belongs to the old value.
    assert_eq!(kept.formatted(), "");
    assert!(kept.time().is_some());
    // The old decimal places do not apply to another unit.
    state.update(&event(
        "<Event><control>ST</control><action uom='51'>7</action><node>n</node></Event>",
    ));
    let kept = state.property("n", "ST").unwrap();
    assert_eq!((kept.uom(), kept.prec()), ("51", None));
}

#[test]
fn only_changes_are_reported() {
    let mut state = ControllerState::new();
    let first = state.apply_event(&live("n", "ST", "0"));
    assert_eq!(shown(&first), ["n ST: 0"]);
    assert!(state.apply_event(&live("n", "ST", "0")).is_empty());
    let changes = state.apply_event(&live("n", "ST", "255"));
    let [
        Change {
            occasion: Occasion::Live,
            kind: ChangeKind::Property(change),
            ..
        },
    ] = &changes[..]
    else {
        panic!("{changes:?}")
    };
    assert_eq!(change.before.as_ref().map(Property::raw), Some("0"));
    assert_eq!(change.after.raw(), "255");
}

#[test]
fn programs_keep_the_parts_that_a_frame_lacks() {
    let mut state = ControllerState::new();
    let id = ProgramId::new(0x8D);
    let mut feed = |info: &str| {
        let reported = shown(&state.apply_event(&system_live("_1", "0", "", info)));
        (reported, *state.program(id).unwrap())
    };
    let (reported, program) = feed("<id>8D</id><on/><nr/><r>260506 14:30:36 </r><s>21</s>");
    assert_eq!(reported, ["program 008D: true"]);
    assert_eq!(
        (program.status, program.enabled, program.run_at_reboot),
        (Some(true), Some(true), Some(false))
    );
    let (_, partial) = feed("<id>008D</id><nsr>260507 00:00:00 </nsr>");
    assert_eq!(
        partial.next_run.unwrap().to_string(),
        "2026-05-07T00:00:00-07:00"
    );
    let mut rest = partial;
    rest.next_run = None;
    assert_eq!(rest, program);
    let (_, unknown) = feed("<id>8D</id><s>13</s>");
    assert_eq!(
        (unknown.status, unknown.run_state),
        (Some(true), Some(RunState::RunningElse))
    );
    let (_, unloaded) = feed("<id>8D</id><off/><s>F1</s>");
    assert_eq!(
        (unloaded.status, unloaded.run_state, unloaded.enabled),
        (Some(true), None, Some(false))
    );
    let (reported, done) = feed("<id>8D</id><s>31</s>");
    assert_eq!(
        (reported, done.status),
        (vec!["program 008D: false".to_owned()], Some(false))
    );
    assert!(feed("<id>8D</id><s>31</s>").0.is_empty());
}

#[test]
fn a_variable_has_a_value_and_an_init() {
    let mut state = ControllerState::new();
    let value =
        r#"<var type="2" id="12"><prec>1</prec><val>51</val><ts>20260506 13:23:15 </ts></var>"#;
    let init = r#"<var type="2" id="12"><init>7</init><prec>0</prec></var>"#;
    assert_eq!(
        shown(&state.apply_event(&system_live("_1", "6", "", value))),
        ["variable state 12 = 5.1"]
    );
    assert_eq!(
        shown(&state.apply_event(&system_live("_1", "7", "", init))),
        ["variable state 12 init = 7"]
    );
    let kept = state.variable(STATE_12).unwrap();
    assert_eq!(
        (
            kept.value.unwrap().to_string(),
            kept.init.unwrap().to_string()
        ),
        ("5.1".to_owned(), "7".to_owned())
    );
    assert_eq!(kept.time.unwrap().to_string(), "2026-05-06T13:23:15-07:00");
    // Not a number: the update is ignored.
    let bad = r#"<var type="2" id="12"><val>on</val></var>"#;
    assert!(
        state
            .apply_event(&system_live("_1", "6", "", bad))
            .is_empty()
    );
    assert_eq!(
        state.variable(STATE_12).unwrap().value.unwrap().to_string(),
        "5.1"
    );
    assert_eq!(state.left_out(), 1);
    let table = system_live("_1", "9", "", r#"<var type="2" id="0"/>"#);
    assert_eq!(
        shown(&state.apply_event(&table)),
        ["table of state variables changed"]
    );
}

#[test]
fn a_change_of_a_member_is_a_change_of_its_scenes() {
    let mut state = ControllerState::new();
    state.seed_scene("s2", ["n", "m", "n"]);
    state.seed_scene("s1", ["n"]);
    assert_eq!(state.scenes().collect::<Vec<_>>(), ["s1", "s2"]);
    assert_eq!(state.scenes_of("n").collect::<Vec<_>>(), ["s1", "s2"]);
    let changes = state.apply_event(&live("n", "ST", "1"));
    assert_eq!(
        shown(&changes),
        [
            "n ST: 1",
            "scene s1: member n changed",
            "scene s2: member n changed"
        ]
    );
    assert!(state.apply_event(&live("n", "ST", "1")).is_empty());
    assert_eq!(
        shown(&state.apply_event(&live("other", "ST", "1"))),
        ["other ST: 1"]
    );
}

#[test]
fn membership_follows_live_lifecycle_events() {
    let mut state = ControllerState::new();
    let mut feed = |verb: &str, address: &str, info: &str| {
        state.update(&system_live("_3", verb, address, info));
        let members: Vec<String> = state.members("s").map(str::to_owned).collect();
        (state.scenes().count(), members)
    };
    assert_eq!(feed("GD", "s", "<groupName>All</groupName>"), (1, vec![]));
    assert_eq!(
        feed("MV", "s", "<movedNode>n</movedNode>"),
        (1, vec!["n".to_owned()])
    );
    assert_eq!(feed("MV", "s", "<movedNode>m</movedNode>").1, ["m", "n"]);
    assert_eq!(feed("RG", "s", "<removedNode>n</removedNode>").1, ["m"]);
    assert_eq!(feed("NR", "m", "").1, Vec::<String>::new());
    assert_eq!(feed("MV", "s", "<movedNode>m</movedNode>").1, ["m"]);
    assert_eq!(feed("GR", "s", "").0, 0);
    assert_eq!(state.entries(), 0);
}

#[test]
fn a_lifecycle_event_says_what_to_load_again() {
    let mut state = ControllerState::new();
    let cases = [
        ("ND", Some((Lifecycle::NodeAdded, Invalidated::Nodes))),
        ("EN", Some((Lifecycle::EnabledChanged, Invalidated::Nodes))),
        ("FN", Some((Lifecycle::FolderRenamed, Invalidated::Folders))),
        ("GN", Some((Lifecycle::SceneRenamed, Invalidated::Scenes))),
        (
            "RG",
            Some((Lifecycle::RemovedFromScene, Invalidated::Scenes)),
        ),
        ("WH", None),
        ("ZZ", None),
    ];
    for (code, expected) in cases {
        let changes = state.apply_event(&system_live("_3", code, "x", "<newName>y</newName>"));
        let reported = changes.first().map(|change| match &change.kind {
            ChangeKind::Structure {
                verb,
                address,
                invalidates,
            } => {
                assert_eq!(&**address, "x");
                (*verb, *invalidates)
            }
            other => panic!("{other:?}"),
        });
        assert_eq!(reported, expected, "{code}");
    }
}

#[test]
fn a_replayed_removal_removes_nothing() {
    let mut state = ControllerState::new();
    state.update(&property("n", "ST", "1"));
    state.update(&system("_3", "NR", "n", ""));
    assert!(state.property("n", "ST").is_some());
    state.update(&system_live("_3", "NR", "n", ""));
    assert_eq!((state.property("n", "ST"), state.entries()), (None, 0));
}

#[test]
fn a_state_of_known_items_leaves_unknown_ones_out() {
    let mut state = ControllerState::known_only();
    state.seed_node("n");
    state.seed_property(
        "m",
        "ST",
        Property::new("0")
            .with_unit("100", Some(0))
            .with_name("Status"),
    );
    state.seed_program(ProgramId::new(1), Program::default());
    state.seed_variable(STATE_12, Variable::default());
    let frames = [
        live("n", "ST", "1"),
        live("m", "ST", "1"),
        live("stranger", "ST", "1"),
        system_live("_1", "0", "", "<id>1</id><s>21</s>"),
        system_live("_1", "0", "", "<id>2</id><s>21</s>"),
        system_live("_1", "6", "", r#"<var type="2" id="12"><val>3</val></var>"#),
        system_live("_1", "6", "", r#"<var type="2" id="13"><val>3</val></var>"#),
        system_live("_3", "GD", "s", ""),
    ];
    for frame in frames {
        state.update(&frame);
    }
    assert_eq!(state.nodes().collect::<Vec<_>>(), ["m", "n"]);
    assert_eq!(state.property("n", "ST").unwrap().raw(), "1");
    assert_eq!(state.property("m", "ST").unwrap().raw(), "1");
    assert_eq!(
        state
            .programs()
            .map(|(id, program)| (id.number(), program.status))
            .collect::<Vec<_>>(),
        [(1, Some(true))]
    );
    assert_eq!(
        state.variables().map(|(id, _)| id).collect::<Vec<_>>(),
        [STATE_12]
    );
    assert_eq!(
        (state.scenes().count(), state.left_out(), state.is_growing()),
        (0, 0, false)
    );
}

#[test]
fn a_first_replay_reports_no_changes_while_away() {
    let mut state = ControllerState::new();
    status(&mut state, Status::StreamSyncing);
    for raw in ["0", "1", "2"] {
        let changes = state.apply_event(&property("n", "ST", raw));
        assert!(
            changes
                .iter()
                .all(|change| change.occasion == Occasion::Replay)
        );
    }
    state.update(&system("_1", "0", "", "<id>1</id><s>21</s>"));
    state.update(&system("_1", "0", "", "<id>1</id><s>31</s>"));
    assert!(status(&mut state, Status::Connected).is_empty());
}

#[test]
fn changes_while_away_are_reported_once_and_never_as_live() {
    let mut state = ControllerState::new();
    state.seed_scene("s", ["door"]);
    status(&mut state, Status::StreamSyncing);
    for (node, raw) in [("door", "0"), ("lamp", "0"), ("fan", "0"), ("gone", "1")] {
        state.update(&property(node, "ST", raw));
    }
    state.update(&system("_1", "0", "", "<id>1</id><s>21</s>"));
    state.update(&system(
        "_1",
        "6",
        "",
        r#"<var type="2" id="12"><val>3</val></var>"#,
    ));
    assert!(status(&mut state, Status::Connected).is_empty());
    state.update(&live("lamp", "ST", "255"));
    assert_eq!(state.not_replayed().count(), 0);

    // The first replay breaks off in the middle. The state before it remains the reference.
    status(&mut state, Status::LostConnection);
    status(&mut state, Status::StreamSyncing);
    state.update(&property("door", "ST", "50"));
    state.update(&property("fan", "ST", "9"));
    assert!(status(&mut state, Status::LostConnection).is_empty());
    status(&mut state, Status::StreamSyncing);
    let frames = [
        property("door", "ST", "100"),
        property("lamp", "ST", "255"),
        property("fan", "ST", "0"),
        property("new", "ST", "7"),
        system("_1", "0", "", "<id>1</id><s>31</s>"),
        system("_1", "6", "", r#"<var type="2" id="12"><val>4</val></var>"#),
    ];
    for frame in frames {
        for change in state.apply_event(&frame) {
            assert_eq!(change.occasion, Occasion::Replay, "{change}");
        }
    }
    let changes = status(&mut state, Status::Connected);
    assert!(
        changes
            .iter()
            .all(|change| change.occasion == Occasion::WhileAway)
    );
    assert_eq!(
        shown(&changes),
        [
            "door ST: 0 -> 100 (while away)",
            "scene s: member door changed (while away)",
            "new ST: 7 (while away)",
            "program 0001: false (while away)",
            "variable state 12 = 4 (while away)",
        ]
    );
    assert!(status(&mut state, Status::Connected).is_empty());
    assert_eq!(state.not_replayed().collect::<Vec<_>>(), [("gone", "ST")]);
    state.forget_node("gone");
    assert_eq!(state.not_replayed().count(), 0);
}

#[test]
fn a_replayed_event_after_the_drain_continues_the_replay_that_ended() {
    let replayed = |value: &str| {
        [
            property("door", "ST", value),
            property(if value == "0" { "lamp" } else { "new" }, "ST", "7"),
            system(
                "_1",
                "0",
                "",
                &format!("<id>1</id><s>{}1</s>", if value == "0" { 2 } else { 3 }),
            ),
            system(
                "_1",
                "6",
                "",
                &format!(r#"<var type="2" id="12"><val>{value}</val></var>"#),
            ),
        ]
    };
    let mut state = ControllerState::new();
    state.seed_scene("s", ["door"]);
    // The events of a first replay are not changes, even if they are late.
    status(&mut state, Status::StreamSyncing);
    assert!(status(&mut state, Status::Connected).is_empty());
    for event in replayed("0") {
        for change in state.apply_event(&event) {
            assert_eq!(change.occasion, Occasion::Replay, "{change}");
        }
    }
    status(&mut state, Status::LostConnection);
    status(&mut state, Status::StreamSyncing);
    status(&mut state, Status::Connected);
    let changes: Vec<Change> = replayed("100")
        .iter()
        .flat_map(|event| state.apply_event(event))
        .collect();
    assert_eq!(
        shown(&changes),
        [
            "door ST: 0 -> 100 (while away)",
            "scene s: member door changed (while away)",
            "new ST: 7 (while away)",
            "program 0001: false (while away)",
            "variable state 12 = 100 (while away)",
        ]
    );
    // Each change is reported once: not when the event is repeated, and not at the end of the next
    // replay.
    for event in replayed("100") {
        assert!(state.apply_event(&event).is_empty());
    }
    // The late events count for the replay that they belong to.
    assert_eq!(state.not_replayed().collect::<Vec<_>>(), [("lamp", "ST")]);
    let changes = state.apply_event(&live("door", "ST", "50"));
    assert_eq!(changes[0].occasion, Occasion::Live);
    status(&mut state, Status::LostConnection);
    status(&mut state, Status::StreamSyncing);
    state.update(&property("door", "ST", "50"));
    assert!(status(&mut state, Status::Connected).is_empty());
}

#[test]
fn with_change_times_a_value_that_changed_back_is_reported_even_if_late() {
    let at = |raw: &str, time: &str| {
        event(&format!(
            "<Event timestamp='{time}'><control>ST</control><action>{raw}</action><node>door</node></Event>"
        ))
    };
    let (spring, today) = ("2026-03-01T08:00:00-08:00", "2026-05-06T14:30:00-07:00");
    let mut state = ControllerState::new().with_change_times();
    state.update(&at("0", spring));
    status(&mut state, Status::Connected);
    status(&mut state, Status::StreamSyncing);
    status(&mut state, Status::Connected);
    assert!(state.apply_event(&at("0", spring)).is_empty());
    let changes = state.apply_event(&at("0", today));
    assert_eq!(shown(&changes), ["door ST: 0 -> 0 (while away)"]);
    assert!(state.apply_event(&at("0", today)).is_empty());
}

#[test]
fn a_replay_that_exceeds_its_time_limit_is_incomplete() {
    let mut state = ControllerState::new();
    assert!(!state.is_complete());
    status(&mut state, Status::StreamSyncing);
    state.update(&property("door", "ST", "0"));
    assert!(!state.is_complete());
    status(&mut state, Status::Connected);
    assert!(state.is_complete());
    status(&mut state, Status::LostConnection);
    status(&mut state, Status::StreamSyncing);
    state.update(&property("lamp", "ST", "7"));
    let reason = Reason::ReplayIncomplete {
        after: Duration::from_secs(60),
    };
    let change = StatusChange::new(Status::Connected).with_reason(reason);
    let changes = state.apply(&Notification::Status(change));
    assert_eq!(shown(&changes), ["lamp ST: 7 (while away)"]);
    assert!(!state.is_complete());
    // The replay was incomplete, so nothing can be said about the rest.
    assert_eq!(state.not_replayed().count(), 0);
}

#[test]
fn a_value_that_changed_back_while_away_shows_in_its_time() {
    let at = |node: &str, raw: &str, time: &str| {
        event(&format!(
            "<Event timestamp='{time}'><control>ST</control><action>{raw}</action><node>{node}</node></Event>"
        ))
    };
    let (spring, today) = ("2026-03-01T08:00:00-08:00", "2026-05-06T14:30:00-07:00");
    for (with_times, expected) in [
        (
            true,
            &[
                "door ST: 0 -> 0 (while away)",
                "lamp ST: 0 -> 1 (while away)",
            ][..],
        ),
        (false, &["lamp ST: 0 -> 1 (while away)"][..]),
    ] {
        let mut state = ControllerState::new();
        if with_times {
            state = state.with_change_times();
        }
        for node in ["door", "fan", "lamp"] {
            state.update(&at(node, "0", spring));
        }
        assert!(state.end_replay().is_empty());
        state.update(&at("door", "0", today));
        state.update(&at("fan", "0", spring));
        state.update(&at("lamp", "1", today));
        assert_eq!(shown(&state.end_replay()), expected);
    }
}

#[test]
fn the_first_replay_updates_a_seeded_state() {
    let mut state = ControllerState::new();
    state.seed_property(
        "door",
        "ST",
        Property::new("0")
            .with_unit("100", Some(0))
            .with_formatted("0%"),
    );
    state.seed_variable(STATE_12, Variable::default());
    state.update(&property("door", "ST", "100"));
    state.update(&property("lamp", "ST", "1"));
    state.update(&system(
        "_1",
        "7",
        "",
        r#"<var type="2" id="12"><init>4</init></var>"#,
    ));
    let changes = state.end_replay();
    assert_eq!(
        shown(&changes),
        [
            "door ST: 0 -> 100 (while away)",
            "variable state 12 init = 4 (while away)"
        ]
    );
    let ChangeKind::Variable(variable) = &changes[1].kind else {
        panic!("{changes:?}")
    };
    assert_eq!(variable.field, VariableField::Init);
}

#[test]
fn the_state_that_a_controller_can_fill_is_bounded() {
    let mut state = ControllerState::new().with_limits(Limits {
        entries: 10,
        texts: 200,
    });
    for number in 0..100 {
        state.update(&live(&format!("n{number}"), "ST", "1"));
        state.update(&system_live(
            "_1",
            "0",
            "",
            &format!("<id>{number}</id><s>21</s>"),
        ));
        state.update(&system_live(
            "_3",
            "MV",
            &format!("s{number}"),
            &format!("<movedNode>m{number}</movedNode>"),
        ));
    }
    assert_eq!(state.entries(), 10);
    assert!(state.left_out() > 200);
    let known = state.left_out();
    // Known properties are still updated, except with texts over the limit.
    state.update(&live("n0", "ST", "2"));
    state.update(&live("n0", "ST", &"9".repeat(300)));
    assert_eq!(state.property("n0", "ST").unwrap().raw(), "2");
    assert_eq!(state.left_out(), known + 1);
}

#[test]
fn a_snapshot_does_not_change() {
    let shared = SharedState::new(ControllerState::new());
    shared.update(|state| state.update(&live("n", "ST", "1")));
    let snapshot = shared.snapshot();
    shared.update(|state| state.update(&live("n", "ST", "2")));
    assert_eq!(snapshot.property("n", "ST").unwrap().raw(), "1");
    assert_eq!(
        shared.read(|state| state.property("n", "ST").unwrap().raw().to_owned()),
        "2"
    );
}

#[test]
fn the_state_is_serialised_as_json() {
    let mut state = ControllerState::new();
    state.seed_scene("25614", ["42 92 8C 1"]);
    state.update(&property("42 92 8C 1", "ST", "255"));
    state.update(&event(
        "<Event><control>GV1</control><action prec='1'>x</action><node>n</node></Event>",
    ));
    state.update(&system(
        "_1",
        "0",
        "",
        "<id>8D</id><on/><nr/><r>260506 14:30:36 </r><s>21</s>",
    ));
    state.update(&system(
        "_1",
        "6",
        "",
        r#"<var type="2" id="12"><prec>1</prec><val>51</val></var>"#,
    ));
    state.update(&system(
        "_1",
        "7",
        "",
        r#"<var type="1" id="3"><prec>0</prec><init>4</init></var>"#,
    ));
    let expected = serde_json::json!({
        "complete": false,
            "nodes": {
            "42 92 8C 1": {"ST": {"raw": "255", "value": 255, "unit": "", "text": "255%", "uom": "100", "precision": 0,
                "formatted": "255%", "name": "Status", "time": "2026-05-06T14:30:36.236101-07:00", "heard_at": null}},
            "n": {"GV1": {"raw": "x", "value": null, "unit": "", "text": "x", "uom": "", "precision": 1,
                "formatted": "", "name": "", "time": null, "heard_at": null}},
        },
        "programs": {"008D": {"name": null, "status": true, "enabled": true, "run_at_reboot": false,
            "run_state": "idle", "evaluation": "true",
            "last_run": "2026-05-06T14:30:36-07:00", "last_finish": null, "next_run": null}},
        "variables": {
            "integer": {"3": {"name": null, "value": null, "init": 4, "time": null}},
            "state": {"12": {"name": null, "value": 5.1, "init": null, "time": null}},
        },
        "scenes": {"25614": ["42 92 8C 1"]},
        "names": {},
    });
    assert_eq!(serde_json::to_value(&state).unwrap(), expected);
}
