//! Shows the state as tables.

use std::fmt::{Display, Write as _};
use std::time::{Duration, SystemTime};

use ioxproto::state::ControllerState;
use ioxproto::view::{ControllerTime, Timestamp};

use super::clean::Clean;
use super::time::on_readers_clock;
use super::tree;
use crate::names::Names;

/// The meaning of the timestamps of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stamps {
    /// When each property changed.
    Changed,
    /// When the controller sent the replay.
    Sent,
}

impl Stamps {
    fn head(self) -> &'static str {
        match self {
            Self::Changed => "CHANGED",
            Self::Sent => "SEEN",
        }
    }

    /// An age is only shown if the timestamp is that of the change.
    fn age_head(self) -> &'static str {
        match self {
            Self::Changed => "AGE",
            Self::Sent => "",
        }
    }
}

/// Formats the whole state, as one table for each kind that is not empty. Nodes are in their
/// folders.
pub(crate) fn house(
    state: &ControllerState,
    stamps: Stamps,
    names: &Names,
    now: SystemTime,
) -> String {
    let properties = tree::rows(state, stamps, names, now).into_iter();
    let programs = state.programs().map(|(id, program)| {
        [
            names.of_program(id),
            shown(program.status),
            shown(program.run_state.map(ioxproto::view::RunState::label)),
            program
                .enabled
                .map_or("", |enabled| if enabled { "yes" } else { "no" })
                .to_owned(),
            local(program.last_run),
            local(program.next_run),
        ]
    });
    let variables = state.variables().map(|(id, variable)| {
        [
            id.kind.to_string(),
            names.of_variable(id),
            shown(variable.value),
            shown(variable.init),
            local(variable.time),
        ]
    });
    let scenes = state.scenes().map(|scene| {
        let members = state.members(scene).map(|node| names.of_node(node));
        let members: Vec<_> = members.collect();
        [names.of_node(scene).to_owned(), members.join(", ")]
    });
    let tables = [
        table(
            [
                "NODE",
                "ID",
                "PROPERTY",
                "VALUE",
                stamps.head(),
                stamps.age_head(),
            ],
            properties,
        ),
        table(
            [
                "PROGRAM", "STATUS", "RUNS", "ENABLED", "LAST RUN", "NEXT RUN",
            ],
            programs,
        ),
        table(["VARIABLE", "ID", "VALUE", "INIT", "CHANGED"], variables),
        table(["SCENE", "MEMBERS"], scenes),
    ];
    let filled: Vec<_> = tables
        .into_iter()
        .filter(|table| !table.is_empty())
        .collect();
    filled.join("\n")
}

/// The text of a value; empty if it is unknown.
fn shown(value: Option<impl Display>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// A time of a program or variable in local time; in the controller's time if its offset is
/// unknown.
fn local(time: Option<ControllerTime>) -> String {
    let instant: Option<Timestamp> = time.and_then(ControllerTime::instant);
    match instant.and_then(on_readers_clock) {
        Some(text) => text,
        None => shown(time).replacen('T', " ", 1),
    }
}

/// Formats the nodes without an event for longer than this, with the time since their last event.
pub(crate) fn silent(
    state: &ControllerState,
    names: &Names,
    now: SystemTime,
    longer_than: Duration,
) -> String {
    let rows = state.silent(now, longer_than).map(|(node, heard)| {
        let silent_for = now.duration_since(heard.time()).unwrap_or_default();
        let name = format!("{}{}", names.of_node(node), tree::marks(state, node));
        let folder = names.known().folder(node);
        [name, folder, node.to_owned(), tree::age(silent_for)]
    });
    table(["NODE", "IN", "ADDRESS", "SILENT FOR"], rows)
}

/// Formats the same nodes as one JSON object.
pub(crate) fn silent_json(
    state: &ControllerState,
    now: SystemTime,
    longer_than: Duration,
) -> String {
    let nodes = state.silent(now, longer_than).map(|(node, heard)| {
        let silent_for = now.duration_since(heard.time()).unwrap_or_default();
        let named = state.names().node(node);
        serde_json::json!({
            "node_address": node,
            "node_name": named.map(|named| &named.name),
            "node_folder": named.map(|_| state.names().folder(node)),
            "comm_error": state.has_comm_error(node),
            "silent_for": silent_for.as_secs(),
        })
    });
    let nodes: Vec<_> = nodes.collect();
    serde_json::json!({ "silent": nodes }).to_string()
}

/// Formats names with their folder and address or number.
pub(crate) fn listed(rows: Vec<[String; 3]>) -> String {
    table(["NAME", "IN", "ADDRESS"], rows.into_iter())
}

/// Formats discovered controllers: name, URL, model, version and UUID.
pub(crate) fn controllers(rows: Vec<[String; 5]>) -> String {
    let heads = ["NAME", "URL", "MODEL", "VERSION", "UUID"];
    table(heads, rows.into_iter())
}

/// Formats rows with column heads, in columns as wide as needed; empty if there are no rows.
fn table<const N: usize>(heads: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let clean = |row: [String; N]| row.map(|cell| Clean(&cell).to_string());
    let rows: Vec<_> = rows.map(clean).collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut widths = heads.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let heads = heads.map(str::to_owned);
    let mut text = String::new();
    for row in [&heads].into_iter().chain(&rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a String cannot fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use ioxproto::{Frame, FrameReader};

    use super::*;

    #[test]
    fn each_kind_has_its_table() {
        let mut state = ControllerState::new();
        let mut reader = FrameReader::new();
        for text in [
            r#"<Event timestamp="2026-05-05T18:52:41.875777-07:00"><control>ST</control><action uom="100" prec="0">0</action><node>42 92 8C 1</node><fmtAct>Off</fmtAct><fmtName>Status</fmtName></Event>"#,
            r#"<Event><control>CLISPH</control><action uom="17" prec="1">725</action><node>n1</node></Event>"#,
            "<Event><control>_1</control><action>0</action><eventInfo><id>8D</id><on/><s>21</s></eventInfo></Event>",
            r#"<Event><control>_1</control><action>6</action><eventInfo><var type="2" id="12"><prec>1</prec><val>51</val></var></eventInfo></Event>"#,
        ] {
            match reader.read(text) {
                Frame::Event(event) => state.update(&event),
                other => panic!("{other:?}"),
            }
        }
        let stamp = Timestamp::parse("2026-05-05T18:52:41.875777-07:00").unwrap();
        let when = on_readers_clock(stamp).unwrap();
        let now = stamp.to_system_time().unwrap() + Duration::from_secs(7260);
        let expected = "\
NODE        ID      PROPERTY  VALUE   CHANGED              AGE
42 92 8C 1  ST      Status    Off     WHEN  2 h
n1          CLISPH            72.5°F

PROGRAM  STATUS  RUNS  ENABLED  LAST RUN  NEXT RUN
008D     true    idle  yes

VARIABLE  ID  VALUE  INIT  CHANGED
state     12  5.1
";
        let expected = expected.replace("WHEN", &when);
        assert_eq!(
            house(&state, Stamps::Changed, &Names::none(), now),
            expected
        );
        assert_eq!(
            house(&ControllerState::new(), Stamps::Sent, &Names::none(), now),
            ""
        );
    }
}
