//! Tests reading a server's certificate, over real sockets on loopback.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ioxproto::{Failure, FailureKind};
use ioxtransport_blocking::{Address, Fingerprint, InspectError, ServerCertificate, inspect};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, ServerConnection};

const LIMIT: Duration = Duration::from_secs(30);
const CERTIFICATE: &[u8] = include_bytes!("../../ioxdriver/tests/certificates/rsa-v1.der");
const KEY: &[u8] = include_bytes!("../../ioxdriver/tests/certificates/rsa-v1.key.der");

/// Accepts one connection and runs `server` on it. Returns the address and the thread.
fn serve<T: Send + 'static>(
    server: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (Address, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        server(socket)
    });
    (address.parse().unwrap(), thread)
}

fn failure_of(result: Result<ServerCertificate, InspectError>) -> (FailureKind, String) {
    match result {
        Err(InspectError::Failed(Failure::Transport { kind, detail })) => (kind, detail),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_untrusted_certificate_is_read_and_no_http_is_sent() {
    let (address, server) = serve(|mut socket| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(KEY.to_vec()));
        let key = provider.key_provider.load_private_key(key).unwrap();
        // `with_single_cert` would parse the certificate and refuse X.509 v1.
        let shown = CertifiedKey::new(vec![CertificateDer::from(CERTIFICATE.to_vec())], key);
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
        let mut tls = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = rustls::Stream::new(&mut tls, &mut socket);
        let mut plain = Vec::new();
        stream.read_to_end(&mut plain).map(|_| plain).unwrap()
    });
    let shown = inspect(&address, LIMIT).unwrap();
    assert_eq!(shown.fingerprint, Fingerprint::of(CERTIFICATE));
    assert_eq!(shown.subject, "CN=eisy.test, O=Test");
    assert_eq!(server.join().unwrap(), b"");
}

#[test]
fn a_plain_address_has_no_certificate() {
    let error = inspect(&"http://127.0.0.1:8080".parse().unwrap(), LIMIT).unwrap_err();
    assert_eq!(
        error.to_string(),
        "http://127.0.0.1:8080 is a plain http address: there is no certificate to look at"
    );
}

#[test]
fn a_refused_connection_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    drop(listener);
    let (kind, _) = failure_of(inspect(&address.parse().unwrap(), LIMIT));
    assert_eq!(kind, FailureKind::ConnectionRefused);
}

#[test]
fn a_port_without_tls_is_reported() {
    let (address, server) = serve(|mut socket| {
        socket
            .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        // Waits until the client disconnects, so that it can read the answer first.
        let _ = socket.read_to_end(&mut Vec::new());
    });
    let (kind, detail) = failure_of(inspect(&address, LIMIT));
    assert_eq!(kind, FailureKind::Tls);
    assert!(detail.contains("does not speak TLS"), "{detail}");
    server.join().unwrap();
}

#[test]
fn a_controller_with_only_old_tls_is_reported_with_advice() {
    // The alerts of servers that share no version or cipher with us, and the ServerHello of
    // TLS 1.0.
    let alert = |description| vec![0x15, 3, 1, 0, 2, 2, description];
    let mut hello = vec![0x16, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1];
    hello.extend([7; 32]);
    hello.extend([0, 0, 0x2f, 0]);
    for answer in [alert(70), alert(40), alert(71), hello] {
        let (address, server) = serve(move |mut socket| {
            socket.write_all(&answer).unwrap();
            let _ = socket.read_to_end(&mut Vec::new());
        });
        let (kind, detail) = failure_of(inspect(&address, LIMIT));
        assert_eq!(kind, FailureKind::TlsTooOld, "{detail}");
        assert!(detail.contains("ISY-994"), "{detail}");
        assert!(
            detail.contains("use http:// with it, on a network that you trust"),
            "{detail}"
        );
        server.join().unwrap();
    }
}

#[test]
fn an_unlimited_timeout_does_not_panic() {
    let (address, server) = serve(drop);
    let inspected = inspect(&address, Duration::MAX);
    assert!(
        matches!(inspected, Err(InspectError::Failed(_))),
        "{inspected:?}"
    );
    server.join().unwrap();
}

#[test]
fn a_silent_server_times_out() {
    let (address, server) = serve(|mut socket| {
        let _ = socket.read_to_end(&mut Vec::new());
    });
    let began = Instant::now();
    let error = inspect(&address, Duration::from_millis(200)).unwrap_err();
    assert!(matches!(error, InspectError::TimedOut { .. }), "{error}");
    assert!(began.elapsed() < LIMIT);
    server.join().unwrap();
}

#[test]
fn a_server_that_closes_the_connection_is_reported() {
    let (address, server) = serve(drop);
    let (kind, detail) = failure_of(inspect(&address, LIMIT));
    assert!(
        matches!(
            kind,
            FailureKind::UnexpectedEnd | FailureKind::ConnectionReset
        ),
        "{detail}"
    );
    server.join().unwrap();
}
