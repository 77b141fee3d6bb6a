//! The identity of the controller, and accounts that it refuses.

use ioxdriver::Trust;
use ioxproto::{Failure, IdentityProblem, Reason, Status};
use ioxsim::{OnUpgrade, Times};

use crate::{Bench, options};

pub fn a_wrong_pin_is_final_and_no_http_is_sent(bench: &Bench) {
    let server = bench.server();
    let wrong = format!("sha256:{}", "ab".repeat(32));
    let mut watched = bench.start(
        bench
            .options(&server)
            .trust(Trust::Pins(vec![wrong.parse().unwrap()])),
    );
    let change = watched.status(Status::ReconnectFailed);
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
    assert_eq!(Some(&fingerprint), server.server().fingerprint().as_ref());
    assert!(
        detail.contains(&wrong) && detail.contains(&fingerprint),
        "{detail}"
    );
    watched.end();
    server.seen("the handshake fail", |seen| seen.failed_handshakes == 1);
    assert_eq!(server.control().http_bytes(), 0);
    assert_eq!(server.control().connections(), 1);
}

pub fn an_unknown_certificate_is_refused_by_default_and_its_fingerprint_is_reported(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.start(bench.options(&server).trust(Trust::System));
    let change = watched.status(Status::ReconnectFailed);
    let reason = change.reason.unwrap();
    assert_eq!(reason.code(), "certificate_unknown");
    assert!(
        reason
            .to_string()
            .contains(&server.server().fingerprint().unwrap()),
        "{reason}"
    );
    assert_eq!(server.control().http_bytes(), 0);
}

pub fn insecure_accepts_any_certificate(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.start(bench.options(&server).trust(Trust::Insecure));
    watched.connected();
}

pub fn one_of_several_pins_is_enough(bench: &Bench) {
    let server = bench.server();
    let old = format!("sha256:{}", "00".repeat(32)).parse().unwrap();
    let new = server.server().fingerprint().unwrap().parse().unwrap();
    let mut watched = bench.start(bench.options(&server).trust(Trust::Pins(vec![old, new])));
    watched.connected();
}

pub fn a_wrong_password_is_final(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.start(bench.options(&server).local_account("admin", "wrong"));
    let change = watched.status(Status::ReconnectFailed);
    assert_eq!(
        change.reason,
        Some(Reason::CredentialsRefused { status: 401 })
    );
    watched.end();
    assert_eq!(server.control().connections(), 1);
    assert_eq!(
        watched.handle().last_reason().map(|reason| reason.code()),
        Some("credentials_refused")
    );
}

pub fn a_403_is_final_too(bench: &Bench) {
    let server = bench.server();
    server
        .control()
        .on_upgrade(OnUpgrade::refuse(403), Times::Always);
    let mut watched = bench.watch(&server);
    let change = watched.status(Status::ReconnectFailed);
    assert_eq!(
        change.reason,
        Some(Reason::CredentialsRefused { status: 403 })
    );
}

pub fn the_isy_994_headers_are_tried_after_a_400(bench: &Bench) {
    let server = bench.server();
    server.control().require_isy994_headers(true);
    server.control().echo_subprotocol(false);
    let mut watched = bench.watch(&server);
    watched.connected();
    assert_eq!(
        watched.statuses(),
        ["stream_initializing", "stream_syncing", "connected"]
    );
    let headers = server.control().last_request_headers();
    assert_eq!(headers["sec-websocket-protocol"], "ISYSUB");
}

pub fn tls_to_a_plain_port_is_reported(bench: &Bench) {
    let server = bench.server();
    let url = server.url().replace("http://", "https://");
    let mut watched = bench.start(options(url).trust(Trust::Insecure));
    let reason = watched.lost();
    assert_eq!(reason.code(), "tls_failed");
    assert!(
        reason.to_string().contains("does not speak TLS"),
        "{reason}"
    );
}
