//! The REST interface of the controller: reads of the house, and commands to it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api;
mod faults;
mod generations;
mod keep_alive;
mod reads;

use std::time::{Duration, Instant, SystemTime};

use ioxproto::Now;
use ioxproto::rest::{Nodes, Programs, Statuses, VariableDefinitions, Variables};
use ioxproto::view::VariableType;
use ioxsim::{Answer, Controller, ControllerOptions, HouseOptions};

const ADMIN: &str = "Authorization: Basic YWRtaW46YWRtaW4=\r\n";

struct House {
    controller: Controller,
    now: Now,
}

impl House {
    fn new() -> Self {
        Self::with(ControllerOptions::default(), 12, None)
    }

    fn with(options: ControllerOptions, nodes: usize, programs: Option<usize>) -> Self {
        let now = Now {
            monotonic: Instant::now(),
            utc: SystemTime::UNIX_EPOCH + Duration::from_secs(1_778_032_361),
        };
        let house = HouseOptions {
            nodes,
            programs,
            ..HouseOptions::default()
        };
        let options = ControllerOptions {
            house: house.into(),
            ..options
        };
        Self {
            controller: Controller::new(options, now),
            now,
        }
    }

    fn answer(&mut self, method: &str, path: &str, authorization: &str, body: &str) -> Answer {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: eisy\r\n{authorization}\r\n");
        let (request, _) = ioxsim::parse_request(request.as_bytes()).unwrap().unwrap();
        if method == "GET" {
            self.controller.upgrade(self.now, &request)
        } else {
            let request = request.map(|()| body.as_bytes().to_vec());
            self.controller.post(self.now, &request)
        }
    }

    fn ask(&mut self, path: &str, authorization: &str) -> (u16, String) {
        let answer = self.answer("GET", path, authorization, "");
        let text = String::from_utf8(answer.bytes).unwrap();
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        (answer.status.unwrap(), body.to_owned())
    }

    fn get(&mut self, path: &str) -> (u16, String) {
        self.ask(path, ADMIN)
    }

    fn read(&mut self, path: &str) -> String {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    fn value(&self, address: &str, control: &str) -> String {
        let event = self.controller.last(address, control).unwrap();
        event.action().to_owned()
    }
}

#[test]
fn nodes_have_names_folders_and_kinds_and_a_scene_its_members() {
    let mut house = House::new();
    let nodes = Nodes::parse(house.read("/rest/nodes").as_bytes()).unwrap();
    assert_eq!(
        (nodes.nodes.len(), nodes.folders.len(), nodes.scenes.len()),
        (12, 6, 1)
    );
    let names: Vec<_> = nodes.nodes.iter().map(|node| &*node.name).collect();
    for name in [
        "Hall lamp",
        "Küche & Bad weather",
        "Kids' \"den\" door lock",
    ] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    for node in &nodes.nodes {
        let parent = node.parent.as_ref().unwrap();
        assert!(
            nodes
                .folders
                .iter()
                .any(|folder| folder.address == parent.address)
        );
        assert!(node.enabled && !node.node_def_id.is_empty());
    }
    let lamps: Vec<_> = nodes
        .nodes
        .iter()
        .filter(|node| node.name.contains("lamp"))
        .collect();
    let members: Vec<_> = nodes.scenes[0]
        .members
        .iter()
        .map(|it| &it.address)
        .collect();
    assert!(
        !members.is_empty()
            && members
                .iter()
                .all(|it| lamps.iter().any(|lamp| lamp.address == **it))
    );
}

#[test]
fn status_programs_and_variables_can_be_read() {
    let mut house = House::new();
    let statuses = Statuses::parse(house.read("/rest/status").as_bytes()).unwrap();
    assert_eq!(statuses.nodes.len(), 12);
    let programs = house.read("/rest/programs?subfolders=true");
    let programs = Programs::parse(programs.as_bytes()).unwrap().programs;
    assert!(programs[0].is_folder && programs.len() > 3);
    for (number, kind) in [(1, VariableType::Integer), (2, VariableType::State)] {
        let names = house.read(&format!("/rest/vars/definitions/{number}"));
        let names = VariableDefinitions::parse(names.as_bytes(), kind).unwrap();
        let values = house.read(&format!("/rest/vars/get/{number}"));
        let values = Variables::parse(values.as_bytes(), kind).unwrap();
        assert!(!names.definitions.is_empty());
        assert_eq!(names.definitions.len(), values.variables.len());
    }
    for path in [
        "/rest/config",
        "/rest/time",
        "/rest/sys",
        "/rest/networking/resources",
    ] {
        house.read(path);
    }
}

#[test]
fn commands_change_the_house() {
    let mut house = House::new();
    let nodes = Nodes::parse(house.read("/rest/nodes").as_bytes()).unwrap();
    let of = |noun: &str| {
        let node = nodes
            .nodes
            .iter()
            .find(|node| node.name.contains(noun))
            .unwrap();
        (node.address.clone(), node.address.replace(' ', "%20"))
    };
    let (lamp, lamp_path) = of("lamp");
    for (command, level) in [
        ("DOF", "0"),
        ("DON/128", "128"),
        ("DON/50/51", "128"),
        ("DFON", "255"),
        ("DIM", "247"),
        ("DFOF", "0"),
    ] {
        house.read(&format!("/rest/nodes/{lamp_path}/cmd/{command}"));
        assert_eq!(house.value(&lamp, "ST"), level, "{command}");
    }
    let (lock, lock_path) = of("lock");
    house.read(&format!("/rest/nodes/{lock_path}/cmd/SECMD/0"));
    assert_eq!(house.value(&lock, "ST"), "0");
    let (thermostat, thermostat_path) = of("thermostat");
    house.read(&format!("/rest/nodes/{thermostat_path}/cmd/CLISPH/70.5/17"));
    assert_eq!(house.value(&thermostat, "CLISPH"), "705");
    house.read("/rest/nodes/20481/cmd/DFON");
    assert_eq!(house.value(&lamp, "ST"), "255");
    house.read("/rest/vars/set/1/1/-7");
    assert!(house.read("/rest/vars/get/1").contains("<val>-7</val>"));
    house.read("/rest/programs/0003/runElse");
    assert!(
        house
            .read("/rest/programs")
            .contains("id=\"0003\" parentId=\"0001\" status=\"false\"")
    );
}

#[test]
fn missing_things_and_impossible_commands_are_refused() {
    let mut house = House::new();
    let nodes = Nodes::parse(house.read("/rest/nodes").as_bytes()).unwrap();
    let lamp = nodes
        .nodes
        .iter()
        .find(|node| node.name.contains("lamp"))
        .unwrap();
    let lamp = lamp.address.replace(' ', "%20");
    for path in [
        "/rest/nodes/1%201%201%201/cmd/DON".to_owned(),
        format!("/rest/nodes/{lamp}/cmd/SECMD/1"),
        format!("/rest/nodes/{lamp}/cmd/DON/256"),
        format!("/rest/nodes/{lamp}/cmd/DON/101/51"),
        format!("/rest/nodes/{lamp}/cmd/%zz"),
        "/rest/programs/0002/run".to_owned(),
        "/rest/programs/0003/jump".to_owned(),
        "/rest/vars/set/1/99/1".to_owned(),
        "/rest/vars/set/1/1/x".to_owned(),
        "/rest/nowhere".to_owned(),
    ] {
        let (status, body) = house.get(&path);
        assert_eq!(status, 404, "{path}");
        assert!(body.contains("succeeded=\"false\""), "{path}: {body}");
    }
    house.read(&format!("/rest/nodes/{lamp}/disable"));
    assert_eq!(house.get(&format!("/rest/nodes/{lamp}/cmd/DON")).0, 404);
    house.read(&format!("/rest/nodes/{lamp}/enable"));
    house.read(&format!("/rest/nodes/{lamp}/cmd/DON"));
    assert_eq!(house.ask("/rest/nodes", "").0, 401);
    let wrong = "Authorization: Basic YWRtaW46d3Jvbmc=\r\n";
    assert_eq!(
        house.ask(&format!("/rest/nodes/{lamp}/cmd/DOF"), wrong).0,
        401
    );
}
