//! The filter of a listener.

use crate::Event;

/// Selects events for a listener: all of them, or those of some nodes, of some controls, or only
/// live ones.
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

    /// Adds a node: only events of the added nodes pass. For lifecycle events, this is the address
    /// that they are about.
    #[must_use]
    pub fn node(self, address: &str) -> Self {
        self.nodes([address])
    }

    /// Adds nodes: only events of the added nodes pass. Without any node, events of all nodes pass.
    #[must_use]
    pub fn nodes<T: AsRef<str>>(mut self, addresses: impl IntoIterator<Item = T>) -> Self {
        let addresses = addresses.into_iter();
        self.nodes
            .extend(addresses.map(|address| address.as_ref().into()));
        self
    }

    /// Adds a control, such as `ST` or `_3`: only events of the added controls pass.
    #[must_use]
    pub fn control(self, control: &str) -> Self {
        self.controls([control])
    }

    /// Adds controls: only events of the added controls pass. Without any control, events of all
    /// controls pass.
    #[must_use]
    pub fn controls<T: AsRef<str>>(mut self, controls: impl IntoIterator<Item = T>) -> Self {
        let controls = controls.into_iter();
        self.controls
            .extend(controls.map(|control| control.as_ref().into()));
        self
    }

    /// Only live events pass, not the replay. Automations should set this.
    #[must_use]
    pub fn live_only(mut self) -> Self {
        self.live_only = true;
        self
    }

    /// Whether an event passes the filter.
    #[must_use]
    pub fn is_match(&self, event: &Event) -> bool {
        (!self.live_only || event.is_live())
            && is_named(&self.nodes, event.node())
            && is_named(&self.controls, event.control())
    }
}

/// Whether the list is empty or contains the string.
fn is_named(named: &[Box<str>], this: &str) -> bool {
    named.is_empty() || named.iter().any(|name| **name == *this)
}
