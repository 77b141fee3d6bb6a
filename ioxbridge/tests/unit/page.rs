//! Tests of the page's model, without a bridge.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ioxproto::{Frame, FrameReader, Status};
use serde_json::Value;

use super::*;

const HOUSE: WatchId = WatchId(1);

/// A source of entries: the nodes of a house with their values.
#[derive(Clone, Debug, Default)]
struct Nodes(BTreeMap<String, String>);

impl Source for &Nodes {
    fn keys(&self) -> Vec<Key> {
        self.0.keys().cloned().map(Key::Node).collect()
    }

    fn entry(&self, key: &Key) -> Option<ShownEntry> {
        let Key::Node(address) = key else { return None };
        let mut shown = ShownEntry::new(EntryKind::Node, address);
        shown.value = self.0.get(address)?.clone();
        Some(shown)
    }

    fn controller(&self) -> ShownController {
        ShownController::default()
    }
}

struct Stage {
    page: Page,
    nodes: Nodes,
    now: Now,
}

impl Stage {
    fn new() -> Self {
        let now = Now {
            monotonic: Instant::now(),
            utc: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        };
        let mut page = Page::new("run".to_owned(), true);
        page.add(now, HOUSE, "home", StatusChange::new(Status::Connected));
        let mut stage = Self {
            page,
            nodes: Nodes::default(),
            now,
        };
        stage.flush();
        stage
    }

    fn flush(&mut self) -> bool {
        self.page.flush(self.now, |_| Some(&self.nodes))
    }

    /// Sets the value of a node, with a live event.
    fn set(&mut self, node: &str, value: &str) {
        self.nodes.0.insert(node.to_owned(), value.to_owned());
        self.report(node, value, true);
    }

    fn report(&mut self, node: &str, value: &str, is_live: bool) {
        let text = format!(
            "<Event><control>ST</control><action uom=\"51\">{value}</action><node>{node}</node></Event>"
        );
        let Frame::Event(event) = FrameReader::new().read(&text) else {
            panic!("not an event: {text}");
        };
        let event = Notification::Event(event.with_live(is_live));
        self.page.notified(self.now, HOUSE, &event, |event| {
            (event.node().to_owned(), event.action().to_owned())
        });
    }

    /// Returns what a reader that has seen this event id gets.
    fn read(&self, seen: Option<&str>) -> Vec<(String, Value)> {
        let read = self.page.since(seen).into_iter();
        read.map(|(id, json)| (id, serde_json::from_str(&json).unwrap()))
            .collect()
    }

    /// Returns the id of the latest change.
    fn last(&self) -> String {
        self.page.since(None)[0].0.clone()
    }
}

/// The state that a browser keeps.
#[derive(Debug, Default, PartialEq)]
struct Reader {
    seen: Option<String>,
    entries: BTreeMap<String, Value>,
}

impl Reader {
    fn follow(&mut self, stage: &Stage) {
        for (id, change) in stage.read(self.seen.as_deref()) {
            self.seen = Some(id);
            if change["type"] == "snapshot" {
                self.entries.clear();
            }
            for key in change["removed"].as_array().into_iter().flatten() {
                self.entries.remove(key.as_str().unwrap());
            }
            for entry in change["entries"].as_array().unwrap() {
                let key = entry["key"].as_str().unwrap().to_owned();
                self.entries.insert(key, entry.clone());
            }
        }
    }
}

#[test]
fn a_reader_that_resumes_gets_what_it_missed_and_nothing_else() {
    let mut stage = Stage::new();
    stage.set("a", "1");
    stage.flush();
    let seen = stage.last();
    assert_eq!(stage.read(Some(&seen)), []);
    stage.set("b", "2");
    stage.flush();
    stage.set("a", "3");
    stage.flush();
    let missed = stage.read(Some(&seen));
    let values: Vec<_> = missed
        .iter()
        .map(|(_, change)| (&change["type"], &change["entries"][0]["value"]))
        .collect();
    let change = Value::from("change");
    assert_eq!(
        values,
        [(&change, &Value::from("2")), (&change, &Value::from("3"))]
    );
}

#[test]
fn a_reader_of_another_process_or_of_the_future_gets_a_snapshot() {
    let mut stage = Stage::new();
    stage.set("a", "1");
    stage.flush();
    for seen in ["other-1", "run-999", "run-", "run", "", "run--1"] {
        let read = stage.read(Some(seen));
        assert_eq!(read.len(), 1, "{seen}");
        assert_eq!(read[0].1["type"], "snapshot", "{seen}");
        assert_eq!(read[0].1["entries"][0]["value"], "1", "{seen}");
    }
}

#[test]
fn a_reader_that_missed_too_much_gets_a_snapshot_and_memory_is_bounded() {
    let mut stage = Stage::new();
    let seen = stage.last();
    for number in 0..CHANGES + 1 {
        stage.set("a", &number.to_string());
        stage.flush();
    }
    assert_eq!(stage.read(Some(&seen))[0].1["type"], "snapshot");
    assert_eq!(stage.page.changes.len(), CHANGES);
    let name = "x".repeat(100_000);
    for number in 0..100 {
        stage.set(&name, &number.to_string());
        stage.flush();
    }
    assert!(stage.page.changes_bytes <= CHANGES_BYTES);
    let kept: usize = stage.page.changes.iter().map(|change| change.len()).sum();
    assert_eq!(stage.page.changes_bytes, kept);
}

#[test]
fn unchanged_entries_are_not_sent() {
    let mut stage = Stage::new();
    stage.set("a", "1");
    assert!(stage.page.is_marked());
    stage.flush();
    assert!(!stage.page.is_marked());
    stage.page.mark_all(HOUSE);
    assert!(!stage.flush(), "nothing differs");
}

#[test]
fn what_is_gone_is_removed_with_its_controller() {
    let mut stage = Stage::new();
    stage.set("a", "1");
    stage.set("b", "2");
    stage.flush();
    let seen = stage.last();
    stage.nodes.0.remove("a");
    stage.page.mark_all(HOUSE);
    stage.flush();
    stage.page.remove(HOUSE);
    stage.flush();
    let removed: Vec<_> = stage
        .read(Some(&seen))
        .into_iter()
        .map(|(_, change)| change["removed"].clone())
        .collect();
    assert_eq!(
        removed,
        [
            serde_json::json!(["home/node/a"]),
            serde_json::json!(["home/node/b", "home"])
        ]
    );
    assert_eq!(stage.read(None)[0].1["controllers"], serde_json::json!([]));
}

#[test]
fn texts_of_a_controller_are_neutralised_and_keys_are_not() {
    let mut stage = Stage::new();
    let hostile = "<script>\u{202e}\u{200b}\"";
    stage
        .nodes
        .0
        .insert(hostile.to_owned(), "a\u{1b}[2J".to_owned());
    stage.page.mark_all(HOUSE);
    stage.flush();
    let entry = &stage.read(None)[0].1["entries"][0];
    assert_eq!(entry["name"], "<script>\u{fffd}\u{fffd}\"");
    assert_eq!(entry["value"], "a\u{fffd}[2J");
    let key = entry["key"].as_str().unwrap();
    let parsed = Key::parse(key).unwrap();
    assert_eq!(parsed, ("home", Key::Node(hostile.to_owned())));
}

#[test]
fn replayed_events_are_marked_and_not_counted() {
    let mut stage = Stage::new();
    stage.report("a", "1", false);
    stage.report("a", "2", true);
    stage.flush();
    let snapshot = &stage.read(None)[0].1;
    assert_eq!(snapshot["log"][0]["tone"], "replay");
    assert_eq!(snapshot["log"][1]["tone"], "live");
    let minutes = snapshot["controllers"][0]["per_minute"].as_array().unwrap();
    assert_eq!(minutes.last(), Some(&Value::from(1)));
}

#[test]
fn each_key_is_read_back() {
    let variable = ioxproto::view::VariableId {
        kind: ioxproto::view::VariableType::State,
        number: 12,
    };
    for key in [
        Key::Node("42 92 8C 1".to_owned()),
        Key::Node("a/b".to_owned()),
        Key::Program(ioxproto::view::ProgramId::new(0x8d)),
        Key::Variable(variable),
    ] {
        let written = key.to_text("home");
        assert_eq!(Key::parse(&written), Some(("home", key)), "{written}");
    }
    for wrong in [
        "",
        "home",
        "home/node",
        "home/program/xyz",
        "home/variable/state",
        "home/x/1",
    ] {
        assert_eq!(Key::parse(wrong), None, "{wrong}");
    }
}

proptest::proptest! {
    #[test]
    fn a_reader_that_updates_rarely_has_the_same_state_as_a_new_reader(
        steps in proptest::collection::vec((0..6_u8, 0..5_u8, 0..3_u8), 0..60)
    ) {
        let mut stage = Stage::new();
        let mut reader = Reader::default();
        for (step, node, value) in steps {
            let node = format!("n{node}");
            match step {
                0 | 1 => stage.set(&node, &value.to_string()),
                2 => {
                    stage.nodes.0.remove(&node);
                    stage.page.mark_all(HOUSE);
                }
                3 => _ = stage.flush(),
                4 => {
                    stage.page.remove(HOUSE);
                    let status = StatusChange::new(Status::Connected);
                    stage.page.add(stage.now, HOUSE, "home", status);
                }
                _ => reader.follow(&stage),
            }
        }
        stage.flush();
        reader.follow(&stage);
        let mut fresh = Reader::default();
        fresh.follow(&stage);
        proptest::prop_assert_eq!(reader, fresh);
    }
}
