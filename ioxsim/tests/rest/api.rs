//! The JSON interface of IoX 6, and the lifecycle of what is in the house.

use ioxproto::names::Names;
use ioxproto::rest::{Nodes, Programs};
use ioxproto::{Frame, FrameReader};
use ioxsim::{Controller, ControllerOptions, Output};
use serde_json::Value;

use super::{ADMIN, House};

fn json(house: &mut House, path: &str) -> Value {
    let answer: Value = serde_json::from_str(&house.read(path)).unwrap();
    assert_eq!(answer["successful"], true, "{path}");
    answer["data"].clone()
}

fn send(house: &mut House, method: &str, path: &str, body: &str) -> u16 {
    house.answer(method, path, ADMIN, body).status.unwrap()
}

#[test]
fn json_shows_the_same_house_as_xml() {
    let mut house = House::new();
    let xml = Nodes::parse(house.read("/rest/nodes").as_bytes()).unwrap();
    let json = Nodes::parse(house.read("/api/nodes").as_bytes()).unwrap();
    let named = |nodes: &Nodes| {
        let mut names = Names::default();
        names.take_nodes(nodes);
        names
    };
    assert!(named(&xml) == named(&json));
    assert_eq!(xml.nodes.len(), json.nodes.len());

    let xml = Programs::parse(house.read("/rest/programs").as_bytes()).unwrap();
    let json = Programs::parse(house.read("/api/programs").as_bytes()).unwrap();
    let ids = |programs: &Programs| {
        let each = programs.programs.iter();
        each.map(|program| (program.id, program.name.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&xml), ids(&json));
}

#[test]
fn the_identity_needs_no_credentials_and_everything_else_does() {
    let mut house = House::new();
    let (status, body) = house.ask("/api/config", "");
    assert!(status == 200 && body.contains("\"uuid\""), "{body}");
    for path in [
        "/api/nodes",
        "/api/programs",
        "/api/variables/1",
        "/api/groups",
    ] {
        assert_eq!(house.ask(path, "").0, 401, "{path}");
        json(&mut house, path);
    }
    assert_eq!(
        house.answer("POST", "/api/variables/1/1", "", "{}").status,
        Some(401)
    );
}

#[test]
fn a_profile_defines_every_node_and_editor_that_is_named() {
    let mut house = House::new();
    let profile = house.read("/rest/profiles?include=nodedefs,editors,linkdefs");
    let profile: Value = serde_json::from_str(&profile).unwrap();
    let definitions = |family: &str, instance: &str| -> Vec<Value> {
        let all = profile["families"].as_array().unwrap();
        let family = all.iter().find(|it| it["id"] == family).unwrap();
        let instances = family["instances"].as_array().unwrap();
        let instance = instances.iter().find(|it| it["id"] == instance).unwrap();
        let editors = instance["editors"].as_array().unwrap();
        let definitions = instance["nodedefs"].as_array().unwrap();
        for definition in definitions {
            for property in definition["properties"].as_array().unwrap() {
                let named = &property["editor"];
                assert!(
                    editors.iter().any(|editor| editor["id"] == *named),
                    "{named}"
                );
            }
        }
        definitions.clone()
    };
    for node in json(&mut house, "/api/nodes")["nodes"]["node"]
        .as_array()
        .unwrap()
    {
        let (family, instance) = match &node["family"] {
            Value::Object(family) => (family["_"].as_str(), family["instance"].as_str()),
            Value::String(family) => (Some(&**family), Some("1")),
            _ => (Some("1"), Some("1")),
        };
        let definitions = definitions(family.unwrap(), instance.unwrap());
        let defined = definitions.iter().any(|it| it["id"] == node["nodeDefId"]);
        assert!(defined, "{node}");
    }
}

#[test]
fn what_is_sent_changes_the_house() {
    let mut house = House::new();
    assert_eq!(
        send(&mut house, "POST", "/api/variables/1/1", r#"{"value":-7}"#),
        200
    );
    let variables = json(&mut house, "/api/variables/1");
    assert_eq!(
        (&variables[0]["id"], &variables[0]["val"]),
        (&"1".into(), &(-7).into())
    );
    assert_eq!(
        send(
            &mut house,
            "POST",
            "/api/variables/1/1",
            r#"{"name":"Cats"}"#
        ),
        200
    );
    assert!(
        house
            .read("/rest/vars/definitions/1")
            .contains("name=\"Cats\"")
    );

    let rename = r#"{"name":"Up & down","nodeType":"folder"}"#;
    assert_eq!(send(&mut house, "POST", "/api/nodes/31337", rename), 200);
    assert!(
        house
            .read("/rest/nodes")
            .contains("<name>Up &amp; down</name>")
    );
    let into_itself = r#"{"parentAddress":"31342"}"#;
    assert_eq!(
        send(&mut house, "PATCH", "/api/nodes/31340", into_itself),
        404
    );

    assert_eq!(house.get("/api/programs/3/runElse").0, 200);
    assert!(
        house
            .read("/rest/programs")
            .contains("id=\"0003\" parentId=\"0001\" status=\"false\"")
    );
    for (path, body) in [
        ("/api/variables/1/99", r#"{"value":1}"#),
        ("/api/variables/1/1", r#"{"value":"x"}"#),
        ("/api/variables/1/1", "no JSON"),
        ("/api/nodes/nowhere", r#"{"name":"x"}"#),
        ("/api/nowhere", "{}"),
    ] {
        assert_eq!(send(&mut house, "POST", path, body), 404, "{path} {body}");
    }
}

#[test]
fn an_isy_994_has_no_json_interface() {
    let mut house = House::new();
    house.controller = Controller::new(ControllerOptions::isy994(), house.now);
    for path in ["/api/config", "/api/nodes"] {
        assert_ne!(house.get(path).0, 200, "{path}");
    }
    house.read("/rest/nodes");
}

/// Updates `names` with the events that the subscribers receive.
fn follow(house: &mut House, names: &mut Names) {
    house.controller.tick(house.now);
    while let Some((_, output)) = house.controller.poll_output() {
        if let Output::Text(text) = output
            && let Frame::Event(event) = FrameReader::new().read(&text)
        {
            names.update(&event.with_live(true));
        }
    }
}

#[test]
fn renames_moves_and_removals_are_announced() {
    let mut house = House::new();
    let upgrade = "GET /rest/subscribe HTTP/1.1\r\nHost: eisy\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\n\r\n";
    let (request, _) = ioxsim::parse_request(upgrade.as_bytes()).unwrap().unwrap();
    let answer = house.controller.upgrade(house.now, &request);
    assert_eq!(answer.status, Some(101));
    for _ in 0..100 {
        house.now.monotonic += std::time::Duration::from_millis(100);
        follow(&mut house, &mut Names::default());
    }

    let mut names = Names::default();
    let read = |house: &mut House| Nodes::parse(house.read("/rest/nodes").as_bytes()).unwrap();
    names.take_nodes(&read(&mut house));
    let lamp = house.controller.nodes()[0].clone();
    let (now, controller) = (house.now, &mut house.controller);
    assert!(controller.rename(now, &lamp, "Stairs <1>"));
    assert!(controller.rename(now, "20481", "Night"));
    assert!(controller.move_into(now, &lamp, "31342"));
    assert!(controller.move_into(now, "31337", "31341"));
    assert!(!controller.rename(now, "nowhere", "x") && !controller.remove_node(now, "nowhere"));
    follow(&mut house, &mut names);
    assert_eq!(names.folder(&lamp), "Garage/Workbench");

    let mut loaded = Names::default();
    loaded.take_nodes(&read(&mut house));
    assert!(names == loaded);

    let (now, controller) = (house.now, &mut house.controller);
    assert!(controller.remove_node(now, &lamp) && !controller.nodes().contains(&lamp));
    assert!(controller.add_node(now, "ZW901_1", "Cellar fan"));
    assert!(!controller.add_node(now, "ZW901_1", "again"));
    follow(&mut house, &mut names);
    assert!(names.node(&lamp).is_none());
    names.take_nodes(&read(&mut house));
    let added = names.node("ZW901_1").map(|node| &*node.name);
    assert_eq!(added, Some("Cellar fan"));
}
