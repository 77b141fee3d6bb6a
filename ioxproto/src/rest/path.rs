//! Paths on the controller, percent-encoded (RFC 3986 section 2.1).

use std::fmt::Write as _;

use super::RequestError;
use super::document::shortened;

/// The longest path in bytes; an ISY-994 accepts 255, an IoX more.
pub(super) const MAX_PATH: usize = 2048;
/// The longest address in characters; real ones have up to 19.
const MAX_ADDRESS: usize = 64;

/// Builds a path from fixed words and encoded segments.
#[derive(Clone, Debug)]
pub(super) struct PathBuilder(String);

impl PathBuilder {
    /// Starts with this text, which is not encoded.
    pub(super) fn new(start: &str) -> Self {
        Self(start.to_owned())
    }

    /// Appends a segment. Encodes all characters except unreserved ones.
    pub(super) fn segment(mut self, text: &str) -> Self {
        self.0.push('/');
        encode(text, &mut self.0);
        self
    }

    /// Appends `name=value` to the query.
    pub(super) fn query(mut self, name: &str, value: &str) -> Self {
        self.0.push(if self.0.contains('?') { '&' } else { '?' });
        encode(name, &mut self.0);
        self.0.push('=');
        encode(value, &mut self.0);
        self
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        push(byte, unreserved, into);
    }
}

fn push(byte: u8, literal: bool, into: &mut String) {
    if literal {
        into.push(char::from(byte));
    } else {
        // Writing to a String cannot fail.
        let _ = write!(into, "%{byte:02X}");
    }
}

/// Checks and trims the address of a node or scene.
pub(super) fn checked_address(address: &str) -> Result<&str, RequestError> {
    let trimmed = address.trim();
    let length = trimmed.chars().count();
    // `.` and `..` would be resolved as relative segments.
    let dots = trimmed.bytes().all(|byte| byte == b'.');
    if length > MAX_ADDRESS || dots || trimmed.chars().any(char::is_control) {
        return Err(RequestError::Address {
            address: shortened(address),
            limit: MAX_ADDRESS,
        });
    }
    Ok(trimmed)
}

/// Checks a path from the caller, which may have a query. Encodes characters that are not allowed
/// in a request line; keeps existing escapes.
pub(super) fn raw(path: &str) -> Result<String, RequestError> {
    let refused = || RequestError::Path {
        path: shortened(path),
        limit: MAX_PATH,
    };
    if !path.starts_with('/') || path.starts_with("//") || path.contains('#') {
        return Err(refused());
    }
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        let literal = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte);
        push(byte, literal, &mut encoded);
    }
    if encoded.len() > MAX_PATH {
        return Err(refused());
    }
    Ok(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_encoded_except_for_unreserved_characters() {
        let path = PathBuilder::new("/rest/nodes")
            .segment("1A 2B 3C 1")
            .segment("a/b?c#d%e&f=g\u{e9}\r\n")
            .query("RR.25", "2 8")
            .query("OL.51", "80")
            .finish();
        assert_eq!(
            path,
            "/rest/nodes/1A%202B%203C%201/a%2Fb%3Fc%23d%25e%26f%3Dg%C3%A9%0D%0A?RR.25=2%208&OL.51=80"
        );
    }

    #[test]
    fn a_raw_path_cannot_break_the_request_line() {
        assert_eq!(
            raw("/rest/nodes/1A 2B/x%20y?a=b\r\nHost: evil").unwrap(),
            "/rest/nodes/1A%202B/x%20y?a=b%0D%0AHost:%20evil"
        );
        let longest = format!("/{}", "a".repeat(MAX_PATH - 1));
        assert_eq!(raw(&longest).unwrap(), longest);
        let longer = format!("{longest}a");
        for refused in ["", "rest", "//host/path", "/a#b", &longer] {
            assert!(raw(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn an_address_is_checked() {
        assert_eq!(checked_address(" 1A 2B 3C 1 ").unwrap(), "1A 2B 3C 1");
        assert_eq!(checked_address("n003_t1").unwrap(), "n003_t1");
        let longest = "\u{e9}".repeat(MAX_ADDRESS);
        assert_eq!(checked_address(&longest).unwrap(), longest);
        for refused in ["", "  ", "..", "a\nb", &format!("{longest}x")] {
            assert!(checked_address(refused).is_err(), "{refused}");
        }
    }
}
