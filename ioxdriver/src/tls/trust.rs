//! The policies for TLS certificates.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rustls::ClientConfig;
use sha2::{Digest as _, Sha256};

use crate::Authority;

/// How a controller's TLS certificate is verified. Default [`Trust::System`].
///
/// Every policy verifies the signature of the handshake, which proves that the peer has the
/// certificate's key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// By chain, dates and host name, against the platform's roots.
    #[default]
    System,
    /// By chain, dates and host name, against a private authority only.
    Authority(Authority),
    /// The certificate's fingerprint is one of these; chain, dates and name are not checked.
    /// Several pins allow for the renewal of a certificate.
    Pins(Vec<Fingerprint>),
    /// Accepts any certificate. An attacker between here and the controller can read the password.
    Insecure,
}

impl Trust {
    /// A TLS configuration with this policy, for connections other than the controller's: TLS 1.2
    /// and 1.3 on `ring`.
    #[must_use]
    pub fn client_config(&self) -> Arc<ClientConfig> {
        super::client_config(self)
    }
}

/// The SHA-256 of a certificate (of its DER encoding).
///
/// ```
/// use ioxdriver::Fingerprint;
/// let hex = "ab".repeat(32);
/// let fingerprint: Fingerprint = format!("sha256:{}", hex.to_uppercase()).parse()?;
/// assert_eq!(fingerprint.to_string(), format!("sha256:{hex}"));
/// # Ok::<(), ioxdriver::FingerprintError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The text is not a fingerprint.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a fingerprint: write it as sha256: and 64 hexadecimal digits (colons between bytes are fine)"
)]
#[non_exhaustive]
pub struct FingerprintError;

ioxproto::debug_is_display! { FingerprintError }

impl TryFrom<&str> for Fingerprint {
    type Error = FingerprintError;

    fn try_from(text: &str) -> Result<Self, FingerprintError> {
        text.parse()
    }
}

impl TryFrom<&String> for Fingerprint {
    type Error = FingerprintError;

    fn try_from(text: &String) -> Result<Self, FingerprintError> {
        text.parse()
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = FingerprintError;

    fn try_from(text: String) -> Result<Self, FingerprintError> {
        text.parse()
    }
}

impl From<Infallible> for FingerprintError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let (algorithm, digits) = text.trim().split_once(':').ok_or(FingerprintError)?;
        if !algorithm.eq_ignore_ascii_case("sha256") {
            return Err(FingerprintError);
        }
        let digits: Vec<u8> = digits.bytes().filter(|byte| *byte != b':').collect();
        let mut bytes = [0; 32];
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(FingerprintError);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| FingerprintError)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| FingerprintError)?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_with_and_without_colons() {
        let fingerprint = Fingerprint::of(b"certificate");
        let plain = fingerprint.to_string();
        assert_eq!(plain.len(), 7 + 64);
        assert_eq!(plain.parse(), Ok(fingerprint));
        let pairs: Vec<_> = plain.as_bytes()[7..]
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).unwrap())
            .collect();
        assert_eq!(
            format!("SHA256:{}", pairs.join(":").to_uppercase()).parse(),
            Ok(fingerprint)
        );
    }

    #[test]
    fn texts_that_are_not_fingerprints_are_refused() {
        for text in [
            "",
            "sha256:",
            "sha256:00",
            "sha1:00",
            &"0".repeat(64),
            &format!("sha256:{}", "g".repeat(64)),
        ] {
            assert_eq!(text.parse::<Fingerprint>(), Err(FingerprintError), "{text}");
        }
    }
}
