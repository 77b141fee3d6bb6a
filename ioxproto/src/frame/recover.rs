//! Mends what controllers write into log texts: `&` that begins no reference, `<` that begins no markup, and
//! words in angle brackets that are never closed (`<NULL>`).
//!
//! Only a text that is not well-formed comes here. The document's skeleton is not mended: tags outside the
//! children of the root stay as they are, so that a frame cut off in the middle stays cut off.

use std::collections::BTreeMap;

use super::xml::{reference, starts_name};

/// A tag whose partner has not been found yet.
struct Open<'a> {
    at: usize,
    name: &'a str,
}

/// Writes the text with its mistakes escaped. Takes linear time but for sorting the mistakes by their place.
pub(super) fn mend(text: &str, into: &mut String) {
    into.clear();
    let mistakes = mistakes(text);
    let mut written = 0;
    for at in mistakes {
        into.push_str(&text[written..at]);
        into.push_str(if text.as_bytes()[at] == b'&' {
            "&amp;"
        } else {
            "&lt;"
        });
        written = at + 1;
    }
    into.push_str(&text[written..]);
}

/// The places of every `&` and `<` that is to be taken literally, in order.
fn mistakes(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let mut mistakes = Vec::new();
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    let mut at = 0;
    while let Some(found) = bytes[at..]
        .iter()
        .position(|byte| matches!(byte, b'&' | b'<'))
    {
        at += found;
        if bytes[at] == b'&' {
            if !begins_reference(&text[at..]) {
                mistakes.push(at);
            }
            at += 1;
            continue;
        }
        match markup(text, at) {
            Markup::None => {
                mistakes.push(at);
                at += 1;
            }
            Markup::Opaque { to } | Markup::Empty { to } => at = to,
            Markup::Start { name, to } => {
                open.push(Open { at, name });
                *names.entry(name).or_default() += 1;
                stray_ampersands(text, at, to, &mut mistakes);
                at = to;
            }
            Markup::End { name, to } => {
                if names.get(name).is_some_and(|count| *count > 0) {
                    // Whatever was opened since and never closed was no markup, if it stands in a child's text.
                    while let Some(last) = open.pop() {
                        *names.entry(last.name).or_default() -= 1;
                        if last.name == name {
                            break;
                        }
                        if open.len() >= 2 {
                            mistakes.push(last.at);
                        }
                    }
                } else if open.len() >= 2 {
                    mistakes.push(at);
                }
                at = to;
            }
        }
    }
    mistakes.sort_unstable();
    mistakes
}

enum Markup<'a> {
    /// Not markup: the `<` is literal.
    None,
    /// A comment, CDATA section or instruction, left alone.
    Opaque {
        to: usize,
    },
    Start {
        name: &'a str,
        to: usize,
    },
    Empty {
        to: usize,
    },
    End {
        name: &'a str,
        to: usize,
    },
}

/// What the `<` at this place begins.
fn markup(text: &str, at: usize) -> Markup<'_> {
    let rest = &text[at..];
    for (begin, end) in [("<![CDATA[", "]]>"), ("<!--", "-->"), ("<?", "?>")] {
        if let Some(inside) = rest.strip_prefix(begin) {
            return match inside.find(end) {
                Some(length) => Markup::Opaque {
                    to: at + begin.len() + length + end.len(),
                },
                // Nothing ends it: whatever else it may be, the frame was cut off.
                None => Markup::Opaque { to: text.len() },
            };
        }
    }
    let bytes = rest.as_bytes();
    let closing = bytes.get(1) == Some(&b'/');
    let name_from = if closing { 2 } else { 1 };
    if !bytes.get(name_from).is_some_and(|byte| starts_name(*byte)) {
        return Markup::None;
    }
    let Some(length) = tag_length(bytes) else {
        return Markup::None;
    };
    let ends_name = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>');
    let name_length = bytes[name_from..length]
        .iter()
        .position(ends_name)
        .unwrap_or_default();
    let name = &rest[name_from..name_from + name_length];
    let to = at + length;
    match (closing, bytes[length - 2]) {
        (true, _) => Markup::End { name, to },
        (false, b'/') => Markup::Empty { to },
        (false, _) => Markup::Start { name, to },
    }
}

/// The length of a tag up to its `>`; none where another `<` comes first outside quotes, or nothing ends it.
fn tag_length(bytes: &[u8]) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in bytes.iter().enumerate().skip(1) {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (_, b'<') => return None,
            (None, b'"' | b'\'') => quote = Some(*byte),
            (Some(open), byte) if open == *byte => quote = None,
            _ => {}
        }
    }
    None
}

fn stray_ampersands(text: &str, from: usize, to: usize, mistakes: &mut Vec<usize>) {
    for (at, _) in text[from..to].match_indices('&') {
        if !begins_reference(&text[from + at..]) {
            mistakes.push(from + at);
        }
    }
}

fn begins_reference(text: &str) -> bool {
    // The longest reference has ten characters: `&#x10ffff;`, and some leading zeros may stand in it.
    let end = text.bytes().take(24).position(|byte| byte == b';');
    end.is_some_and(|end| reference(&text[..=end]).is_some())
}
