//! Whole sessions with every log of every crate captured at its most talkative: no secret is in it, in any encoding.
//!
//! The simulated controller runs in the same process, so that its logs are captured too. A binary of its own, since there
//! is one logger for each process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use ioxsim::{
    Account, ControllerOptions, Endpoint, Event, FirstFrames, HouseOptions, OnPost, OnUpgrade,
    PortalOptions, Server, ServerOptions, Times, Tls,
};
use ioxtransport_tokio::{
    Builder, EventStream, Handle, Notification, Secret, Status, SubscribePath, Timing, Trust,
};
use tracing::field::{Field, Visit};
use tracing::span;

const LIMIT: Duration = Duration::from_secs(60);
const PASSWORD: &str = "k0rrekt-pf\u{e4}rd/\"batterie\" %20+";
const LOCAL_PASSWORD: &str = "stapel&klammer=\u{20ac}9!";
const OWN_TOKEN: &str = "own.token-of_the~application.0123456789";

/// All that was logged, with the target in front of each line.
static LOG: Mutex<String> = Mutex::new(String::new());

struct Lines(String);

impl Visit for Lines {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, " {field}={value}").unwrap();
    }
}

fn keep(target: &str, record: impl FnOnce(&mut Lines)) {
    let mut lines = Lines(String::new());
    record(&mut lines);
    let mut log = LOG.lock().unwrap();
    writeln!(log, "{target}{}", lines.0).unwrap();
}

/// Takes everything that goes through `tracing`.
struct Spans(AtomicU64);

impl tracing::Subscriber for Spans {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let target = attributes.metadata().target();
        keep(target, |lines| attributes.record(lines));
        span::Id::from_u64(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        keep("span", |lines| values.record(lines));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        keep(event.metadata().target(), |lines| event.record(lines));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Takes everything that goes through `log`, as tungstenite does.
struct Records;

impl log::Log for Records {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        keep(record.target(), |lines| {
            write!(lines.0, " {}", record.args()).unwrap();
        });
    }

    fn flush(&self) {}
}

/// The forms in which a secret could show, by name.
fn forms(secret: &str) -> BTreeMap<String, String> {
    let bytes = secret.as_bytes();
    let mut forms = BTreeMap::new();
    let mut form = |name: &str, text: String| {
        forms.insert(name.to_owned(), text);
    };
    form("plain", secret.to_owned());
    form("debug", format!("{secret:?}").trim_matches('"').to_owned());
    form("escaped bytes", bytes.escape_ascii().to_string());
    let numbers = format!("{bytes:?}");
    form("numbers", numbers.trim_matches(['[', ']']).to_owned());
    let hex = |join: &str, upper: bool| {
        let pairs = bytes.iter().map(|byte| match upper {
            true => format!("{byte:02X}"),
            false => format!("{byte:02x}"),
        });
        pairs.collect::<Vec<_>>().join(join)
    };
    form("hex", hex("", false));
    form("HEX", hex("", true));
    form("hex apart", hex(" ", false));
    form("hex numbers", hex(", 0x", false));
    let percent = bytes.iter().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(*byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    });
    form("percent", percent.collect());
    // Wherever it stands within what is encoded: the characters at its edges depend on its neighbours.
    for offset in 0..3 {
        let shifted = [&b"..."[..offset], bytes].concat();
        for (name, engine) in [("base64", STANDARD_NO_PAD), ("base64url", URL_SAFE_NO_PAD)] {
            let encoded = engine.encode(&shifted);
            let core = &encoded[if offset == 0 { 0 } else { 4 }..encoded.len() - 2];
            form(&format!("{name} at {offset}"), core.to_owned());
        }
    }
    forms
}

fn json_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// What of a secret to look for, as itself and as it stands in JSON; of a token, its own parts too, for its head is
/// that of every token.
fn parts(secret: &str) -> Vec<String> {
    let mut parts = vec![secret.to_owned(), json_text(secret)];
    parts.dedup();
    if secret.matches('.').count() == 2 && secret.len() > 100 {
        parts.extend(
            secret
                .split('.')
                .skip(1)
                .map(|part| part[..part.len().min(60)].to_owned()),
        );
    }
    if secret.starts_with("-----BEGIN") {
        parts.extend(
            secret
                .lines()
                .filter(|line| !line.starts_with('-'))
                .map(str::to_owned),
        );
    }
    parts
}

/// Where a secret shows in a text.
fn found(text: &str, secret: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in parts(secret) {
        let seen = forms(&part)
            .into_iter()
            .filter(|(_, form)| text.contains(form.as_str()));
        found.extend(seen.map(|(name, _)| name));
    }
    found
}

struct Session {
    server: Server,
    handle: Handle,
    told: tokio::task::JoinHandle<Vec<Notification>>,
}

impl Session {
    async fn start(
        controller: ControllerOptions,
        tls: bool,
        configure: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let tls = tls.then(|| Tls::self_signed().unwrap());
        let trust = tls.as_ref().map(|tls| tls.fingerprint().parse().unwrap());
        let options = ServerOptions {
            controller,
            tls,
            ..ServerOptions::default()
        };
        let server = Server::start(options).await.unwrap();
        let mut timing = Timing::default();
        timing.backoff = vec![Duration::from_millis(20)];
        timing.drain_quiet = Duration::from_millis(300);
        timing.stop = Duration::from_secs(30);
        let builder = EventStream::builder(server.url())
            .trust(trust.map_or(Trust::System, |pin| Trust::Pins(vec![pin])))
            .timing(timing)
            .tap(|message| tracing::info!(?message, "as a recording sees it"));
        let builder = configure(builder);
        tracing::info!(?builder, "a careless program logs what it has");
        let mut stream = builder.start().unwrap();
        let handle = stream.handle();
        let own = stream.handle();
        let told = tokio::spawn(async move {
            let mut told = Vec::new();
            while let Some(notification) = stream.next().await {
                if matches!(notification, Notification::TokenWanted { .. }) {
                    own.provide_token(Some(Secret::new(OWN_TOKEN)));
                }
                told.push(notification);
            }
            told
        });
        Self {
            server,
            handle,
            told,
        }
    }

    async fn connected(&self) {
        self.handle
            .wait_for(Status::Connected, LIMIT)
            .await
            .unwrap();
    }

    /// The controller drops the connection, and the stream comes back.
    async fn reconnect(&self) {
        let control = self.server.control();
        let upgrades = control.upgrades();
        control.end(ioxsim::Ending::Fin);
        let again = control.wait_for(|seen| seen.upgrades > upgrades);
        tokio::time::timeout(LIMIT, again).await.unwrap();
        self.connected().await;
    }

    /// Stops, and says whatever else there is to say.
    async fn end(self, secrets: &mut Vec<String>) {
        tokio::time::timeout(LIMIT, self.handle.stop())
            .await
            .unwrap();
        let seen = self.server.control().seen();
        tracing::info!(handle = ?self.handle, reason = ?self.handle.last_reason(), ?seen, "the end");
        for told in self.told.await.unwrap() {
            if let Notification::Status(change) = &told
                && let Some(reason) = &change.reason
            {
                tracing::info!(%reason, "told");
            }
            tracing::info!(?told, "told");
        }
        let portal = seen.portal;
        secrets.extend(portal.issued.iter().map(|token| token.expose().to_owned()));
        secrets.extend(portal.broker_key.iter().map(|key| key.expose().to_owned()));
        self.server.shutdown().await;
    }
}

/// Refreshed before each use, so that all kinds of requests occur.
fn controller(first_frames: FirstFrames) -> ControllerOptions {
    ControllerOptions {
        accounts: vec![Account::new("admin", LOCAL_PASSWORD)],
        // A small house, for each frame is logged many times over.
        house: HouseOptions {
            nodes: 2,
            ..HouseOptions::default()
        }
        .into(),
        portal: Some(PortalOptions {
            accounts: vec![Account::new("user@example.test", PASSWORD)],
            access_lifetime: Duration::from_secs(50),
            first_frames,
            ..PortalOptions::default()
        }),
        ..ControllerOptions::default()
    }
}

fn portal(builder: Builder) -> Builder {
    builder.portal_account("user@example.test", PASSWORD)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_logged_by_anybody_in_any_encoding() {
    tracing::subscriber::set_global_default(Spans(AtomicU64::new(0))).unwrap();
    log::set_logger(&Records).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let mut secrets = vec![
        PASSWORD.to_owned(),
        LOCAL_PASSWORD.to_owned(),
        OWN_TOKEN.to_owned(),
        base64::engine::general_purpose::STANDARD.encode(format!("admin:{LOCAL_PASSWORD}")),
    ];
    for tls in [false, true] {
        // Each refusal and trouble that makes somebody talk, then a session to its end.
        let session = Session::start(controller(FirstFrames::Either), tls, portal).await;
        let control = session.server.control();
        for trouble in [
            OnPost::refuse(503),
            OnPost::BrokenJson,
            OnPost::Raw(b"?".to_vec()),
        ] {
            control.on_post(Endpoint::Refresh, trouble, Times::Next(1));
        }
        control.on_upgrade(OnUpgrade::refuse(401), Times::Next(1));
        session.connected().await;
        control.emit(&Event::new("ST", "255").node("42 92 8C 1"));
        session.reconnect().await;
        session.end(&mut secrets).await;

        let api = |builder| portal(builder).path(SubscribePath::Api);
        let session = Session::start(controller(FirstFrames::Bare), tls, api).await;
        session.connected().await;
        session.server.control().service_status("active");
        session.reconnect().await;
        session.server.control().forget_sessions();
        session.reconnect().await;
        session.end(&mut secrets).await;

        let local = |builder: Builder| builder.local_account("admin", LOCAL_PASSWORD);
        let session = Session::start(controller(FirstFrames::Either), tls, local).await;
        session.connected().await;
        session.end(&mut secrets).await;

        let session =
            Session::start(controller(FirstFrames::Either), tls, Builder::own_tokens).await;
        let _ = session
            .handle
            .wait_for(Status::ReconnectFailed, LIMIT)
            .await;
        session.end(&mut secrets).await;
    }

    let log = LOG.lock().unwrap().clone();
    for target in ["tungstenite", "ioxproto", "ioxsim", "ioxdriver"] {
        let lines = log.lines().filter(|line| line.starts_with(target)).count();
        assert!(lines > 5, "{target} was heard {lines} times");
    }
    assert!(secrets.len() > 20, "{}", secrets.len());
    for secret in &secrets {
        let found = found(&log, secret);
        assert!(found.is_empty(), "{secret:?} shows as {found:?}");
    }
}

#[test]
fn each_encoding_of_a_secret_is_found() {
    for secret in [PASSWORD, LOCAL_PASSWORD, OWN_TOKEN] {
        let in_json = format!("{{\"password\":\"{}\"}}", json_text(secret));
        let in_basic = STANDARD_NO_PAD.encode(format!("admin:{secret}"));
        let bytes = format!("{:?}", format!("x{secret}y").as_bytes());
        let texts = [
            secret.to_owned(),
            format!("{:?}", format!("Some({secret})")),
            in_json,
            in_basic,
            bytes,
            format!("{:?}", json_text(secret).as_bytes()),
            format!("{:02x?}", secret.as_bytes()).replace(", ", ""),
            format!("{}", secret.as_bytes().escape_ascii()),
        ];
        for text in texts {
            assert!(!found(&text, secret).is_empty(), "{text}");
        }
        assert!(found("nothing here", secret).is_empty());
    }
}
