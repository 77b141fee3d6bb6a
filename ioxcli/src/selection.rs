//! Which events a person wants to see.

use ioxproto::Event;
use ioxproto::dispatch::Filter;

use crate::arguments;

/// Any of these filters lets an event through.
#[derive(Debug)]
pub(crate) struct Selection(Vec<Filter>);

impl Selection {
    /// One of the nodes, where some are named, and one of the controls, where some are.
    pub(crate) fn new(wanted: &arguments::Selection, live_only: bool) -> Self {
        let base = if live_only {
            Filter::new().live_only()
        } else {
            Filter::new()
        };
        let by_node: Vec<_> = match &*wanted.node {
            [] => vec![base],
            nodes => nodes.iter().map(|node| base.clone().node(node)).collect(),
        };
        Self(match &*wanted.control {
            [] => by_node,
            controls => by_node
                .iter()
                .flat_map(|filter| controls.iter().map(|id| filter.clone().control(id)))
                .collect(),
        })
    }

    pub(crate) fn takes(&self, event: &Event) -> bool {
        self.0.iter().any(|filter| filter.takes(event))
    }
}

#[cfg(test)]
mod tests {
    use ioxproto::{Frame, FrameReader};

    use super::*;

    #[test]
    fn nodes_and_controls_are_each_a_choice_and_together_a_condition() {
        let mut reader = FrameReader::new();
        let mut takes = |nodes: &[&str], controls: &[&str], live_only| {
            let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
            let wanted = arguments::Selection {
                node: owned(nodes),
                control: owned(controls),
            };
            let text = "<Event><control>ST</control><node>n1</node></Event>";
            let Frame::Event(event) = reader.read(text) else {
                panic!("not an event");
            };
            Selection::new(&wanted, live_only).takes(&event)
        };
        assert!(takes(&[], &[], false));
        assert!(takes(&["n0", "n1"], &[], false));
        assert!(takes(&["n1"], &["DON", "ST"], false));
        assert!(!takes(&["n1"], &["DON"], false));
        assert!(!takes(&["n0"], &["ST"], false));
        assert!(!takes(&[], &[], true));
    }
}
