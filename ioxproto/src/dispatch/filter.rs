//! Which events a listener wants.

use crate::Event;

/// Which events a listener wants: all, or those of some nodes, of some controls, or live ones only.
///
/// ```
/// use ioxproto::dispatch::Filter;
/// # use ioxproto::{Frame, FrameReader};
/// # let text = "<Event><control>ST</control><action>0</action><node>42 92 8C 1</node></Event>";
/// # let Frame::Event(event) = FrameReader::new().read(text) else { panic!("not an event") };
/// assert!(Filter::new().node("42 92 8C 1").control("ST").is_match(&event));
/// assert!(Filter::new().controls(["DON", "ST"]).is_match(&event));
/// assert!(!Filter::new().control("DON").is_match(&event));
/// assert!(!Filter::new().live_only().is_match(&event));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    nodes: Vec<Box<str>>,
    controls: Vec<Box<str>>,
    live_only: bool,
}

impl Filter {
    /// All events.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only events of this node (of a lifecycle event: this address), and of others that are named.
    #[must_use]
    pub fn node(self, address: &str) -> Self {
        self.nodes([address])
    }

    /// Only events of these nodes, and of others that are named. Of all nodes if none is named.
    #[must_use]
    pub fn nodes<T: AsRef<str>>(mut self, addresses: impl IntoIterator<Item = T>) -> Self {
        let addresses = addresses.into_iter();
        self.nodes
            .extend(addresses.map(|address| address.as_ref().into()));
        self
    }

    /// Only events of this control, such as `ST` or `_3`, and of others that are named.
    #[must_use]
    pub fn control(self, control: &str) -> Self {
        self.controls([control])
    }

    /// Only events of these controls, and of others that are named. Of all controls if none is
    /// named.
    #[must_use]
    pub fn controls<T: AsRef<str>>(mut self, controls: impl IntoIterator<Item = T>) -> Self {
        let controls = controls.into_iter();
        self.controls
            .extend(controls.map(|control| control.as_ref().into()));
        self
    }

    /// Only live events, not the replay. An automation wants this.
    #[must_use]
    pub fn live_only(mut self) -> Self {
        self.live_only = true;
        self
    }

    /// Whether an event passes.
    #[must_use]
    pub fn is_match(&self, event: &Event) -> bool {
        (!self.live_only || event.is_live())
            && is_named(&self.nodes, event.node())
            && is_named(&self.controls, event.control())
    }
}

/// Whether this is one of those that are named, or none is.
fn is_named(named: &[Box<str>], this: &str) -> bool {
    named.is_empty() || named.iter().any(|name| **name == *this)
}
