//! Reads the body of an answer: distinguishes XML, JSON and web pages, and reads the entries.

use std::borrow::Cow;

use super::document::{self, Element, shortened};
use super::{AnswerError, json};
use crate::view::parse_bool;

/// The limit for entries of one kind in an answer; the largest houses have a few thousand.
const MAX_ENTRIES: usize = 100_000;

/// The text of a body, trimmed. Its first character distinguishes XML from JSON.
pub(super) fn text(body: &[u8]) -> Result<Cow<'_, str>, AnswerError> {
    let blank = |c: char| c == '\u{feff}' || c.is_ascii_whitespace();
    // Invalid UTF-8 becomes U+FFFD, as in frames.
    let text = match String::from_utf8_lossy(body) {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_matches(blank)),
        Cow::Owned(text) => Cow::Owned(text.trim_matches(blank).to_owned()),
    };
    match text.as_bytes() {
        [] => Err(AnswerError::Empty),
        [b'<', ..] if is_web_page(&text) => Err(AnswerError::WebPage {
            title: title(&text),
        }),
        [b'<' | b'{' | b'[', ..] => Ok(text),
        _ => Err(AnswerError::Broken {
            format: "XML",
            detail: format!("it begins with {:?}", shortened(&text)),
        }),
    }
}

fn begins_with(text: &str, start: &str) -> bool {
    text.get(..start.len())
        .is_some_and(|begin| begin.eq_ignore_ascii_case(start))
}

/// Whether a body is HTML, by its document type or its first element. Skips leading comments.
pub(super) fn is_web_page(text: &str) -> bool {
    let mut rest = text.trim_start();
    while let Some((_, behind)) = rest
        .strip_prefix("<!--")
        .and_then(|comment| comment.split_once("-->"))
    {
        rest = behind.trim_start();
    }
    begins_with(rest, "<!doctype html") || begins_with(rest, "<html")
}

/// The title of a web page, on one line; empty if it has none.
fn title(text: &str) -> String {
    let tag = |name: &str| {
        let mut places = text.match_indices('<').map(|(at, _)| at);
        places.find(|at| begins_with(&text[*at..], name))
    };
    let (Some(from), Some(to)) = (tag("<title"), tag("</title")) else {
        return String::new();
    };
    let title = text.get(from..to).unwrap_or_default();
    let title = title.split_once('>').map_or("", |(_, title)| title);
    shortened(title.trim())
}

/// Where the entries of an answer are, in XML and in JSON.
pub(super) struct Shape {
    /// The accepted names of the XML root.
    pub(super) roots: &'static [&'static str],
    /// The JSON members that lead to the entries.
    pub(super) path: &'static [&'static str],
    /// The name given to the entries of a JSON list.
    pub(super) item: &'static str,
}

impl Shape {
    /// Passes each entry of a body to `each`, under the name that it has in XML.
    pub(super) fn read<T: Default>(
        &self,
        body: &[u8],
        each: impl Fn(&mut T, Element) -> Result<(), AnswerError>,
    ) -> Result<T, AnswerError> {
        let text = text(body)?;
        if text.starts_with('<') {
            document::read(&text, self.roots, each)
        } else {
            json::read(&text, self.path, self.item, each)
        }
    }
}

/// Adds an entry to the list, up to the limit.
pub(super) fn keep<E>(list: &mut Vec<E>, entry: E) -> Result<(), AnswerError> {
    if list.len() >= MAX_ENTRIES {
        return Err(AnswerError::TooMany {
            what: "entries",
            limit: MAX_ENTRIES,
        });
    }
    list.push(entry);
    Ok(())
}

/// One entry, with the name that errors about it use.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) element: &'a Element,
    /// Its name in errors, such as `node` or `node 12`.
    pub(super) name: &'a str,
}

impl<'a> Entry<'a> {
    /// A part that must be present and not empty.
    pub(super) fn required(self, part: &'static str) -> Result<&'a str, AnswerError> {
        let text = self.element.field(part).filter(|text| !text.is_empty());
        text.ok_or_else(|| AnswerError::Missing {
            part,
            entry: self.name.to_owned(),
        })
    }

    /// A part as text; empty if it is missing.
    pub(super) fn text(self, part: &str) -> String {
        self.element.field(part).unwrap_or_default().to_owned()
    }

    /// A number that must be present and valid.
    pub(super) fn required_number<N: std::str::FromStr>(
        self,
        part: &'static str,
    ) -> Result<N, AnswerError> {
        let text = self.required(part)?;
        text.parse()
            .map_err(|_| self.invalid(part, text, "a number"))
    }

    /// A number, if the part is present and valid.
    pub(super) fn number<N: std::str::FromStr>(self, part: &str) -> Option<N> {
        self.element.field(part)?.parse().ok()
    }

    /// A truth value, if the part is present and valid.
    pub(super) fn boolean(self, part: &str) -> Option<bool> {
        parse_bool(self.element.field(part)?)
    }

    pub(super) fn invalid(
        self,
        part: &'static str,
        text: &str,
        expected: &'static str,
    ) -> AnswerError {
        AnswerError::Invalid {
            part,
            entry: self.name.to_owned(),
            text: shortened(text),
            expected,
        }
    }
}
