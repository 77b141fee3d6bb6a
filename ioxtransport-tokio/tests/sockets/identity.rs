//! Who the controller is, and whether it knows us.

use std::time::Duration;

use ioxsim::{OnUpgrade, Times};
use ioxtransport_tokio::ioxproto::{Failure, IdentityProblem};
use ioxtransport_tokio::{Reason, Status, Trust};

use crate::watched::{Watched, builder, seen, server};

#[tokio::test]
async fn a_wrong_pin_is_final_and_the_controller_saw_no_byte_of_http() {
    let server = server(true).await;
    let wrong = format!("sha256:{}", "ab".repeat(32));
    let mut watched =
        Watched::start(builder(&server).trust(Trust::Pins(vec![wrong.parse().unwrap()])));
    let change = watched.status(Status::ReconnectFailed).await;
    let Some(Reason::Failed(Failure::Identity {
        problem,
        fingerprint,
        detail,
        ..
    })) = change.reason
    else {
        panic!()
    };
    assert_eq!(problem, IdentityProblem::WrongPin);
    assert_eq!(Some(&fingerprint), server.fingerprint().as_ref());
    assert!(
        detail.contains(&wrong) && detail.contains(&fingerprint),
        "{detail}"
    );
    watched.end().await;
    seen(&server.control(), "the handshake fail", |seen| {
        seen.failed_handshakes == 1
    })
    .await;
    assert_eq!(server.control().http_bytes(), 0);
    assert_eq!(server.control().connections(), 1);
}

#[tokio::test]
async fn an_unknown_certificate_is_refused_by_default_and_shows_its_fingerprint() {
    let server = server(true).await;
    let mut watched = Watched::start(builder(&server).trust(Trust::System));
    let change = watched.status(Status::ReconnectFailed).await;
    let reason = change.reason.unwrap();
    assert_eq!(reason.code(), "certificate_unknown");
    assert!(
        reason.to_string().contains(&server.fingerprint().unwrap()),
        "{reason}"
    );
    assert_eq!(server.control().http_bytes(), 0);
}

#[tokio::test]
async fn insecure_takes_any_certificate() {
    let server = server(true).await;
    let mut watched = Watched::start(builder(&server).trust(Trust::Insecure));
    watched.connected().await;
}

#[tokio::test]
async fn one_of_several_pins_is_enough() {
    let server = server(true).await;
    let old = format!("sha256:{}", "00".repeat(32)).parse().unwrap();
    let new = server.fingerprint().unwrap().parse().unwrap();
    let mut watched = Watched::start(builder(&server).trust(Trust::Pins(vec![old, new])));
    watched.connected().await;
}

#[tokio::test]
async fn a_wrong_password_is_final() {
    let server = server(false).await;
    let mut watched = Watched::start(builder(&server).local_account("admin", "wrong"));
    let change = watched.status(Status::ReconnectFailed).await;
    assert_eq!(
        change.reason,
        Some(Reason::CredentialsRefused { status: 401 })
    );
    watched.end().await;
    assert_eq!(server.control().connections(), 1);
    assert_eq!(
        watched.handle().last_reason().map(|reason| reason.code()),
        Some("credentials_refused")
    );
}

#[tokio::test]
async fn a_403_is_final_too() {
    let server = server(false).await;
    server
        .control()
        .on_upgrade(OnUpgrade::refuse(403), Times::Always);
    let mut watched = Watched::of(&server);
    let change = watched.status(Status::ReconnectFailed).await;
    assert_eq!(
        change.reason,
        Some(Reason::CredentialsRefused { status: 403 })
    );
}

#[tokio::test]
async fn the_isy_994_headers_are_tried_after_a_400() {
    let server = server(false).await;
    server.control().require_isy994_headers(true);
    server.control().echo_subprotocol(false);
    let mut watched = Watched::of(&server);
    watched.connected().await;
    assert_eq!(
        watched.statuses(),
        ["stream_initializing", "stream_syncing", "connected"]
    );
    let headers = server.control().last_request_headers();
    assert_eq!(headers["sec-websocket-protocol"], "ISYSUB");
}

#[tokio::test]
async fn tls_where_there_is_none_is_named() {
    let server = server(false).await;
    let url = server.url().replace("http://", "https://");
    let mut watched = Watched::start(
        ioxtransport_tokio::EventStream::builder(url)
            .local_account("admin", "admin")
            .trust(Trust::Insecure),
    );
    let reason = tokio::time::timeout(Duration::from_secs(60), watched.lost())
        .await
        .unwrap();
    assert_eq!(reason.code(), "tls_failed");
    assert!(
        reason.to_string().contains("does not speak TLS"),
        "{reason}"
    );
}
