//! Which events a listener wants.

use crate::Event;

/// Which events a listener wants: all, or those of one node, of one control, or live ones only.
///
/// ```
/// use ioxproto::dispatch::Filter;
/// # use ioxproto::{Frame, FrameReader};
/// # let text = "<Event><control>ST</control><action>0</action><node>42 92 8C 1</node></Event>";
/// # let Frame::Event(event) = FrameReader::new().read(text) else { panic!("not an event") };
/// assert!(Filter::new().node("42 92 8C 1").control("ST").takes(&event));
/// assert!(!Filter::new().control("DON").takes(&event));
/// assert!(!Filter::new().live_only().takes(&event));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    node: Option<Box<str>>,
    control: Option<Box<str>>,
    live_only: bool,
}

impl Filter {
    /// All events.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only events of this node (of a lifecycle event: this address).
    #[must_use]
    pub fn node(mut self, address: &str) -> Self {
        self.node = Some(address.into());
        self
    }

    /// Only events of this control, such as `ST` or `_3`.
    #[must_use]
    pub fn control(mut self, control: &str) -> Self {
        self.control = Some(control.into());
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
    pub fn takes(&self, event: &Event) -> bool {
        (!self.live_only || event.live())
            && self.node.as_deref().is_none_or(|node| node == event.node())
            && self
                .control
                .as_deref()
                .is_none_or(|control| control == event.control())
    }
}
