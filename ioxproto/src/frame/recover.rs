//! Repairs the XML errors that controllers write into log texts: an `&` or `<` that is not markup,
//! words in angle brackets that are never closed (`<NULL>`), and references to characters that XML
//! forbids.
//!
//! Only texts that are not well-formed are repaired. Tags outside the children of the root stay
//! unchanged, so that a truncated frame is not turned into a complete one.

use std::collections::BTreeMap;

use super::characters::REPLACEMENT;
use super::xml::{resolve_reference, starts_name};

/// A start tag whose end tag has not been found yet.
struct Open<'a> {
    at: usize,
    name: &'a str,
}

/// A place in the text that looks like markup and is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mistake {
    at: usize,
    /// The length of a reference to a character that XML forbids; 0 for a literal `&` or `<`.
    reference: usize,
}

/// Escapes the mistakes in a message and replaces references to forbidden characters by U+FFFD.
/// Returns the number of replaced references. Linear in time, except for sorting the mistakes.
pub(crate) fn repair(text: &str, into: &mut String) -> usize {
    into.clear();
    let mistakes = mistakes(text);
    let mut written = 0;
    let mut forbidden = 0;
    for Mistake { at, reference } in mistakes {
        into.push_str(&text[written..at]);
        written = at + reference.max(1);
        match text.as_bytes()[at] {
            _ if reference > 0 => {
                forbidden += 1;
                into.push(REPLACEMENT);
            }
            b'&' => into.push_str("&amp;"),
            _ => into.push_str("&lt;"),
        }
    }
    into.push_str(&text[written..]);
    forbidden
}

/// Finds every literal `&` and `<` and every reference to a forbidden character, in order.
fn mistakes(text: &str) -> Vec<Mistake> {
    let literal = |at| Mistake { at, reference: 0 };
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
            mistakes.extend(wrong_reference(text, at));
            at += 1;
            continue;
        }
        match markup(text, at) {
            Markup::None => {
                mistakes.push(literal(at));
                at += 1;
            }
            Markup::Opaque { to } => at = to,
            Markup::Empty { to } => {
                wrong_references(text, at, to, &mut mistakes);
                at = to;
            }
            Markup::Start { name, to } => {
                open.push(Open { at, name });
                *names.entry(name).or_default() += 1;
                wrong_references(text, at, to, &mut mistakes);
                at = to;
            }
            Markup::End { name, to } => {
                if names.get(name).is_some_and(|count| *count > 0) {
                    // A tag that was opened after this one and never closed is literal text, if it
                    // is inside a child.
                    while let Some(last) = open.pop() {
                        *names.entry(last.name).or_default() -= 1;
                        if last.name == name {
                            break;
                        }
                        if open.len() >= 2 {
                            mistakes.push(literal(last.at));
                        }
                    }
                } else if open.len() >= 2 {
                    mistakes.push(literal(at));
                }
                at = to;
            }
        }
    }
    mistakes.sort_unstable();
    mistakes
}

/// What a `<` begins.
enum Markup<'a> {
    /// Not markup: the `<` is literal.
    None,
    /// A comment, CDATA section or processing instruction. It is not changed.
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

/// Classifies what the `<` at this offset begins.
fn markup(text: &str, at: usize) -> Markup<'_> {
    let rest = &text[at..];
    for (begin, end) in [("<![CDATA[", "]]>"), ("<!--", "-->"), ("<?", "?>")] {
        if let Some(inside) = rest.strip_prefix(begin) {
            return match inside.find(end) {
                Some(length) => Markup::Opaque {
                    to: at + begin.len() + length + end.len(),
                },
                // It has no end, so the frame is truncated.
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

/// The length of a tag including its `>`. `None` if another `<` precedes it outside quotes, or if
/// the tag has no end.
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

fn wrong_references(text: &str, from: usize, to: usize, mistakes: &mut Vec<Mistake>) {
    for (at, _) in text[from..to].match_indices('&') {
        mistakes.extend(wrong_reference(text, from + at));
    }
}

/// Checks the `&` at this offset. Returns the mistake, if there is one.
fn wrong_reference(text: &str, at: usize) -> Option<Mistake> {
    // The longest reference has ten characters (`&#x10ffff;`), plus leading zeros.
    let rest = &text[at..];
    let end = rest.bytes().take(24).position(|byte| byte == b';');
    let whole = end.map(|end| &rest[..=end]);
    match whole {
        Some(whole) if resolve_reference(whole).is_some() => None,
        Some(whole) if is_forbidden(whole) => Some(Mistake {
            at,
            reference: whole.len(),
        }),
        _ => Some(Mistake { at, reference: 0 }),
    }
}

/// Whether this is a numeric reference to a character. The caller has excluded the allowed ones.
fn is_forbidden(whole: &str) -> bool {
    let Some(number) = whole
        .strip_prefix("&#")
        .and_then(|rest| rest.strip_suffix(';'))
    else {
        return false;
    };
    let (digits, radix) = number
        .strip_prefix('x')
        .map_or((number, 10), |digits| (digits, 16));
    let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let character = u32::from_str_radix(digits, radix)
        .ok()
        .and_then(char::from_u32);
    plain && character.is_some()
}
