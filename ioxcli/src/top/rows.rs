//! The rows of the house: nodes and scenes in their folders, then programs and variables.

use std::collections::{BTreeMap, BTreeSet};

use ioxproto::names::{NamedKind, Names};
use ioxproto::state::ControllerState;
use ioxproto::view::{ProgramId, VariableId};

/// The deepest nesting of folders that is followed.
const MAX_DEPTH: usize = 16;

/// The names of folders, outermost first.
pub(super) type Path = Vec<String>;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Row {
    Folder { path: Path, is_folded: bool },
    Node { address: String, depth: usize },
    Scene { address: String, depth: usize },
    Program(ProgramId),
    Variable(VariableId),
}

impl Row {
    /// Whether both rows show the same thing.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Folder { path, .. }, Self::Folder { path: other, .. }) => path == other,
            (Self::Node { address, .. }, Self::Node { address: other, .. })
            | (Self::Scene { address, .. }, Self::Scene { address: other, .. }) => address == other,
            _ => self == other,
        }
    }
}

/// Returns the rows of a house that match a filter in lower case. Without a filter, the content of
/// folded folders is omitted.
pub(super) fn rows(house: &ControllerState, folded: &BTreeSet<Path>, filter: &str) -> Vec<Row> {
    let names = house.names();
    let mut sorted: BTreeMap<(Path, String, String), bool> = BTreeMap::new();
    let mut add = |address: &str, is_scene: bool| {
        let named = names.node(address);
        let address = named.map_or(address, |named| &named.address);
        let name = named.map_or(address, |named| &named.name);
        let path = folders(names, address);
        let searched = format!("{} {name} {address}", path.join("/")).to_lowercase();
        if searched.contains(filter) {
            sorted.insert((path, name.to_lowercase(), address.to_owned()), is_scene);
        }
    };
    for named in names.entries() {
        match named.kind {
            NamedKind::Node => add(&named.address, false),
            NamedKind::Scene => add(&named.address, true),
            _ => {}
        }
    }
    for address in house.scenes() {
        if names.node(address).is_none() {
            add(address, true);
        }
    }
    let is_scene: BTreeSet<&str> = house.scenes().collect();
    for address in house.nodes() {
        if names.node(address).is_none() && !is_scene.contains(address) {
            add(address, false);
        }
    }
    let mut rows = Vec::with_capacity(sorted.len());
    let mut open: Path = Vec::new();
    for ((path, _, address), is_scene) in sorted {
        if !open_folders(&mut rows, &mut open, &path, folded, filter) {
            continue;
        }
        let depth = path.len();
        rows.push(match is_scene {
            true => Row::Scene { address, depth },
            false => Row::Node { address, depth },
        });
    }
    add_programs(house, folded, filter, &mut rows);
    add_variables(house, folded, filter, &mut rows);
    rows
}

/// The heading of the programs. It can be folded like a folder.
pub(super) const PROGRAMS: &str = "Programs";
/// The heading of the variables.
pub(super) const VARIABLES: &str = "Variables";

fn add_programs(
    house: &ControllerState,
    folded: &BTreeSet<Path>,
    filter: &str,
    rows: &mut Vec<Row>,
) {
    let names = house.names();
    let ids: BTreeSet<ProgramId> = names.programs().map(|(id, _)| id).collect();
    let ids = ids.into_iter().chain(house.programs().map(|(id, _)| id));
    let ids: BTreeSet<ProgramId> = ids.collect();
    let matching = ids.into_iter().filter(|id| {
        let name = names.program(*id).unwrap_or_default();
        format!("{PROGRAMS} {name} {id}")
            .to_lowercase()
            .contains(filter)
    });
    add_group(PROGRAMS, matching.map(Row::Program), folded, filter, rows);
}

fn add_variables(
    house: &ControllerState,
    folded: &BTreeSet<Path>,
    filter: &str,
    rows: &mut Vec<Row>,
) {
    let names = house.names();
    let ids = names.variables().map(|(id, _)| id);
    let ids: BTreeSet<VariableId> = ids.chain(house.variables().map(|(id, _)| id)).collect();
    let matching = ids.into_iter().filter(|id| {
        let name = names.variable(*id).unwrap_or_default();
        format!("{VARIABLES} {name} {id}")
            .to_lowercase()
            .contains(filter)
    });
    add_group(VARIABLES, matching.map(Row::Variable), folded, filter, rows);
}

fn add_group(
    heading: &str,
    members: impl Iterator<Item = Row>,
    folded: &BTreeSet<Path>,
    filter: &str,
    rows: &mut Vec<Row>,
) {
    let mut members = members.peekable();
    if members.peek().is_none() {
        return;
    }
    let path = vec![heading.to_owned()];
    let is_folded = filter.is_empty() && folded.contains(&path);
    rows.push(Row::Folder { path, is_folded });
    if !is_folded {
        rows.extend(members);
    }
}

/// Adds the folders of a path that are not open yet. Returns `false` if one of them is folded.
fn open_folders(
    rows: &mut Vec<Row>,
    open: &mut Path,
    path: &Path,
    folded: &BTreeSet<Path>,
    filter: &str,
) -> bool {
    let shared = open.iter().zip(path).take_while(|(a, b)| a == b).count();
    open.truncate(shared);
    let is_folded = |path: &[String]| filter.is_empty() && folded.contains(path);
    for depth in 1..=path.len() {
        let within = &path[..depth];
        if depth > shared {
            rows.push(Row::Folder {
                path: within.to_vec(),
                is_folded: is_folded(within),
            });
            open.push(path[depth - 1].clone());
        }
        if is_folded(within) {
            return false;
        }
    }
    true
}

/// The folders that a node or scene is in, outermost first.
fn folders(names: &Names, address: &str) -> Path {
    let mut path = Vec::new();
    let mut at = names.node(address).map(|named| named.parent.as_str());
    for _ in 0..MAX_DEPTH {
        let Some(named) = at.and_then(|address| names.node(address)) else {
            break;
        };
        if named.kind == NamedKind::Folder {
            path.push(named.name.clone());
        }
        at = Some(&named.parent);
    }
    path.reverse();
    path
}
