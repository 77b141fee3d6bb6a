//! Reads of single things, partial lists, and a large house.

use ioxproto::rest::{NetworkResources, NodeEntry, Nodes, Programs, Statuses, VariableEntry};
use ioxproto::view::VariableType;
use ioxsim::ControllerOptions;

use super::{ADMIN, House};

/// The maximum length of an answer that a client reads.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

#[test]
fn one_node_and_one_of_its_values_can_be_read() {
    let mut house = House::new();
    let lamp = house.controller.nodes()[0].clone();
    let path = format!("/rest/nodes/{}", lamp.replace(' ', "%20"));
    let node = NodeEntry::parse(house.read(&path).as_bytes()).unwrap();
    assert_eq!((&*node.address, &*node.name), (&*lamp, "Hall lamp"));
    let controls: Vec<_> = node.properties.iter().map(|it| &*it.control).collect();
    assert_eq!(controls, ["ST", "OL", "RR"]);

    let value = house.value(&lamp, "ST");
    let answer = house.read(&format!("{path}/get/ST"));
    assert!(
        answer.contains(&format!("id=\"ST\" value=\"{value}\"")),
        "{answer}"
    );
    for path in [
        format!("{path}/get/NONE"),
        format!("{path}/notes"),
        "/rest/nodes/nowhere".to_owned(),
    ] {
        assert_eq!(house.get(&path).0, 404, "{path}");
    }
}

#[test]
fn lists_show_devices_scenes_or_no_members() {
    let mut house = House::new();
    let mut counted = |path: &str| {
        let nodes = Nodes::parse(house.read(path).as_bytes()).unwrap();
        let members = nodes
            .scenes
            .iter()
            .map(|scene| scene.members.len())
            .sum::<usize>();
        (
            nodes.nodes.len(),
            nodes.scenes.len(),
            nodes.folders.len(),
            members > 0,
        )
    };
    assert_eq!(counted("/rest/nodes"), (12, 1, 6, true));
    assert_eq!(counted("/rest/nodes?members=false"), (12, 1, 6, false));
    assert_eq!(counted("/rest/nodes/devices"), (12, 0, 0, false));
    assert_eq!(counted("/rest/nodes/scenes"), (0, 1, 0, true));
}

#[test]
fn a_variable_is_shown_with_its_decimal_places() {
    let mut house = House::new();
    let sent = |house: &mut House, body: &str| {
        house
            .answer("POST", "/api/variables/1/1", ADMIN, body)
            .status
    };
    assert_eq!(sent(&mut house, r#"{"prec":1}"#), Some(200));
    assert_eq!(sent(&mut house, r#"{"value":21.5,"init":20}"#), Some(200));
    let answer = house.read("/rest/vars/get/1/1");
    assert!(
        answer.contains("<init>20</init><prec>1</prec><val>215</val>"),
        "a fraction is as shown, an integer is raw: {answer}"
    );
    let variable = VariableEntry::parse(answer.as_bytes(), VariableType::Integer).unwrap();
    assert_eq!(variable.number().unwrap().to_string(), "21.5");
    assert_eq!(sent(&mut house, r#"{"prec":7}"#), Some(404));
    assert_eq!(house.get("/rest/vars/get/1/99").0, 404);
}

#[test]
fn network_resources_are_listed_and_sent() {
    let mut house = House::new();
    let resources = house.read("/rest/networking/resources");
    let resources = NetworkResources::parse(resources.as_bytes())
        .unwrap()
        .resources;
    let names: Vec<_> = resources.iter().map(|it| &*it.name).collect();
    assert_eq!(names, ["Wake TV & radio", "Tür öffnen"]);
    for resource in &resources {
        house.read(&format!("/rest/networking/resources/{}", resource.id));
    }
    assert_eq!(house.get("/rest/networking/resources/9").0, 404);
}

#[test]
fn the_last_run_of_a_program_is_the_same_moment_in_xml_and_json() {
    let mut house = House::new();
    let xml = house.read("/rest/programs");
    assert!(
        xml.contains("<lastRunTime>2026/05/05 18:52:41 </lastRunTime>"),
        "{xml}"
    );
    let json = house.read("/api/programs");
    assert!(
        json.contains(r#""lastRunTime":"2026-05-06T01:52:41Z""#),
        "{json}"
    );
    let programs_run = |document: &str| {
        let programs = Programs::parse(document.as_bytes()).unwrap().programs;
        programs
            .iter()
            .filter(|program| program.last_run.is_some())
            .count()
    };
    assert!(programs_run(&xml) > 0);
    assert_eq!(programs_run(&xml), programs_run(&json));
}

#[test]
fn a_big_house_is_read_within_the_limit_of_a_call() {
    let mut house = House::with(ControllerOptions::default(), 5_000, Some(1_000));
    let mut read = |path: &str| {
        let document = house.read(path);
        assert!(
            document.len() < MAX_ANSWER,
            "{path}: {} bytes",
            document.len()
        );
        document
    };
    let nodes = read("/rest/nodes");
    assert_eq!(Nodes::parse(nodes.as_bytes()).unwrap().nodes.len(), 5_000);
    let nodes = read("/api/nodes");
    assert_eq!(Nodes::parse(nodes.as_bytes()).unwrap().nodes.len(), 5_000);
    let statuses = read("/rest/status");
    assert_eq!(
        Statuses::parse(statuses.as_bytes()).unwrap().nodes.len(),
        5_000
    );
    // Including the root and a folder.
    for path in ["/rest/programs", "/api/programs"] {
        let programs = read(path);
        let programs = Programs::parse(programs.as_bytes()).unwrap().programs;
        assert_eq!(programs.len(), 1_002, "{path}");
    }
    read("/api/groups");
    read("/rest/profiles");
}

#[test]
fn each_answer_names_the_uuid_that_was_chosen() {
    let chosen = "00:21:b9:0a:0b:0c";
    let mut house = House::with(
        ControllerOptions {
            uuid: chosen.parse().unwrap(),
            ..ControllerOptions::default()
        },
        3,
        None,
    );
    for path in ["/desc", "/rest/config", "/api/config", "/api/nodes"] {
        let body = house.read(path);
        assert!(body.contains(chosen), "{path}: {body}");
        assert!(!body.contains("00:21:b9:00:00:01"), "{path}: {body}");
    }
}
