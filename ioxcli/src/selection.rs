//! Which events a person wants to see.

use std::collections::BTreeSet;

use ioxproto::names::{Found, NamedKind};
use ioxproto::{Event, NodePattern};

use crate::arguments;
use crate::names::{Names, near};

/// Addresses that are kept to name those similar to a misspelt one.
const KEPT: usize = 20_000;

/// An event of one of the nodes, where some are named, and of one of the controls, where some are.
#[derive(Debug)]
pub(crate) struct Selection {
    nodes: Vec<Wanted>,
    controls: Vec<String>,
    not_controls: Vec<String>,
    live_only: bool,
    /// The nodes that there are, by address and name, as long as one that is wanted was not among
    /// them.
    known: BTreeSet<String>,
}

#[derive(Debug)]
struct Wanted {
    node: NodePattern,
    /// The nodes of that name.
    named: Vec<NodePattern>,
    found: bool,
}

impl Selection {
    pub(crate) fn new(wanted: &arguments::Selection, live_only: bool) -> Self {
        let nodes = wanted.node.iter().map(|node| Wanted {
            node: NodePattern::new(node),
            named: Vec::new(),
            found: false,
        });
        Self {
            nodes: nodes.collect(),
            controls: wanted.control.clone(),
            not_controls: wanted.not_control.clone(),
            live_only,
            known: BTreeSet::new(),
        }
    }

    /// Resolves names to addresses. A name that several nodes share selects all of them.
    pub(crate) fn resolve(&mut self, names: &Names) {
        for wanted in &mut self.nodes {
            let addresses = match names.known().find(wanted.node.as_str()) {
                Found::One(address) => vec![address],
                Found::Several(addresses) => addresses,
                Found::None => {
                    let entries = names.known().entries();
                    let others = entries.filter(|entry| entry.kind != NamedKind::Folder);
                    self.known.extend(others.map(|entry| entry.name.clone()));
                    continue;
                }
            };
            // There is such a node or scene, whether or not an event is of it.
            wanted.found = true;
            wanted.named = addresses.into_iter().map(NodePattern::new).collect();
        }
    }

    /// Whether an event is wanted.
    pub(crate) fn takes(&mut self, event: &Event) -> bool {
        let control = event.control();
        let is = |id: &String| id == control;
        self.is_of_wanted_node(event.node())
            && (self.controls.is_empty() || self.controls.iter().any(is))
            && !self.not_controls.iter().any(is)
            && (event.is_live() || !self.live_only)
    }

    /// Whether the control of an event was asked for by name.
    pub(crate) fn names(&self, event: &Event) -> bool {
        self.controls.iter().any(|id| id == event.control())
    }

    fn is_of_wanted_node(&mut self, node: &str) -> bool {
        if self.nodes.is_empty() {
            return true;
        }
        let mut is_wanted = false;
        let mut all_found = true;
        for wanted in &mut self.nodes {
            let mut patterns = std::iter::once(&wanted.node).chain(&wanted.named);
            if !node.is_empty() && patterns.any(|pattern| pattern.is_match(node)) {
                wanted.found = true;
                is_wanted = true;
            }
            all_found &= wanted.found;
        }
        if all_found {
            self.known.clear();
        } else if !is_wanted && !node.is_empty() && self.known.len() < KEPT {
            self.known.insert(node.to_owned());
        }
        is_wanted
    }

    /// One message for each node that was asked for and is not there, once a replay is complete.
    pub(crate) fn not_found(&self) -> Vec<String> {
        let missing = self.nodes.iter().filter(|wanted| !wanted.found);
        missing
            .map(|wanted| not_found(wanted.node.as_str(), &self.known))
            .collect()
    }
}

fn not_found(wanted: &str, known: &BTreeSet<String>) -> String {
    let names = near(wanted, known.iter().map(String::as_str));
    match (names.is_empty(), known.len()) {
        (false, _) => format!("no node matches {wanted:?}; similar: {}", names.join(", ")),
        (true, 0) => format!("no node matches {wanted:?}"),
        (true, _) => format!("no node matches {wanted:?}, and none is similar"),
    }
}

#[cfg(test)]
mod tests {
    use ioxproto::{Frame, FrameReader};

    use super::*;

    fn event(control: &str, node: &str) -> Event {
        let text = format!("<Event><control>{control}</control><node>{node}</node></Event>");
        match FrameReader::new().read(&text) {
            Frame::Event(event) => event,
            other => panic!("{other:?}"),
        }
    }

    fn selection(nodes: &[&str], controls: &[&str], live_only: bool) -> Selection {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let wanted = arguments::Selection {
            node: owned(nodes),
            control: owned(controls),
            not_control: Vec::new(),
        };
        Selection::new(&wanted, live_only)
    }

    #[test]
    fn nodes_and_controls_are_each_a_choice_and_together_a_condition() {
        let takes = |nodes: &[&str], controls: &[&str], live_only| {
            selection(nodes, controls, live_only).takes(&event("ST", "n1"))
        };
        assert!(takes(&[], &[], false));
        assert!(takes(&["n0", "n1"], &[], false));
        assert!(takes(&["n1"], &["DON", "ST"], false));
        assert!(!takes(&["n1"], &["DON"], false));
        assert!(!takes(&["n0"], &["ST"], false));
        assert!(!takes(&[], &[], true));
    }

    #[test]
    fn controls_can_be_left_out() {
        let mut selection = selection(&[], &[], false);
        selection.not_controls = vec!["_0".to_owned(), "_5".to_owned()];
        assert!(selection.takes(&event("ST", "n1")));
        assert!(!selection.takes(&event("_0", "")));
    }

    #[test]
    fn a_node_is_found_in_any_spelling_and_a_device_by_its_nodes() {
        let mut selection = selection(&["1a.2b.3c"], &[], false);
        assert!(selection.takes(&event("ST", "1A 2B 3C 1")));
        assert!(!selection.takes(&event("ST", "1A 2B 3D 1")));
        assert!(!selection.takes(&event("_0", "")));
        assert!(selection.not_found().is_empty());
    }

    #[test]
    fn a_node_that_is_not_there_is_said_with_those_near_it() {
        let mut selection = selection(&["1A 2B 3C 2", "attic"], &["ST"], false);
        assert!(!selection.takes(&event("ST", "1A 2B 3C 1")));
        assert!(!selection.takes(&event("OL", "n001_porch")));
        assert_eq!(
            selection.not_found(),
            [
                "no node matches \"1A 2B 3C 2\"; similar: \"1A 2B 3C 1\"",
                "no node matches \"attic\", and none is similar"
            ]
        );
    }
}
