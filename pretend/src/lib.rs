//! A driver of the stream machine without sockets and with a fake clock, for tests, benchmarks and
//! fuzz targets. They play the controller and decide when time passes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ioxproto::rest::{CallError, CallId, CallPhase, RawAnswer, Request};
use ioxproto::{
    Action, Config, ConnectionId, Event, Exchange, ExchangeError, Failure, FailureKind, Gap,
    Message, Notification, Now, Phase, Progress, Reason, RequestId, Secret, Stats, Status,
    StatusChange, StreamMachine,
};
use sha1::{Digest as _, Sha1};

/// An action that the machine requested: an action on the connection other than connecting, or
/// abandoning a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "they are named like the machine's actions")]
pub enum Done {
    OpenWebSocket,
    Ping,
    Close(u16),
    Abort,
    Abandon,
    SendText(String),
}

/// Owns a stream machine and its clock. Most methods report one thing to the machine, then drain
/// its actions into the lists. The others move the clock or read the lists.
#[derive(Debug)]
pub struct Driver {
    /// The machine.
    pub stream: StreamMachine,
    /// The current time.
    pub now: Now,
    /// The time at which the driver was made.
    pub began: Instant,
    /// The latest attempt or connection.
    pub id: Option<ConnectionId>,
    /// The upgrade that awaits its answer.
    pub upgrade: Option<Exchange>,
    /// The POST request, or the check of whether the port speaks TLS, that awaits its answer.
    pub http: Option<(RequestId, Exchange)>,
    /// The exchanges of calls that await their answers, oldest first.
    pub gets: Vec<(RequestId, Exchange)>,
    /// The time of each call since the start of the test, and its path.
    pub sent: Vec<(Duration, String)>,
    /// The outcomes of calls.
    pub calls_done: Vec<(CallId, Result<RawAnswer, CallError>)>,
    /// The request for a token from the caller, and whether the last token was refused.
    pub token_request: Option<(RequestId, bool)>,
    /// The paths of all requests that were sent through `http`.
    pub posts: Vec<String>,
    /// The actions on connections.
    pub done: Vec<Done>,
    /// What the machine reported.
    pub notifications: Vec<Notification>,
    /// The time of each attempt since the start of the test.
    pub attempts: Vec<Duration>,
}

impl Driver {
    /// A stream with a local account.
    pub fn local() -> Self {
        Self::with(|config| config)
    }

    /// A stream with the configuration of [`local`](Self::local), changed by this function.
    pub fn with(change: impl FnOnce(Config) -> Config) -> Self {
        let config = Config::new("http://eisy.test:8080").local_account("admin", "secret");
        let stream = StreamMachine::new(change(config)).unwrap();
        let now = Now {
            monotonic: Instant::now(),
            utc: SystemTime::UNIX_EPOCH + Duration::from_secs(1_778_000_000),
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
    pub fn syncing() -> Self {
        Self::local().into_syncing()
    }

    /// Starts the stream, and accepts its upgrade.
    pub fn into_syncing(mut self) -> Self {
        self.start();
        self.accept();
        self
    }

    /// A stream with the status `connected`. Earlier notifications and actions are dropped.
    pub fn connected() -> Self {
        Self::local().into_connected()
    }

    /// Starts the stream, and lets its replay end.
    pub fn into_connected(self) -> Self {
        let mut driver = self.into_syncing();
        driver.become_connected();
        driver
    }

    /// Lets the replay end, and drops the earlier notifications and actions.
    pub fn become_connected(&mut self) {
        self.pass(1.0);
        assert_eq!(self.status(), Status::Connected);
        self.notifications.clear();
        self.done.clear();
    }

    /// The machine's status.
    pub fn status(&self) -> Status {
        self.stream.status()
    }

    /// Starts the stream.
    pub fn start(&mut self) {
        self.stream.start(self.now);
        self.drain();
    }

    /// Stops the stream.
    pub fn stop(&mut self) {
        self.stream.stop(self.now);
        self.drain();
    }

    /// Ticks, whether or not a deadline is due.
    pub fn tick(&mut self) {
        self.stream.tick(self.now);
        self.drain();
    }

    /// Sorts the machine's actions into the lists.
    pub fn drain(&mut self) {
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
                    let path = path(&exchange);
                    self.sent.push((self.now.monotonic - self.began, path));
                    self.gets.push((id, exchange));
                }
                Action::CallDone { id, outcome } => self.calls_done.push((id, outcome)),
                Action::Request { id, exchange, .. } => {
                    self.posts.push(path(&exchange));
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
                other => panic!("an action that this driver does not know: {other:?}"),
            }
        }
    }

    /// The latest attempt or connection.
    pub fn id(&self) -> ConnectionId {
        self.id.expect("an attempt has begun")
    }

    /// The driver waits on an empty socket for this long, and ticks at the deadlines.
    pub fn pass(&mut self, duration: f64) {
        let until = self.now.monotonic + seconds(duration);
        for _ in 0..100_000 {
            if !self.pass_to_deadline(until) {
                return;
            }
        }
        panic!("the stream never stops ticking");
    }

    /// The driver waits until the next deadline, at most until this instant, and ticks. Returns
    /// whether a deadline was due by then.
    pub fn pass_to_deadline(&mut self, until: Instant) -> bool {
        let deadline = self.stream.poll_timeout(self.now);
        let due = deadline.filter(|deadline| deadline.at <= until);
        let end = due.map_or(until, |deadline| deadline.at);
        self.skip(end.saturating_duration_since(self.now.monotonic));
        self.tick();
        due.is_some()
    }

    /// Time passes while a consumer keeps the driver from waiting.
    pub fn block(&mut self, duration: f64) {
        self.skip(seconds(duration));
    }

    /// The driver begins to wait, and the process is stopped for this long.
    pub fn freeze(&mut self, duration: f64) {
        let _ = self.stream.poll_timeout(self.now);
        self.skip(seconds(duration));
    }

    fn skip(&mut self, duration: Duration) {
        self.now = self.now.after(duration);
    }

    /// The text of the pending upgrade request.
    pub fn request(&self) -> String {
        let upgrade = self.upgrade.as_ref();
        let upgrade = upgrade.expect("an upgrade waits for its answer");
        String::from_utf8(upgrade.request().to_vec()).unwrap()
    }

    /// Answers the upgrade with these bytes, then the end of the input.
    pub fn answer(&mut self, bytes: impl AsRef<[u8]>) {
        let upgrade = self.upgrade.take();
        let answer = received(upgrade.expect("an upgrade waits for its answer"), bytes);
        self.stream.upgrade_answered(self.now, self.id(), answer);
        self.drain();
    }

    /// Refuses the upgrade with this status.
    pub fn refuse(&mut self, status: u16, headers: &str) {
        self.answer(format!(
            "HTTP/1.1 {status} No\r\n{headers}Content-Length: 0\r\n\r\n"
        ));
    }

    /// Accepts the upgrade.
    pub fn accept(&mut self) {
        self.answer(accepting(self.request().as_bytes()));
    }

    /// The text of the pending request in `http`.
    pub fn post(&self) -> String {
        let (_, exchange) = self.http.as_ref().expect("a request waits for its answer");
        String::from_utf8(exchange.request().to_vec()).unwrap()
    }

    /// Answers the request in `http`.
    pub fn answer_post(&mut self, status: u16, body: &str) {
        self.answer_post_with(answer(status, body));
    }

    /// Answers the request in `http` with these bytes, then the end of the input.
    pub fn answer_post_with(&mut self, bytes: impl AsRef<[u8]>) {
        let (id, exchange) = self.http.take().expect("a request waits for its answer");
        let answer = received(exchange, bytes);
        self.stream.http_answered(self.now, id, answer);
        self.drain();
    }

    /// The request in `http` fails.
    pub fn fail_post(&mut self, failure: Failure) {
        let (id, _) = self.http.take().expect("a request waits for its answer");
        self.stream.http_failed(self.now, id, failure);
        self.drain();
    }

    /// Answers the request for a token, and returns whether the last token was refused.
    pub fn token(&mut self, token: Option<&str>) -> bool {
        let (id, rejected) = self.token_request.take().expect("a token is wanted");
        self.stream.token(self.now, id, token.map(Secret::new));
        self.drain();
        rejected
    }

    /// Makes a call.
    pub fn call(&mut self, request: impl Into<Request>) -> CallId {
        let id = self.stream.call(self.now, request.into());
        self.drain();
        id
    }

    /// The head of the oldest call that awaits its answer.
    pub fn get(&self) -> String {
        let (_, exchange) = self.gets.first().expect("a call waits for its answer");
        String::from_utf8(exchange.request().to_vec()).unwrap()
    }

    /// The oldest call's exchange has reached this phase.
    pub fn call_phase(&mut self, reached: CallPhase) {
        let (id, _) = self.gets.first().expect("a call waits for its answer");
        self.stream.call_phase(self.now, *id, reached);
        self.drain();
    }

    /// Answers the oldest call.
    pub fn answer_call(&mut self, status: u16, body: &str) {
        self.call_phase(CallPhase::Sent);
        let (id, exchange) = self.gets.remove(0);
        let answer = received(exchange, answer(status, body));
        self.stream.http_answered(self.now, id, answer);
        self.drain();
    }

    /// The oldest call fails.
    pub fn fail_call(&mut self, failure: Failure) {
        let (id, _) = self.gets.remove(0);
        self.stream.http_failed(self.now, id, failure);
        self.drain();
    }

    /// Takes the outcome of a call, which must have ended.
    pub fn take_outcome(&mut self, id: CallId) -> Result<RawAnswer, CallError> {
        let mut calls = self.calls_done.iter();
        let place = calls.position(|(done, _)| *done == id);
        self.calls_done.remove(place.expect("the call has ended")).1
    }

    /// Whether this call has ended.
    pub fn is_over(&self, id: CallId) -> bool {
        self.calls_done.iter().any(|(done, _)| *done == id)
    }

    /// Grants a login or refresh with tokens of this name and lifetime in seconds.
    pub fn grant(&mut self, name: &str, lifetime: f64) {
        let access = access_token(self.now, name, lifetime);
        let body = format!(
            r#"{{"successful":true,"data":{{"accessToken":"{access}","refreshToken":"refresh-{name}","ssl":{{"key":"PRIVATE"}}}}}}"#
        );
        self.answer_post(200, &body);
    }

    /// A message arrives.
    pub fn message(&mut self, message: Message<'_>) {
        let notification = self.stream.message(self.now, self.id(), message);
        self.drain();
        self.notifications.extend(notification);
    }

    /// A text message arrives.
    pub fn text(&mut self, text: &str) {
        self.message(Message::Text(text.as_bytes()));
    }

    /// An event that the controller stamps now. Its clock agrees with the fake one.
    pub fn event(&mut self, seqnum: i64, control: &str, action: &str, node: &str) {
        self.event_stamped(0.0, seqnum, control, action, node);
    }

    /// An event with a stamp this many seconds from now.
    pub fn event_stamped(
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
    pub fn event_unstamped(&mut self, seqnum: i64, control: &str, action: &str, node: &str) {
        let stamp = format!(" timestamp=\"{STAMP}\"");
        self.text(&event(seqnum, control, action, node).replace(&stamp, ""));
    }

    /// Bytes arrive that may be part of a message.
    pub fn bytes_received(&mut self, mid_message: bool) {
        self.stream.bytes_received(self.now, self.id(), mid_message);
    }

    /// The controller closes the connection without a close frame.
    pub fn closed(&mut self) {
        self.closed_with(None, "");
    }

    /// The controller closes the connection.
    pub fn closed_with(&mut self, code: Option<u16>, reason: &str) {
        self.upgrade = None;
        self.stream.closed(self.now, self.id(), code, reason);
        self.drain();
    }

    /// The attempt or the connection breaks.
    pub fn fail(&mut self, kind: FailureKind) {
        self.fail_with(Failure::transport(kind, "it broke"));
    }

    /// The attempt or the connection fails.
    pub fn fail_with(&mut self, failure: Failure) {
        self.upgrade = None;
        self.stream.failed(self.now, self.id(), failure);
        self.drain();
    }

    /// The attempt has reached this phase.
    pub fn phase(&mut self, phase: Phase) {
        self.stream.phase(self.now, self.id(), phase);
    }

    /// The reported changes of the status.
    pub fn changes(&self) -> Vec<&StatusChange> {
        let notifications = self.notifications.iter();
        let changes = notifications.filter_map(|notification| match notification {
            Notification::Status(change) => Some(change),
            _ => None,
        });
        changes.collect()
    }

    /// The reported statuses.
    pub fn statuses(&self) -> Vec<&'static str> {
        let changes = self.changes().into_iter();
        changes.map(|change| change.status.as_str()).collect()
    }

    /// The codes of the reported reasons.
    pub fn reasons(&self) -> Vec<&'static str> {
        let changes = self.changes().into_iter();
        let reasons = changes.filter_map(|change| change.reason.as_ref());
        reasons.map(Reason::code).collect()
    }

    /// The last reported reason.
    pub fn last_reason(&self) -> &Reason {
        let mut changes = self.changes().into_iter().rev();
        let reason = changes.find_map(|change| change.reason.as_ref());
        reason.expect("a change with a reason")
    }

    /// The code of the reason of the last `connected`, if it had one.
    pub fn last_reason_of_connected(&self) -> Option<&'static str> {
        let changes = self.changes();
        let mut connected = changes.iter().rev();
        let change = connected.find(|change| change.status == Status::Connected);
        let reason = change.expect("it was connected").reason.as_ref();
        reason.map(Reason::code)
    }

    /// The last reported wait, in seconds.
    pub fn last_wait(&self) -> f64 {
        let changes = self.changes();
        let wait = changes.iter().rev().find_map(|change| change.retry_in);
        wait.expect("a change with a wait").as_secs_f64()
    }

    /// The delivered events.
    pub fn events(&self) -> Vec<&Event> {
        let notifications = self.notifications.iter();
        let events = notifications.filter_map(|notification| match notification {
            Notification::Event(event) => Some(event),
            _ => None,
        });
        events.collect()
    }

    /// For each event, whether it was live.
    pub fn live(&self) -> Vec<bool> {
        self.events().iter().map(|event| event.is_live()).collect()
    }

    /// The machine's statistics.
    pub fn stats(&self) -> Stats {
        self.stream.stats(self.now)
    }

    /// The reported gaps: the number that was expected, and the one that arrived.
    pub fn gaps(&self) -> Vec<(i64, i64)> {
        let gap = |notification: &Notification| match notification {
            Notification::Gap(Gap { expected, got, .. }) => Some((*expected, *got)),
            _ => None,
        };
        self.notifications.iter().filter_map(gap).collect()
    }
}

/// Makes a duration.
pub fn seconds(value: f64) -> Duration {
    Duration::from_secs_f64(value)
}

const STAMP: &str = "2026-05-05T18:52:41.875777-07:00";

/// An event in the format that a controller sends.
pub fn event(seqnum: i64, control: &str, action: &str, node: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\"{seqnum}\" sid=\"uuid:7\" \
         timestamp=\"{STAMP}\"><control>{control}</control>\
         <action>{action}</action><node>{node}</node><eventInfo></eventInfo></Event>"
    )
}

/// An answer with this body.
pub fn answer(status: u16, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} Some\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// The 101 to an upgrade request, with the accept key of RFC 6455 section 4.2.2.
pub fn accepting(request: &[u8]) -> String {
    let request = String::from_utf8_lossy(request);
    let key = request.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_key = name.eq_ignore_ascii_case("sec-websocket-key");
        is_key.then(|| value.trim())
    });
    let key = key.unwrap_or_default();
    let digest = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    let accept = STANDARD.encode(digest);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// Passes these bytes, then the end of the input, to an exchange, and returns its answer.
pub fn received(
    mut exchange: Exchange,
    bytes: impl AsRef<[u8]>,
) -> Result<http::Response<Vec<u8>>, ExchangeError> {
    if exchange.receive(bytes.as_ref()) == Progress::More {
        exchange.end_of_input();
    }
    exchange.into_answer().0
}

/// An access token with this name that expires after this many seconds.
pub fn access_token(now: Now, name: &str, lifetime: f64) -> String {
    let utc = now.utc.duration_since(SystemTime::UNIX_EPOCH);
    let expires = (utc.unwrap_or_default().as_secs_f64() + lifetime) as u64;
    let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"sub":"{name}","exp":{expires}}}"#));
    format!("{name}.{claims}.signature")
}

/// The path of a request; empty if it is not HTTP.
fn path(exchange: &Exchange) -> String {
    let request = String::from_utf8_lossy(exchange.request());
    request.split(' ').nth(1).unwrap_or_default().to_owned()
}
