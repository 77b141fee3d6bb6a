//! TLS identities: which ones are trusted, and that a peer that is not trusted receives no HTTP.

use std::time::Duration;

use ioxsim::{ControllerOptions, Server, Tls};
use ioxtransport_tokio::{Authority, EventStream, Handle, Reason, Trust};

use crate::watched::{Watched, file, fixture, pin, portal_account, serve_tls, soon};

async fn controller(tls: Tls) -> Server {
    serve_tls(ControllerOptions::default(), tls).await
}

fn authority() -> Trust {
    Trust::Authority(Authority::from_pem(&file("authority.pem")).unwrap())
}

/// Waits until the stream has failed. Checks that the controller has received no HTTP.
async fn refused(trust: Trust, server: &Server) -> (&'static str, String) {
    let watched = Watched::start(portal_account(server).trust(trust), server);
    let code = watched.failed().await;
    // The client has disconnected, so everything that it sent has arrived.
    let seen = soon(
        watched
            .control
            .wait_for(|seen| seen.connections > 0 && seen.open == 0),
    )
    .await;
    assert_eq!((seen.http_bytes, seen.requests), (0, 0), "{code}");
    (code, watched.handle.last_reason().unwrap().to_string())
}

#[tokio::test]
async fn a_pin_suffices_for_all_certificates_of_controllers() {
    for name in [
        "ec-good",
        "ec-expired",
        "ec-not-yet-valid",
        "ec-wrong-name",
        "ec-no-san",
        "ec-nameless",
        "rsa-no-san",
        "ec-v1",
        "rsa-v1",
    ] {
        let server = controller(fixture(name, name)).await;
        let watched = Watched::start(portal_account(&server).trust(pin(&server)), &server);
        watched.connected().await;
        watched.stop().await;
        assert_eq!(watched.control.seen().portal.logouts, 1, "{name}");
    }
}

#[tokio::test]
async fn a_wrong_pin_is_final_and_the_controller_receives_no_http() {
    let server = controller(Tls::self_signed().unwrap()).await;
    let other = Tls::self_signed().unwrap();
    let trust = Trust::Pins(vec![other.fingerprint().parse().unwrap()]);
    let (code, message) = refused(trust, &server).await;
    assert_eq!(code, "certificate_wrong_pin");
    assert!(
        message.contains(&server.fingerprint().unwrap()),
        "{message}"
    );
    assert!(message.contains(&other.fingerprint()), "{message}");
}

#[tokio::test]
async fn a_peer_without_the_key_of_the_pinned_certificate_receives_no_http() {
    let server = controller(fixture("ec-good", "ec-no-san")).await;
    let (code, _) = refused(pin(&server), &server).await;
    assert_eq!(code, "certificate_unverifiable");
}

#[tokio::test]
async fn a_self_signed_certificate_is_refused_by_default_with_its_fingerprint() {
    let server = controller(Tls::self_signed().unwrap()).await;
    let (code, message) = refused(Trust::System, &server).await;
    assert_eq!(code, "certificate_unknown");
    assert!(
        message.contains(&server.fingerprint().unwrap()),
        "{message}"
    );
}

#[tokio::test]
async fn a_private_authority_verifies_its_controller() {
    let server = controller(fixture("signed", "signed")).await;
    let watched = Watched::start(portal_account(&server).trust(authority()), &server);
    watched.connected().await;
    watched.stop().await;
    for name in ["signed-wrong-name", "ec-good"] {
        let server = controller(fixture(name, name)).await;
        refused(authority(), &server).await;
    }
}

#[tokio::test]
async fn a_certificate_refused_only_for_its_dates_is_retried() {
    let server = controller(fixture("signed-expired", "signed-expired")).await;
    let watched = Watched::start(portal_account(&server).trust(authority()), &server);
    soon(watched.control.wait_for(|seen| seen.failed_handshakes >= 3)).await;
    assert!(!watched.handle.has_ended());
    assert!(
        watched
            .reasons()
            .iter()
            .all(|reason| *reason == "certificate_expired")
    );
    watched.stop().await;
    assert_eq!(watched.control.seen().http_bytes, 0);
}

#[tokio::test]
async fn insecure_accepts_any_certificate() {
    let server = controller(fixture("ec-nameless", "ec-nameless")).await;
    let watched = Watched::start(portal_account(&server).trust(Trust::Insecure), &server);
    watched.connected().await;
}

#[tokio::test]
async fn a_port_without_tls_is_reported() {
    let server = crate::watched::serve(ControllerOptions::default()).await;
    let url = server.url().replace("http://", "https://");
    let stream = EventStream::builder(url)
        .portal_account("a@b", "c")
        .start()
        .unwrap();
    let handle = stream.handle();
    let limit = Duration::from_secs(60);
    let failed = |handle: &Handle| handle.last_reason().is_some();
    handle.wait_until(failed, limit).await.unwrap();
    let reason = handle.last_reason().unwrap();
    assert!(matches!(reason, Reason::Failed(_)), "{reason:?}");
    assert!(
        reason.to_string().contains("does not speak TLS"),
        "{reason}"
    );
}
