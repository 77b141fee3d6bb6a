//! Calls the stream machine's methods in any order. Nothing panics, the statuses have a legal
//! order, events are live exactly when the rules of stamps say so, and each REST call ends once.
//! With a local account the machine does what its model does. The model has no REST calls.

mod model;
mod operation;
mod replay;
mod stamp;

use std::time::{Duration, Instant, SystemTime};

use ioxproto::rest::{self, CallId, CallPhase, Command, Request};
use ioxproto::state::ControllerState;
use ioxproto::{
    Action, Config, ConnectionId, Exchange, Failure, FailureKind, Message, Notification, Now,
    Phase, Profile, RequestId, Secret, Status, StreamMachine, SubscribePath,
};

use self::model::{Listening, Model};
use self::operation::{Answer, Content, Grant, HEARTBEAT_INTERVALS, Operation, Sid};
use self::replay::{Path, Replay};
use self::stamp::{Clock, Stamp, Stamped, written};

/// Runs the operations. The first byte is the account; from [`OPEN`] on, a connection is open at
/// the start. Each further three bytes are an operation.
pub fn run(data: &[u8]) {
    let Some((account, operations)) = data.split_first() else {
        return;
    };
    let mut driver = Driver::new(account % OPEN);
    if *account >= OPEN {
        driver.open();
    }
    for operation in operations.as_chunks().0 {
        driver.perform(Operation::drawn(*operation));
    }
}

/// Added to the number of an account: a connection is open at the start.
pub const OPEN: u8 = 128;
/// A local account. Local accounts are checked against a model.
pub const LOCAL: u8 = 0;
/// A local account on an ISY-994.
const ISY994: u8 = 4;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Drives the stream machine, and plays the controller and the portal.
struct Driver {
    stream: StreamMachine,
    oracle: Oracle,
    controller: Clock,
    now: Now,
    deadline: Option<Instant>,
    attempts: Vec<(ConnectionId, Option<Exchange>)>,
    requests: Vec<(RequestId, Option<Exchange>)>,
    /// The REST calls that have not ended; `calls` are all that were made.
    pending: Vec<CallId>,
    calls: Vec<CallId>,
    reported: Status,
    seqnum: i64,
}

/// What the stream is checked against.
#[derive(Debug)]
enum Oracle {
    /// A local account: a model of the whole stream, without REST calls.
    Model(Model),
    /// Any other account: its login has no model. Predicts only whether events are live, from their
    /// stamps and the status that the stream reports.
    Stamps {
        path: Path,
        listening: Listening,
        replay: Option<Replay>,
    },
}

impl Driver {
    fn new(account: u8) -> Self {
        let config = Config::new("https://eisy.test").seed(u64::from(account));
        let config = match account % 5 {
            LOCAL => config.local_account("admin", "x"),
            ISY994 => config.local_account("admin", "x").profile(Profile::Isy994),
            1 => config.portal_account("user@example.test", "x"),
            2 => config
                .portal_account("user@example.test", "x")
                .path(SubscribePath::Api),
            _ => config.own_tokens().keep_trying(true),
        };
        let oracle = match account % 5 {
            account @ (LOCAL | ISY994) => Oracle::Model(Model::new(account == ISY994)),
            account => Oracle::Stamps {
                path: if account == 2 { Path::Api } else { Path::Rest },
                listening: Listening::default(),
                replay: None,
            },
        };
        #[allow(
            clippy::disallowed_methods,
            reason = "only the start of the simulated time"
        )]
        let began = Instant::now() + Duration::from_secs(3600);
        Self {
            stream: StreamMachine::new(config).expect("a valid configuration"),
            oracle,
            controller: Clock::new(),
            now: Now {
                monotonic: began,
                utc: SystemTime::UNIX_EPOCH + Duration::from_secs(1_778_000_000),
            },
            deadline: None,
            attempts: Vec::new(),
            requests: Vec::new(),
            pending: Vec::new(),
            calls: Vec::new(),
            reported: Status::NotStarted,
            seqnum: 0,
        }
    }

    /// Opens a connection to a controller that grants and accepts immediately.
    fn open(&mut self) {
        for step in [
            Operation::Start,
            Operation::TakeActions(usize::MAX),
            Operation::Granted(0, Grant::Tokens(86_400)),
            Operation::TakeActions(usize::MAX),
            Operation::Answer(0, Answer::Accept),
            Operation::TakeActions(usize::MAX),
        ] {
            self.perform(step);
        }
        assert_eq!(self.stream.status(), Status::StreamSyncing);
    }

    fn perform(&mut self, operation: Operation) {
        match operation {
            Operation::Pass(time) => self.pass(time),
            Operation::PassToDeadline => {
                let time = self
                    .deadline
                    .map(|at| at.saturating_duration_since(self.now.monotonic));
                self.pass(time.unwrap_or_default());
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
            Operation::TakeActions(max) => self.take_actions(max),
            Operation::Idle(rounds) => {
                for _ in 0..rounds {
                    for step in [
                        Operation::TakeActions(usize::MAX),
                        Operation::Listen,
                        Operation::PassToDeadline,
                        Operation::Tick,
                    ] {
                        self.perform(step);
                    }
                }
            }
            Operation::Listened(time) => self.listen_for(time),
            Operation::SetControllerClock(by) => self.controller.step(by),
            Operation::End(which, stamp) => {
                for content in [Content::Batch, Content::Battery, Content::EndMark] {
                    self.message(which, content, stamp, 1);
                }
            }
            operation => self.call(operation),
        }
        if let Oracle::Model(model) = &self.oracle {
            assert_eq!(
                self.stream.status(),
                model.status,
                "{operation:?} {model:?}"
            );
            let stats = self.stream.stats(self.now);
            assert_eq!(stats.incomplete_replays, model.incomplete, "{operation:?}");
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
        self.controller.pass(time);
    }

    fn listen_for(&mut self, time: Duration) {
        let until = self.now.monotonic + time;
        for _ in 0..100 {
            self.perform(Operation::TakeActions(usize::MAX));
            self.perform(Operation::Listen);
            let left = until.saturating_duration_since(self.now.monotonic);
            let due = self.deadline.filter(|at| *at <= until);
            let wait = due.map(|at| at.saturating_duration_since(self.now.monotonic));
            self.perform(Operation::Pass(wait.unwrap_or(left)));
            self.perform(Operation::Tick);
            if due.is_none() {
                return;
            }
        }
    }

    /// Performs an operation that is a method of the stream.
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
                let before = self.stream.status();
                self.stream.tick(now);
                self.with_model(|model| model.tick(now));
                let drained =
                    before == Status::StreamSyncing && self.stream.status() == Status::Connected;
                if let Oracle::Stamps {
                    replay: Some(replay),
                    ..
                } = &mut self.oracle
                    && drained
                {
                    replay.drained();
                }
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
            Operation::Message(which, content, stamp, sid) => {
                self.message(which, content, stamp, sid);
            }
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
            | Operation::Listened(_)
            | Operation::SetControllerClock(_)
            | Operation::End(..)
            | Operation::Back(_)
            | Operation::SetWallClock(_)
            | Operation::TakeActions(_) => {}
        }
    }

    /// Follows a method of the stream: notes the time, then does the same with the model.
    fn with_model<T>(&mut self, call: impl FnOnce(&mut Model) -> T) -> Option<T> {
        let now = self.now;
        match &mut self.oracle {
            Oracle::Model(model) => {
                model.enter(now);
                Some(call(model))
            }
            Oracle::Stamps { listening, .. } => {
                listening.enter(now);
                None
            }
        }
    }

    /// Returns an attempt's number, counted from 1, and its id.
    fn attempt(&self, which: usize) -> Option<(usize, ConnectionId)> {
        let index = self.attempts.len().checked_sub(which + 1)?;
        Some((index + 1, self.attempts[index].0))
    }

    fn listen(&mut self) {
        let now = self.now;
        let deadline = self.stream.poll_timeout(now);
        self.deadline = deadline.map(|deadline| deadline.at);
        let undone = deadline.is_some_and(|deadline| deadline.reason == "actions to be performed");
        if undone {
            self.with_model(|_| {});
        } else {
            // A call's deadline may be earlier than those of the stream.
            let call = self.deadline.filter(|_| self.stream.has_calls());
            let expected = self.with_model(|model| model.listen(now, call));
            assert!(
                expected.is_none_or(|expected| expected == self.deadline),
                "{expected:?} {deadline:?} {:?}",
                self.oracle
            );
            if let Oracle::Stamps { listening, .. } = &mut self.oracle {
                listening.listen(now, self.deadline);
            }
        }
    }

    fn answer(&mut self, which: usize, answer: Answer) {
        let Some((attempt, id)) = self.attempt(which) else {
            return;
        };
        let Some(exchange) = self.attempts[attempt - 1].1.take() else {
            return;
        };
        let bytes = match answer {
            Answer::Accept => pretend::accepting(exchange.request()),
            Answer::Status(status) => format!("HTTP/1.1 {status} No\r\n\r\n"),
            Answer::Garbage => "SSH-2.0-dropbear\r\n".to_owned(),
            Answer::End => String::new(),
        };
        let now = self.now;
        let before = self.stream.status();
        let received = pretend::received(exchange, bytes);
        self.stream.upgrade_answered(now, id, received);
        self.with_model(|model| model.answer(now, attempt, answer));
        let opened =
            before != self.stream.status() && self.stream.status() == Status::StreamSyncing;
        if !opened {
            return;
        }
        self.controller.new_connection();
        if let Oracle::Stamps {
            path,
            listening,
            replay,
        } = &mut self.oracle
        {
            *replay = Some(Replay::new(*path, listening.heard));
        }
    }

    fn grant(&mut self, which: usize, grant: Grant) {
        let Some(index) = self.requests.len().checked_sub(which + 1) else {
            return;
        };
        let (id, exchange) = &mut self.requests[index];
        let (id, exchange) = (*id, exchange.take());
        let now = self.now;
        match (grant, exchange) {
            (Grant::Failed, _) => {
                let failure = Failure::transport(FailureKind::Unreachable, "no route");
                self.stream.http_failed(now, id, failure);
            }
            (Grant::Nothing, _) => self.stream.token(now, id, None),
            (Grant::Tokens(lifetime), None) => {
                let token = Secret::new(token(now, lifetime));
                self.stream.token(now, id, Some(token));
            }
            (Grant::Status(_) | Grant::Nonsense, None) => return,
            (_, Some(exchange)) => {
                let answer = pretend::received(exchange, granting(now, grant));
                self.stream.http_answered(now, id, answer);
            }
        }
        self.with_model(|_| {});
    }

    fn message(&mut self, which: usize, content: Content, stamp: Stamp, sid: Sid) {
        let Some((attempt, id)) = self.attempt(which) else {
            return;
        };
        let message = Stamped {
            content,
            stamp: self.controller.stamp(stamp),
            sid,
        };
        let text = self.text(message, stamp == Stamp::Broken);
        let bytes = match content {
            Content::Binary => Message::Binary(b"x"),
            Content::Ping => Message::Ping,
            Content::Pong => Message::Pong,
            _ => Message::Text(text.as_bytes()),
        };
        let status = self.stream.status();
        let returned = self.stream.message(self.now, id, bytes);
        let live = match &returned {
            Some(Notification::Event(event)) => Some(event.is_live()),
            _ => None,
        };
        assert!(live != Some(true) || status == Status::Connected);
        if let Some(expected) = self.with_model(|model| model.message(attempt, message)) {
            assert_eq!(returned.is_some(), expected.is_some(), "{message:?}");
            if live.is_some() {
                assert_eq!(live, expected, "{message:?} {:?}", self.oracle);
            }
        }
        if let Oracle::Stamps {
            listening,
            replay: Some(replay),
            ..
        } = &mut self.oracle
            && live.is_some()
        {
            let draining = status == Status::StreamSyncing;
            let verdict = replay.event(listening.heard, draining, message);
            let expected = !draining && !verdict.replay;
            assert_eq!(live, Some(expected), "{message:?} {replay:?}");
        }
    }

    fn text(&mut self, message: Stamped, broken: bool) -> String {
        self.seqnum += 1;
        let (control, action, node) = match message.content {
            Content::Property => ("ST", "0", "1 2 3 1"),
            Content::Command => ("DON", "255", "1 2 3 1"),
            Content::Heartbeat(heartbeat_interval) => {
                ("_0", HEARTBEAT_INTERVALS[heartbeat_interval].0, "")
            }
            Content::EndMark => ("_22", "1", ""),
            Content::Batch => ("_4", "5", ""),
            Content::Battery => ("_4", "6", ""),
            Content::TimeChanged => ("_4", "0", ""),
            Content::System => ("_5", "1", ""),
            Content::Response => return "<SubscriptionResponse/>".to_owned(),
            Content::Ignored => return "null".to_owned(),
            Content::Malformed => return "<Event".to_owned(),
            Content::Binary | Content::Ping | Content::Pong => return String::new(),
        };
        let stamp = match message.stamp {
            // Each subscription has another offset from UTC, so that the same instant has two
            // forms.
            Some(stamp) => written(stamp, if message.sid == 1 { -7 } else { 2 }),
            None if broken => "soon".to_owned(),
            None => String::new(),
        };
        let timestamp = match &*stamp {
            "" => String::new(),
            stamp => format!(" timestamp=\"{stamp}\""),
        };
        format!(
            "<Event seqnum=\"{}\" sid=\"uuid:{}\"{timestamp}><control>{control}</control>\
             <action>{action}</action><node>{node}</node></Event>",
            self.seqnum, message.sid
        )
    }

    fn take_actions(&mut self, max: usize) {
        for _ in 0..max {
            let Some(action) = self.stream.poll_action() else {
                assert_eq!(self.pending.is_empty(), !self.stream.has_calls());
                let ended = self.stream.status().is_at_rest() || self.stream.is_stopping();
                assert!(
                    !ended || self.pending.is_empty(),
                    "a call outlives the stream"
                );
                return assert_eq!(self.reported, self.stream.status());
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
                    assert!(may_follow(self.reported, change.status), "{change:?}");
                    self.reported = change.status;
                }
                _ => {}
            }
        }
    }
}

/// Makes a read, a command that may be repeated, one that must not be, or one that waits for its
/// event.
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

/// Whether a status may follow another.
fn may_follow(before: Status, after: Status) -> bool {
    match after {
        Status::NotStarted => false,
        Status::StreamInitializing => before.is_at_rest() || before == Status::Reconnecting,
        Status::StreamSyncing => before == Status::StreamInitializing,
        Status::Connected => before == Status::StreamSyncing,
        Status::LostConnection => matches!(
            before,
            Status::StreamInitializing | Status::StreamSyncing | Status::Connected
        ),
        Status::Reconnecting => before == Status::LostConnection,
        Status::ReconnectFailed => before == Status::StreamInitializing,
        Status::Disconnected => !before.is_at_rest(),
    }
}

/// Makes the answer to a login or refresh.
fn granting(now: Now, grant: Grant) -> String {
    let (status, body) = match grant {
        Grant::Tokens(lifetime) => {
            let token = token(now, lifetime);
            let data = format!("{{\"accessToken\":\"{token}\",\"refreshToken\":\"r\"}}");
            (200, format!("{{\"successful\":true,\"data\":{data}}}"))
        }
        Grant::Status(status) => (status, "{\"successful\":false,\"data\":null}".to_owned()),
        _ => (200, "{\"successful\":".to_owned()),
    };
    pretend::answer(status, &body)
}

/// Makes a token that is valid for this many seconds.
fn token(now: Now, lifetime: u64) -> String {
    pretend::access_token(now, "fuzz", lifetime as f64)
}
