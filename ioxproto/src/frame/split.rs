//! Several documents in one message, each of them an `Event`.

/// The most documents of one message that are read.
const MOST: usize = 64;

/// What is wrong with a message of more documents than that.
pub(super) const TOO_MANY: &str = "more than 64 documents in one message: the rest is left out";

/// What follows the whole documents.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rest<'a> {
    Nothing,
    /// Something that no end tag of an `Event` ends.
    CutOff(&'a str),
    /// More documents than are read.
    TooMany(&'a str),
}

/// The text up to each end tag of an `Event` that another document follows, and what is left;
/// `None` if none follows the first. Only whoever reads the pieces knows whether an end tag was
/// one, or stood in some text.
pub(super) fn documents(text: &str) -> Option<(Vec<&str>, Rest<'_>)> {
    let mut pieces = Vec::new();
    let mut rest = super::trimmed(text);
    while let Some(length) = first_end(rest) {
        if pieces.len() == MOST {
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

/// Whether a text begins as a document, or is cut off in the beginning of one.
fn begins_document(text: &str) -> bool {
    ["<?xml", "<Event"]
        .iter()
        .any(|begin| text.starts_with(begin) || begin.starts_with(text))
}

/// Where the first `</Event>` ends.
fn first_end(text: &str) -> Option<usize> {
    const TAG: &str = "</Event";
    text.match_indices(TAG).find_map(|(at, _)| {
        let from = at + TAG.len();
        let after = text[from..].trim_start_matches([' ', '\t', '\n', '\r']);
        after.starts_with('>').then(|| text.len() - after.len() + 1)
    })
}
