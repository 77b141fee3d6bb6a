//! Frames: parses the text messages of a controller.

mod characters;
mod envelope;
mod recover;
mod scan;
mod split;
mod xml;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

pub(crate) use self::characters::without_forbidden;
use self::envelope::Envelope;
pub(crate) use self::recover::repair;
use self::xml::Document;
pub(crate) use self::xml::resolve_reference;
use crate::Event;
use crate::event::{ESCAPED_QUOTE, Parts, Span};

/// The longest frame that is read, in bytes. Offsets into an event's text are 32 bits wide, and
/// decoding can double the length.
const MAX_FRAME: usize = 1024 * 1024 * 1024;
/// How much of a malformed frame's text is kept, in bytes.
const KEPT_OF_MALFORMED: usize = 4 * 1024;
/// Working memory above this size, in bytes, is released after the frame that needed it.
const KEPT_SCRATCH: usize = 64 * 1024;

/// The result of reading one text frame.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a frame is one of these three, by definition"
)]
pub enum Frame {
    /// An event.
    Event(Event),
    /// Not an event, but valid.
    Ignored(Ignored),
    /// Not well-formed.
    Malformed(Malformed),
}

/// A valid text frame that is not an event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ignored {
    /// The kind of frame.
    pub kind: IgnoredKind,
    /// The frame's text.
    pub text: Arc<str>,
}

/// Why a frame is not an event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IgnoredKind {
    /// A JSON object of another type than `event`, such as `spolisy`; the type's text, empty when
    /// it has none.
    OtherType(Arc<str>),
    /// XML with another root than `Event`, such as `SubscriptionResponse`; the root's name.
    OtherRoot(Arc<str>),
    /// JSON without an event: an array, a number, `null`, or an object of type `event` whose `data`
    /// is not a string.
    OtherJson,
    /// An empty frame.
    Empty,
}

impl IgnoredKind {
    /// Whether the controller may have assigned a sequence number to such a frame.
    #[must_use]
    pub fn may_take_number(&self) -> bool {
        !matches!(self, Self::OtherRoot(_))
    }
}

impl fmt::Display for IgnoredKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherType(name) if name.is_empty() => f.write_str("a message without a type"),
            Self::OtherType(name) => write!(f, "a message of type {name}"),
            Self::OtherRoot(name) => write!(f, "an XML document {name}"),
            Self::OtherJson => f.write_str("JSON that contains no event"),
            Self::Empty => f.write_str("an empty frame"),
        }
    }
}

/// A text frame that is not well-formed: counted and reported, never fatal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
#[non_exhaustive]
pub struct Malformed {
    /// A short description of the error.
    pub cause: String,
    /// The first 4 KiB of the frame's text.
    pub text: Arc<str>,
}

/// Reads text frames; keeps its working memory between frames.
///
/// A message usually holds one document. If it holds several, [`read`](Self::read) returns the
/// first and [`next_document`](Self::next_document) the others.
///
/// ```
/// use ioxproto::{Frame, FrameReader};
///
/// let mut reader = FrameReader::new();
/// let text = r#"{"type":"event","data":"<Event seqnum=\"3\"><control>_0</control><action>90</action></Event>"}"#;
/// let Frame::Event(heartbeat) = reader.read(text) else { panic!("not an event") };
/// assert_eq!((heartbeat.seqnum(), heartbeat.control(), heartbeat.action()), (3, "_0", "90"));
///
/// assert!(matches!(reader.read("<SubscriptionResponse/>"), Frame::Ignored(_)));
/// assert!(matches!(reader.read("<Event seqnum="), Frame::Malformed(_)));
/// ```
#[derive(Debug, Default)]
pub struct FrameReader {
    /// Working memory for decoded text.
    decoded: String,
    /// Working memory for a repaired document.
    repaired: String,
    more: VecDeque<Frame>,
    forbidden: usize,
    general: bool,
}

impl FrameReader {
    /// Creates a reader. It allocates its working memory when it first needs it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a reader that does not use the fast path. Slower, with the same results.
    #[doc(hidden)]
    #[must_use]
    pub fn general() -> Self {
        Self {
            general: true,
            ..Self::default()
        }
    }

    /// Reads the first document of a text message.
    pub fn read(&mut self, text: &str) -> Frame {
        self.more.clear();
        self.forbidden = 0;
        let frame = self.read_whole(text);
        self.decoded.shrink_to(KEPT_SCRATCH);
        self.repaired.shrink_to(KEPT_SCRATCH);
        frame
    }

    /// Reads the first document of a message given as bytes. The flag is `true` if invalid UTF-8
    /// was replaced by U+FFFD.
    pub fn read_bytes(&mut self, bytes: &[u8]) -> (Frame, bool) {
        match str::from_utf8(bytes) {
            Ok(text) => (self.read(text), false),
            Err(_) => (self.read(&String::from_utf8_lossy(bytes)), true),
        }
    }

    /// Returns the next document of the last message, or `None` after its last document. After 64
    /// documents, the rest of the message is one malformed frame.
    ///
    /// ```
    /// use ioxproto::{Frame, FrameReader};
    ///
    /// let mut reader = FrameReader::new();
    /// let one = "<Event seqnum='1'><control>_0</control></Event>";
    /// let two = "<?xml version='1.0'?><Event seqnum='2'><control>_0</control></Event>";
    /// let Frame::Event(first) = reader.read(&format!("{one}{two}")) else { panic!("not an event") };
    /// let Some(Frame::Event(second)) = reader.next_document() else { panic!("not an event") };
    /// assert_eq!((first.seqnum(), second.seqnum()), (1, 2));
    /// assert!(reader.next_document().is_none());
    /// ```
    pub fn next_document(&mut self) -> Option<Frame> {
        self.more.pop_front()
    }

    /// How many characters of the last message were replaced by U+FFFD because XML forbids them.
    #[must_use]
    pub fn forbidden_characters(&self) -> usize {
        self.forbidden
    }

    fn read_whole(&mut self, text: &str) -> Frame {
        if text.len() > MAX_FRAME {
            return malformed("the frame is longer than 1 GiB", text);
        }
        let document = trimmed(text);
        match document.as_bytes() {
            [] => ignored(IgnoredKind::Empty, text),
            [b'<', ..] => self.read_document(document, text),
            [
                b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b'n' | b't' | b'f',
                ..,
            ] => self.read_envelope(document, text),
            _ => malformed("neither XML nor JSON", text),
        }
    }

    fn read_envelope(&mut self, json: &str, text: &str) -> Frame {
        if !self.general
            && let Some((document, parts)) = scan::envelope(json)
        {
            return Frame::Event(self.escaped_event(document, parts));
        }
        let read = envelope::read(json).or_else(|cause| {
            // The controller did not escape control characters: replace them and read again.
            let (clean, replaced) = without_forbidden(json);
            if replaced == 0 {
                return Err(cause);
            }
            self.forbidden += replaced;
            envelope::read(&clean)
        });
        match read {
            Ok(Envelope::Event(document)) => self.read_document(trimmed(&document), text),
            Ok(Envelope::OtherType(kind)) => ignored(IgnoredKind::OtherType(kind.into()), text),
            Ok(Envelope::Other) => ignored(IgnoredKind::OtherJson, text),
            Err(cause) => malformed(&cause, text),
        }
    }

    /// Creates an event from a document whose quotes are escaped. Copying it as it is costs less
    /// than decoding it: the only part that can contain quotes is the payload, and few do.
    fn escaped_event(&mut self, document: &str, mut parts: Parts) -> Event {
        let payload = &document[parts.event_info.start as usize..parts.event_info.end as usize];
        if !payload.contains(ESCAPED_QUOTE) {
            return Event::escaped(Arc::from(document), document.len(), parts);
        }
        self.decoded.clear();
        self.decoded.push_str(document);
        for (count, piece) in payload.split(ESCAPED_QUOTE).enumerate() {
            self.decoded.push_str(if count == 0 { "" } else { "\"" });
            self.decoded.push_str(piece);
        }
        // The conversions cannot fail: a frame is at most 1 GiB long.
        parts.event_info = Span {
            start: document.len() as u32,
            end: self.decoded.len() as u32,
        };
        Event::escaped(Arc::from(&*self.decoded), document.len(), parts)
    }

    /// Reads a document unchanged first. Only if it is not well-formed, it is split into several
    /// documents, or repaired and read again. So a well-formed document never changes its meaning.
    fn read_document(&mut self, document: &str, text: &str) -> Frame {
        if !self.general
            && let Some(parts) = scan::document(document)
        {
            return Frame::Event(event(document, parts));
        }
        let document = &*characters::with_plain_line_ends(document);
        match xml::read(document, &mut self.decoded) {
            Ok(found) => frame(found, document, &mut self.decoded, text),
            Err(cause) => match self.read_several(document) {
                Some(first) => first,
                None => self.read_repaired(document, text, &cause),
            },
        }
    }

    /// Splits a message into documents if the first one is a complete event. Returns the frame of
    /// that one and queues the others.
    fn read_several(&mut self, documents: &str) -> Option<Frame> {
        let (pieces, rest) = split::documents(documents)?;
        let before = self.forbidden;
        let mut frames = pieces.into_iter().map(|piece| self.read_single(piece));
        let first = frames.next()?;
        if !matches!(first, Frame::Event(_)) {
            drop(frames);
            self.forbidden = before;
            return None;
        }
        let mut more: VecDeque<Frame> = frames.collect();
        match rest {
            split::Rest::Nothing => {}
            split::Rest::CutOff(rest) => more.push_back(self.read_single(rest)),
            split::Rest::TooMany(rest) => {
                more.push_back(malformed(split::TOO_MANY, rest));
            }
        }
        self.more = more;
        Some(first)
    }

    /// Reads one of several documents.
    fn read_single(&mut self, document: &str) -> Frame {
        if !self.general
            && let Some(parts) = scan::document(document)
        {
            return Frame::Event(event(document, parts));
        }
        match xml::read(document, &mut self.decoded) {
            Ok(found) => frame(found, document, &mut self.decoded, document),
            Err(cause) => self.read_repaired(document, document, &cause),
        }
    }

    fn read_repaired(&mut self, document: &str, text: &str, cause: &str) -> Frame {
        let (clean, raw) = without_forbidden(document);
        let references = repair(&clean, &mut self.repaired);
        if self.repaired == document {
            return malformed(cause, text);
        }
        match xml::read(&self.repaired, &mut self.decoded) {
            Ok(found) => {
                self.forbidden += raw + references;
                frame(found, &self.repaired, &mut self.decoded, text)
            }
            Err(_) => malformed(cause, text),
        }
    }
}

/// Removes surrounding whitespace and leading byte order marks. quick-xml skips the marks without
/// counting them, which would shift all offsets.
fn trimmed(text: &str) -> &str {
    let blank = |c: char| c == '\u{feff}' || c.is_ascii_whitespace();
    text.trim_start_matches(blank).trim_ascii_end()
}

fn frame(found: Document, document: &str, decoded: &mut String, text: &str) -> Frame {
    match found {
        Document::Event(parts) if decoded.is_empty() => Frame::Event(event(document, parts)),
        Document::Event(parts) => {
            decoded.insert_str(0, document);
            Frame::Event(Event::new(Arc::from(&**decoded), document.len(), parts))
        }
        Document::OtherRoot(name) => {
            let name = &document[name.start as usize..name.end as usize];
            ignored(IgnoredKind::OtherRoot(name.into()), text)
        }
    }
}

fn event(document: &str, parts: Parts) -> Event {
    Event::new(Arc::from(document), document.len(), parts)
}

fn ignored(kind: IgnoredKind, text: &str) -> Frame {
    Frame::Ignored(Ignored {
        kind,
        text: text.into(),
    })
}

fn malformed(cause: &str, text: &str) -> Frame {
    let mut lengths = (0..=text.len().min(KEPT_OF_MALFORMED)).rev();
    let kept = lengths
        .find_map(|length| text.get(..length))
        .unwrap_or_default();
    Frame::Malformed(Malformed {
        cause: cause.to_owned(),
        text: kept.into(),
    })
}
