//! Frames: what one text message of a controller is.

use std::fmt;
use std::sync::Arc;

use crate::Event;

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
    /// A JSON object of another type than `event`, such as `spolisy`; the type's text, empty when it has none.
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
    /// The frame's text.
    pub text: Arc<str>,
}

/// Reads text frames; keeps its working memory between frames.
#[derive(Debug, Default)]
pub struct FrameReader {}

impl FrameReader {
    /// A reader with no working memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads one frame's text.
    pub fn read(&mut self, text: &str) -> Frame {
        Frame::Malformed(Malformed {
            cause: "not built yet".into(),
            text: text.into(),
        })
    }

    /// Reads one frame's bytes; `true` where some were not UTF-8 and have been replaced.
    pub fn read_bytes(&mut self, bytes: &[u8]) -> (Frame, bool) {
        (
            self.read(&String::from_utf8_lossy(bytes)),
            std::str::from_utf8(bytes).is_err(),
        )
    }
}
