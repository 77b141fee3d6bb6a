//! Certificates of a private authority.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use thiserror::Error;

use crate::Fingerprint;

/// The certificates of a private authority, for [`Trust::Authority`](crate::Trust::Authority).
/// Clones are cheap.
///
/// ```no_run
/// use ioxdriver::{Authority, Trust};
/// let trust = Trust::Authority(Authority::from_pem(&std::fs::read("home-ca.pem")?)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Authority {
    roots: Arc<RootCertStore>,
    fingerprints: Arc<[Fingerprint]>,
}

/// Why a file cannot be used as an authority.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// It contains no certificate.
    #[error(
        "no certificate in it: an authority's file is text (PEM) with a line -----BEGIN CERTIFICATE-----{}", if *.der { "; this one looks like DER, which openssl x509 -inform der -in FILE turns into PEM" } else { "" }
    )]
    NoCertificate {
        /// Whether it looks like a certificate in DER.
        der: bool,
    },
    /// A section of the text is damaged.
    #[error("the text is damaged: {detail}")]
    Damaged {
        /// What is wrong with it.
        detail: String,
    },
    /// One of its certificates cannot be used.
    #[error("its certificate number {number} cannot be used: {detail}")]
    Unusable {
        /// The number of the certificate, counted from 1.
        number: usize,
        /// What is wrong with it.
        detail: String,
    },
}

ioxproto::debug_is_display! { AuthorityError }

impl Authority {
    /// Reads the certificates of a PEM text: one or several, each an authority by itself. Ignores
    /// other sections, such as keys.
    ///
    /// # Errors
    ///
    /// [`AuthorityError`] if there is no certificate, or one that cannot be used.
    pub fn from_pem(pem: &[u8]) -> Result<Self, AuthorityError> {
        let mut roots = RootCertStore::empty();
        let mut fingerprints = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| AuthorityError::Damaged {
                detail: error.to_string(),
            })?;
            fingerprints.push(Fingerprint::of(&certificate));
            roots
                .add(certificate)
                .map_err(|error| AuthorityError::Unusable {
                    number: fingerprints.len(),
                    detail: error.to_string(),
                })?;
        }
        if fingerprints.is_empty() {
            return Err(AuthorityError::NoCertificate {
                der: pem.starts_with(&[0x30, 0x82]),
            });
        }
        Ok(Self {
            roots: Arc::new(roots),
            fingerprints: fingerprints.into(),
        })
    }

    /// The fingerprints of its certificates, in the order of the text.
    #[must_use]
    pub fn fingerprints(&self) -> &[Fingerprint] {
        &self.fingerprints
    }

    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.roots)
    }
}

impl PartialEq for Authority {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprints == other.fingerprints
    }
}

impl Eq for Authority {}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Authority")
            .field(&self.fingerprints)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &[u8] = include_bytes!("../../tests/certificates/authority.pem");

    #[test]
    fn one_certificate_or_several_are_read() {
        let one = Authority::from_pem(PEM).unwrap();
        assert_eq!(one.fingerprints().len(), 1);
        let text = String::from_utf8(PEM.to_vec()).unwrap();
        let two = format!("Our home\n{text}\nand again\r\n{text}");
        let two = Authority::from_pem(two.as_bytes()).unwrap();
        assert_eq!(
            two.fingerprints(),
            [one.fingerprints()[0], one.fingerprints()[0]]
        );
        assert_ne!(one, two);
    }

    #[test]
    fn files_without_a_usable_authority_are_refused_with_the_reason() {
        let text = String::from_utf8(PEM.to_vec()).unwrap();
        let error = |bytes: &[u8]| Authority::from_pem(bytes).unwrap_err();
        assert_eq!(error(b""), AuthorityError::NoCertificate { der: false });
        let der = include_bytes!("../../tests/certificates/signed.der");
        assert!(error(der).to_string().contains("openssl x509 -inform der"));
        assert_eq!(
            error(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
            AuthorityError::NoCertificate { der: false }
        );
        let cut = &PEM[..PEM.len() - 40];
        assert!(matches!(error(cut), AuthorityError::Damaged { .. }));
        let other = format!("{text}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        assert!(matches!(
            error(other.as_bytes()),
            AuthorityError::Unusable { number: 2, .. }
        ));
    }
}
