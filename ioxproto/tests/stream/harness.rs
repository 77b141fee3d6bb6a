//! A driver without a socket. The test plays the controller and decides when time passes.

use base64::Engine as _;
use sha1::Digest as _;
use std::time::{Duration, Instant, SystemTime};

use ioxproto::rest::{CallError, CallId, CallPhase, RawAnswer, Request};
use ioxproto::{
    Action, Config, ConnectionId, Event, Exchange, Failure, FailureKind, Gap, Message,
    Notification, Now, Phase, Progress, Reason, RequestId, Stats, Status, StatusChange,
    StreamMachine,
};

/// The actions on the connection that the machine requested, except connecting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    OpenWebSocket,
    Ping,
    Close(u16),
    Abort,
    Abandon,
    SendText(String),
}

pub(crate) struct Harness {
    pub(crate) stream: StreamMachine,
    pub(crate) now: Now,
    pub(crate) began: Instant,
    /// The latest attempt or connection.
    pub(crate) id: Option<ConnectionId>,
    /// The upgrade that awaits its answer.
    pub(crate) upgrade: Option<Exchange>,
    /// The POST request or probe that awaits its answer.
    pub(crate) http: Option<(RequestId, Exchange)>,
    /// The exchanges of calls that await their answers, oldest first.
    pub(crate) gets: Vec<(RequestId, Exchange)>,
    /// The time of each call since the start of the test, and its path.
    pub(crate) sent: Vec<(Duration, String)>,
    /// The outcomes of calls.
    pub(crate) calls_done: Vec<(CallId, Result<RawAnswer, CallError>)>,
    /// The request for a token from the caller, and whether the last token was refused.
    pub(crate) token_request: Option<(RequestId, bool)>,
    /// The paths of all requests that were sent through `http`.
    pub(crate) posts: Vec<String>,
    pub(crate) done: Vec<Done>,
    pub(crate) notifications: Vec<Notification>,
    /// The time of each attempt since the start of the test.
    pub(crate) attempts: Vec<Duration>,
}

pub(crate) fn seconds(value: f64) -> Duration {
    Duration::from_secs_f64(value)
}

impl Harness {
    pub(crate) fn new() -> Self {
        Self::with(|config| config)
    }

    pub(crate) fn with(change: impl FnOnce(Config) -> Config) -> Self {
        let config = Config::new("http://eisy.test:8080").local_account("admin", "secret");
        Self::over(StreamMachine::new(change(config)).unwrap())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a fake clock needs one instant to begin at"
    )]
    fn over(stream: StreamMachine) -> Self {
        let utc = SystemTime::UNIX_EPOCH + Duration::from_secs(1_778_000_000);
        let now = Now {
            monotonic: Instant::now(),
            utc,
        };
        Self {
            stream,
            now,
            began: now.monotonic,
            id: None,
            upgrade: None,
            http: None,
            gets: Vec::new(),
            sent: Vec::new(),
            calls_done: Vec::new(),
            token_request: None,
            posts: Vec::new(),
            done: Vec::new(),
            notifications: Vec::new(),
            attempts: Vec::new(),
        }
    }

    /// A stream with the status `stream_syncing`.
    pub(crate) fn syncing() -> Self {
        Self::new().into_syncing()
    }

    pub(crate) fn into_syncing(mut self) -> Self {
        self.start();
        self.accept();
        self
    }

    /// A stream with the status `connected`. Earlier notifications and actions are dropped.
    pub(crate) fn connected() -> Self {
        Self::new().into_connected()
    }

    pub(crate) fn into_connected(self) -> Self {
        let mut harness = self.into_syncing();
        harness.become_connected();
        harness
    }

    pub(crate) fn become_connected(&mut self) {
        self.pass(1.0);
        assert_eq!(self.stream.status(), Status::Connected);
        self.notifications.clear();
        self.done.clear();
    }

    pub(crate) fn start(&mut self) {
        self.stream.start(self.now);
        self.drain();
    }

    pub(crate) fn stop(&mut self) {
        self.stream.stop(self.now);
        self.drain();
    }

    pub(crate) fn drain(&mut self) {
        while let Some(action) = self.stream.poll_action() {
            match action {
                Action::Connect { id, upgrade, .. } => {
                    self.id = Some(id);
                    self.upgrade = Some(upgrade);
                    self.attempts.push(self.now.monotonic - self.began);
                }
                Action::OpenWebSocket { .. } => self.done.push(Done::OpenWebSocket),
                Action::Ping { .. } => self.done.push(Done::Ping),
                Action::Close { code, .. } => self.done.push(Done::Close(code)),
                Action::Abort { .. } => self.done.push(Done::Abort),
                Action::Request { id, exchange, .. } if exchange.request().starts_with(b"GET ") => {
                    let head = String::from_utf8_lossy(exchange.request()).into_owned();
                    let path = head.split(' ').nth(1).unwrap().to_owned();
                    self.sent.push((self.now.monotonic - self.began, path));
                    self.gets.push((id, exchange));
                }
                Action::CallDone { id, outcome } => self.calls_done.push((id, outcome)),
                Action::Request { id, exchange, .. } => {
                    let head = String::from_utf8_lossy(exchange.request()).into_owned();
                    let path = head.split(' ').nth(1).unwrap_or_default();
                    self.posts.push(path.to_owned());
                    self.http = Some((id, exchange));
                }
                Action::Abandon { id } => {
                    self.gets.retain(|(get, _)| *get != id);
                    self.done.push(Done::Abandon);
                }
                Action::ProvideToken { id, rejected } => {
                    self.token_request = Some((id, rejected));
                }
                Action::SendText { text, .. } => {
                    self.done.push(Done::SendText(text.expose().to_owned()));
                }
                Action::Notify(notification) => self.notifications.push(notification),
                other => panic!("an action that this harness does not know: {other:?}"),
            }
        }
    }

    pub(crate) fn id(&self) -> ConnectionId {
        self.id.expect("an attempt has begun")
    }

    /// The driver waits on an empty socket for this long, and ticks at the deadlines.
    pub(crate) fn pass(&mut self, duration: f64) {
        let until = self.now.monotonic + seconds(duration);
        for _ in 0..100_000 {
            let deadline = self.stream.poll_timeout(self.now);
            let Some(deadline) = deadline.filter(|deadline| deadline.at <= until) else {
                self.skip(until - self.now.monotonic);
                return self.stream.tick(self.now);
            };
            self.skip(deadline.at.saturating_duration_since(self.now.monotonic));
            self.stream.tick(self.now);
            self.drain();
        }
        panic!("the stream never stops ticking");
    }

    /// Time passes while a consumer keeps the driver from waiting.
    pub(crate) fn block(&mut self, duration: f64) {
        self.skip(seconds(duration));
    }

    /// The driver begins to wait, and the process is stopped for this long.
    pub(crate) fn freeze(&mut self, duration: f64) {
        let _ = self.stream.poll_timeout(self.now);
        self.skip(seconds(duration));
    }

    fn skip(&mut self, duration: Duration) {
        self.now = self.now.after(duration);
    }

    /// The text of the pending upgrade request.
    pub(crate) fn request(&self) -> String {
        let upgrade = self
            .upgrade
            .as_ref()
            .expect("an upgrade waits for its answer");
        String::from_utf8(upgrade.request().to_vec()).unwrap()
    }

    /// Answers the upgrade with these bytes, then the end of the input.
    pub(crate) fn answer(&mut self, bytes: &str) {
        let mut upgrade = self
            .upgrade
            .take()
            .expect("an upgrade waits for its answer");
        if upgrade.receive(bytes.as_bytes()) == Progress::More {
            upgrade.end_of_input();
        }
        self.stream
            .upgrade_answered(self.now, self.id(), upgrade.into_answer().0);
        self.drain();
    }

    pub(crate) fn refuse(&mut self, status: u16, headers: &str) {
        self.answer(&format!(
            "HTTP/1.1 {status} No\r\n{headers}Content-Length: 0\r\n\r\n"
        ));
    }

    pub(crate) fn accept(&mut self) {
        let request = self.request();
        let key = request
            .lines()
            .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
            .unwrap()
            .to_owned();
        let accept = accept_key(&key);
        self.answer(&format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        ));
    }

    /// The text of the request that awaits its answer.
    pub(crate) fn post(&self) -> String {
        let (_, exchange) = self.http.as_ref().expect("a request waits for its answer");
        String::from_utf8(exchange.request().to_vec()).unwrap()
    }

    pub(crate) fn answer_post(&mut self, status: u16, body: &str) {
        let (id, mut exchange) = self.http.take().expect("a request waits for its answer");
        let length = body.len();
        exchange.receive(
            format!("HTTP/1.1 {status} Some\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes(),
        );
        self.stream
            .http_answered(self.now, id, exchange.into_answer().0);
        self.drain();
    }

    pub(crate) fn fail_post(&mut self, failure: Failure) {
        let (id, _) = self.http.take().expect("a request waits for its answer");
        self.stream.http_failed(self.now, id, failure);
        self.drain();
    }

    /// Makes a call.
    pub(crate) fn call(&mut self, request: impl Into<Request>) -> CallId {
        let id = self.stream.call(self.now, request.into());
        self.drain();
        id
    }

    /// The head of the oldest call that awaits its answer.
    pub(crate) fn get(&self) -> String {
        let (_, exchange) = self.gets.first().expect("a call waits for its answer");
        String::from_utf8(exchange.request().to_vec()).unwrap()
    }

    /// The oldest call's exchange has reached this phase.
    pub(crate) fn call_phase(&mut self, reached: CallPhase) {
        let (id, _) = self.gets.first().expect("a call waits for its answer");
        self.stream.call_phase(self.now, *id, reached);
        self.drain();
    }

    /// Answers the oldest call.
    pub(crate) fn answer_call(&mut self, status: u16, body: &str) {
        self.call_phase(CallPhase::Sent);
        let (id, mut exchange) = self.gets.remove(0);
        let length = body.len();
        exchange.receive(
            format!("HTTP/1.1 {status} Some\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes(),
        );
        self.stream
            .http_answered(self.now, id, exchange.into_answer().0);
        self.drain();
    }

    pub(crate) fn fail_call(&mut self, failure: Failure) {
        let (id, _) = self.gets.remove(0);
        self.stream.http_failed(self.now, id, failure);
        self.drain();
    }

    /// The outcome of a call, which must have ended.
    pub(crate) fn outcome(&mut self, id: CallId) -> Result<RawAnswer, CallError> {
        let mut calls = self.calls_done.iter();
        let place = calls.position(|(done, _)| *done == id);
        self.calls_done.remove(place.expect("the call has ended")).1
    }

    pub(crate) fn is_over(&self, id: CallId) -> bool {
        self.calls_done.iter().any(|(done, _)| *done == id)
    }

    /// Grants a login or refresh with tokens of this name and lifetime in seconds.
    pub(crate) fn grant(&mut self, name: &str, lifetime: f64) {
        let access = self.access_token(name, lifetime);
        let body = format!(
            r#"{{"successful":true,"data":{{"accessToken":"{access}","refreshToken":"refresh-{name}","ssl":{{"key":"PRIVATE"}}}}}}"#
        );
        self.answer_post(200, &body);
    }

    pub(crate) fn access_token(&self, name: &str, lifetime: f64) -> String {
        let utc = self.now.utc.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let claims = format!(
            r#"{{"sub":"{name}","exp":{}}}"#,
            (utc.as_secs_f64() + lifetime) as u64
        );
        let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        format!("{name}.{}.signature", engine.encode(claims))
    }

    pub(crate) fn message(&mut self, message: Message<'_>) {
        let notification = self.stream.message(self.now, self.id(), message);
        self.drain();
        self.notifications.extend(notification);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.message(Message::Text(text.as_bytes()));
    }

    /// An event that the controller stamps now. Its clock agrees with the fake one.
    pub(crate) fn event(&mut self, seqnum: i64, control: &str, action: &str, node: &str) {
        self.event_stamped(0.0, seqnum, control, action, node);
    }

    /// An event with a stamp this many seconds from now.
    pub(crate) fn event_stamped(
        &mut self,
        from_now: f64,
        seqnum: i64,
        control: &str,
        action: &str,
        node: &str,
    ) {
        let now = jiff::Timestamp::try_from(self.now.utc).unwrap();
        let stamp = now + jiff::SignedDuration::from_secs_f64(from_now);
        let stamp = stamp.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string();
        self.text(&event(seqnum, control, action, node).replace(STAMP, &stamp));
    }

    /// An event as an ISY-994 sends it.
    pub(crate) fn event_unstamped(&mut self, seqnum: i64, control: &str, action: &str, node: &str) {
        let stamp = format!(" timestamp=\"{STAMP}\"");
        self.text(&event(seqnum, control, action, node).replace(&stamp, ""));
    }

    pub(crate) fn closed(&mut self) {
        self.stream.closed(self.now, self.id(), None, "");
        self.drain();
    }

    pub(crate) fn fail(&mut self, kind: FailureKind) {
        self.stream
            .failed(self.now, self.id(), Failure::transport(kind, "it broke"));
        self.drain();
    }

    pub(crate) fn phase(&mut self, phase: Phase) {
        self.stream.phase(self.now, self.id(), phase);
    }

    pub(crate) fn changes(&self) -> Vec<&StatusChange> {
        let mut changes = Vec::new();
        for notification in &self.notifications {
            if let Notification::Status(change) = notification {
                changes.push(change);
            }
        }
        changes
    }

    pub(crate) fn statuses(&self) -> Vec<&'static str> {
        self.changes()
            .iter()
            .map(|change| change.status.as_str())
            .collect()
    }

    pub(crate) fn last_reason(&self) -> &Reason {
        let changes = self.changes();
        let change = changes.iter().rev().find(|change| change.reason.is_some());
        change
            .expect("a change with a reason")
            .reason
            .as_ref()
            .unwrap()
    }

    /// The code of the reason of the last `connected`, if it had one.
    pub(crate) fn last_reason_of_connected(&self) -> Option<&'static str> {
        let changes = self.changes();
        let mut connected = changes.iter().rev();
        let change = connected.find(|change| change.status == Status::Connected);
        let reason = change.expect("it was connected").reason.as_ref();
        reason.map(Reason::code)
    }

    pub(crate) fn last_wait(&self) -> f64 {
        let changes = self.changes();
        let wait = changes.iter().rev().find_map(|change| change.retry_in);
        wait.expect("a change with a wait").as_secs_f64()
    }

    pub(crate) fn events(&self) -> Vec<&Event> {
        let mut events = Vec::new();
        for notification in &self.notifications {
            if let Notification::Event(event) = notification {
                events.push(event);
            }
        }
        events
    }

    /// For each event, whether it was live.
    pub(crate) fn live(&self) -> Vec<bool> {
        self.events().iter().map(|event| event.is_live()).collect()
    }

    pub(crate) fn stats(&self) -> Stats {
        self.stream.stats(self.now)
    }

    pub(crate) fn gaps(&self) -> Vec<(i64, i64)> {
        let gap = |notification: &Notification| match notification {
            Notification::Gap(Gap { expected, got, .. }) => Some((*expected, *got)),
            _ => None,
        };
        self.notifications.iter().filter_map(gap).collect()
    }
}

const STAMP: &str = "2026-05-05T18:52:41.875777-07:00";

/// An event in the format that a controller sends.
pub(crate) fn event(seqnum: i64, control: &str, action: &str, node: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\"{seqnum}\" sid=\"uuid:7\" \
         timestamp=\"{STAMP}\"><control>{control}</control>\
         <action>{action}</action><node>{node}</node><eventInfo></eventInfo></Event>"
    )
}

/// RFC 6455 section 4.2.2.
fn accept_key(key: &str) -> String {
    let digest = sha1::Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    base64::engine::general_purpose::STANDARD.encode(digest)
}
