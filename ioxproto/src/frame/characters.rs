//! What XML says of single characters: line ends are line feeds (section 2.11), and some characters
//! are forbidden (section 2.2).

use std::borrow::Cow;

/// Stands for a character that could not be delivered.
pub(super) const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// The first character that XML forbids, and its place: C0 controls but tab and line ends, U+FFFE,
/// U+FFFF.
pub(super) fn first_forbidden(text: &str) -> Option<(usize, char)> {
    // Nearly all texts have neither; bytes are quicker to look at than characters.
    let odd =
        |byte: &u8| (*byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) | (*byte == 0xef);
    let from = text.as_bytes().iter().position(odd)?;
    let forbidden = |(_, character): &(usize, char)| is_forbidden(*character);
    // A byte that begins a character: controls and 0xEF stand nowhere else.
    let found = text.get(from..)?.char_indices().find(forbidden);
    found.map(|(at, character)| (from + at, character))
}

fn is_forbidden(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}'
    )
}

/// The text with forbidden characters replaced by U+FFFD, and how many there were.
pub(crate) fn without_forbidden(text: &str) -> (Cow<'_, str>, usize) {
    if first_forbidden(text).is_none() {
        return (Cow::Borrowed(text), 0);
    }
    let count = text.chars().filter(|one| is_forbidden(*one)).count();
    (Cow::Owned(text.replace(is_forbidden, "\u{fffd}")), count)
}

/// The text with each carriage return, and each pair with a line feed, as one line feed.
pub(super) fn with_plain_line_ends(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}
