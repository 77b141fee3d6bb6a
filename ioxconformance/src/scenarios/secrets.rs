//! Captures the logs of all crates at their most verbose level during whole sessions. They must not
//! contain a secret in any encoding.
//!
//! The simulated controller runs in the same process, so its logs are captured, too.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ioxdriver::{Options, Tapped};
use ioxproto::recording::{Direction, Entry};
use ioxproto::rest;
use ioxproto::{Notification, Secret, Status, SubscribePath};
use ioxsim::{
    Account, ControllerOptions, Ending, Endpoint, Event, FirstFrames, HouseOptions, OnPost,
    OnUpgrade, PortalOptions, Times,
};

use crate::secrets::{capture_logs, captured_logs, find_encodings};
use crate::{Bench, Sim, Watched, quick};

const USER: &str = "user@example.test";
const PASSWORD: &str = "k0rrekt-pf\u{e4}rd/\"batterie\" %20+";
const LOCAL_PASSWORD: &str = "stapel&klammer=\u{20ac}9!";
const OWN_TOKEN: &str = "own.token-of_the~application.0123456789";

pub fn no_secret_is_logged_in_any_encoding(bench: &Bench) {
    bench.alone(|| {
        capture_logs();
        let mut secrets = vec![
            PASSWORD.to_owned(),
            LOCAL_PASSWORD.to_owned(),
            OWN_TOKEN.to_owned(),
            STANDARD.encode(format!("admin:{LOCAL_PASSWORD}")),
        ];
        sessions(bench, &mut secrets);
        let log = captured_logs();
        for targets in [
            &["tungstenite"][..],
            &["ioxproto"],
            &["ioxsim"],
            &["ioxdriver", "ioxtransport"],
        ] {
            let is_from = |line: &&str| targets.iter().any(|target| line.starts_with(target));
            let lines = log.lines().filter(is_from).count();
            assert!(lines > 5, "{targets:?} was heard {lines} times");
        }
        assert!(secrets.len() > 10, "{}", secrets.len());
        for secret in &secrets {
            let found = find_encodings(&log, secret);
            assert!(found.is_empty(), "{secret:?} shows as {found:?}");
        }
        println!("{} bytes of logs, {} secrets", log.len(), secrets.len());
    });
}

/// Runs a session to its end with each kind of account, with refusals and errors that cause log
/// messages.
fn sessions(bench: &Bench, secrets: &mut Vec<String>) {
    let portal = |options: Options| options.portal_account(USER, PASSWORD);

    let mut session = Session::new(bench, FirstFrames::Either);
    for trouble in [
        OnPost::refuse(503),
        OnPost::BrokenJson,
        OnPost::Raw(b"?".to_vec()),
    ] {
        let control = &session.server;
        control.on_post(Endpoint::Refresh, trouble, Times::Next(1));
    }
    let refused = OnUpgrade::refuse(401);
    session.server.on_upgrade(refused, Times::Next(1));
    let mut watched = session.start(portal);
    watched.connected();
    let event = Event::new("ST", "255").node("42 92 8C 1");
    session.server.emit(&event);
    session.reconnect(&mut watched);
    session.end(watched, secrets);

    session = Session::new(bench, FirstFrames::Bare);
    let mut watched = session.start(|options| portal(options).path(SubscribePath::Api));
    watched.connected();
    session.server.service_status("active");
    session.reconnect(&mut watched);
    session.server.forget_sessions();
    session.reconnect(&mut watched);
    session.end(watched, secrets);

    session = Session::new(bench, FirstFrames::Either);
    let mut watched = session.start(|options| options.local_account("admin", LOCAL_PASSWORD));
    watched.connected();
    session.end(watched, secrets);

    session = Session::new(bench, FirstFrames::Either);
    let mut watched = session.start(Options::own_tokens);
    let asked_or_given_up = |notification: &Notification| match notification {
        Notification::TokenWanted { .. } => true,
        Notification::Status(change) => change.status == Status::ReconnectFailed,
        _ => false,
    };
    while let Notification::TokenWanted { .. } = watched.until("the end", asked_or_given_up) {
        let token = Secret::new(OWN_TOKEN);
        watched.handle().provide_token(Some(token));
    }
    session.end(watched, secrets);
}

/// A stream and its controller, both of which have secrets.
struct Session<'a> {
    bench: &'a Bench,
    server: Sim,
}

impl<'a> Session<'a> {
    /// Tokens are refreshed before each use, so that all kinds of requests occur.
    fn new(bench: &'a Bench, first_frames: FirstFrames) -> Self {
        let server = bench.server_with(|controller| {
            *controller = ControllerOptions {
                accounts: vec![Account::new("admin", LOCAL_PASSWORD)],
                // A small house, because each frame is logged many times.
                house: HouseOptions {
                    nodes: 2,
                    ..HouseOptions::default()
                }
                .into(),
                portal: Some(PortalOptions {
                    accounts: vec![Account::new(USER, PASSWORD)],
                    access_lifetime: Duration::from_secs(50),
                    first_frames,
                    ..PortalOptions::default()
                }),
                ..ControllerOptions::default()
            };
        });
        Self { bench, server }
    }

    fn start(&self, account: impl FnOnce(Options) -> Options) -> Watched {
        let mut timing = quick();
        timing.backoff = vec![Duration::from_millis(20)];
        timing.stop = Duration::from_secs(30);
        let options = self.bench.options(&self.server).timing(timing);
        let options = options.tap(|message| {
            let entry = match message {
                Tapped::Text(bytes) => {
                    Entry::text(Direction::Receive, 0.0, String::from_utf8_lossy(bytes))
                }
                Tapped::Binary(bytes) => Entry::binary(Direction::Receive, 0.0, bytes),
                _ => return,
            };
            tracing::info!(?message, %entry, "as a recording sees it");
        });
        self.bench.start(account(options))
    }

    /// Ends the connection at the controller, and waits until the stream has reconnected.
    fn reconnect(&self, watched: &mut Watched) {
        self.server.end(Ending::Fin);
        watched.lost();
        watched.connected();
    }

    /// Makes a call, stops the stream, and logs everything that a program could log.
    fn end(&self, mut watched: Watched, secrets: &mut Vec<String>) {
        let handle = watched.handle();
        let call = rest::get("/api/nodes").unwrap();
        tracing::info!(?call, "a call");
        let outcome = handle.call(call);
        tracing::info!(?outcome, error = ?outcome.as_ref().err().map(ToString::to_string), "called");
        watched.stop();
        watched.end();
        let seen = self.server.control().seen();
        let handle = watched.handle();
        let (handle, outcome) = (handle.shared(), handle.outcome());
        tracing::info!(?handle, reason = ?handle.last_reason(), ?outcome, ?seen, "the end");
        for notification in watched.notifications() {
            if let Notification::Status(change) = notification
                && let Some(reason) = &change.reason
            {
                tracing::info!(%reason, "reported");
            }
            tracing::info!(?notification, "reported");
        }
        let portal = seen.portal;
        secrets.extend(portal.issued.iter().map(|token| token.expose().to_owned()));
        secrets.extend(portal.broker_key.iter().map(|key| key.expose().to_owned()));
    }
}
