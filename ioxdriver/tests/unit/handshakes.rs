//! Tests of each trust policy over TLS 1.2 and 1.3: handshakes in memory with the certificates in
//! `tests/certificates`.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::{Authority, Fingerprint, ServerCertificate, Trust, tls};
use ioxproto::{Failure, FailureKind, IdentityProblem};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ServerConnection;
use rustls::sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConnection, ProtocolVersion, ServerConfig, SignatureAlgorithm, SignatureScheme,
    SupportedProtocolVersion,
};

const BOTH: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
const PLACE: &str = "eisy.test:8443";

/// The result of a handshake: the TLS version, and the certificate that the client saw.
type HandshakeResult = Result<(ProtocolVersion, ServerCertificate), Failure>;

fn file(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificates");
    std::fs::read(folder.join(name)).unwrap()
}

fn certificate(name: &str) -> Vec<u8> {
    file(&format!("{name}.der"))
}

fn key(name: &str) -> Arc<dyn SigningKey> {
    let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(file(&format!("{name}.key.der"))));
    let provider = rustls::crypto::ring::default_provider();
    provider.key_provider.load_private_key(der).unwrap()
}

fn pin(name: &str) -> Trust {
    Trust::Pins(vec![Fingerprint::of(&certificate(name))])
}

fn authority() -> Trust {
    Trust::Authority(Authority::from_pem(&file("authority.pem")).unwrap())
}

/// Performs a handshake with a server that has this certificate and its key.
fn perform_handshake(
    trust: &Trust,
    host: &str,
    name: &str,
    version: &'static SupportedProtocolVersion,
) -> HandshakeResult {
    perform_handshake_with(trust, host, certificate(name), key(name), version)
}

fn perform_handshake_with(
    trust: &Trust,
    host: &str,
    certificate: Vec<u8>,
    key: Arc<dyn SigningKey>,
    version: &'static SupportedProtocolVersion,
) -> HandshakeResult {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    // `with_single_cert` would parse the certificate and refuse X.509 v1.
    let shown = CertifiedKey::new(vec![CertificateDer::from(certificate)], key);
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    let mut server = ServerConnection::new(Arc::new(config)).unwrap();
    let mut client =
        ClientConnection::new(tls::client_config(trust), tls::server_name(host)).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets().unwrap();
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        client.read_tls(&mut bytes.as_slice()).unwrap();
        if let Err(error) = client.process_new_packets() {
            let error = io::Error::new(io::ErrorKind::InvalidData, error);
            return Err(tls::handshake_failure(&error, PLACE));
        }
    }
    let seen = ServerCertificate::from_der(&client.peer_certificates().unwrap()[0]).unwrap();
    Ok((client.protocol_version().unwrap(), seen))
}

fn refused(result: HandshakeResult) -> (IdentityProblem, String, String) {
    match result {
        Err(Failure::Identity {
            problem,
            fingerprint,
            detail,
        }) => (problem, fingerprint, detail),
        other => panic!("not refused: {other:?}"),
    }
}

#[track_caller]
fn a_pin_suffices(name: &str, host: &str) {
    for version in BOTH {
        let (spoken, seen) = perform_handshake(&pin(name), host, name, version).unwrap();
        assert_eq!(spoken, version.version);
        assert_eq!(seen.fingerprint, Fingerprint::of(&certificate(name)));
    }
}

#[test]
fn a_pin_suffices_for_an_expired_certificate() {
    a_pin_suffices("ec-expired", "eisy.test");
}

#[test]
fn a_pin_suffices_for_a_certificate_that_is_not_yet_valid() {
    a_pin_suffices("ec-not-yet-valid", "eisy.test");
}

#[test]
fn a_pin_suffices_without_a_subject_alternative_name() {
    a_pin_suffices("ec-no-san", "eisy.test");
}

#[test]
fn a_pin_suffices_without_any_name() {
    a_pin_suffices("ec-nameless", "eisy.test");
}

#[test]
fn a_pin_suffices_for_x509_version_1() {
    a_pin_suffices("ec-v1", "eisy.test");
    a_pin_suffices("rsa-v1", "eisy.test");
}

#[test]
fn a_pin_suffices_for_rsa_2048_and_ec_p_256() {
    a_pin_suffices("rsa-no-san", "eisy.test");
    a_pin_suffices("ec-good", "eisy.test");
}

#[test]
fn a_pin_suffices_for_another_host_name() {
    a_pin_suffices("ec-wrong-name", "eisy.test");
}

#[test]
fn a_pin_suffices_for_ip_literals_and_invalid_names() {
    for host in ["192.168.1.17", "fd00::17", "my_eisy", ""] {
        a_pin_suffices("ec-good", host);
    }
}

#[test]
fn one_of_several_pins_suffices() {
    let pins = ["rsa-v1", "ec-good"].map(|name| Fingerprint::of(&certificate(name)));
    let trust = Trust::Pins(pins.to_vec());
    for version in BOTH {
        assert!(perform_handshake(&trust, "eisy.test", "ec-good", version).is_ok());
        assert!(perform_handshake(&trust, "eisy.test", "rsa-v1", version).is_ok());
        assert!(perform_handshake(&trust, "eisy.test", "ec-v1", version).is_err());
    }
}

#[test]
fn a_wrong_pin_is_refused_and_both_fingerprints_are_shown() {
    let shown = Fingerprint::of(&certificate("ec-good")).to_string();
    let pinned = Fingerprint::of(&certificate("ec-v1")).to_string();
    for version in BOTH {
        let (problem, fingerprint, detail) = refused(perform_handshake(
            &pin("ec-v1"),
            "eisy.test",
            "ec-good",
            version,
        ));
        assert_eq!(problem, IdentityProblem::WrongPin);
        assert_eq!(fingerprint, shown);
        assert!(
            detail.contains(&shown) && detail.contains(&pinned),
            "{detail}"
        );
        assert!(!problem.is_about_dates_only());
    }
}

#[test]
fn an_empty_list_of_pins_trusts_no_certificate() {
    for version in BOTH {
        let trust = Trust::Pins(Vec::new());
        let (problem, _, _) = refused(perform_handshake(&trust, "eisy.test", "ec-good", version));
        assert_eq!(problem, IdentityProblem::WrongPin);
    }
}

#[test]
fn a_server_with_the_certificate_but_not_its_key_is_refused_under_each_policy() {
    for version in BOTH {
        for (trust, shown, held) in [
            (pin("ec-good"), "ec-good", "ec-no-san"),
            (pin("ec-v1"), "ec-v1", "ec-no-san"),
            (pin("rsa-v1"), "rsa-v1", "rsa-no-san"),
            (authority(), "signed", "ec-no-san"),
            (Trust::Insecure, "ec-good", "ec-no-san"),
        ] {
            let result =
                perform_handshake_with(&trust, "eisy.test", certificate(shown), key(held), version);
            let (problem, _, detail) = refused(result);
            assert_eq!(problem, IdentityProblem::Unverifiable);
            assert!(detail.contains("does not hold the key"), "{detail}");
        }
    }
}

#[test]
fn a_private_authority_verifies_its_certificates_by_name_and_by_address() {
    for version in BOTH {
        for host in ["eisy.test", "127.0.0.1"] {
            let (spoken, seen) = perform_handshake(&authority(), host, "signed", version).unwrap();
            assert_eq!(spoken, version.version);
            assert_eq!(seen.issuer, "CN=Home CA");
        }
    }
}

#[test]
fn a_private_authority_refuses_another_name() {
    for version in BOTH {
        for (host, name) in [
            ("eisy.test", "signed-wrong-name"),
            ("other.test", "signed"),
            ("192.168.1.17", "signed"),
            ("my_eisy", "signed"),
        ] {
            let (problem, _, detail) =
                refused(perform_handshake(&authority(), host, name, version));
            assert_eq!(problem, IdentityProblem::WrongName);
            assert!(detail.contains("is for another name"), "{detail}");
        }
    }
}

#[test]
fn a_private_authority_checks_dates_which_time_may_fix() {
    for version in BOTH {
        let (problem, _, _) = refused(perform_handshake(
            &authority(),
            "eisy.test",
            "signed-expired",
            version,
        ));
        assert_eq!(problem, IdentityProblem::Expired);
        assert!(problem.is_about_dates_only());
    }
}

#[test]
fn a_private_authority_refuses_other_issuers() {
    for version in BOTH {
        for name in ["ec-good", "ec-no-san", "rsa-no-san"] {
            let (problem, fingerprint, detail) =
                refused(perform_handshake(&authority(), "eisy.test", name, version));
            assert_eq!(problem, IdentityProblem::UnknownIssuer, "{name}");
            assert_eq!(fingerprint, Fingerprint::of(&certificate(name)).to_string());
            assert!(detail.contains(&fingerprint), "{detail}");
        }
        let (problem, _, _) = refused(perform_handshake(
            &authority(),
            "eisy.test",
            "ec-v1",
            version,
        ));
        assert!(!problem.is_about_dates_only());
    }
}

#[test]
fn a_controllers_own_certificate_as_an_authority_is_accepted_or_pinning_is_advised() {
    let trust = |name: &str| {
        let pem = file(&format!("{name}.pem"));
        Trust::Authority(Authority::from_pem(&pem).unwrap())
    };
    for version in BOTH {
        let name = "ec-self-authority";
        let (problem, fingerprint, detail) =
            refused(perform_handshake(&trust(name), "eisy.test", name, version));
        assert_eq!(problem, IdentityProblem::UnknownIssuer);
        assert!(detail.contains(&fingerprint), "{detail}");
        assert!(detail.contains("pin it instead"), "{detail}");
        // A self-signed certificate without the CA flag is accepted as its own root.
        assert!(perform_handshake(&trust("ec-good"), "eisy.test", "ec-good", version).is_ok());
    }
}

#[test]
fn the_platforms_roots_refuse_a_self_signed_certificate_and_say_how_to_trust_it() {
    for version in BOTH {
        let (problem, fingerprint, detail) = refused(perform_handshake(
            &Trust::System,
            "eisy.test",
            "ec-good",
            version,
        ));
        assert_eq!(problem, IdentityProblem::UnknownIssuer);
        let way = format!(
            "if {fingerprint} is the fingerprint of your controller, trust it by pinning it"
        );
        assert!(detail.contains(&way), "{detail}");
        // A library has no command line.
        assert!(!detail.contains("--"), "{detail}");
    }
}

#[test]
fn insecure_accepts_any_certificate() {
    for version in BOTH {
        for name in ["ec-expired", "rsa-v1", "ec-nameless", "signed-wrong-name"] {
            assert!(perform_handshake(&Trust::Insecure, "192.168.1.17", name, version).is_ok());
        }
    }
}

#[test]
fn the_short_key_of_an_isy_994_is_reported_as_too_old() {
    for version in BOTH {
        let (trust, shown) = (pin("rsa-1024"), certificate("rsa-1024"));
        match perform_handshake_with(&trust, "eisy.test", shown, Arc::new(Anything), version) {
            Err(Failure::Transport { kind, detail }) => {
                assert_eq!(kind, FailureKind::TlsTooOld);
                assert!(detail.contains("an RSA key of 1024 bits"), "{detail}");
                assert!(detail.contains("use http://"), "{detail}");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A key that produces invalid signatures: no library here signs with such a short key.
#[derive(Debug)]
struct Anything;

impl SigningKey for Anything {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let scheme = SignatureScheme::RSA_PSS_SHA256;
        offered.contains(&scheme).then(|| Box::new(Self) as _)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }
}

impl Signer for Anything {
    fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(vec![7; 128])
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::RSA_PSS_SHA256
    }
}
