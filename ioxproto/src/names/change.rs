//! The changes of the names of a house.

use std::fmt;
use std::sync::Arc;

use super::{Named, NamedKind, Names, NamesPart};
use crate::view::{ProgramId, VariableId};

/// An item that has a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum NamedItem {
    /// The node of this address.
    Node(Arc<str>),
    /// The scene of this address.
    Scene(Arc<str>),
    /// The folder of this address.
    Folder(Arc<str>),
    /// A program.
    Program(ProgramId),
    /// A variable.
    Variable(VariableId),
}

/// An item of a house was added, removed, renamed, moved, enabled or disabled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameChange {
    /// The item that changed.
    pub item: NamedItem,
    /// How it changed.
    pub kind: NameChangeKind,
}

/// How an item changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameChangeKind {
    /// It was added.
    Added,
    /// It was removed.
    Removed,
    /// It was renamed.
    Renamed {
        /// The old name.
        before: String,
        /// The new name.
        after: String,
    },
    /// It was moved to another folder or another parent node.
    Moved {
        /// The address of the old parent; empty at the top level.
        before: String,
        /// The address of the new parent; empty at the top level.
        after: String,
    },
    /// It was enabled.
    Enabled,
    /// It was disabled.
    Disabled,
}

impl NamedItem {
    pub(super) fn of(entry: &Named) -> Self {
        let address = entry.address.as_str().into();
        match entry.kind {
            NamedKind::Node => Self::Node(address),
            NamedKind::Scene => Self::Scene(address),
            NamedKind::Folder => Self::Folder(address),
        }
    }

    /// The address of a node, scene or folder.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        match self {
            Self::Node(address) | Self::Scene(address) | Self::Folder(address) => Some(address),
            Self::Program(_) | Self::Variable(_) => None,
        }
    }

    pub(super) fn changed(self, kind: NameChangeKind) -> NameChange {
        NameChange { item: self, kind }
    }
}

/// `node 1A 2B 3C 1`, `program 008D`.
impl fmt::Display for NamedItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(address) => write!(f, "node {address}"),
            Self::Scene(address) => write!(f, "scene {address}"),
            Self::Folder(address) => write!(f, "folder {address}"),
            Self::Program(id) => write!(f, "program {id}"),
            Self::Variable(id) => write!(f, "variable {id}"),
        }
    }
}

/// `node 1A 2B 3C 1: renamed from Lamp to Hall lamp`.
impl fmt::Display for NameChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.item)?;
        match &self.kind {
            NameChangeKind::Added => f.write_str("added"),
            NameChangeKind::Removed => f.write_str("removed"),
            NameChangeKind::Renamed { before, after } => {
                write!(f, "renamed from {before} to {after}")
            }
            NameChangeKind::Moved { before, after } => {
                let shown = |parent: &str| match parent {
                    "" => "the top".to_owned(),
                    parent => parent.to_owned(),
                };
                write!(f, "moved from {} to {}", shown(before), shown(after))
            }
            NameChangeKind::Enabled => f.write_str("enabled"),
            NameChangeKind::Disabled => f.write_str("disabled"),
        }
    }
}

/// Appends the changes between two versions of an entry.
pub(super) fn of_entry(before: Option<&Named>, after: Option<&Named>, out: &mut Vec<NameChange>) {
    let (before, after) = match (before, after) {
        (None, None) => return,
        (Some(gone), None) => {
            return out.push(NamedItem::of(gone).changed(NameChangeKind::Removed));
        }
        (None, Some(new)) => return out.push(NamedItem::of(new).changed(NameChangeKind::Added)),
        (Some(before), Some(after)) => (before, after),
    };
    if before.kind != after.kind {
        // The address was reused for another kind of entry.
        out.push(NamedItem::of(before).changed(NameChangeKind::Removed));
        return out.push(NamedItem::of(after).changed(NameChangeKind::Added));
    }
    if before.name != after.name {
        out.push(NamedItem::of(after).changed(renamed(&before.name, &after.name)));
    }
    if before.parent != after.parent {
        let moved = NameChangeKind::Moved {
            before: before.parent.clone(),
            after: after.parent.clone(),
        };
        out.push(NamedItem::of(after).changed(moved));
    }
    match (before.is_enabled, after.is_enabled) {
        (false, true) => out.push(NamedItem::of(after).changed(NameChangeKind::Enabled)),
        (true, false) => out.push(NamedItem::of(after).changed(NameChangeKind::Disabled)),
        _ => {}
    }
}

fn renamed(before: &str, after: &str) -> NameChangeKind {
    NameChangeKind::Renamed {
        before: before.to_owned(),
        after: after.to_owned(),
    }
}

impl Names {
    /// The changes since `before`. Compares only the parts that both have, so the first reading of
    /// a part reports no changes.
    pub(crate) fn changes_since(&self, before: &Self) -> Vec<NameChange> {
        let mut out = Vec::new();
        let both = |part| self.has(part) && before.has(part);
        if both(NamesPart::Nodes) {
            for (address, gone) in &before.entries {
                if !self.entries.contains_key(address) {
                    of_entry(Some(gone), None, &mut out);
                }
            }
            for (address, entry) in &self.entries {
                of_entry(before.entries.get(address), Some(entry), &mut out);
            }
        }
        if both(NamesPart::Programs) {
            let (before, after) = (before.programs.iter(), &self.programs);
            append_changes(before, after.iter(), NamedItem::Program, &mut out);
        }
        for part in &self.read {
            if let NamesPart::Variables(kind) = part
                && both(*part)
            {
                let of_kind = |(id, _): &(&VariableId, &String)| id.kind == *kind;
                let before = before.variables.iter().filter(of_kind);
                let after = self.variables.iter().filter(of_kind);
                append_changes(before, after, NamedItem::Variable, &mut out);
            }
        }
        out
    }
}

/// Appends the changes between two lists of names.
fn append_changes<'a, K: Copy + Ord + 'a>(
    before: impl Iterator<Item = (&'a K, &'a String)>,
    after: impl Iterator<Item = (&'a K, &'a String)>,
    item: impl Fn(K) -> NamedItem,
    out: &mut Vec<NameChange>,
) {
    let before: std::collections::BTreeMap<_, _> = before.collect();
    let after: std::collections::BTreeMap<_, _> = after.collect();
    for id in before.keys().filter(|id| !after.contains_key(*id)) {
        out.push(item(**id).changed(NameChangeKind::Removed));
    }
    for (id, name) in &after {
        match before.get(id) {
            None => out.push(item(**id).changed(NameChangeKind::Added)),
            Some(old) if old != name => out.push(item(**id).changed(renamed(old, name))),
            Some(_) => {}
        }
    }
}
