//! Any calls of the stream machine, in any order: nothing panics, the statuses come in their order,
//! each REST call ends once, and with a local account the machine does what its model does, which
//! knows no REST calls.

mod model;
mod operation;

use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ioxproto::mirror::ControllerState;
use ioxproto::rest::{self, CallId, CallPhase, Command, Request};
use ioxproto::{
    Action, Config, ConnectionId, EventStream, Exchange, Failure, FailureKind, Message,
    Notification, Now, Phase, Progress, RequestId, Secret, Status, SubscribePath,
};
use sha1::{Digest as _, Sha1};

use self::model::Model;
use self::operation::{Answer, Content, Grant, Operation, PROMISES};

/// The first byte says which account, then three bytes each are an operation.
pub fn run(data: &[u8]) {
    let Some((account, operations)) = data.split_first() else {
        return;
    };
    let mut driver = Driver::new(*account);
    for operation in operations.as_chunks().0 {
        driver.perform(Operation::drawn(*operation));
    }
}

/// Whether the stream is one that the model knows.
pub const LOCAL: u8 = 0;

struct Driver {
    stream: EventStream,
    model: Option<Model>,
    now: Now,
    deadline: Option<Instant>,
    attempts: Vec<(ConnectionId, Option<Exchange>)>,
    requests: Vec<(RequestId, Option<Exchange>)>,
    /// The REST calls that are not over, and all that were made.
    pending: Vec<CallId>,
    calls: Vec<CallId>,
    told: Status,
    seqnum: i64,
}

impl Driver {
    fn new(account: u8) -> Self {
        let config = Config::new("https://eisy.test").seed(u64::from(account));
        let config = match account % 5 {
            LOCAL | 4 => config.local_account("admin", "x"),
            1 => config.portal_account("user@example.test", "x"),
            2 => config
                .portal_account("user@example.test", "x")
                .path(SubscribePath::Api),
            _ => config.own_tokens().keep_trying(true),
        };
        #[allow(clippy::disallowed_methods, reason = "a fake clock begins somewhere")]
        let began = Instant::now() + Duration::from_secs(3600);
        Self {
            stream: EventStream::new(config).expect("a configuration"),
            model: matches!(account % 5, LOCAL | 4).then(Model::new),
            now: Now {
                monotonic: began,
                utc: SystemTime::UNIX_EPOCH + Duration::from_secs(1_778_000_000),
            },
            deadline: None,
            attempts: Vec::new(),
            requests: Vec::new(),
            pending: Vec::new(),
            calls: Vec::new(),
            told: Status::NotStarted,
            seqnum: 0,
        }
    }

    fn perform(&mut self, operation: Operation) {
        match operation {
            Operation::Pass(time) => self.now = self.now.after(time),
            Operation::PassToDeadline => {
                let time = self
                    .deadline
                    .map(|at| at.saturating_duration_since(self.now.monotonic));
                self.now = self.now.after(time.unwrap_or_default());
            }
            Operation::Back(time) => {
                self.now.monotonic -= time;
                self.now.utc -= time;
            }
            Operation::SetWallClock(seconds) => {
                let by = Duration::from_secs(seconds.unsigned_abs());
                self.now.utc = if seconds < 0 {
                    self.now.utc - by
                } else {
                    self.now.utc + by
                };
            }
            Operation::Drain(most) => self.drain(most),
            Operation::Idle(rounds) => {
                for _ in 0..rounds {
                    for step in [
                        Operation::Drain(usize::MAX),
                        Operation::Listen,
                        Operation::PassToDeadline,
                        Operation::Tick,
                    ] {
                        self.perform(step);
                    }
                }
            }
            operation => self.call(operation),
        }
        if let Some(model) = &self.model {
            assert_eq!(
                self.stream.status(),
                model.status,
                "{operation:?} {model:?}"
            );
        }
    }

    /// The operations that are a call.
    fn call(&mut self, operation: Operation) {
        let now = self.now;
        match operation {
            Operation::Start => {
                self.stream.start(now);
                self.with_model(|model| model.start(now));
            }
            Operation::Stop => {
                self.stream.stop(now);
                self.with_model(|model| model.stop(now));
            }
            Operation::Tick => {
                self.stream.tick(now);
                self.with_model(|model| model.tick(now));
            }
            Operation::Listen => self.listen(),
            Operation::Phase(which, phase) => {
                if let Some((_, id)) = self.attempt(which) {
                    let phases = [Phase::Resolving, Phase::Securing, Phase::Upgrading];
                    let phase = phases[usize::from(phase) % phases.len()];
                    self.stream.phase(now, id, phase);
                    self.with_model(|_| {});
                }
            }
            Operation::Answer(which, answer) => self.answer(which, answer),
            Operation::Granted(which, grant) => self.grant(which, grant),
            Operation::Message(which, content) => self.message(which, content),
            Operation::BytesReceived(which, mid) => {
                if let Some((attempt, id)) = self.attempt(which) {
                    self.stream.bytes_received(now, id, mid);
                    self.with_model(|model| model.bytes_received(attempt, mid));
                }
            }
            Operation::Closed(which) => {
                if let Some((attempt, id)) = self.attempt(which) {
                    self.stream.closed(now, id, Some(1000), "bye");
                    self.with_model(|model| model.gone(now, attempt));
                }
            }
            Operation::Failed(which, kind) => {
                if let Some((attempt, id)) = self.attempt(which) {
                    let kinds = [FailureKind::Tls, FailureKind::ConnectionReset];
                    let kind = kinds[usize::from(kind) % kinds.len()];
                    self.stream
                        .failed(now, id, Failure::transport(kind, "broken"));
                    self.with_model(|model| model.gone(now, attempt));
                }
            }
            Operation::Call(which) => {
                let id = self.stream.call(now, request(which));
                self.pending.push(id);
                self.calls.push(id);
                self.with_model(|_| {});
            }
            Operation::CallPhase(which, phase) => {
                if let Some(index) = self.requests.len().checked_sub(which + 1) {
                    let phases = [CallPhase::Opening, CallPhase::Sent, CallPhase::Answering];
                    let phase = phases[usize::from(phase) % phases.len()];
                    self.stream.call_phase(now, self.requests[index].0, phase);
                    self.with_model(|_| {});
                }
            }
            Operation::CancelCall(which) => {
                if let Some(index) = self.calls.len().checked_sub(which + 1) {
                    self.stream.cancel_call(now, self.calls[index]);
                    self.with_model(|_| {});
                }
            }
            Operation::Pass(_)
            | Operation::PassToDeadline
            | Operation::Idle(_)
            | Operation::Back(_)
            | Operation::SetWallClock(_)
            | Operation::Drain(_) => {}
        }
    }

    fn with_model<T>(&mut self, call: impl FnOnce(&mut Model) -> T) -> Option<T> {
        let now = self.now;
        let model = self.model.as_mut()?;
        model.enter(now);
        Some(call(model))
    }

    /// An attempt's number, counted from one, and its id.
    fn attempt(&self, which: usize) -> Option<(usize, ConnectionId)> {
        let index = self.attempts.len().checked_sub(which + 1)?;
        Some((index + 1, self.attempts[index].0))
    }

    fn listen(&mut self) {
        let now = self.now;
        let deadline = self.stream.poll_timeout(now);
        self.deadline = deadline.map(|deadline| deadline.at);
        let undone =
            deadline.is_some_and(|deadline| deadline.reason == "actions that wait to be done");
        if undone {
            self.with_model(|_| {});
        } else {
            // A call may be due before anything of the stream's.
            let call = self.deadline.filter(|_| self.stream.has_calls());
            let expected = self.with_model(|model| model.listen(now, call));
            assert!(
                expected.is_none_or(|expected| expected == self.deadline),
                "{expected:?} {deadline:?} {:?}",
                self.model
            );
        }
    }

    fn answer(&mut self, which: usize, answer: Answer) {
        let Some((attempt, id)) = self.attempt(which) else {
            return;
        };
        let Some(mut exchange) = self.attempts[attempt - 1].1.take() else {
            return;
        };
        let bytes = match answer {
            Answer::Accept => accepting(&exchange),
            Answer::Status(status) => format!("HTTP/1.1 {status} No\r\n\r\n"),
            Answer::Garbage => "SSH-2.0-dropbear\r\n".to_owned(),
            Answer::End => String::new(),
        };
        if exchange.receive(bytes.as_bytes()) == Progress::More {
            exchange.end_of_input();
        }
        let now = self.now;
        self.stream
            .upgrade_answered(now, id, exchange.into_answer().0);
        self.with_model(|model| model.answer(now, attempt, answer));
    }

    fn grant(&mut self, which: usize, grant: Grant) {
        let Some(index) = self.requests.len().checked_sub(which + 1) else {
            return;
        };
        let (id, exchange) = &mut self.requests[index];
        let (id, exchange) = (*id, exchange.take());
        // With an account of the model's, only REST calls have requests. An exchange that is over
        // has no second answer.
        if exchange.is_some() || !matches!(grant, Grant::Nonsense | Grant::Status(_)) {
            self.with_model(|_| {});
        }
        let body = match grant {
            Grant::Tokens(lifetime) => {
                let token = token(self.now, lifetime);
                if exchange.is_none() {
                    return self.stream.token(self.now, id, Some(Secret::new(token)));
                }
                format!(
                    "{{\"successful\":true,\"data\":{{\"accessToken\":\"{token}\",\"refreshToken\":\"r\"}}}}"
                )
            }
            Grant::Nonsense => "{\"successful\":".to_owned(),
            Grant::Status(_) => "{\"successful\":false,\"data\":null}".to_owned(),
            Grant::Failed => {
                let failure = Failure::transport(FailureKind::Unreachable, "no route");
                return self.stream.http_failed(self.now, id, failure);
            }
            Grant::Nothing => return self.stream.token(self.now, id, None),
        };
        let status = match grant {
            Grant::Status(status) => status,
            _ => 200,
        };
        if let Some(mut exchange) = exchange {
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}");
            exchange.receive(answer.as_bytes());
            self.stream
                .http_answered(self.now, id, exchange.into_answer().0);
        }
    }

    fn message(&mut self, which: usize, content: Content) {
        let Some((attempt, id)) = self.attempt(which) else {
            return;
        };
        self.seqnum += 1;
        let text = match content {
            Content::Property => event(self.seqnum, "ST", "0", "1 2 3 1"),
            Content::Heartbeat(promise) => event(self.seqnum, "_0", PROMISES[promise].0, ""),
            Content::EndMark => event(self.seqnum, "_22", "1", ""),
            Content::System => event(self.seqnum, "_5", "1", ""),
            Content::Ignored => "null".to_owned(),
            Content::Malformed => "<Event".to_owned(),
            Content::Binary | Content::Ping | Content::Pong => String::new(),
        };
        let message = match content {
            Content::Binary => Message::Binary(b"x"),
            Content::Ping => Message::Ping,
            Content::Pong => Message::Pong,
            _ => Message::Text(text.as_bytes()),
        };
        let returned = self.stream.message(self.now, id, message);
        let live = match &returned {
            Some(Notification::Event(event)) => Some(event.live()),
            _ => None,
        };
        if let Some(expected) = self.with_model(|model| model.message(attempt, content)) {
            assert_eq!(returned.is_some(), expected.is_some(), "{content:?}");
            if live.is_some() {
                assert_eq!(live, expected, "{content:?} {:?}", self.model);
            }
        }
        if let Some(live) = live {
            assert_eq!(live, self.stream.status() == Status::Connected);
        }
    }

    fn drain(&mut self, most: usize) {
        for _ in 0..most {
            let Some(action) = self.stream.poll_action() else {
                assert_eq!(self.pending.is_empty(), !self.stream.has_calls());
                let ended = self.stream.status().at_rest() || self.stream.is_stopping();
                assert!(
                    !ended || self.pending.is_empty(),
                    "a call outlives the stream"
                );
                return assert_eq!(self.told, self.stream.status());
            };
            match action {
                Action::Connect { id, upgrade, .. } => self.attempts.push((id, Some(upgrade))),
                Action::Request { id, exchange, .. } => self.requests.push((id, Some(exchange))),
                Action::CallDone { id, .. } => {
                    let place = self.pending.iter().position(|pending| *pending == id);
                    self.pending.remove(place.expect("a call ends once"));
                }
                Action::ProvideToken { id, .. } => self.requests.push((id, None)),
                Action::Notify(Notification::Status(change)) => {
                    assert!(may_follow(self.told, change.status), "{change:?}");
                    self.told = change.status;
                }
                _ => {}
            }
        }
    }
}

/// A read, a command that may be repeated, one that may not, one that waits for its event.
fn request(which: u8) -> Request {
    let address = if which < 128 { "1 2 3 1" } else { "1 2 3 2" };
    let command = match which % 5 {
        0 => return rest::status().into(),
        1 => return rest::get("/api/nodes").expect("a path").into(),
        2 => Command::on(address),
        3 => Command::brighten(address),
        _ => {
            let off = Command::off(address).expect("an address");
            let within = Duration::from_secs(5);
            return off.confirmed(within, &ControllerState::new()).into();
        }
    };
    command.expect("an address").into()
}

/// The order of the statuses.
fn may_follow(before: Status, after: Status) -> bool {
    match after {
        Status::NotStarted => false,
        Status::StreamInitializing => before.at_rest() || before == Status::Reconnecting,
        Status::StreamSyncing => before == Status::StreamInitializing,
        Status::Connected => before == Status::StreamSyncing,
        Status::LostConnection => matches!(
            before,
            Status::StreamInitializing | Status::StreamSyncing | Status::Connected
        ),
        Status::Reconnecting => before == Status::LostConnection,
        Status::ReconnectFailed => before == Status::StreamInitializing,
        Status::Disconnected => !before.at_rest(),
    }
}

fn event(seqnum: i64, control: &str, action: &str, node: &str) -> String {
    format!(
        "<Event seqnum=\"{seqnum}\" sid=\"uuid:1\"><control>{control}</control><action>{action}</action><node>{node}</node></Event>"
    )
}

/// The 101 that a request asks for (RFC 6455 section 4.2.2).
fn accepting(exchange: &Exchange) -> String {
    let request = String::from_utf8_lossy(exchange.request());
    let mut lines = request.lines();
    let key = lines.find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    let key = key.unwrap_or_default();
    let digest = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    let accept = STANDARD.encode(digest);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// A token that lives for so many seconds.
fn token(now: Now, lifetime: u64) -> String {
    let utc = now.utc.duration_since(SystemTime::UNIX_EPOCH);
    let expires = utc.unwrap_or_default().as_secs() + lifetime;
    let claims = URL_SAFE_NO_PAD.encode(format!("{{\"exp\":{expires}}}"));
    format!("eyJhbGciOiJFUzI1NiJ9.{claims}.c2ln")
}
