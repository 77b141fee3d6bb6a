//! Selects events by node, control and liveness.

use std::collections::BTreeSet;

use ioxproto::names::{Found, NamedKind};
use ioxproto::{Event, NodePattern};

use crate::arguments;
use crate::names::Names;
use crate::similar::similar_names;

/// The limit for addresses that are kept to suggest one similar to a misspelt name.
const MAX_KNOWN: usize = 20_000;

/// A filter for events. Without nodes it accepts every node, without controls every control.
#[derive(Debug)]
pub(crate) struct Selection {
    nodes: Vec<RequestedNode>,
    controls: Vec<String>,
    not_controls: Vec<String>,
    live_only: bool,
    /// The addresses and names of existing nodes, kept until all wanted nodes are found.
    known: BTreeSet<String>,
}

/// A node that the user has asked for.
#[derive(Debug)]
struct RequestedNode {
    node: NodePattern,
    /// The nodes with that name.
    named: Vec<NodePattern>,
    /// Whether an existing node matches.
    found: bool,
}

impl Selection {
    pub(crate) fn new(wanted: &arguments::Selection, live_only: bool) -> Self {
        let nodes = wanted.node.iter().map(|node| RequestedNode {
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
            // The node or scene exists, even if no event is about it.
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

    /// Whether the control of an event was selected explicitly.
    pub(crate) fn has_control(&self, event: &Event) -> bool {
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
        } else if !is_wanted && !node.is_empty() && self.known.len() < MAX_KNOWN {
            self.known.insert(node.to_owned());
        }
        is_wanted
    }

    /// Returns a message for each wanted node that has not been found, for use after a replay.
    pub(crate) fn not_found(&self) -> Vec<String> {
        let missing = self.nodes.iter().filter(|wanted| !wanted.found);
        missing
            .map(|wanted| not_found(wanted.node.as_str(), &self.known))
            .collect()
    }
}

fn not_found(wanted: &str, known: &BTreeSet<String>) -> String {
    let names = similar_names(wanted, known.iter().map(String::as_str));
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
    fn an_event_must_match_a_node_and_a_control() {
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
    fn controls_can_be_excluded() {
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
    fn a_missing_node_is_reported_with_similar_ones() {
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
