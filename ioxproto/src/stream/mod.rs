//! The stream machine: everything that decides about a controller's event stream.
//!
//! ```text
//!               start      ┌───────────┐ granted  ┌────────────┐  101     ┌──────────┐
//!   ┌────────┐ ──────────► │ SigningIn │ ───────► │ Connecting │ ───────► │ Draining │
//!   │ At     │             └───────────┘ ◄─────── └────────────┘          └──────────┘
//!   │ rest   │              │    ▲    a 401, once   │   ▲ 400, once: the    │     │ quiet,
//!   └────────┘              │    │    per attempt   │   └ ISY-994 headers   │     ▼ or the cap
//!     ▲    ▲   a clear no   │    │                  │                       │  ┌──────┐
//!     │    └────────────────┤    │ the wait         │ any other refusal,    │  │ Live │
//!     │                     │    │ is over          │ failure, time-out     │  └──────┘
//!     │                     ▼    │                  ▼                       ▼     │
//!     │                   ┌─────────────────────────────────────────────────────┐ │ closed, failed,
//!     │                   │ Waiting                                             │◄┘ stalled, too large
//!     │                   └─────────────────────────────────────────────────────┘
//!     │ both done, or 1.5 s later   ┌──────────┐
//!     └──────────────────────────── │ Stopping │ ◄── stop: a close frame, and a portal account's logout beside it;
//!                                   └──────────┘     at once where there is neither
//! ```
//!
//! A local account has nothing to sign in for and goes straight to `Connecting`.
//!
//! The rules:
//!
//! * **Replay never passes as live** (`open`). An event is live only in state `Live`, and only a tick leads
//!   there: a message never ends the drain, however late it comes, since a driver reads what is there before it
//!   ticks. Silence counts only while the driver waits on an empty socket (`timers`), and a message that
//!   has begun to arrive holds the drain open.
//! * **One attempt at a time** (`attempt`), named by its id. An answer that carries another id is late and
//!   changes nothing.
//! * **The wait between attempts grows** until a connection has proved itself, by a live heartbeat or by
//!   lasting (`backoff`). Two things are done at once instead, once each: a 400 without the ISY-994 headers is
//!   tried with them, and a 401 is tried with renewed tokens.
//! * **Final is only what a person must mend**: refused credentials and a refused TLS identity (but for its
//!   dates). Everything else is waited out.
//! * **A connection is dead** when no text frame came for longer than the last heartbeat promised, or when
//!   a controller that answers pings leaves one unanswered.
//! * **Every input is harmless in every state**: ignored where it makes no sense.

mod attempt;
mod backoff;
mod ending;
mod numbering;
mod open;
mod stats;
mod timers;

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use tracing::{debug, info, trace};

use self::backoff::Backoff;
use self::numbering::Numbering;
use self::open::Connection;
pub use self::open::Message;
pub use self::stats::Stats;
pub use self::timers::Deadline;
use self::timers::{Timer, Timers};
use crate::auth::Credentials;
use crate::http::{HeaderSet, Upgrade};
use crate::{
    Account, Action, Address, Config, ConfigError, ConnectionId, Failure, FailureKind, FrameReader,
    Notification, Now, Phase, Reason, RequestId, Silence, Status, StatusChange,
};

/// A controller's event stream, as a machine without socket, clock or runtime.
///
/// [The driver chapter](crate::driver) says how to drive it.
#[derive(Debug)]
pub struct EventStream {
    config: Config,
    address: Address,
    state: State,
    status: Status,
    status_since: Option<Instant>,
    actions: VecDeque<Action>,
    timers: Timers,
    backoff: Backoff,
    random: fastrand::Rng,
    credentials: Credentials,
    reader: FrameReader,
    numbering: Numbering,
    stats: Stats,
    last_id: u64,
    headers: HeaderSet,
    /// Whether this controller ever answered a ping; outlives the connection.
    answers_pings: bool,
    was_connected: bool,
    last_event_at: Option<SystemTime>,
    last_now: Option<Now>,
    /// The account from the next start on.
    next_account: Option<Account>,
}

#[derive(Debug)]
enum State {
    AtRest,
    SigningIn {
        request: RequestId,
    },
    Connecting {
        id: ConnectionId,
        upgrade: Upgrade,
        phase: Phase,
    },
    Draining(Connection),
    Live(Connection),
    Waiting,
    Stopping {
        connection: Option<ConnectionId>,
        request: Option<RequestId>,
    },
}

impl EventStream {
    /// A stream at rest.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first setting that cannot be used.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        let (address, account) = config.checked()?;
        Ok(Self {
            state: State::AtRest,
            status: Status::NotStarted,
            status_since: None,
            actions: VecDeque::new(),
            timers: Timers::default(),
            backoff: Backoff::new(config.timing.backoff.clone(), config.timing.jitter),
            random: fastrand::Rng::with_seed(config.seed),
            credentials: Credentials::new(account, address.clone(), config.path),
            address,
            reader: FrameReader::new(),
            numbering: Numbering::default(),
            stats: Stats::default(),
            last_id: 0,
            headers: HeaderSet::new(config.profile),
            answers_pings: false,
            was_connected: false,
            last_event_at: None,
            last_now: None,
            next_account: None,
            config,
        })
    }

    /// Begins, or begins anew after a stop or a failure. Does nothing while running.
    pub fn start(&mut self, now: Now) {
        self.wake(now);
        if !matches!(self.state, State::AtRest) {
            return;
        }
        self.backoff.proved();
        self.credentials.begin_session(self.next_account.take());
        self.was_connected = false;
        self.begin_attempt(now);
    }

    /// Another account from the next [`start`](Self::start) on. While the stream runs, nothing changes.
    ///
    /// ```
    /// # use ioxproto::{Account, Config, ConfigError, EventStream, SubscribePath};
    /// # let config = Config::new("http://eisy.local:8080").local_account("admin", "old");
    /// let mut stream = EventStream::new(config)?;
    /// stream.exchange_account(Account::local("admin", "new"))?;
    /// assert_eq!(stream.exchange_account(Account::local("a:b", "")), Err(ConfigError::Username));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when the account does not go with the other settings; the old one stays.
    pub fn exchange_account(&mut self, account: Account) -> Result<(), ConfigError> {
        self.config.check_account(&account)?;
        self.next_account = Some(account);
        Ok(())
    }

    /// The peer closed, by a close frame (code and text) or by the end of its bytes (neither); also the
    /// answer to [`Action::Close`].
    pub fn closed(&mut self, now: Now, id: ConnectionId, code: Option<u16>, text: &str) {
        self.gone(now, id, || Reason::closed(code, text));
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

    /// Whether a stop is under way: messages that still come are not delivered.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        matches!(self.state, State::Stopping { .. })
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

    /// The controller's address.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Every input passes here: the driver's wait is over, and the two clocks are compared.
    fn wake(&mut self, now: Now) {
        if self.last_now == Some(now) && !self.timers.is_waiting() {
            // One of many inputs of one wake-up.
            return;
        }
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

    fn due(&mut self, now: Now, timer: Timer) {
        match timer {
            Timer::Retry => {
                self.set_status(now, StatusChange::new(Status::Reconnecting));
                self.begin_attempt(now);
            }
            Timer::SignIn => {
                if let State::SigningIn { request } = self.state {
                    self.actions.push_back(Action::Abandon { id: request });
                    self.credentials.abandoned();
                    let after = self.config.timing.http;
                    self.lost(
                        now,
                        Reason::TimedOut {
                            phase: Phase::SigningIn,
                            after,
                        },
                    );
                }
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
            Timer::Stop => self.leave(now),
            Timer::TokenAccepted => self.token_ignored(now),
            Timer::DrainQuiet | Timer::DrainCap => self.drained(now, timer),
            Timer::Stall => self.stalled(now, Silence::Heartbeat),
            Timer::Pong => self.stalled(now, Silence::Ping),
            Timer::Ping => self.ping(),
            Timer::Proven => self.proved(),
        }
    }

    /// The driver's socket is gone.
    fn gone(&mut self, now: Now, id: ConnectionId, reason: impl FnOnce() -> Reason) {
        self.wake(now);
        match &mut self.state {
            State::Stopping { connection, .. } if *connection == Some(id) => {
                *connection = None;
                self.ended(now);
            }
            State::Connecting { id: current, .. }
            | State::Draining(Connection { id: current, .. })
            | State::Live(Connection { id: current, .. })
                if *current == id =>
            {
                let reason = self.unaccepted(reason());
                self.lost(now, reason);
            }
            _ => trace!(?id, "late news of an abandoned connection"),
        }
    }

    /// The attempt or the connection is lost: wait and try again, or give up where only a person can help.
    fn lost(&mut self, now: Now, reason: Reason) {
        self.lost_for(now, reason, None);
    }

    /// The same, where the controller asked to be left alone for a while.
    fn lost_for(&mut self, now: Now, reason: Reason, retry_after: Option<Duration>) {
        self.timers.cancel_all();
        let for_a_person = match &reason {
            Reason::CredentialsRefused { .. } | Reason::LoginRefused { .. } => true,
            Reason::Failed(Failure::Identity { problem, .. }) => !problem.dates_only(),
            _ => false,
        };
        if for_a_person && !self.config.keep_trying {
            self.state = State::AtRest;
            self.credentials.forget();
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
        if let Some(after) = retry_after {
            wait = wait.max(after.min(self.config.timing.retry_after_max));
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
