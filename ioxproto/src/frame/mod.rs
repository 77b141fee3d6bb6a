//! Frames: what one text message of a controller is.

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
pub(crate) use self::recover::mend;
use self::xml::Document;
pub(crate) use self::xml::reference;
use crate::Event;
use crate::event::Parts;

/// The longest frame that is read, in bytes; places in an event's text are 32 bits wide, and
/// decoding can add as much again.
const MAX_FRAME: usize = 1024 * 1024 * 1024;
/// What is kept of the text of a frame that is not well-formed, in bytes.
const KEPT_OF_MALFORMED: usize = 4 * 1024;
/// Working memory above this, in bytes, is given back after the frame that needed it.
const KEPT_SCRATCH: usize = 64 * 1024;

/// What one text frame gives.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a frame is one of these three, by definition"
)]
pub enum Frame {
    /// An event.
    Event(Event),
    /// Not an event, and nothing wrong.
    Ignored(Ignored),
    /// Not well-formed.
    Malformed(Malformed),
}

/// A text frame that is no event and needs no attention.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ignored {
    /// What it is instead.
    pub kind: IgnoredKind,
    /// The frame's text.
    pub text: Arc<str>,
}

/// Why a frame is no event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IgnoredKind {
    /// A JSON object of another type than `event`, such as `spolisy`; the type's text, empty when
    /// it has none.
    OtherType(Arc<str>),
    /// XML with another root than `Event`, such as `SubscriptionResponse`; the root's name.
    OtherRoot(Arc<str>),
    /// JSON that holds no event: an array, a number, `null`, `data` that is no string.
    OtherJson,
    /// No text at all.
    Empty,
}

impl IgnoredKind {
    /// Whether the controller may have spent a sequence number on such a frame.
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
            Self::OtherJson => f.write_str("JSON that holds no event"),
            Self::Empty => f.write_str("an empty frame"),
        }
    }
}

/// A text frame that is not well-formed: counted and reported, never fatal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
#[non_exhaustive]
pub struct Malformed {
    /// What is wrong, in a few words.
    pub cause: String,
    /// The beginning of the frame's text, at most 4 KiB of it.
    pub text: Arc<str>,
}

/// Reads text frames; keeps its working memory between frames.
///
/// A message holds one document, as a rule. Where it holds several, [`read`](Self::read) gives the
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
    decoded: String,
    mended: String,
    more: VecDeque<Frame>,
    forbidden: usize,
    general: bool,
}

impl FrameReader {
    /// A reader with no working memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A reader without the straight scan for the layout that most frames have: slower, and the
    /// same in all else.
    #[doc(hidden)]
    #[must_use]
    pub fn general() -> Self {
        Self {
            general: true,
            ..Self::default()
        }
    }

    /// Reads a message's text: its first document.
    pub fn read(&mut self, text: &str) -> Frame {
        self.more.clear();
        self.forbidden = 0;
        let frame = self.read_whole(text);
        self.decoded.shrink_to(KEPT_SCRATCH);
        self.mended.shrink_to(KEPT_SCRATCH);
        frame
    }

    /// Reads a message's bytes: its first document. `true` where some were not UTF-8 and have been
    /// replaced by U+FFFD.
    pub fn read_bytes(&mut self, bytes: &[u8]) -> (Frame, bool) {
        match str::from_utf8(bytes) {
            Ok(text) => (self.read(text), false),
            Err(_) => (self.read(&String::from_utf8_lossy(bytes)), true),
        }
    }

    /// The next document of the message that was read last; `None` if it held no other. Of more
    /// than 64 documents the rest is one malformed frame.
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

    /// How many characters that XML forbids were replaced by U+FFFD in the message read last.
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
            && let Some(parts) = scan::envelope(json, &mut self.decoded)
        {
            return Frame::Event(event(&self.decoded, parts));
        }
        let read = envelope::read(json).or_else(|cause| {
            // Control characters that should have been escaped.
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

    /// A document is read as it stands. Only where it is not well-formed is it taken for several,
    /// or else mended and read again, so that a well-formed one never changes its meaning.
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
                None => self.read_mended(document, text, &cause),
            },
        }
    }

    /// Reads several documents, if the first of them is a whole event: its frame, the others
    /// queued.
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

    /// Reads one document of several.
    fn read_single(&mut self, document: &str) -> Frame {
        if !self.general
            && let Some(parts) = scan::document(document)
        {
            return Frame::Event(event(document, parts));
        }
        match xml::read(document, &mut self.decoded) {
            Ok(found) => frame(found, document, &mut self.decoded, document),
            Err(cause) => self.read_mended(document, document, &cause),
        }
    }

    fn read_mended(&mut self, document: &str, text: &str, cause: &str) -> Frame {
        let (clean, raw) = without_forbidden(document);
        let references = mend(&clean, &mut self.mended);
        if self.mended == document {
            return malformed(cause, text);
        }
        match xml::read(&self.mended, &mut self.decoded) {
            Ok(found) => {
                self.forbidden += raw + references;
                frame(found, &self.mended, &mut self.decoded, text)
            }
            Err(_) => malformed(cause, text),
        }
    }
}

/// Without blanks around it, and without the byte order marks before it, which quick-xml passes
/// over uncounted.
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
