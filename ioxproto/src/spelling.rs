//! Matches addresses of nodes in the spellings that people use.

use std::fmt;

/// A pattern for the addresses of nodes: a node's address in any spelling, or the address of a
/// device, which is a node's address without the last part.
///
/// Matching ignores case. In an Insteon address it also ignores the kind of separator (space, `.`,
/// `:`, `-`, `_`) and leading zeros: `1a.2b.3c.1`, `1A 2B 3C 1` and `1a:2b:3c:01` are the same
/// node. Three parts match all nodes of the device. Other addresses without their `_` and number
/// match all nodes of the device, too.
///
/// ```
/// use ioxproto::NodePattern;
///
/// let device = NodePattern::new("1a.2b.3c");
/// assert!(device.is_match("1A 2B 3C 1") && device.is_match("1A 2B 3C 2"));
/// assert!(!device.is_match("1A 2B 3D 1"));
/// assert!(NodePattern::new("01.02.0C.1").is_match("1 2 C 1"));
/// assert!(NodePattern::new("zw012").is_match("ZW012_1"));
/// assert!(!NodePattern::new("n003").is_match("n003_thermostat"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct NodePattern {
    written: String,
    spelling: Spelling,
}

/// A normalized address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Spelling {
    /// Insteon: three bytes of the device and, for a node, one more.
    Bytes(Vec<u8>),
    /// Any other, in lower case.
    Text(String),
}

impl Spelling {
    pub(crate) fn of(address: &str) -> Self {
        let address = address.trim();
        Self::bytes(address).unwrap_or_else(|| Self::Text(address.to_lowercase()))
    }

    /// Parses three or four hexadecimal numbers below 256, with separators.
    fn bytes(address: &str) -> Option<Self> {
        if address.len() > 16 {
            return None;
        }
        let bytes: Vec<u8> = address
            .split([' ', '.', ':', '-', '_'])
            .map(|part| match part.len() {
                1 | 2 if !part.starts_with('+') => u8::from_str_radix(part, 16).ok(),
                _ => None,
            })
            .collect::<Option<_>>()?;
        matches!(bytes.len(), 3 | 4).then_some(Self::Bytes(bytes))
    }
}

/// Whether two spellings are the same address. A device's address differs from those of its nodes.
pub(crate) fn is_same_address(one: &str, other: &str) -> bool {
    one == other || Spelling::of(one) == Spelling::of(other)
}

impl NodePattern {
    /// Creates a pattern from an address in any spelling.
    #[must_use]
    pub fn new(written: &str) -> Self {
        Self {
            written: written.to_owned(),
            spelling: Spelling::of(written),
        }
    }

    /// The original spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether the pattern matches a node with this address.
    #[must_use]
    pub fn is_match(&self, address: &str) -> bool {
        match (&self.spelling, Spelling::of(address)) {
            (Spelling::Bytes(wanted), Spelling::Bytes(bytes)) => {
                *wanted == bytes || (wanted.len() == 3 && bytes.starts_with(wanted))
            }
            (Spelling::Text(wanted), Spelling::Text(text)) => {
                *wanted == text || Some(&**wanted) == device(&text)
            }
            _ => false,
        }
    }
}

/// The device's address of a node, if the node is a number after a `_`.
fn device(address: &str) -> Option<&str> {
    let (device, node) = address.rsplit_once('_')?;
    let is_number = !node.is_empty() && node.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(device)
}

impl fmt::Debug for NodePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written.fmt(f)
    }
}

impl fmt::Display for NodePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_spelling_of_an_address_is_the_same_node() {
        for written in [
            "1A 2B 3C 1",
            "1a.2b.3c.1",
            "1a:2b:3c:01",
            "1A-2B-3C-1",
            " 1a 2b 3c 1 ",
        ] {
            assert!(
                NodePattern::new(written).is_match("1A 2B 3C 1"),
                "{written}"
            );
        }
        assert!(NodePattern::new("0A.0B.0C.1").is_match("A B C 1"));
        assert!(NodePattern::new("N003_Climate").is_match("n003_climate"));
        assert!(!NodePattern::new("+A.0B.0C.1").is_match("A B C 1"));
    }

    #[test]
    fn a_device_matches_only_its_own_nodes() {
        let device = NodePattern::new("1A 2B 3C");
        assert!(device.is_match("1A 2B 3C 1") && device.is_match("1A 2B 3C 8"));
        assert!(!device.is_match("1A 2B 3C1") && !device.is_match("A1 2B 3C 1"));
        assert!(!NodePattern::new("1A 2B").is_match("1A 2B 3C 1"));
        assert!(NodePattern::new("ZW012").is_match("ZW012_114"));
        assert!(!NodePattern::new("ZW01").is_match("ZW012_1"));
        assert!(!NodePattern::new("n003").is_match("n003_climate"));
        assert!(!NodePattern::new("").is_match("1A 2B 3C 1"));
    }

    #[test]
    fn one_address_is_the_same_in_two_spellings_and_a_device_is_not_its_nodes() {
        assert!(is_same_address("0A 2b 3C 1", "A.2B.3c.01"));
        assert!(is_same_address("n003_x", "N003_X"));
        for (one, other) in [
            ("0A 2B 3C 1", "0A 2B 3C 2"),
            ("1A 2B 3C", "1A 2B 3C 1"),
            ("zw012", "zw012_1"),
            ("0123", "123"),
        ] {
            assert!(!is_same_address(one, other), "{one} {other}");
        }
    }

    #[test]
    fn an_invalid_address_matches_only_itself() {
        for odd in ["", "é", "1.2.3.4.5", "zz zz zz 1", "100 2 3 1", "_", "a_"] {
            assert!(NodePattern::new(odd).is_match(odd), "{odd}");
        }
        assert!(!NodePattern::new("1 2 3 4").is_match("1 2 3 4 5"));
    }
}
