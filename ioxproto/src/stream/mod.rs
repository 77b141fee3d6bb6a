//! The stream machine: everything that decides about a controller's event stream.
//!
//! ```text
//!              start                  101, proper handshake
//!   ┌────────┐ ─────► ┌────────────┐ ─────────────────────► ┌──────────┐
//!   │ At     │        │ Connecting │ ──┐ 400, once: the     │ Draining │
//!   │ rest   │        │            │ ◄─┘ ISY-994 headers    │          │
//!   └────────┘        └────────────┘                        └──────────┘
//!     ▲    ▲            │       ▲                             │      │ quiet, or the cap
//!     │    │ 401, 403,  │ else  │ the wait                    │      ▼
//!     │    │ identity   │       │ is over                     │  ┌──────┐
//!     │    └────────────┤       │                      lost   │  │ Live │
//!     │                 ▼       │                             │  └──────┘
//!     │               ┌─────────┴──┐ ◄────────────────────────┘      │
//!     │               │ Waiting    │ ◄───────────────────────────────┘ closed, failed,
//!     │               └────────────┘                                   stalled, too large
//!     │    stop from Connecting or Waiting: at once
//!     └──────────── ┌──────────┐ ◄── stop from Draining or Live
//!     closed, or    │ Stopping │
//!     1.5 s later   └──────────┘
//! ```
//!
//! The rules:
//!
//! * **Replay never passes as live.** An event is live only in state `Live`, and only a tick leads there:
//!   a message never ends the drain, however late it comes, since a driver reads what is there before it
//!   ticks. Silence counts only while the driver waits on an empty socket (`timers`), and a message that
//!   has begun to arrive holds the drain open.
//! * **One attempt at a time**, named by its id. An answer that carries another id is late and changes nothing.
//! * **The wait between attempts grows** until a connection has proved itself, by a live heartbeat or by
//!   lasting (`backoff`). One attempt is repeated at once: a 400 without the ISY-994 headers, with them.
//! * **Final is only what a person must mend**: refused credentials and a refused TLS identity (but for its
//!   dates). Everything else is waited out.
//! * **A connection is dead** when no text frame came for longer than the last heartbeat promised, or when
//!   a controller that answers pings leaves one unanswered.
//! * **Every input is harmless in every state**: ignored where it makes no sense.

mod backoff;
mod numbering;
mod stats;
mod timers;

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use tracing::{debug, info, trace};

use self::backoff::Backoff;
use self::numbering::Numbering;
pub use self::stats::Stats;
pub use self::timers::Deadline;
use self::timers::{Timer, Timers};
use crate::http::{Upgrade, Verdict};
use crate::{
    Action, Config, ConnectionId, Event, ExchangeError, Failure, FailureKind, Frame, FrameReader,
    Notification, Now, Phase, Profile, Reason, Silence, Status, StatusChange,
};

/// What came in on an open WebSocket, as the library below saw it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Message<'a> {
    /// A text message's bytes, UTF-8 or not.
    Text(&'a [u8]),
    /// A binary message; never an event.
    Binary(&'a [u8]),
    /// A ping; the WebSocket library answers it.
    Ping,
    /// A pong.
    Pong,
}

/// A controller's event stream, as a machine without socket, clock or runtime.
///
/// [The driver chapter](crate::driver) says how to drive it.
#[derive(Debug)]
pub struct EventStream {
    config: Config,
    state: State,
    status: Status,
    status_since: Option<Instant>,
    actions: VecDeque<Action>,
    timers: Timers,
    backoff: Backoff,
    random: fastrand::Rng,
    reader: FrameReader,
    numbering: Numbering,
    stats: Stats,
    last_id: u64,
    /// Whether the next upgrade carries the ISY-994 headers: by profile, or because they once helped.
    isy_headers: bool,
    /// Whether this controller ever answered a ping; outlives the connection.
    answers_pings: bool,
    was_connected: bool,
    last_event_at: Option<SystemTime>,
    last_now: Option<Now>,
}

#[derive(Debug)]
enum State {
    AtRest,
    Connecting {
        id: ConnectionId,
        upgrade: Upgrade,
        phase: Phase,
        fallback: bool,
    },
    Draining(Connection),
    Live(Connection),
    Waiting,
    Stopping {
        id: ConnectionId,
    },
}

/// What is known of an open connection.
#[derive(Clone, Copy, Debug)]
struct Connection {
    id: ConnectionId,
    /// The listening clock at the last text frame.
    last_text: Duration,
    /// What the last heartbeat promised, with the grace.
    stall_after: Duration,
    mid_message: bool,
    end_mark: bool,
}

impl EventStream {
    /// A stream at rest.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            state: State::AtRest,
            status: Status::NotStarted,
            status_since: None,
            actions: VecDeque::new(),
            timers: Timers::default(),
            backoff: Backoff::new(config.timing.backoff.clone(), config.timing.jitter),
            random: fastrand::Rng::with_seed(config.seed),
            reader: FrameReader::new(),
            numbering: Numbering::default(),
            stats: Stats::default(),
            last_id: 0,
            isy_headers: config.profile == Profile::Isy994,
            answers_pings: false,
            was_connected: false,
            last_event_at: None,
            last_now: None,
            config,
        }
    }

    /// Begins, or begins anew after a stop or a failure. Does nothing while running.
    pub fn start(&mut self, now: Now) {
        self.wake(now);
        if !matches!(self.state, State::AtRest) {
            return;
        }
        self.backoff.proved();
        self.was_connected = false;
        self.set_status(now, StatusChange::new(Status::StreamInitializing));
        self.attempt(now, false);
    }

    /// Ends politely, from any state. Does nothing at rest, or when already stopping.
    pub fn stop(&mut self, now: Now) {
        self.wake(now);
        match self.state {
            State::AtRest | State::Stopping { .. } => {}
            State::Connecting { id, .. } => {
                self.actions.push_back(Action::Abort { id });
                self.stopped(now);
            }
            State::Waiting => self.stopped(now),
            State::Draining(Connection { id, .. }) | State::Live(Connection { id, .. }) => {
                debug!("closing the connection on request");
                self.actions.push_back(Action::Close { id, code: 1000 });
                self.state = State::Stopping { id };
                self.timers.cancel_all();
                self.timers
                    .at(Timer::Stop, now.monotonic + self.config.timing.stop);
            }
        }
    }

    /// An attempt has come this far; a timeout then says so.
    pub fn phase(&mut self, now: Now, id: ConnectionId, reached: Phase) {
        self.wake(now);
        if let State::Connecting {
            id: current, phase, ..
        } = &mut self.state
            && *current == id
        {
            trace!(phase = ?reached, "the attempt goes on");
            *phase = reached;
        }
    }

    /// The upgrade exchange is over: what [`Exchange::into_answer`](crate::Exchange::into_answer) gave.
    pub fn upgrade_answered(
        &mut self,
        now: Now,
        id: ConnectionId,
        answer: Result<http::Response<Vec<u8>>, ExchangeError>,
    ) {
        self.wake(now);
        let State::Connecting {
            id: current,
            upgrade,
            fallback,
            ..
        } = &self.state
        else {
            return;
        };
        if *current != id {
            return;
        }
        let fallback = *fallback;
        let verdict = match answer {
            Ok(answer) => upgrade.judge(&answer, now.utc),
            Err(error) => {
                self.actions.push_back(Action::Abort { id });
                let reason = match error {
                    ExchangeError::Truncated => Reason::Closed {
                        code: None,
                        text: String::new(),
                    },
                    error => Reason::NotAController {
                        detail: error.to_string(),
                    },
                };
                return self.lost(now, reason);
            }
        };
        debug!(?verdict, "the upgrade was answered");
        if verdict == Verdict::Accepted {
            self.isy_headers |= fallback;
            return self.opened(now, id);
        }
        self.actions.push_back(Action::Abort { id });
        match verdict {
            Verdict::Refused { status: 400, .. } if !fallback && !self.isy_headers => {
                self.attempt(now, true)
            }
            Verdict::Refused {
                status: status @ (401 | 403),
                ..
            } => {
                self.lost(now, Reason::CredentialsRefused { status });
            }
            Verdict::Refused {
                status,
                retry_after,
            } => {
                if status == 400 {
                    // What worked once works no longer: the next attempt finds out anew.
                    self.isy_headers = self.config.profile == Profile::Isy994;
                }
                let retry_after =
                    retry_after.map(|after| after.min(self.config.timing.retry_after_max));
                self.lost(
                    now,
                    Reason::UpgradeRefused {
                        status,
                        retry_after,
                    },
                );
            }
            Verdict::NotWebSocket(detail) => self.lost(
                now,
                Reason::NotAController {
                    detail: detail.into(),
                },
            ),
            Verdict::Accepted => {}
        }
    }

    /// A message came. Deliver what the queue holds by now, then what this returns.
    #[must_use = "the notification is to be delivered after the actions that are queued"]
    pub fn message(
        &mut self,
        now: Now,
        id: ConnectionId,
        message: Message<'_>,
    ) -> Option<Notification> {
        self.wake(now);
        let live = matches!(self.state, State::Live(_));
        let (State::Draining(connection) | State::Live(connection)) = &mut self.state else {
            return None;
        };
        if connection.id != id {
            return None;
        }
        connection.mid_message = false;
        self.timers.cancel(Timer::Pong);
        self.timers
            .after_hearing(Timer::Ping, self.config.timing.ping_after);
        match message {
            Message::Text(bytes) => {
                connection.last_text = self.timers.heard();
                self.timers
                    .after_hearing(Timer::Stall, connection.stall_after);
                if bytes.len() > self.config.max_message_bytes {
                    self.actions.push_back(Action::Abort { id });
                    self.lost(
                        now,
                        Reason::MessageTooLarge {
                            limit: self.config.max_message_bytes,
                        },
                    );
                    return None;
                }
                self.text(now, live, bytes)
            }
            Message::Binary(bytes) => {
                trace!(bytes = bytes.len(), "a binary message is ignored");
                self.still_draining(None);
                None
            }
            Message::Ping => None,
            Message::Pong => {
                self.answers_pings = true;
                None
            }
        }
    }

    /// Bytes came, and whether the last of them leave a message unfinished.
    ///
    /// Tell it before waiting, once for all that came since the last wait. Without it a message that
    /// arrives very slowly at the end of the replay could pass as live.
    pub fn bytes_received(&mut self, now: Now, id: ConnectionId, mid_message: bool) {
        self.wake(now);
        if let State::Draining(connection) | State::Live(connection) = &mut self.state
            && connection.id == id
        {
            connection.mid_message = mid_message;
        }
    }

    /// The peer closed, by a close frame (code and text) or by the end of its bytes (neither); also the
    /// answer to [`Action::Close`].
    pub fn closed(&mut self, now: Now, id: ConnectionId, code: Option<u16>, text: &str) {
        self.gone(now, id, || Reason::Closed {
            code,
            text: text.chars().take(123).collect(),
        });
    }

    /// The attempt or the connection failed. The driver has dropped its socket.
    pub fn failed(&mut self, now: Now, id: ConnectionId, failure: Failure) {
        let limit = self.config.max_message_bytes;
        self.gone(now, id, || match failure {
            Failure::Transport {
                kind: FailureKind::MessageTooLarge,
                ..
            } => Reason::MessageTooLarge { limit },
            failure => Reason::Failed(failure),
        });
    }

    /// Time has passed. Call it at the deadline, after reading what is there; spurious calls do nothing.
    pub fn tick(&mut self, now: Now) {
        self.wake(now);
        while let Some(timer) = self.timers.take_due(now.monotonic) {
            debug!(?timer, "due");
            self.due(now, timer);
        }
    }

    /// The next thing to do. Poll after each input until it says `None`.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to tick next, and why; `None` at rest.
    ///
    /// Call it right before waiting, when all actions are done and the socket has nothing more to read:
    /// from here to the next input the stream takes it that somebody listens. Do not call it while a
    /// consumer keeps the driver from reading.
    #[must_use = "the deadline is when to tick"]
    pub fn poll_timeout(&mut self, now: Now) -> Option<Deadline> {
        self.wake(now);
        if self.actions.is_empty() {
            self.timers.begin_wait(now.monotonic)
        } else {
            Some(Deadline {
                at: now.monotonic,
                reason: "actions that wait to be done",
            })
        }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// UTC of the last text frame of any kind.
    #[must_use]
    pub fn last_event_at(&self) -> Option<SystemTime> {
        self.last_event_at
    }

    /// The id of the subscription that the last event belonged to; empty before the connection's first.
    #[must_use]
    pub fn sid(&self) -> &str {
        self.numbering.sid()
    }

    /// What the stream has seen, up to now.
    #[must_use]
    pub fn stats(&self, now: Now) -> Stats {
        let mut stats = self.stats;
        if let Some(since) = self.status_since {
            stats.spent(self.status, since, now.monotonic);
        }
        stats
    }

    /// The configuration in use.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Every input passes here: the driver's wait is over, and the two clocks are compared.
    fn wake(&mut self, now: Now) {
        let listened = self
            .timers
            .end_wait(now.monotonic, self.config.timing.overrun);
        let slept = self.last_now.replace(now).is_some_and(|last| {
            let passed = now.monotonic.saturating_duration_since(last.monotonic);
            let expected = last.utc.checked_add(passed);
            let ahead = expected.and_then(|expected| now.utc.duration_since(expected).ok());
            ahead.is_some_and(|ahead| ahead > self.config.timing.sleep_noticed)
        });
        let open = matches!(self.state, State::Draining(_) | State::Live(_));
        if open && (slept || !listened) && !self.timers.is_set(Timer::Pong) {
            debug!(slept, listened, "time has passed unnoticed");
            self.ping();
        }
    }

    fn attempt(&mut self, now: Now, fallback: bool) {
        self.last_id += 1;
        let id = ConnectionId(self.last_id);
        let mut key = [0; 16];
        self.random.fill(&mut key);
        let isy_headers = self.isy_headers || fallback;
        debug!(attempt = self.last_id, isy_headers, "connecting");
        let (upgrade, exchange) = Upgrade::request(&self.config, isy_headers, key);
        self.state = State::Connecting {
            id,
            upgrade,
            phase: Phase::Resolving,
            fallback,
        };
        self.stats.attempts += 1;
        self.timers.cancel_all();
        self.timers
            .at(Timer::Connect, now.monotonic + self.config.timing.connect);
        let address = self.config.address.clone();
        self.actions.push_back(Action::Connect {
            id,
            address,
            upgrade: exchange,
        });
    }

    fn opened(&mut self, now: Now, id: ConnectionId) {
        let timing = &self.config.timing;
        let stall_after = timing.stall_default.min(timing.stall_max) + timing.stall_grace;
        let last_text = self.timers.heard();
        self.numbering = Numbering::default();
        self.timers.cancel_all();
        self.timers
            .after_hearing(Timer::DrainQuiet, timing.drain_quiet);
        self.timers.after_hearing(Timer::DrainCap, timing.drain_cap);
        self.timers.after_hearing(Timer::Stall, stall_after);
        self.timers.after_hearing(Timer::Ping, timing.ping_after);
        self.state = State::Draining(Connection {
            id,
            last_text,
            stall_after,
            mid_message: false,
            end_mark: false,
        });
        let max_message_bytes = self.config.max_message_bytes;
        self.actions.push_back(Action::OpenWebSocket {
            id,
            max_message_bytes,
        });
        self.set_status(now, StatusChange::new(Status::StreamSyncing));
    }

    fn text(&mut self, now: Now, live: bool, bytes: &[u8]) -> Option<Notification> {
        self.last_event_at = Some(now.utc);
        self.stats.frames += 1;
        self.stats.bytes += bytes.len() as u64;
        let (frame, replaced) = self.reader.read_bytes(bytes);
        self.stats.invalid_utf8 += u64::from(replaced);
        match frame {
            Frame::Event(mut event) => {
                event.set_live(live);
                self.event(&event, live);
                Some(Notification::Event(event))
            }
            Frame::Ignored(ignored) => {
                trace!(kind = %ignored.kind, "ignored");
                self.stats.ignored += 1;
                if ignored.kind.may_take_number() {
                    self.numbering.unnumbered();
                }
                self.still_draining(None);
                Some(Notification::Ignored(ignored))
            }
            Frame::Malformed(malformed) => {
                debug!(cause = malformed.cause, "malformed");
                self.stats.malformed += 1;
                self.numbering.unnumbered();
                self.still_draining(None);
                Some(Notification::Malformed(malformed))
            }
        }
    }

    fn event(&mut self, event: &Event, live: bool) {
        trace!(
            seqnum = event.seqnum(),
            control = event.control(),
            node = event.node(),
            live,
            "event"
        );
        self.stats.events += 1;
        self.stats.live_events += u64::from(live);
        if let Some(gap) = self.numbering.event(event.sid(), event.known_seqnum()) {
            debug!(
                expected = gap.expected,
                got = gap.got,
                "the numbering has a gap"
            );
            self.stats.gaps += 1;
            self.actions
                .push_back(Action::Notify(Notification::Gap(gap)));
        }
        if event.control() == "_0" {
            self.heartbeat(event, live);
        }
        self.still_draining(Some(event));
    }

    fn heartbeat(&mut self, event: &Event, live: bool) {
        let timing = &self.config.timing;
        // A promise that is no positive number counts as none.
        let promised = event
            .action()
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|seconds| *seconds > 0.0);
        let promised = promised.map_or(timing.stall_default, |seconds| {
            Duration::try_from_secs_f64(seconds).unwrap_or(timing.stall_max)
        });
        let stall_after = promised.min(timing.stall_max) + timing.stall_grace;
        if let State::Draining(connection) | State::Live(connection) = &mut self.state {
            connection.stall_after = stall_after;
            self.timers.after_hearing(Timer::Stall, stall_after);
        }
        if live {
            self.proved();
        }
    }

    /// A message came: if the replay was draining, its quiet begins anew.
    fn still_draining(&mut self, event: Option<&Event>) {
        let State::Draining(connection) = &mut self.state else {
            return;
        };
        // The replay of /rest/subscribe ends with `_22`/1.
        connection.end_mark |= event.is_some_and(|event| event.control() == "_22");
        let timing = &self.config.timing;
        let quiet = if connection.end_mark {
            timing.drain_quiet_after_mark
        } else {
            timing.drain_quiet
        };
        self.timers.after_hearing(Timer::DrainQuiet, quiet);
    }

    fn due(&mut self, now: Now, timer: Timer) {
        match timer {
            Timer::Retry => {
                self.set_status(now, StatusChange::new(Status::Reconnecting));
                self.set_status(now, StatusChange::new(Status::StreamInitializing));
                self.attempt(now, false);
            }
            Timer::Connect => {
                if let State::Connecting { id, phase, .. } = self.state {
                    self.actions.push_back(Action::Abort { id });
                    self.lost(
                        now,
                        Reason::TimedOut {
                            phase,
                            after: self.config.timing.connect,
                        },
                    );
                }
            }
            Timer::Stop => {
                if let State::Stopping { id } = self.state {
                    self.actions.push_back(Action::Abort { id });
                    self.stopped(now);
                }
            }
            Timer::DrainQuiet | Timer::DrainCap => self.drained(now),
            Timer::Stall => self.stalled(now, Silence::Heartbeat),
            Timer::Pong => self.stalled(now, Silence::Ping),
            Timer::Ping => self.ping(),
            Timer::Proven => self.proved(),
        }
    }

    fn drained(&mut self, now: Now) {
        let State::Draining(connection) = self.state else {
            return;
        };
        if connection.mid_message {
            debug!("a message of the replay is still arriving");
            self.timers
                .after_hearing(Timer::DrainQuiet, self.config.timing.drain_quiet);
            return;
        }
        self.state = State::Live(connection);
        self.timers.cancel(Timer::DrainQuiet);
        self.timers.cancel(Timer::DrainCap);
        self.timers
            .after_hearing(Timer::Proven, self.config.timing.proven_after);
        self.stats.reconnects += u64::from(self.was_connected);
        self.was_connected = true;
        self.set_status(now, StatusChange::new(Status::Connected));
    }

    fn ping(&mut self) {
        let (State::Draining(connection) | State::Live(connection)) = &self.state else {
            return;
        };
        self.actions.push_back(Action::Ping { id: connection.id });
        if self.answers_pings {
            self.timers.cancel(Timer::Ping);
            self.timers
                .after_hearing(Timer::Pong, self.config.timing.pong_within);
        } else {
            self.timers
                .after_hearing(Timer::Ping, self.config.timing.ping_after);
        }
    }

    fn proved(&mut self) {
        self.timers.cancel(Timer::Proven);
        self.backoff.proved();
    }

    fn stalled(&mut self, now: Now, silence: Silence) {
        let (State::Draining(connection) | State::Live(connection)) = &self.state else {
            return;
        };
        let silent_for = self.timers.heard() - connection.last_text;
        self.actions.push_back(Action::Abort { id: connection.id });
        self.lost(
            now,
            Reason::Stalled {
                silent_for,
                silence,
            },
        );
    }

    /// The driver's socket is gone.
    fn gone(&mut self, now: Now, id: ConnectionId, reason: impl FnOnce() -> Reason) {
        self.wake(now);
        match &self.state {
            State::Stopping { id: current } if *current == id => self.stopped(now),
            State::Connecting { id: current, .. }
            | State::Draining(Connection { id: current, .. })
            | State::Live(Connection { id: current, .. })
                if *current == id =>
            {
                self.lost(now, reason());
            }
            _ => trace!(?id, "late news of an abandoned connection"),
        }
    }

    /// The attempt or the connection is lost: wait and try again, or give up where only a person can help.
    fn lost(&mut self, now: Now, reason: Reason) {
        self.timers.cancel_all();
        let for_a_person = match &reason {
            Reason::CredentialsRefused { .. } => true,
            Reason::Failed(Failure::Identity { problem, .. }) => !problem.dates_only(),
            _ => false,
        };
        if for_a_person && !self.config.keep_trying {
            self.state = State::AtRest;
            let change = StatusChange {
                status: Status::ReconnectFailed,
                reason: Some(reason),
                retry_in: None,
            };
            return self.set_status(now, change);
        }
        let mut wait = if for_a_person {
            self.backoff.longest(&mut self.random)
        } else {
            self.backoff.failed(&mut self.random)
        };
        if let Reason::UpgradeRefused {
            retry_after: Some(after),
            ..
        } = reason
        {
            wait = wait.max(after);
        }
        self.state = State::Waiting;
        self.timers.at(Timer::Retry, now.monotonic + wait);
        let change = StatusChange {
            status: Status::LostConnection,
            reason: Some(reason),
            retry_in: Some(wait),
        };
        self.set_status(now, change);
    }

    fn stopped(&mut self, now: Now) {
        self.timers.cancel_all();
        self.state = State::AtRest;
        let change = StatusChange {
            status: Status::Disconnected,
            reason: Some(Reason::StopRequested),
            retry_in: None,
        };
        self.set_status(now, change);
    }

    fn set_status(&mut self, now: Now, change: StatusChange) {
        if let Some(since) = self.status_since.replace(now.monotonic) {
            self.stats.spent(self.status, since, now.monotonic);
        }
        info!(
            status = %change.status,
            reason = change.reason.as_ref().map(tracing::field::display),
            retry_in = change.retry_in.map(|wait| wait.as_secs_f64()),
            "the stream's status changed"
        );
        self.status = change.status;
        self.actions
            .push_back(Action::Notify(Notification::Status(change)));
    }
}
