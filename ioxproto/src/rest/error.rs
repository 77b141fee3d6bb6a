//! Why an answer cannot be read, and why a request cannot be built.

use thiserror::Error;

/// Why the body of an answer is not what was asked for.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// A web page instead of data: a login page, or an error page of a proxy.
    #[error(
        "the answer is a web page{}, not data: is a proxy or a login page in between?",
        titled(.title)
    )]
    WebPage {
        /// The page's title; empty where it has none.
        title: String,
    },
    /// The body is empty.
    #[error("the answer is empty")]
    Empty,
    /// The document is not well-formed.
    #[error("the answer is broken {format}: {detail}")]
    Broken {
        /// `XML` or `JSON`.
        format: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// A well-formed document of another kind.
    #[error("the answer is a document {found:?} where {expected:?} was due")]
    OtherDocument {
        /// The root element, or the JSON member, that was due.
        expected: &'static str,
        /// What came instead.
        found: String,
    },
    /// A part that the answer needs is missing.
    #[error("{part} is missing{}", within(.entry))]
    Missing {
        /// The part's name on the wire.
        part: &'static str,
        /// The entry that lacks it, such as `node 12`; empty for the answer as a whole.
        entry: String,
    },
    /// A part is there and cannot be read.
    #[error("{part}{} is {text:?}; it must be {expected}", within(.entry))]
    Invalid {
        /// The part's name on the wire.
        part: &'static str,
        /// The entry that it belongs to; empty for the answer as a whole.
        entry: String,
        /// Its text, cut where it is long.
        text: String,
        /// What it must be.
        expected: &'static str,
    },
    /// More entries or elements than are read.
    #[error("the answer has more than {limit} {what}")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many are read.
        limit: usize,
    },
}

fn titled(title: &str) -> String {
    match title {
        "" => String::new(),
        title => format!(" ({title:?})"),
    }
}

fn within(entry: &str) -> String {
    match entry {
        "" => String::new(),
        entry => format!(" in {entry}"),
    }
}

/// Why a request cannot be built. Nothing was sent.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The path is not valid.
    #[error(
        "{path:?} is no path on a controller: it must begin with a slash, be at most {limit} bytes long, and hold no fragment (#)"
    )]
    Path {
        /// The path, cut where it is long.
        path: String,
        /// The longest path in bytes.
        limit: usize,
    },
    /// The address of a node or scene is not valid.
    #[error(
        "{address:?} is no address of a node or scene: it must have 1 to {limit} characters, none of them a control character"
    )]
    Address {
        /// The address, cut where it is long.
        address: String,
        /// The longest address in characters.
        limit: usize,
    },
    /// The name of a command or parameter is not valid.
    #[error("{name:?} is no name of a command: letters, digits and underscores, at most {limit}")]
    Name {
        /// The name, cut where it is long.
        name: String,
        /// The longest name in characters.
        limit: usize,
    },
    /// A value is out of range.
    #[error("{what} is {value}; it must be {expected}")]
    OutOfRange {
        /// What the value is for.
        what: &'static str,
        /// The value.
        value: String,
        /// What it must be.
        expected: &'static str,
    },
}

crate::debug_is_display! { AnswerError, RequestError }
