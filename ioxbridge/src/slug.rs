//! Slugs: addresses and names in the form used in topics and in Home Assistant ids.
//!
//! Rules:
//!
//! * A slug consists of one or more of the characters `[A-Za-z0-9_-]`.
//! * For an Insteon address (four hexadecimal bytes separated by blanks), each byte is padded to
//!   two digits, and the bytes are joined by `_`: `1A 2B 3C 1` becomes `1A_2B_3C_01`. Letter case
//!   is kept.
//! * Any other string keeps its characters `[A-Za-z0-9_]`; every other byte becomes `-` and two
//!   hexadecimal digits. The slug of the empty text is `-`.
//! * If a string looks like an Insteon slug or is a word that the bridge reserves, its first byte
//!   is escaped.
//!
//! A slug can therefore be decoded, except for the padding of Insteon bytes, and two addresses
//! never share a slug.

use std::fmt::Write as _;

/// The topic levels and ids that the bridge reserves for itself.
const RESERVED: [&str; 13] = [
    "active",
    "availability",
    "bridge",
    "controller",
    "enabled",
    "event",
    "info",
    "program",
    "set",
    "state",
    "sync",
    "test",
    "variable",
];

/// Returns the slug of a string.
pub(crate) fn slug(text: &str) -> String {
    match insteon(text, ' ') {
        Some(bytes) => padded(&bytes),
        None => escaped(text, is_taken(text)),
    }
}

/// Returns the slug of a string for a place where reserved words are not ambiguous.
pub(crate) fn plain_slug(text: &str) -> String {
    escaped(text, false)
}

fn escaped(text: &str, is_taken: bool) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    let mut slug = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        let is_plain = byte.is_ascii_alphanumeric() || byte == b'_';
        if is_plain && !(at == 0 && is_taken) {
            slug.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(slug, "-{byte:02X}");
        }
    }
    slug
}

/// Decodes a slug; `None` if [`slug`] never returns it.
#[cfg(test)]
pub(crate) fn read(slug: &str) -> Option<String> {
    if let Some(bytes) = insteon(slug, '_').filter(|bytes| padded(bytes) == slug) {
        return Some(bytes.join(" "));
    }
    if slug == "-" {
        return Some(String::new());
    }
    let mut bytes = Vec::new();
    let mut rest = slug.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'-' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Returns the slug of a controller's UUID for ids: a MAC address in lower case, without
/// separators.
pub(crate) fn uuid_slug(uuid: &str) -> String {
    let digits: String = uuid.chars().filter(|character| *character != ':').collect();
    if digits.len() == 12 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        digits.to_ascii_lowercase()
    } else {
        slug(uuid)
    }
}

/// Whether a string, unescaped, would be ambiguous: reserved, or the slug of another address.
fn is_taken(text: &str) -> bool {
    RESERVED.contains(&text)
        || text.starts_with("program_")
        || text.starts_with("variable_")
        || insteon(text, '_').is_some_and(|bytes| padded(&bytes) == text)
}

/// Returns the four bytes of an Insteon address, as written.
fn insteon(text: &str, separator: char) -> Option<Vec<&str>> {
    let parts: Vec<&str> = text.split(separator).collect();
    let is_byte = |part: &&str| {
        matches!(part.len(), 1 | 2) && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    (parts.len() == 4 && parts.iter().all(is_byte)).then_some(parts)
}

fn padded(bytes: &[&str]) -> String {
    let padded: Vec<String> = bytes.iter().map(|byte| format!("{byte:0>2}")).collect();
    padded.join("_")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_and_names_become_slugs() {
        for (text, expected) in [
            ("1A 2B 3C 1", "1A_2B_3C_01"),
            ("1A 2B 3C 01", "1A_2B_3C_01"),
            ("n003_t1", "n003_t1"),
            ("ZW012_114", "ZW012_114"),
            ("20481", "20481"),
            ("n003 x/+#", "n003-20x-2F-2B-23"),
            ("n-3", "n-2D3"),
            ("é", "-C3-A9"),
            ("", "-"),
            ("-", "-2D"),
            ("program", "-70rogram"),
            ("program_0012", "-70rogram_0012"),
            ("1A_2B_3C_01", "-31A_2B_3C_01"),
            ("1A_2B_3C_1", "1A_2B_3C_1"),
        ] {
            assert_eq!(slug(text), expected, "{text}");
        }
        assert_eq!(uuid_slug("00:21:B9:A1:b2:c3"), "0021b9a1b2c3");
        assert_eq!(uuid_slug("uuid 7"), "uuid-207");
    }

    /// Pads the bytes of an Insteon address, the only part that a slug does not preserve.
    fn normal(text: &str) -> String {
        match insteon(text, ' ') {
            Some(bytes) => padded(&bytes).replace('_', " "),
            None => text.to_owned(),
        }
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            ".{0,12}",
            "[0-9A-Fa-f]{1,2}[ _][0-9A-Fa-f]{1,2}[ _][0-9A-Fa-f]{1,2}[ _][0-9A-Fa-f]{1,2}",
            "-?(70)?(program|variable|state|set|event)(_[0-9]{1,4})?",
            "[-_A0-9]{0,6}",
        ]
    }

    proptest! {
        #[test]
        fn a_slug_can_be_read_back_and_has_no_special_characters(text in text()) {
            let slug = slug(&text);
            prop_assert!(!slug.is_empty());
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            prop_assert!(slug.bytes().all(is_plain));
            prop_assert!(!RESERVED.contains(&slug.as_str()));
            prop_assert_eq!(read(&slug), Some(normal(&text)));
        }

        #[test]
        fn two_addresses_never_share_a_slug(one in text(), other in text()) {
            prop_assert_eq!(slug(&one) == slug(&other), normal(&one) == normal(&other));
        }
    }
}
