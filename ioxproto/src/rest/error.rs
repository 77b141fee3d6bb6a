//! Errors: an answer that cannot be read, a request that cannot be built.

use thiserror::Error;

/// Why the body of an answer cannot be read.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// A web page instead of data: a login page, or an error page of a proxy.
    #[error(
        "the answer is a web page{}, not data: is a proxy or a login page in between?",
        title_suffix(.title)
    )]
    WebPage {
        /// The page's title; empty if it has none.
        title: String,
    },
    /// The body is empty.
    #[error("the answer is empty")]
    Empty,
    /// The document is not well-formed.
    #[error("the answer is malformed {format}: {detail}")]
    Broken {
        /// `XML` or `JSON`.
        format: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// A well-formed document of another kind.
    #[error("the answer is a document {found:?} instead of {expected:?}")]
    OtherDocument {
        /// The expected root element or JSON member.
        expected: &'static str,
        /// The one in the answer.
        found: String,
    },
    /// A required part is missing.
    #[error("{part} is missing{}", entry_suffix(.entry))]
    Missing {
        /// The part's name on the wire.
        part: &'static str,
        /// The entry that lacks it, such as `node 12`; empty for the answer as a whole.
        entry: String,
    },
    /// A part is invalid.
    #[error("{part}{} is {text:?}; it must be {expected}", entry_suffix(.entry))]
    Invalid {
        /// The part's name on the wire.
        part: &'static str,
        /// The entry that it belongs to; empty for the answer as a whole.
        entry: String,
        /// Its text, shortened.
        text: String,
        /// What it must be.
        expected: &'static str,
    },
    /// More entries or elements than the limit.
    #[error("the answer has more than {limit} {what}")]
    TooMany {
        /// The kind of item that exceeds the limit.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

fn title_suffix(title: &str) -> String {
    match title {
        "" => String::new(),
        title => format!(" ({title:?})"),
    }
}

fn entry_suffix(entry: &str) -> String {
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
        "{path:?} is not a path on a controller: it must begin with a slash, be at most {limit} bytes long, and contain no fragment (#)"
    )]
    Path {
        /// The path, shortened.
        path: String,
        /// The longest path in bytes.
        limit: usize,
    },
    /// The address of a node or scene is not valid.
    #[error(
        "{address:?} is not an address of a node or scene: it must have 1 to {limit} characters, none of them a control character"
    )]
    Address {
        /// The address, shortened.
        address: String,
        /// The longest address in characters.
        limit: usize,
    },
    /// The name of a command or parameter is not valid.
    #[error(
        "{name:?} is not a name of a command: letters, digits and underscores, at most {limit}"
    )]
    Name {
        /// The name, shortened.
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
