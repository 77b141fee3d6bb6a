//! The body of an answer: XML, JSON or a web page, and the reading of its entries.

use std::borrow::Cow;

use super::document::{self, Element, shortened};
use super::{AnswerError, json};
use crate::view::truth;

/// The most entries of one kind in an answer; the largest houses have some thousands.
const MAX_ENTRIES: usize = 100_000;

/// The text of a body. Its first character tells XML from JSON.
pub(super) fn text(body: &[u8]) -> Result<Cow<'_, str>, AnswerError> {
    let blank = |c: char| c == '\u{feff}' || c.is_ascii_whitespace();
    // What is not UTF-8 becomes U+FFFD, as in frames.
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

/// Whether a text is HTML: by its document type or its first element, comments before it aside.
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

/// A web page's title, in one line.
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

/// Where an answer has its entries, in XML and in JSON.
pub(super) struct Shape {
    /// The names of the XML root.
    pub(super) roots: &'static [&'static str],
    /// The JSON members that lead to the entries.
    pub(super) path: &'static [&'static str],
    /// What an entry of a JSON list is called.
    pub(super) item: &'static str,
}

impl Shape {
    /// Hands the entries of a body to `each`, by the names that they have in XML.
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

/// Keeps an entry, if there are not too many.
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

/// One entry, to be read with errors that name it.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) element: &'a Element,
    /// What it is called in errors: `node`, or `node 12`.
    pub(super) name: &'a str,
}

impl<'a> Entry<'a> {
    /// A part that must be there and say something.
    pub(super) fn needed(self, part: &'static str) -> Result<&'a str, AnswerError> {
        let text = self.element.field(part).filter(|text| !text.is_empty());
        text.ok_or_else(|| AnswerError::Missing {
            part,
            entry: self.name.to_owned(),
        })
    }

    /// A part as text; empty where it is missing.
    pub(super) fn text(self, part: &str) -> String {
        self.element.field(part).unwrap_or_default().to_owned()
    }

    /// A number that must be there.
    pub(super) fn needed_number<N: std::str::FromStr>(
        self,
        part: &'static str,
    ) -> Result<N, AnswerError> {
        let text = self.needed(part)?;
        text.parse()
            .map_err(|_| self.invalid(part, text, "a number"))
    }

    /// A number, where the part is there and says one.
    pub(super) fn number<N: std::str::FromStr>(self, part: &str) -> Option<N> {
        self.element.field(part)?.parse().ok()
    }

    /// A truth value, where the part is there and says one.
    pub(super) fn truth(self, part: &str) -> Option<bool> {
        truth(self.element.field(part)?)
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
