//! One event of the stream.

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::vocabulary::CommandWord;

/// A quote in a JSON string.
pub(crate) const ESCAPED_QUOTE: &str = "\\\"";

/// A range of an event's text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// The ranges of an event's parts in its text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Parts {
    pub(crate) sid: Span,
    pub(crate) timestamp: Span,
    pub(crate) control: Span,
    pub(crate) action: Span,
    pub(crate) uom: Span,
    pub(crate) node: Span,
    pub(crate) fmt_act: Span,
    pub(crate) fmt_name: Span,
    pub(crate) event_info: Span,
    pub(crate) seqnum: Option<i64>,
    pub(crate) prec: Option<i32>,
}

/// An event of the stream. Owned and cheap to clone: one reference-counted text and the ranges of
/// its parts.
#[derive(Clone)]
pub struct Event {
    /// The document, followed by the strings that had to be decoded.
    text: Arc<str>,
    document_length: u32,
    /// Whether the quotes of the document are escaped, as in the JSON envelope it came in.
    escaped: bool,
    parts: Parts,
    live: bool,
    received_at: Option<ReceiptTime>,
}

/// A time of receipt: nanoseconds since 1970, half the size of a [`SystemTime`].
#[derive(Clone, Copy)]
struct ReceiptTime(NonZeroU64);

impl ReceiptTime {
    /// `None` before 1970 and after 2554.
    fn of(time: SystemTime) -> Option<Self> {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let nanoseconds = u64::try_from(since.as_nanos()).ok()?;
        NonZeroU64::new(nanoseconds).map(Self)
    }

    fn time(self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(self.0.get())
    }
}

impl Event {
    pub(crate) fn new(text: Arc<str>, document_length: usize, parts: Parts) -> Self {
        let document_length = u32::try_from(document_length).unwrap_or(u32::MAX);
        Self {
            text,
            document_length,
            escaped: false,
            parts,
            live: false,
            received_at: None,
        }
    }

    /// Creates an event from a message whose document has escaped quotes.
    pub(crate) fn escaped(text: Arc<str>, document_length: usize, parts: Parts) -> Self {
        Self {
            escaped: true,
            ..Self::new(text, document_length, parts)
        }
    }

    pub(crate) fn set_live(&mut self, live: bool) {
        self.live = live;
    }

    pub(crate) fn set_received_at(&mut self, time: SystemTime) {
        self.received_at = ReceiptTime::of(time);
    }

    fn part(&self, span: Span) -> &str {
        self.text
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }

    /// Whether the event is live. `false` for an event of the replay after a connection is made,
    /// and for an event that did not come from a stream.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// The UTC time of receipt, by the clock of the stream's driver; `None` for an event that did
    /// not come from a stream. Comparing events ignores it.
    #[must_use]
    pub fn received_at(&self) -> Option<SystemTime> {
        self.received_at.map(ReceiptTime::time)
    }

    /// Sets the time of receipt. Clears it if `time` is before 1970.
    #[must_use]
    pub fn with_received_at(mut self, time: SystemTime) -> Self {
        self.received_at = ReceiptTime::of(time);
        self
    }

    /// The frame's sequence number on its connection; 0 if it is missing or not an integer
    /// ([`known_seqnum`](Self::known_seqnum) distinguishes these).
    #[must_use]
    pub fn seqnum(&self) -> i64 {
        self.parts.seqnum.unwrap_or(0)
    }

    /// The frame's sequence number, if it has one.
    #[must_use]
    pub fn known_seqnum(&self) -> Option<i64> {
        self.parts.seqnum
    }

    /// The subscription's id, such as `uuid:1`.
    #[must_use]
    pub fn sid(&self) -> &str {
        self.part(self.parts.sid)
    }

    /// The time by the controller's clock, verbatim: ISO 8601 with the controller's UTC offset;
    /// empty on an ISY-994.
    #[must_use]
    pub fn timestamp(&self) -> &str {
        self.part(self.parts.timestamp)
    }

    /// The id of the property or command (`ST`, `DON`), or a system code that begins with `_`.
    #[must_use]
    pub fn control(&self) -> &str {
        self.part(self.parts.control)
    }

    /// The raw value as text, in the controller's number format.
    #[must_use]
    pub fn action(&self) -> &str {
        self.part(self.parts.action)
    }

    /// The unit of measure's id; empty when absent.
    #[must_use]
    pub fn uom(&self) -> &str {
        self.part(self.parts.uom)
    }

    /// Decimal places of the action: real value = action / 10^prec. May be negative.
    #[must_use]
    pub fn prec(&self) -> Option<i32> {
        self.parts.prec
    }

    /// The node's address; empty for system events.
    #[must_use]
    pub fn node(&self) -> &str {
        self.part(self.parts.node)
    }

    /// The value as the controller displays it; may be empty.
    #[must_use]
    pub fn fmt_act(&self) -> &str {
        self.part(self.parts.fmt_act)
    }

    /// The property's name as the controller displays it; may be empty.
    #[must_use]
    pub fn fmt_name(&self) -> &str {
        self.part(self.parts.fmt_name)
    }

    /// The payload: its inner XML, or its text if it contains no element; trimmed.
    #[must_use]
    pub fn event_info(&self) -> &str {
        self.part(self.parts.event_info)
    }

    /// The XML document that the event was read from, repaired if it was not well-formed.
    #[must_use]
    pub fn document(&self) -> Cow<'_, str> {
        let document = self.part(Span {
            start: 0,
            end: self.document_length,
        });
        match self.escaped {
            true => document.replace(ESCAPED_QUOTE, "\"").into(),
            false => document.into(),
        }
    }

    /// The length of the text that the event keeps, in bytes.
    pub(crate) fn text_length(&self) -> usize {
        self.text.len()
    }

    /// Whether the event updates a property of a node. A command (`DON`) is not a property.
    #[must_use]
    pub fn is_node_property(&self) -> bool {
        self.is_of_node() && CommandWord::of(self.control()).is_none()
    }

    /// Whether the event is a property or a command of a node. A replay contains the latest of
    /// each.
    pub(crate) fn is_of_node(&self) -> bool {
        !self.control().is_empty() && !self.control().starts_with('_') && !self.node().is_empty()
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.live == other.live
            && self.parts.seqnum == other.parts.seqnum
            && self.parts.prec == other.parts.prec
            && self.sid() == other.sid()
            && self.timestamp() == other.timestamp()
            && self.control() == other.control()
            && self.action() == other.action()
            && self.uom() == other.uom()
            && self.node() == other.node()
            && self.fmt_act() == other.fmt_act()
            && self.fmt_name() == other.fmt_name()
            && self.event_info() == other.event_info()
    }
}

impl Eq for Event {}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Event")
            .field("live", &self.live)
            .field("seqnum", &self.parts.seqnum)
            .field("sid", &self.sid())
            .field("timestamp", &self.timestamp())
            .field("control", &self.control())
            .field("action", &self.action())
            .field("uom", &self.uom())
            .field("prec", &self.parts.prec)
            .field("node", &self.node())
            .field("fmt_act", &self.fmt_act())
            .field("fmt_name", &self.fmt_name())
            .field("event_info", &self.event_info())
            .finish()
    }
}
