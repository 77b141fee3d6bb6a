//! Names of the house, and commands by name.

use std::process::Command;

use ioxsim::{Event, HouseOptions, OnCall, ServerOptions, Times};

use crate::house::House;
use crate::iox::{Finished, Running, iox, objects, run};

/// Starts a controller with twelve nodes of all kinds. It sends no events by itself.
fn house() -> House {
    House::start(ServerOptions::of(HouseOptions {
        nodes: 12,
        ..HouseOptions::default()
    }))
}

fn at(house: &House, arguments: &[&str]) -> Command {
    let mut command = iox(arguments);
    command
        .env("IOX_URL", &house.url)
        .env("IOX_USERNAME", "admin")
        .env("IOX_PASSWORD", "admin");
    command
}

fn iox_at(house: &House, arguments: &[&str]) -> Finished {
    run(at(house, arguments))
}

#[test]
fn named_things_are_listed() {
    let house = house();
    for (what, rows) in [
        (
            "nodes",
            &["Hall lamp", "Küche & Bad", "Kids' \"den\"", "ZW004_1"][..],
        ),
        ("scenes", &["Evening", "20481"]),
        ("programs", &["Good night & lock", "0003"]),
        ("variables", &["Guests", "1/1", "state"]),
    ] {
        let finished = iox_at(&house, &["list", what]);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        for row in rows {
            assert!(finished.stdout.contains(row), "{row}: {finished:?}");
        }
    }
}

#[test]
fn a_command_by_name_changes_the_house_and_is_confirmed_by_its_event() {
    let house = house();
    for (arguments, node, control, value) in [
        (&["off", "hall lamp"][..], "Hall lamp", "ST", "0"),
        (&["level", "Hall/Hall lamp", "80"], "Hall lamp", "ST", "204"),
        (&["fast-on", "Hall lamp"], "Hall lamp", "ST", "255"),
        (&["unlock", "Kids' \"den\" door lock"], "lock", "ST", "0"),
        (
            &["set", "heat", "Garage thermostat", "70.5"],
            "thermostat",
            "CLISPH",
            "705",
        ),
    ] {
        let confirmed = iox_at(&house, &[arguments, &["--confirm"]].concat());
        assert_eq!(confirmed.code, Some(0), "{confirmed:?}");
        assert!(confirmed.stdout.contains(": confirmed"), "{confirmed:?}");
        let control_of = house.control();
        let is_received = control_of
            .nodes()
            .into_iter()
            .filter_map(|address| control_of.last(&address, control))
            .any(|event| event.action() == value);
        assert!(is_received, "{node} {control} = {value}");
    }
    for arguments in [
        &["run", "Porch at dusk", "else"][..],
        &["set", "variable", "Guests", "7"],
        &["set", "init", "1/1", "-3"],
        &["on", "Evening"],
        &["disable", "Hall lamp"],
        &["enable", "Hall lamp"],
        &["send", "Hall lamp", "DON", "77"],
    ] {
        let confirmed = iox_at(&house, &[arguments, &["--confirm"]].concat());
        assert_eq!(confirmed.code, Some(0), "{confirmed:?}");
    }
    let accepted = iox_at(&house, &["beep", "Hall lamp"]);
    assert!(accepted.stdout.contains("accepted"), "{accepted:?}");
    for words in [": confirmed", "already had this state"] {
        let again = iox_at(&house, &["fast-off", "Hall lamp", "--confirm"]);
        assert!(again.stdout.contains(words), "{words}: {again:?}");
    }
    assert_eq!(
        iox_at(&house, &["beep", "Hall lamp", "--confirm"]).code,
        Some(4)
    );
    // A shorter time limit leaves less time for the event.
    let beep = ["beep", "Hall lamp", "--confirm", "--timeout", "8"];
    let short = iox_at(&house, &beep);
    assert_eq!(short.code, Some(4), "{short:?}");
}

#[test]
fn names_that_cannot_be_read_are_reported_immediately() {
    for (fault, words) in [
        (OnCall::CutOff, "before the answer was complete"),
        (OnCall::TooShort, "before the answer was complete"),
        (OnCall::Html, "web page"),
        (OnCall::Empty, "the answer is empty"),
    ] {
        let house = house();
        house.control().on_call(fault, Times::Always);
        let refused = iox_at(&house, &["on", "Hall lamp"]);
        assert_eq!(refused.code, Some(1), "{fault:?}: {refused:?}");
        let says =
            refused.stderr.contains("the names of the house") && refused.stderr.contains(words);
        assert!(says, "{fault:?}: {refused:?}");
    }
}

#[test]
fn an_unusable_target_is_reported_and_nothing_is_sent() {
    let house = house();
    for (arguments, words) in [
        (&["on", "hall lamb"][..], "similar: \"Hall lamp\""),
        (&["on", "DF 45 59"], "more than one node"),
        // A folder.
        (&["on", "Hall"], "there is no node or scene"),
        (&["run", "Porch"], "there is no program"),
        (&["set", "variable", "nobody", "1"], "there is no variable"),
    ] {
        let finished = iox_at(&house, arguments);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains(words), "{finished:?}");
        assert!(finished.stderr.contains("nothing was sent"), "{finished:?}");
    }
    for arguments in [
        &["level", "Hall lamp", "101"][..],
        &["set", "variable", "Guests", "much"],
        &["set", "heat", "Garage thermostat", "900"],
        &["send", "Hall lamp", "D ON"],
    ] {
        assert_eq!(iox_at(&house, arguments).code, Some(2), "{arguments:?}");
    }
    assert_eq!(iox_at(&house, &["disable", "Hall lamp"]).code, Some(0));
    let disabled = iox_at(&house, &["on", "Hall lamp"]);
    assert_eq!(disabled.code, Some(1), "{disabled:?}");
    assert!(disabled.stderr.contains("is disabled"), "{disabled:?}");
    let refused = iox_at(&house, &["lock", "Küche & Bad weather"]);
    assert_eq!(refused.code, Some(5), "{refused:?}");
}

#[test]
fn names_are_shown_in_text_and_json_and_select_nodes() {
    let house = house();
    let lamp = house.control().nodes()[0].clone();
    let switch = |value: &str| {
        let event = Event::new("ST", value).node(&*lamp).uom("100", "0");
        house.control().emit(&event);
    };
    let json = Running::start(at(
        &house,
        &[
            "watch",
            "--format",
            "json",
            "--node",
            "hall lamp",
            "--live-only",
            "--max-events",
            "1",
        ],
    ));
    json.wait_for_status("connected");
    switch("7");
    let finished = json.finish();
    let events = objects(&finished.stdout);
    let event = events.iter().find(|line| line["type"] == "event").unwrap();
    assert_eq!(event["node_name"], "Hall lamp");
    assert_eq!(event["node_folder"], "Hall");
    assert_eq!(event["node_address"], *lamp);

    // A format that shows no names selects by name, too.
    let arguments = "watch --format value --live-only --max-events 1 --node";
    let arguments: Vec<&str> = arguments.split(' ').chain(["Hall lamp"]).collect();
    let value = Running::start(at(&house, &arguments));
    let finished = value.finish_while(|| switch("128"));
    assert_eq!(finished.stdout, "50%");

    let text = Running::start(at(&house, &["watch", "--live-only"]));
    text.wait_for("connected");
    switch("0");
    let line = text.wait_for("Hall lamp");
    assert!(line.ends_with("Off"), "{line}");
    text.stop();
    let without = iox_at(&house, &["state", "--no-names", "--node", &lamp]);
    assert!(!without.stdout.contains("Hall lamp"), "{without:?}");
    let scene = iox_at(&house, &["list", "scenes"]);
    let scene = scene.stdout.lines().nth(1).unwrap();
    let scene = scene.split("  ").next().unwrap();
    let of_scene = iox_at(&house, &["state", "--node", scene]);
    assert_eq!(of_scene.code, Some(0), "{scene}: {of_scene:?}");
    let misspelt = iox_at(&house, &["state", "--node", "hall lamb"]);
    assert_eq!(misspelt.code, Some(1), "{misspelt:?}");
    assert!(
        misspelt.stderr.contains("similar: \"Hall lamp\""),
        "{misspelt:?}"
    );
    let with = iox_at(&house, &["state", "--node", "Hall lamp"]);
    assert!(with.stdout.contains("Hall lamp"), "{with:?}");
    assert!(!with.stdout.contains("thermostat"), "{with:?}");
}

#[test]
fn a_large_house_has_names_before_its_replay() {
    let house = House::start(ServerOptions::of(HouseOptions {
        nodes: 2_000,
        ..HouseOptions::default()
    }));
    let finished = iox_at(
        &house,
        &["watch", "--format", "json", "--max-events", "3000"],
    );
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let events = objects(&finished.stdout);
    let of_nodes = events.iter().filter(|line| line["kind"] == "node_property");
    assert!(of_nodes.clone().count() > 1_000);
    assert!(
        of_nodes
            .into_iter()
            .all(|line| line["node_name"].is_string())
    );
}

#[test]
fn the_state_is_a_tree_by_folder_with_names_in_json() {
    let house = house();
    let text = iox_at(&house, &["state"]);
    assert_eq!(text.code, Some(0), "{text:?}");
    let mut lines = text.stdout.lines();
    let folder = lines.find(|line| *line == "Hall/");
    assert!(folder.is_some(), "{text:?}");
    let lamp = lines.next().unwrap();
    assert!(lamp.starts_with("  ") && lamp.contains("ST"), "{text:?}");
    let json = iox_at(&house, &["state", "--format", "json"]);
    let state: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let lamp = &house.control().nodes()[0];
    assert_eq!(state["names"][&**lamp]["name"], "Hall lamp");
    assert_eq!(state["names"][&**lamp]["folder"], "Hall");
    let programs = state["programs"].as_object().unwrap();
    let is_named = |program: &serde_json::Value| program["name"] == "Good night & lock";
    assert!(programs.values().any(is_named), "{programs:?}");
}

#[test]
fn silent_nodes_need_a_path_with_the_times_of_changes() {
    let house = house();
    let refused = iox_at(&house, &["state", "--silent", "25h"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("--path api"), "{refused:?}");
    let senseless = iox_at(&house, &["state", "--silent", "25 hours"]);
    assert_eq!(senseless.code, Some(2), "{senseless:?}");
}

#[test]
fn a_rename_takes_effect_while_watching() {
    let house = house();
    let lamp = house.control().nodes()[0].clone();
    let running = Running::start(at(&house, &["watch", "--live-only"]));
    running.wait_for("connected");
    let rename = Event::new("_3", "NN").node(&*lamp);
    house
        .control()
        .emit(&rename.info("<newName>Ceiling</newName>"));
    let event = Event::new("ST", "7").node(&*lamp).uom("100", "0");
    house.control().emit(&event);
    running.wait_for("Ceiling ");
    running.stop();
}
