//! The state that `iox state` and `iox watch --state` write, and the filters of both.

use std::time::Duration;

use ioxsim::{Firmware, HouseOptions, OnUpgrade, ServerOptions, Times};
use serde_json::{Value, json};

use crate::house::House;
use crate::iox::{Finished, Running, iox, objects, run, watch};

fn state(url: &str, arguments: &[&str]) -> Finished {
    let mut command = iox(&["state", url, "--username", "admin"]);
    command.args(arguments).env("IOX_PASSWORD", "admin");
    run(command)
}

/// Starts a controller that plays a recording: events of two nodes, one of them twice for `ST`, a
/// program and a variable.
fn recorded() -> House {
    let lines: Vec<_> = [
        ("n1", "ST", "0", "Off"),
        ("n1", "OL", "255", "100%"),
        ("n2", "ST", "725", ""),
        ("n1", "ST", "255", "On"),
    ]
    .iter()
    .enumerate()
    .map(|(seqnum, (node, control, action, shown))| {
        format!(
            "<Event seqnum=\"{seqnum}\" sid=\"uuid:7\" timestamp=\"2026-05-05T18:52:41.875777-07:00\"><control>{control}</control>\
             <action uom=\"17\" prec=\"1\">{action}</action><node>{node}</node><eventInfo></eventInfo><fmtAct>{shown}</fmtAct><fmtName>Name of {control}</fmtName></Event>"
        )
    })
    .chain([
        "<Event seqnum=\"4\"><control>_1</control><action>0</action><eventInfo><id>8D</id><on/><s>21</s></eventInfo></Event>".to_owned(),
        "<Event seqnum=\"5\"><control>_1</control><action>6</action><eventInfo><var type=\"2\" id=\"12\"><prec>1</prec><val>51</val></var></eventInfo></Event>".to_owned(),
    ])
    .map(|frame| json!({"direction": "receive", "opcode": 1, "time": 1.0, "data": frame}).to_string())
    .collect();
    let recording = ioxsim::Recording::parse(&lines.join("\n")).unwrap();
    House::start(ServerOptions::of(recording))
}

#[test]
fn the_state_is_a_table_of_last_values() {
    let house = recorded();
    let finished = state(&house.url, &[]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let expected = "\
NODE  ID  PROPERTY    VALUE   SEEN
n1    OL  Name of OL  100%    2026-05-05 18:52:41
n1    ST  Name of ST  On      2026-05-05 18:52:41
n2    ST  Name of ST  72.5°F  2026-05-05 18:52:41

PROGRAM  STATUS  RUNS  ENABLED  LAST RUN  NEXT RUN
008D     true    idle  yes

VARIABLE  ID  VALUE  INIT  CHANGED
state     12  5.1";
    assert_eq!(finished.stdout, expected);
    assert_eq!(finished.stderr, "");
    assert_eq!(house.control().closes(), [Some(1000)]);
}

#[test]
fn the_state_is_one_json_object() {
    let house = recorded();
    let finished = state(
        &house.url,
        &["--format", "json", "--node", "n1", "--control", "ST"],
    );
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let object: Value = serde_json::from_str(&finished.stdout).unwrap();
    let lamp = &object["nodes"]["n1"];
    assert_eq!(lamp["ST"]["formatted"], "On");
    assert_eq!(lamp["ST"]["value"], 25.5);
    assert!(lamp["OL"].is_null() && object["nodes"]["n2"].is_null());
}

#[test]
fn an_incomplete_state_is_reported_and_fails() {
    let mut options = ServerOptions::of(HouseOptions {
        nodes: 500,
        ..HouseOptions::default()
    });
    options.controller.firmware = Firmware::Isy994;
    options.controller.replay_burst = 10;
    options.controller.replay_pause = Duration::from_millis(50);
    let house = House::start(options);
    let finished = state(&house.url, &["--drain-cap", "1", "--format", "json"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let object: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(object["complete"], false);
    assert!(!object["nodes"].as_object().unwrap().is_empty());
    assert!(finished.stderr.contains("--drain-cap"), "{finished:?}");
    assert!(finished.stderr.contains("not complete"), "{finished:?}");
    // A house with a quick replay and the default `--drain-cap`.
    let quick = House::start(ServerOptions::of(HouseOptions::default()));
    let finished = state(&quick.url, &["--format", "json"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let object: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(object["complete"], true);
}

#[test]
fn a_state_that_does_not_arrive_times_out() {
    let house = House::quiet();
    house
        .control()
        .on_upgrade(OnUpgrade::refuse(503), Times::Always);
    let finished = state(&house.url, &["--timeout", "0.5"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("503"), "{finished:?}");
    assert!(finished.stderr.contains("--timeout"), "{finished:?}");
    assert_eq!(finished.stdout, "");

    house.control().accept_normally();
    let mut wrong = iox(&["state", &house.url, "--username", "admin"]);
    wrong.env("IOX_PASSWORD", "wrong");
    assert_eq!(run(wrong).code, Some(3));
}

#[test]
fn a_watch_writes_the_state_at_the_end() {
    let house = recorded();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let arguments = ["--state", path.to_str().unwrap(), "--max-events", "4"];
    let finished = run(watch(&house.url, &arguments));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let text = std::fs::read_to_string(&path).unwrap();
    let object: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(object["nodes"]["n1"]["ST"]["formatted"], "On");
    assert_eq!(object["nodes"]["n2"]["ST"]["value"], 72.5);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_state_that_cannot_be_written_is_reported() {
    let house = House::quiet();
    let missing = run(watch(&house.url, &["--state", "/no/such/folder/state"]));
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.stderr.contains("/no/such/folder"), "{missing:?}");
    if cfg!(target_os = "linux") {
        let full = ["--state", "/dev/full", "--max-events", "1"];
        let finished = run(watch(&house.url, &full));
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains("/dev/full"), "{finished:?}");
        assert!(finished.stderr.contains("space"), "{finished:?}");
    }
}

#[test]
fn only_selected_events_are_shown_and_counted() {
    let house = House::quiet();
    let arguments = ["--format", "json", "--live-only", "--node", "42 92 8C 1"];
    let limited = [&arguments[..], &["--control", "ST", "--max-events", "2"]].concat();
    let running = Running::start(watch(&house.url, &limited));
    running.wait_for_status("connected");
    let other = ioxsim::Event::new("ST", "1").node("other");
    house.control().emit(&other);
    house.switch("1");
    house
        .control()
        .emit(&ioxsim::Event::new("DON", "0").node("42 92 8C 1"));
    house.switch("2");
    house.switch("3");
    let finished = running.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let lines = objects(&finished.stdout);
    let events: Vec<_> = lines
        .iter()
        .filter(|line| line["type"] == "event")
        .map(|line| (line["live"].as_bool(), line["action"].as_str()))
        .collect();
    assert_eq!(events, [(Some(true), Some("1")), (Some(true), Some("2"))]);
}
