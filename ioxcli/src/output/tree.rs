//! Shows nodes in their folders.

use std::time::{Duration, SystemTime};

use ioxproto::state::ControllerState;
use ioxproto::view::Timestamp;

use super::table::Stamps;
use super::time::on_readers_clock;
use crate::names::Names;

/// A node with its folders and its shown name.
struct PlacedNode<'a> {
    /// Its folders, outermost first.
    folders: Vec<String>,
    name: String,
    address: &'a str,
}

/// A row for each property of each node, with the columns node, id, name, value, time and age. Each
/// folder has its own row, and its content is indented.
pub(super) fn rows(
    state: &ControllerState,
    stamps: Stamps,
    names: &Names,
    now: SystemTime,
) -> Vec<[String; 6]> {
    let mut placed: Vec<PlacedNode<'_>> = state
        .nodes()
        .map(|address| {
            let folder = names.known().folder(address);
            let folders = folder.split('/').filter(|name| !name.is_empty());
            PlacedNode {
                folders: folders.map(str::to_owned).collect(),
                name: names.of_node(address).to_owned(),
                address,
            }
        })
        .collect();
    if names.are_known() {
        let order = |node: &PlacedNode<'_>| (node.folders.clone(), node.name.to_lowercase());
        placed.sort_by_cached_key(order);
    }
    let mut rows = Vec::new();
    let mut open: &[String] = &[];
    for node in &placed {
        let same = open
            .iter()
            .zip(&node.folders)
            .take_while(|(one, other)| one == other);
        let same = same.count();
        for (depth, folder) in node.folders.iter().enumerate().skip(same) {
            let name = format!("{}{folder}/", indent(depth));
            rows.push([
                name,
                String::new(),
                String::new(),
                String::new(),
                String::new(),
                String::new(),
            ]);
        }
        open = &node.folders;
        let marks = marks(state, node.address);
        let name = format!("{}{}{marks}", indent(open.len()), node.name);
        rows.extend(properties(state, stamps, node.address, &name, now));
    }
    rows
}

fn properties(
    state: &ControllerState,
    stamps: Stamps,
    node: &str,
    name: &str,
    now: SystemTime,
) -> Vec<[String; 6]> {
    let row = |(control, property): (&str, &ioxproto::state::Property)| {
        let time = property.time();
        let age = match stamps {
            Stamps::Changed => time.and_then(Timestamp::to_system_time),
            Stamps::Sent => None,
        };
        let age = age.and_then(|time| now.duration_since(time).ok());
        [
            name.to_owned(),
            control.to_owned(),
            property.name().trim().to_owned(),
            property.shown().to_string(),
            time.and_then(on_readers_clock).unwrap_or_default(),
            age.map_or_else(String::new, self::age),
        ]
    };
    let mut rows: Vec<_> = state.properties(node).map(row).collect();
    if rows.is_empty() {
        rows.push([name, "", "", "", "", ""].map(str::to_owned));
    }
    rows
}

fn indent(depth: usize) -> String {
    "  ".repeat(depth)
}

/// The marks shown after a node's name.
pub(super) fn marks(state: &ControllerState, node: &str) -> &'static str {
    match (state.has_comm_error(node), state.is_disabled(node)) {
        (_, true) => " (disabled)",
        (true, false) => " (does not answer)",
        (false, false) => "",
    }
}

/// A duration in the largest unit that fits: `40 s`, `5 min`, `2 h`, `3 d`.
pub(super) fn age(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ioxproto::names::NamesRead;
    use ioxproto::rest::Nodes;
    use ioxproto::{Frame, FrameReader};

    use super::*;

    #[test]
    fn nodes_stand_in_their_folders_with_marks() {
        let nodes = r#"<nodes>
            <folder><address>1</address><name>Ground floor</name></folder>
            <folder><address>2</address><name>Hall</name><parent type="3">1</parent></folder>
            <node><address>n1</address><name>Lamp</name><parent type="3">2</parent></node>
            <node flag="16"><address>n2</address><name>Door</name><parent type="3">1</parent></node>
            <node><address>n3</address><name>Attic</name><enabled>false</enabled></node></nodes>"#;
        let mut known = ioxproto::names::Names::default();
        known.take_nodes(&Nodes::parse(nodes.as_bytes()).unwrap());
        let read = NamesRead::new(Arc::new(known));
        let mut state = ControllerState::new();
        state.apply_names(&read.names);
        for node in ["n1", "n2", "n3"] {
            let text = format!(
                "<Event><control>ST</control><action>1</action><node>{node}</node></Event>"
            );
            match FrameReader::new().read(&text) {
                Frame::Event(event) => state.update(&event),
                other => panic!("{other:?}"),
            }
        }
        let rows = rows(
            &state,
            Stamps::Sent,
            &Names::of(&read),
            SystemTime::UNIX_EPOCH,
        );
        let nodes: Vec<_> = rows.iter().map(|row| row[0].as_str()).collect();
        assert_eq!(
            nodes,
            [
                "Attic (disabled)",
                "Ground floor/",
                "  Door (does not answer)",
                "  Hall/",
                "    Lamp",
            ]
        );
    }

    #[test]
    fn an_age_has_one_unit() {
        let ages = [5, 65, 7260, 90_000, 200_000].map(|seconds| age(Duration::from_secs(seconds)));
        assert_eq!(ages, ["5 s", "1 min", "2 h", "25 h", "2 d"]);
    }
}
