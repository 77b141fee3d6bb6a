//! The controller's TLS identity.

use std::fmt;
use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_rustls::TlsAcceptor;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use sha2::{Digest as _, Sha256};

/// A certificate and its key. Clone it to keep the identity across a restart.
///
/// ```
/// let tls = ioxsim::Tls::self_signed()?;
/// assert!(tls.fingerprint().starts_with("sha256:"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Tls {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Tls {
    /// Creates a new self-signed certificate for `localhost`, `127.0.0.1` and `::1`.
    ///
    /// # Errors
    ///
    /// If the system provides no randomness for a key.
    pub fn self_signed() -> io::Result<Self> {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
        Ok(Self::new(
            made.cert.der().to_vec(),
            made.signing_key.serialize_der(),
        ))
    }

    /// Makes an identity of a certificate and a PKCS #8 key, both DER. They are not checked and
    /// need not match, so that tests can show clients an invalid identity.
    #[must_use]
    pub fn new(certificate: Vec<u8>, key: Vec<u8>) -> Self {
        Self { certificate, key }
    }

    /// Reads the first certificate and the first PKCS #8 key of a PEM text, as
    /// [`to_pem`](Self::to_pem) writes it.
    ///
    /// # Errors
    ///
    /// If one of them is missing or damaged.
    pub fn from_pem(pem: &[u8]) -> io::Result<Self> {
        let damaged = |what: &str, error: rustls::pki_types::pem::Error| {
            io::Error::new(io::ErrorKind::InvalidData, format!("no {what}: {error}"))
        };
        let certificate =
            CertificateDer::from_pem_slice(pem).map_err(|error| damaged("certificate", error))?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem)
            .map_err(|error| damaged("PKCS #8 key", error))?;
        Ok(Self::new(
            certificate.to_vec(),
            key.secret_pkcs8_der().to_vec(),
        ))
    }

    /// Returns the certificate and the private key as PEM. Store it only in a file that no one else
    /// can read.
    #[must_use]
    pub fn to_pem(&self) -> String {
        section("CERTIFICATE", &self.certificate) + &section("PRIVATE KEY", &self.key)
    }

    /// Returns the certificate, DER.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Returns the SHA-256 fingerprint of the certificate: `sha256:` and 64 hex digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut text = String::from("sha256:");
        for byte in Sha256::digest(&self.certificate) {
            text.push_str(&format!("{byte:02x}"));
        }
        text
    }

    pub(crate) fn acceptor(&self) -> io::Result<TlsAcceptor> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.clone()));
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(io::Error::other)?;
        // Not `with_single_cert`: it parses the certificate, and refuses X.509 v1 and a key that
        // does not match.
        let shown = CertifiedKey::new(vec![CertificateDer::from(self.certificate.clone())], key);
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn section(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    // 48 bytes are 64 characters, the width of a line.
    for line in der.chunks(48) {
        text += &BASE64.encode(line);
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_reads_back_as_it_was_written() {
        let tls = Tls::self_signed().unwrap();
        let read = Tls::from_pem(tls.to_pem().as_bytes()).unwrap();
        assert_eq!(read.certificate, tls.certificate);
        assert_eq!(read.key, tls.key);
        read.acceptor().unwrap();
    }

    #[test]
    fn text_without_an_identity_is_refused() {
        let pem = Tls::self_signed().unwrap().to_pem();
        let certificate = &pem[..pem.find("-----BEGIN PRIVATE").unwrap()];
        for text in ["", "junk", certificate] {
            let error = Tls::from_pem(text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{text}");
        }
    }
}
