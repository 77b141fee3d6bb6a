//! The rustls configuration, with its certificate verifier.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ioxproto::{Failure, FailureKind, IdentityProblem};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError,
    SignatureScheme,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;

mod authority;
mod certificate;
mod inspect;
mod record_tracker;
mod session;
mod trust;

pub use self::authority::{Authority, AuthorityError};
pub use self::certificate::ServerCertificate;
pub use self::inspect::{InspectError, Inspection};
pub(crate) use self::session::Session;
pub use self::trust::{Fingerprint, FingerprintError, Trust};
use crate::net::failure;

/// In bits. `ring` does not verify signatures of shorter keys.
const SHORTEST_RSA: usize = 2048;

/// The configurations in use, by policy.
static IN_USE: Mutex<Vec<(Trust, Weak<ClientConfig>)>> = Mutex::new(Vec::new());

/// The TLS configuration for a policy: TLS 1.2 and 1.3 on `ring`, without changing the process-wide
/// default. Streams with the same policy share it while one of them exists, because it takes
/// several KB and, for [`Trust::System`], has to read the platform's roots.
pub(crate) fn client_config(trust: &Trust) -> Arc<ClientConfig> {
    let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
    in_use.retain(|(_, config)| config.strong_count() > 0);
    let known = in_use
        .iter()
        .find(|(policy, _)| policy == trust)
        .and_then(|(_, config)| config.upgrade());
    known.unwrap_or_else(|| {
        let config = new_config(trust);
        in_use.push((trust.clone(), Arc::downgrade(&config)));
        config
    })
}

fn new_config(trust: &Trust) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut own = Vec::new();
    let policy = match trust {
        // Without any roots on this computer every certificate is unknown, and is refused for that
        // reason.
        Trust::System => Policy::Chain(
            rustls_platform_verifier::Verifier::new(Arc::clone(&provider))
                .ok()
                .map(|verifier| Arc::new(verifier) as _),
        ),
        Trust::Authority(authority) => {
            own = authority.fingerprints().to_vec();
            Policy::Chain(
                WebPkiServerVerifier::builder_with_provider(
                    authority.roots(),
                    Arc::clone(&provider),
                )
                .build()
                .ok()
                .map(|verifier| verifier as _),
            )
        }
        Trust::Pins(pins) => Policy::Pins(pins.clone()),
        Trust::Insecure => Policy::Any,
    };
    let verifier = PolicyVerifier {
        policy,
        own,
        provider: Arc::clone(&provider),
    };
    let builder = ClientConfig::builder_with_provider(provider);
    #[expect(
        clippy::expect_used,
        reason = "ring serves both versions, so this cannot fail"
    )]
    let builder = builder
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3");
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = builder.with_no_client_auth();
    // Streams last for weeks, so there is nothing to resume.
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

/// The server name for the handshake. A host that is not a valid name, for example because of an
/// underscore, is not sent: its certificate cannot be checked by name, but it can be pinned.
pub(crate) fn server_name(host: &str) -> ServerName<'static> {
    // The zone of a link-local address is only meaningful on this computer.
    let name = host.split('%').next().unwrap_or_default();
    ServerName::try_from(name.to_owned())
        .unwrap_or_else(|_| ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into()))
}

/// Converts the error of a TLS handshake.
pub(crate) fn handshake_failure(error: &std::io::Error, peer: &str) -> Failure {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>());
    match tls {
        Some(Error::InvalidCertificate(CertificateError::Other(OtherError(cause)))) => {
            if let Some(weak) = cause.downcast_ref::<WeakKey>() {
                return tls_too_old(peer, &weak.to_string());
            }
            match cause.downcast_ref::<Refusal>() {
                Some(refusal) => refusal.failure(peer),
                None => Failure::identity(
                    IdentityProblem::Unverifiable,
                    "",
                    format!("the certificate of {peer} cannot be verified: {cause}"),
                ),
            }
        }
        Some(Error::InvalidCertificate(CertificateError::BadSignature)) => Failure::identity(
            IdentityProblem::Unverifiable,
            "",
            format!(
                "the peer at {peer} shows a certificate but does not hold the key to it (bad signature): someone is intercepting the connection, or the controller's TLS is broken; nothing was sent"
            ),
        ),
        Some(Error::InvalidCertificate(cause)) => Failure::identity(
            IdentityProblem::Unverifiable,
            "",
            format!("the TLS handshake of {peer} cannot be verified: {cause}"),
        ),
        Some(Error::InvalidMessage(_)) => Failure::transport(
            FailureKind::Tls,
            format!(
                "{peer} does not speak TLS: if it is the controller's plain port, use http:// on a network that you trust"
            ),
        ),
        // The alerts of servers that share no version, cipher or signature scheme with us.
        Some(Error::AlertReceived(
            alert @ (AlertDescription::ProtocolVersion
            | AlertDescription::HandshakeFailure
            | AlertDescription::InsufficientSecurity),
        )) => tls_too_old(peer, &format!("{alert:?}")),
        Some(Error::PeerIncompatible(what)) => tls_too_old(peer, &format!("{what:?}")),
        Some(Error::AlertReceived(alert)) => Failure::transport(
            FailureKind::Tls,
            format!("{peer} aborted the TLS handshake ({alert:?})"),
        ),
        Some(other) => Failure::transport(
            FailureKind::Tls,
            format!("the TLS handshake with {peer} failed: {other}"),
        ),
        None => failure::connection_failure(error, peer, "during the TLS handshake"),
    }
}

fn tls_too_old(peer: &str, what: &str) -> Failure {
    Failure::transport(
        FailureKind::TlsTooOld,
        format!(
            "{peer} supports only TLS versions that are too old to be safe ({what}), as an ISY-994 does: use http:// with it, on a network that you trust"
        ),
    )
}

/// Why a certificate was refused. rustls carries it as an error source.
#[derive(Debug)]
struct Refusal {
    problem: IdentityProblem,
    shown: Fingerprint,
    pins: Vec<Fingerprint>,
    /// It is one of the certificates of the private authority.
    is_authority: bool,
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the certificate {} was refused ({})",
            self.shown,
            self.problem.code()
        )
    }
}

impl Refusal {
    fn failure(&self, peer: &str) -> Failure {
        let shown = self.shown;
        let how =
            format!("if {shown} is the fingerprint of your controller, trust it by pinning it");
        let detail = match self.problem {
            IdentityProblem::WrongPin => {
                let pins: Vec<_> = self.pins.iter().map(Fingerprint::to_string).collect();
                format!(
                    "{peer} shows a certificate that is not pinned: it shows {shown}, but the pin is {}. Either the controller has a new certificate, or someone is intercepting the connection; nothing was sent. If you know that it is new, pin the new one",
                    pins.join(" and ")
                )
            }
            IdentityProblem::WrongName => {
                format!("the certificate of {peer} is for another name; {how}")
            }
            IdentityProblem::Expired => {
                format!("the certificate of {peer} has expired, or the clock here is wrong; {how}")
            }
            IdentityProblem::NotYetValid => {
                format!(
                    "the certificate of {peer} is not valid yet, or the clock here is wrong; {how}"
                )
            }
            IdentityProblem::UnknownIssuer if self.is_authority => {
                format!(
                    "the certificate of {peer} is itself the one given as an authority, and an authority can only verify other certificates: if {shown} is the fingerprint of your controller, pin it instead"
                )
            }
            IdentityProblem::UnknownIssuer => {
                format!("no trusted authority has signed the certificate of {peer}; {how}")
            }
            _ => format!("the certificate of {peer} cannot be verified; {how}"),
        };
        Failure::identity(self.problem, shown.to_string(), detail)
    }
}

/// Which certificates are accepted.
#[derive(Debug)]
enum Policy {
    Chain(Option<Arc<dyn ServerCertVerifier>>),
    Pins(Vec<Fingerprint>),
    Any,
}

/// Verifies certificates by a policy.
#[derive(Debug)]
struct PolicyVerifier {
    policy: Policy,
    /// The certificates of the private authority.
    own: Vec<Fingerprint>,
    provider: Arc<CryptoProvider>,
}

impl PolicyVerifier {
    fn refuse(&self, problem: IdentityProblem, certificate: &CertificateDer<'_>) -> Error {
        let pins = match &self.policy {
            Policy::Pins(pins) => pins.clone(),
            Policy::Chain(_) | Policy::Any => Vec::new(),
        };
        let shown = Fingerprint::of(certificate);
        let refusal = Refusal {
            problem,
            shown,
            pins,
            is_authority: self.own.contains(&shown),
        };
        CertificateError::Other(OtherError(Arc::new(refusal))).into()
    }

    /// The public key of a certificate of any version. The usual verifier refuses X.509 v1.
    fn public_key(
        &self,
        certificate: &CertificateDer<'_>,
    ) -> Result<SubjectPublicKeyInfoDer<'static>, Error> {
        let (_, parsed) = X509Certificate::from_der(certificate)
            .map_err(|_| self.refuse(IdentityProblem::Unverifiable, certificate))?;
        Ok(SubjectPublicKeyInfoDer::from(
            parsed.public_key().raw.to_vec(),
        ))
    }
}

impl ServerCertVerifier for PolicyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // Check the key first: one that is too short can be neither trusted nor pinned.
        if let Some(weak) = WeakKey::of(end_entity) {
            return Err(CertificateError::Other(OtherError(Arc::new(weak))).into());
        }
        let problem = match &self.policy {
            Policy::Any => return Ok(ServerCertVerified::assertion()),
            Policy::Pins(pins) if pins.contains(&Fingerprint::of(end_entity)) => {
                return Ok(ServerCertVerified::assertion());
            }
            Policy::Pins(_) => IdentityProblem::WrongPin,
            Policy::Chain(None) => IdentityProblem::UnknownIssuer,
            Policy::Chain(Some(verifier)) => {
                match verifier.verify_server_cert(
                    end_entity,
                    intermediates,
                    server_name,
                    ocsp_response,
                    now,
                ) {
                    Ok(verified) => return Ok(verified),
                    Err(error) => problem(&error),
                }
            }
        };
        Err(self.refuse(problem, end_entity))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = self.public_key(certificate)?;
        let entity = webpki::RawPublicKeyEntity::try_from(&key)
            .map_err(|_| self.refuse(IdentityProblem::Unverifiable, certificate))?;
        let supported = self.provider.signature_verification_algorithms;
        let algorithms = supported
            .mapping
            .iter()
            .filter(|(scheme, _)| *scheme == signed.scheme);
        let valid = algorithms
            .flat_map(|(_, algorithms)| algorithms.iter())
            .any(|algorithm| {
                entity
                    .verify_signature(*algorithm, message, signed.signature())
                    .is_ok()
            });
        if valid {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = self.public_key(certificate)?;
        verify_tls13_signature_with_raw_key(
            message,
            &key,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// An RSA key that is too short for `ring` to verify its signatures, as in an ISY-994.
#[derive(Debug)]
struct WeakKey {
    bits: usize,
}

impl WeakKey {
    fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        match parsed.public_key().parsed() {
            Ok(PublicKey::RSA(key)) if key.key_size() < SHORTEST_RSA => Some(Self {
                bits: key.key_size(),
            }),
            _ => None,
        }
    }
}

impl std::error::Error for WeakKey {}

impl fmt::Display for WeakKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an RSA key of {} bits", self.bits)
    }
}

fn problem(error: &Error) -> IdentityProblem {
    let Error::InvalidCertificate(error) = error else {
        return IdentityProblem::Unverifiable;
    };
    match error {
        CertificateError::UnknownIssuer => IdentityProblem::UnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            IdentityProblem::WrongName
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            IdentityProblem::Expired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            IdentityProblem::NotYetValid
        }
        // Self-signed certificates that are not an authority, as controllers have them, end up
        // here.
        CertificateError::Other(_) => IdentityProblem::UnknownIssuer,
        _ => IdentityProblem::Unverifiable,
    }
}

#[cfg(test)]
#[path = "../../tests/unit/handshakes.rs"]
mod handshakes;
