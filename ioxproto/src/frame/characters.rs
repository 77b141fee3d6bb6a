//! The rules of XML 1.0 for single characters: line ends become line feeds (section 2.11), and some
//! characters are forbidden (section 2.2).

use std::borrow::Cow;

/// Stands for a character that could not be delivered.
pub(super) const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// Finds the first character that XML forbids, with its offset. Forbidden are the C0 controls
/// except tab and line ends, U+FFFE and U+FFFF.
pub(super) fn first_forbidden(text: &str) -> Option<(usize, char)> {
    // Nearly all messages contain neither, and scanning bytes is faster than scanning characters.
    let odd =
        |byte: &u8| (*byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) | (*byte == 0xef);
    let from = text.as_bytes().iter().position(odd)?;
    let forbidden = |(_, character): &(usize, char)| is_forbidden(*character);
    // `from` is a character boundary: controls and 0xEF never occur inside a UTF-8 sequence.
    let found = text.get(from..)?.char_indices().find(forbidden);
    found.map(|(at, character)| (from + at, character))
}

fn is_forbidden(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}'
    )
}

/// Replaces forbidden characters by U+FFFD; returns the text and the number of replacements.
pub(crate) fn without_forbidden(text: &str) -> (Cow<'_, str>, usize) {
    if first_forbidden(text).is_none() {
        return (Cow::Borrowed(text), 0);
    }
    let count = text.chars().filter(|one| is_forbidden(*one)).count();
    (Cow::Owned(text.replace(is_forbidden, "\u{fffd}")), count)
}

/// Replaces each CR and each CR LF by one LF.
pub(super) fn with_plain_line_ends(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_character_that_xml_forbids_is_found_wherever_it_is() {
        for (text, found) in [
            ("\u{1} x", Some((0, '\u{1}'))),
            ("\u{ffff}x", Some((0, '\u{ffff}'))),
            ("\u{e9}\t\u{feff}\u{fffe}\u{2}", Some((6, '\u{fffe}'))),
            ("a\r\n\u{1f}", Some((3, '\u{1f}'))),
            ("\t\n\r \u{7f}\u{feff}\u{fffd}", None),
            ("", None),
        ] {
            assert_eq!(first_forbidden(text), found, "{text:?}");
        }
    }
}
