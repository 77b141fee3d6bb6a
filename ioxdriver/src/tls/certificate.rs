//! The content of a server's certificate, for people.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate, X509Name};

use crate::Fingerprint;

/// Texts and lists of a certificate are truncated after this many characters or entries, because
/// they are not trusted.
const MAX_SHOWN: usize = 256;

/// A server's certificate. Nothing in it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerCertificate {
    /// Its SHA-256.
    pub fingerprint: Fingerprint,
    /// Its subject, such as `CN=eisy, O=Universal Devices`; may be empty.
    pub subject: String,
    /// Its issuer; the same as the subject in a self-signed certificate.
    pub issuer: String,
    /// Valid from.
    pub not_before: SystemTime,
    /// Valid until.
    pub not_after: SystemTime,
    /// Its host names and addresses, including wildcards; empty if it has none except in the
    /// subject.
    pub names: Vec<String>,
}

impl ServerCertificate {
    /// Reads a certificate in DER, of any version of X.509. `None` if it is not a certificate.
    ///
    /// Drivers get it from the TLS library: it is the first of `peer_certificates`. Control
    /// characters in strings are replaced, so that they can be shown on a terminal.
    #[must_use]
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let names = parsed.subject_alternative_name().ok().flatten();
        let names = names
            .into_iter()
            .flat_map(|names| &names.value.general_names);
        Some(Self {
            fingerprint: Fingerprint::of(der),
            subject: shown_name(parsed.subject()),
            issuer: shown_name(parsed.issuer()),
            not_before: time(parsed.validity().not_before.timestamp())?,
            not_after: time(parsed.validity().not_after.timestamp())?,
            names: names.filter_map(host).take(MAX_SHOWN).collect(),
        })
    }
}

fn host(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(shown(name)),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let v6 = <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
            v4.or(v6).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

fn shown_name(name: &X509Name<'_>) -> String {
    shown(&name.to_string())
}

fn shown(text: &str) -> String {
    let neutralise = |character: char| match character {
        character if character.is_control() => char::REPLACEMENT_CHARACTER,
        // These change the writing direction.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            char::REPLACEMENT_CHARACTER
        }
        character => character,
    };
    text.chars().take(MAX_SHOWN).map(neutralise).collect()
}

fn time(since_epoch: i64) -> Option<SystemTime> {
    let distance = Duration::from_secs(since_epoch.unsigned_abs());
    if since_epoch < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_of_version_3_and_1_are_read() {
        let signed = include_bytes!("../../tests/certificates/signed.der");
        let signed = ServerCertificate::from_der(signed).unwrap();
        assert_eq!(signed.subject, "CN=eisy.test");
        assert_eq!(signed.issuer, "CN=Home CA");
        assert_eq!(signed.names, ["eisy.test", "127.0.0.1"]);
        assert!(signed.not_before < signed.not_after);
        let v1 = include_bytes!("../../tests/certificates/rsa-v1.der");
        let v1 = ServerCertificate::from_der(v1).unwrap();
        assert_eq!(
            (v1.subject.as_str(), v1.names.len()),
            ("CN=eisy.test, O=Test", 0)
        );
    }

    #[test]
    fn malformed_certificates_are_none_and_do_not_panic() {
        let der = include_bytes!("../../tests/certificates/signed.der");
        for length in 0..der.len() {
            assert_eq!(ServerCertificate::from_der(&der[..length]), None);
        }
        for index in 0..der.len() {
            let mut damaged = der.to_vec();
            damaged[index] ^= 0xff;
            let _ = ServerCertificate::from_der(&damaged);
        }
    }

    #[test]
    fn control_characters_are_escaped_on_a_terminal() {
        assert_eq!(
            shown("a\u{1b}[2Jb\u{202e}c\n"),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}"
        );
        assert_eq!(shown(&"x".repeat(5000)).len(), MAX_SHOWN);
    }

    #[test]
    fn dates_before_1970_are_converted() {
        assert_eq!(
            time(-1),
            Some(SystemTime::UNIX_EPOCH - Duration::from_secs(1))
        );
        assert_eq!(
            time(60),
            Some(SystemTime::UNIX_EPOCH + Duration::from_secs(60))
        );
    }
}
