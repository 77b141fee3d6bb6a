//! The expected retained messages, computed from the answers of the simulated controllers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use roxmltree::{Document, Node};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::LIMIT;
use crate::bridges::Bridge;
use crate::houses::House;

/// The expected content of a topic.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// This text.
    Text(String),
    /// A JSON object with at least these members; numbers are compared as numbers.
    Members(Vec<(&'static str, Value)>),
    /// The discovery message of a device with this name.
    Device(String),
}

/// The expected content of each retained topic.
pub(crate) type Expected = BTreeMap<String, Content>;

/// Returns all topics that the broker must retain for these houses and bridges.
pub(crate) async fn expected(houses: &[House], bridges: &[Bridge]) -> Expected {
    let mut expected = Expected::new();
    for bridge in bridges {
        let base = format!("iox/bridge/{}", bridge.name().replace('-', "-2D"));
        expected.insert(format!("{base}/state"), Content::Text("online".to_owned()));
        expected.insert(format!("{base}/info"), Content::Members(Vec::new()));
    }
    for house in houses {
        expected.extend(of_house(house).await);
    }
    expected
}

async fn of_house(house: &House) -> Expected {
    let mut expected = Expected::new();
    let address = house.server.address();
    let base = format!("iox/{}", house.name);
    let uuid = house.uuid.to_string();
    let device = |object: &str| {
        let uuid = uuid.replace(':', "");
        format!("homeassistant/device/iox_{uuid}/{object}/config")
    };
    let state = vec![
        ("status", Value::from("connected")),
        ("uuid", Value::from(&*uuid)),
    ];
    expected.insert(format!("{base}/state"), Content::Members(state));
    let online = Content::Text("online".to_owned());
    expected.insert(format!("{base}/availability"), online);
    let own = Content::Device(house.name.clone());
    expected.insert(device("controller"), own);

    let nodes = get(address, "/rest/nodes").await;
    let nodes = Document::parse(&nodes).unwrap();
    for entry in elements(&nodes, &["node", "group"]) {
        let name = Content::Device(child(entry, "name"));
        expected.insert(device(&slug(&child(entry, "address"))), name);
    }

    for node in elements(&nodes, &["node"]) {
        let topic = format!("{base}/{}/enabled", slug(&child(node, "address")));
        let is_enabled = Value::from(child(node, "enabled") == "true");
        expected.insert(topic, Content::Members(vec![("value", is_enabled)]));
    }

    let statuses = get(address, "/rest/status").await;
    let statuses = Document::parse(&statuses).unwrap();
    let mut lit = BTreeSet::new();
    for node in elements(&statuses, &["node"]) {
        let id = node.attribute("id").unwrap();
        for property in node
            .children()
            .filter(|child| child.has_tag_name("property"))
        {
            let control = property.attribute("id").unwrap();
            let value = number(
                property.attribute("value").unwrap(),
                property.attribute("prec"),
            );
            if control == "ST" && value != 0.0 {
                lit.insert(id.to_owned());
            }
            let text = property.attribute("formatted").unwrap();
            let members = vec![("value", Value::from(value)), ("text", Value::from(text))];
            let topic = format!("{base}/{}/{control}", slug(id));
            expected.insert(topic, Content::Members(members));
        }
    }
    // Controllers report no state of a scene. It is on if a member is on.
    for scene in elements(&nodes, &["group"]) {
        let is_on = scene
            .descendants()
            .filter(|member| member.has_tag_name("link"))
            .any(|member| member.text().is_some_and(|member| lit.contains(member)));
        let topic = format!("{base}/{}/ST", slug(&child(scene, "address")));
        let members = vec![("value", Value::from(u8::from(is_on)))];
        expected.insert(topic, Content::Members(members));
    }

    let programs = get(address, "/rest/programs?subfolders=true").await;
    let programs = Document::parse(&programs).unwrap();
    for program in elements(&programs, &["program"]) {
        if program.attribute("folder") == Some("true") {
            continue;
        }
        let id = program.attribute("id").unwrap();
        let is = |name| Value::from(program.attribute(name) == Some("true"));
        let members = vec![
            ("status", is("status")),
            ("enabled", is("enabled")),
            ("run_at_startup", is("runAtStartup")),
        ];
        expected.insert(format!("{base}/program/{id}"), Content::Members(members));
        let programs = Content::Device(format!("{} programs", house.name));
        expected.insert(device(&format!("program_{id}")), programs);
    }

    for (kind, word) in [("1", "integer"), ("2", "state")] {
        let variables = get(address, &format!("/rest/vars/get/{kind}")).await;
        let variables = Document::parse(&variables).unwrap();
        for variable in elements(&variables, &["var"]) {
            let id = variable.attribute("id").unwrap();
            let places = child(variable, "prec");
            let of = |name| Value::from(number(&child(variable, name), Some(&places)));
            let members = vec![("value", of("val")), ("init", of("init"))];
            let topic = format!("{base}/variable/{word}/{id}");
            expected.insert(topic, Content::Members(members));
            let variables = Content::Device(format!("{} variables", house.name));
            expected.insert(device(&format!("variable_{word}_{id}")), variables);
        }
    }
    expected
}

/// Lists the differences between the retained messages and the expected ones.
pub(crate) fn differences(expected: &Expected, found: &BTreeMap<String, String>) -> Vec<String> {
    let mut differences = Vec::new();
    for (topic, content) in expected {
        match found.get(topic) {
            None => differences.push(format!("{topic} is not there")),
            Some(payload) if !content.matches(payload) => {
                differences.push(format!("{topic} is {payload}, not {content:?}"));
            }
            Some(_) => {}
        }
    }
    let extra = found
        .iter()
        .filter(|(topic, _)| !expected.contains_key(*topic));
    differences.extend(extra.map(|(topic, payload)| format!("{topic} should not be: {payload}")));
    differences
}

impl Content {
    fn matches(&self, payload: &str) -> bool {
        let json = || serde_json::from_str::<Value>(payload);
        match self {
            Self::Text(text) => text == payload,
            Self::Members(members) => json().is_ok_and(|json| {
                members
                    .iter()
                    .all(|(name, value)| is_equal(&json[name], value))
            }),
            Self::Device(name) => json().is_ok_and(|json| json["device"]["name"] == **name),
        }
    }
}

fn is_equal(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() < 1e-9,
        _ => one == other,
    }
}

/// Converts a raw value with decimal places to a number.
fn number(raw: &str, places: Option<&str>) -> f64 {
    let raw: f64 = raw.parse().unwrap();
    let places: i32 = places.map_or(0, |places| places.parse().unwrap());
    raw / 10_f64.powi(places)
}

/// Converts an address to a topic level. The bytes of an Insteon address are padded and joined by
/// `_`.
fn slug(address: &str) -> String {
    let parts: Vec<String> = address
        .split(' ')
        .map(|part| format!("{part:0>2}"))
        .collect();
    match parts.len() {
        4 => parts.join("_"),
        _ => address.to_owned(),
    }
}

fn elements<'a, 'input>(
    document: &'a Document<'input>,
    names: &'a [&'a str],
) -> impl Iterator<Item = Node<'a, 'input>> {
    let has_name = |node: &Node<'_, '_>| names.iter().any(|name| node.has_tag_name(*name));
    document.root_element().children().filter(has_name)
}

fn child(node: Node<'_, '_>, name: &str) -> String {
    let child = node.children().find(|child| child.has_tag_name(name));
    child.and_then(|child| child.text()).unwrap().to_owned()
}

/// Sends a GET request and returns the body of the answer.
async fn get(address: SocketAddr, path: &str) -> String {
    let asked = async {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\n\
             Connection: close\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        body.to_owned()
    };
    timeout(LIMIT, asked).await.unwrap()
}
