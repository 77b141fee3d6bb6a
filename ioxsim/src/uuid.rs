//! The UUID of a controller.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The UUID of a controller: the hardware address of its network interface.
///
/// ```
/// let first: ioxsim::Uuid = "00:21:b9:00:00:ff".parse()?;
/// assert_eq!(first.plus(1).to_string(), "00:21:b9:00:01:00");
/// # Ok::<(), ioxsim::UuidError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid([u8; 6]);

/// A string that is not a UUID of a controller.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("write it as six bytes in hex with colons, such as 00:21:b9:00:00:01")]
#[non_exhaustive]
pub struct UuidError;

impl Uuid {
    /// Returns this UUID plus a number. Only the last three bytes count, and wrap around to 0; the
    /// first three identify the manufacturer.
    #[must_use]
    pub fn plus(self, count: u32) -> Self {
        let [a, b, c, x, y, z] = self.0;
        let [_, x, y, z] = u32::from_be_bytes([0, x, y, z])
            .wrapping_add(count)
            .to_be_bytes();
        Self([a, b, c, x, y, z])
    }
}

impl Default for Uuid {
    /// `00:21:b9:00:00:01`.
    fn default() -> Self {
        Self([0x00, 0x21, 0xb9, 0x00, 0x00, 0x01])
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, x, y, z] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{x:02x}:{y:02x}:{z:02x}")
    }
}

impl FromStr for Uuid {
    type Err = UuidError;

    fn from_str(text: &str) -> Result<Self, UuidError> {
        let mut uuid = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut uuid {
            let part = parts.next().ok_or(UuidError)?;
            let is_hex = part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit());
            if !is_hex {
                return Err(UuidError);
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| UuidError)?;
        }
        match parts.next() {
            None => Ok(Self(uuid)),
            Some(_) => Err(UuidError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_read_and_written_in_one_spelling() {
        let uuid: Uuid = "00:0D:B9:12:fe:03".parse().unwrap();
        assert_eq!(uuid.to_string(), "00:0d:b9:12:fe:03");
        for text in [
            "",
            "00:21:b9:00:00",
            "00:21:b9:00:00:01:02",
            "0:21:b9:00:00:01",
            "00:21:b9:00:00:0g",
            "00:21:b9:00:00:+1",
            "0021b9000001",
        ] {
            assert_eq!(text.parse::<Uuid>(), Err(UuidError), "{text}");
        }
    }

    #[test]
    fn the_manufacturer_stays_whatever_is_added() {
        let uuid = |text: &str| text.parse::<Uuid>().unwrap();
        assert_eq!(Uuid::default().plus(0), Uuid::default());
        assert_eq!(uuid("00:21:b9:00:ff:ff").plus(2), uuid("00:21:b9:01:00:01"));
        assert_eq!(uuid("00:21:b9:ff:ff:ff").plus(1), uuid("00:21:b9:00:00:00"));
    }
}
