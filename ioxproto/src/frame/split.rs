//! Splits a message that holds several `Event` documents.

/// The limit for the number of documents read from one message.
const MAX_DOCUMENTS: usize = 64;

/// The error of a message that exceeds the limit.
pub(super) const TOO_MANY: &str = "more than 64 documents in one message: the rest is left out";

/// What follows the complete documents.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rest<'a> {
    Nothing,
    /// Text without an end tag of an `Event`.
    CutOff(&'a str),
    /// More documents than are read.
    TooMany(&'a str),
}

/// Splits after each `</Event>` that another document follows. Returns the pieces and the rest, or
/// `None` if there is only one document. A `</Event>` may be part of an element's text: the reader
/// of the pieces finds out.
pub(super) fn documents(text: &str) -> Option<(Vec<&str>, Rest<'_>)> {
    let mut pieces = Vec::new();
    let mut rest = super::trimmed(text);
    while let Some(length) = first_end(rest) {
        if pieces.len() == MAX_DOCUMENTS {
            return Some((pieces, Rest::TooMany(rest)));
        }
        let after = super::trimmed(&rest[length..]);
        if !after.is_empty() && !begins_document(after) {
            break;
        }
        pieces.push(&rest[..length]);
        rest = after;
    }
    match (pieces.len(), rest) {
        (0, _) | (1, "") => None,
        (_, "") => Some((pieces, Rest::Nothing)),
        (_, rest) => Some((pieces, Rest::CutOff(rest))),
    }
}

/// Whether a string begins like a document, or is a truncated beginning of one.
fn begins_document(text: &str) -> bool {
    ["<?xml", "<Event"]
        .iter()
        .any(|begin| text.starts_with(begin) || begin.starts_with(text))
}

/// The end of the first `</Event>`.
fn first_end(text: &str) -> Option<usize> {
    const TAG: &str = "</Event";
    text.match_indices(TAG).find_map(|(at, _)| {
        let from = at + TAG.len();
        let after = text[from..].trim_start_matches([' ', '\t', '\n', '\r']);
        after.starts_with('>').then(|| text.len() - after.len() + 1)
    })
}
