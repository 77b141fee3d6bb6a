//! The stream machine: it makes every decision about a controller's event stream.
//!
//! ```text
//!              start    ┌───────────┐ granted  ┌────────────┐   101    ┌──────────┐
//!   ┌────────┐ ───────► │ SigningIn │ ───────► │ Connecting │ ───────► │ Draining │
//!   │ AtRest │          └───────────┘ ◄─────── └────────────┘          └──────────┘
//!   └────────┘           │    ▲    401, once in     │  ▲  400, once:      │     │ quiet,
//!     ▲    ▲  refused    │    │    an attempt       │  └─ more headers    │     ▼ the cap
//!     │    └─────────────┤    │ the wait            │ refused, failed,    │  ┌──────┐
//!     │                  │    │ is over             │ timed out           │  │ Live │
//!     │                  ▼    │                     ▼                     ▼  └──────┘
//!     │                ┌────────────────────────────────────────────────────┐  │ closed, failed,
//!     │                │ Waiting                                            │◄─┘ stalled,
//!     │                └────────────────────────────────────────────────────┘    too large
//!     │ both done, or 1.5 s later   ┌──────────┐
//!     └──────────────────────────── │ Stopping │ ◄── stop, from any state: a close frame, and the
//!                                   └──────────┘     logout of a portal account beside it
//! ```
//!
//! A local account needs no login and goes straight to `Connecting`. A stop without an open
//! connection or session goes straight to `AtRest`. If the names of the house are read before the
//! subscription, `ReadingNames` precedes `Connecting`.
//!
//! The rules:
//!
//! * **A replayed event is never reported as live** (`open`). An event is live only in state
//!   `Live`, and only a tick enters that state. A message never ends the drain, because a driver
//!   reads all available bytes before it ticks. Silence counts only while the driver waits on an
//!   empty socket (`timers`), and a partly received message extends the drain. A replayed event
//!   that the network delays until after the drain is recognised by its stamp (`replay_stamps`).
//! * **The drain ends** after 1 s of silence, or 0.25 s after the end mark (`end_mark`). While an
//!   end mark is expected, 5 s of silence are required. A busy house without an end mark is live
//!   when 10 s have passed and its stamps no longer show replayed events. After 60 s the drain ends
//!   in any case, and the status says that the replay may be incomplete.
//! * **One attempt at a time** (`attempt`), identified by its id. Every input goes through
//!   [`StreamMachine::enter`], which ignores inputs for an abandoned attempt.
//! * **The wait between attempts grows** until a connection proves stable, by a live heartbeat or
//!   by its age (`backoff`). Two refusals are retried immediately, once each: a 400 without the
//!   ISY-994 headers ([`HeaderSet`]), and a 401 with renewed tokens (`AccessPolicy`).
//! * **Only a failure that a person must fix is final**: refused credentials, or a refused TLS
//!   identity unless only its dates are wrong. Every other failure is retried.
//! * **A connection is dead** if no text frame arrives within the interval that the last heartbeat
//!   announced, or if a controller that answers pings does not answer one.
//! * **The stream reads the names of the house with its own calls** (`loader`).
//! * **A self-audit** (`audit`), if configured, detects a subscription that sends heartbeats but no
//!   other events.
//! * **Calls run alongside the stream** (`calls`) and use its account and tokens. Their outcomes do
//!   not affect the stream.
//! * **Every input is safe in every state**: it is ignored if it does not apply.
//!
//! This file has the public methods, in [`StreamMachine`]. The other files of this folder implement
//! them on [`Machine`].

mod attempt;
mod audit;
mod backoff;
mod calls;
mod drain;
mod end_mark;
mod ending;
mod loader;
mod machine;
mod numbering;
mod open;
mod probe;
mod replay;
mod replay_stamps;
mod stamp_parser;
mod stats;
mod timers;

use std::collections::VecDeque;
use std::fmt::Debug;
use std::time::{Instant, SystemTime};

use http::Response;
use tracing::trace;
use zeroize::Zeroizing;

use self::audit::Auditor;
use self::backoff::Backoff;
use self::calls::Calls;
use self::loader::Loader;
use self::numbering::Numbering;
use self::open::Connection;
pub use self::open::Message;
use self::replay::Replay;
pub use self::stats::Stats;
pub use self::timers::Deadline;
use self::timers::Timers;
use crate::auth::Credentials;
use crate::http::{HeaderSet, Upgrade};
use crate::rest::{CallError, CallId, CallPhase, RawAnswer, Request};
use crate::{
    Account, Action, Address, Config, ConfigError, ConnectionId, ExchangeError, Failure,
    FrameReader, Notification, Now, Phase, Reason, RequestId, Secret, Status,
};

/// A controller's event stream as a state machine, without socket, clock or runtime.
///
/// [The driver chapter](crate::driver) describes how to drive it.
#[derive(Debug)]
pub struct StreamMachine {
    machine: Machine,
}

/// The state behind a [`StreamMachine`]; inputs reach it through [`StreamMachine::enter`].
#[derive(Debug)]
struct Machine {
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
    headers: HeaderSet,
    reader: FrameReader,
    numbering: Numbering,
    replay: Replay,
    calls: Calls,
    loader: Loader,
    auditor: Auditor,
    /// The answer to the self-audit's call, until it is compared.
    audit_answer: Option<Result<RawAnswer, CallError>>,
    /// Whether this controller has ever marked the end of a replay; kept across connections.
    shows_end_mark: bool,
    stats: Stats,
    last_id: u64,
    /// Whether this controller has ever answered a ping; kept across connections.
    answers_pings: bool,
    was_connected: bool,
    /// Whether the port was probed for TLS since the start.
    has_probed: bool,
    /// Why the stream is at rest.
    rest_reason: Option<Reason>,
    last_event_at: Option<SystemTime>,
    last_now: Option<Now>,
}

/// What the stream is doing.
#[derive(Debug)]
enum State {
    AtRest,
    SigningIn {
        request: RequestId,
    },
    /// The names of the house are read before the subscription.
    ReadingNames,
    Connecting {
        id: ConnectionId,
        upgrade: Upgrade,
        phase: Phase,
    },
    Draining(Connection),
    Live(Connection),
    /// An unencrypted connection ended without an answer. A probe tests whether the port speaks
    /// TLS.
    Probing {
        request: RequestId,
    },
    Waiting,
    Stopping {
        connection: Option<ConnectionId>,
        request: Option<RequestId>,
    },
}

impl StreamMachine {
    /// Creates a stream at rest.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first invalid setting.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        let machine = Machine::new(config)?;
        Ok(Self { machine })
    }

    /// Starts the stream, or restarts it after a stop or a failure. Does nothing while it runs.
    pub fn start(&mut self, now: Now) {
        self.enter(now, (), |machine| machine.start(now));
    }

    /// Stops gracefully, from any state. Does nothing if the stream is at rest or already stopping.
    pub fn stop(&mut self, now: Now) {
        self.enter(now, (), |machine| machine.stop(now));
    }

    /// Replaces the account. The next [`start`](Self::start) uses it; a running stream keeps the
    /// old one.
    ///
    /// ```
    /// # use ioxproto::{Account, Config, ConfigError, StreamMachine, SubscribePath};
    /// # let config = Config::new("http://eisy.local:8080").local_account("admin", "old");
    /// let mut stream = StreamMachine::new(config)?;
    /// stream.replace_account(Account::local("admin", "new"))?;
    /// assert_eq!(stream.replace_account(Account::local("a:b", "")), Err(ConfigError::Username));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the account is not valid with the other settings. The old account is
    /// kept.
    pub fn replace_account(&mut self, account: Account) -> Result<(), ConfigError> {
        self.machine.config.check_account(&account)?;
        self.machine.credentials.replace_account(account);
        Ok(())
    }

    /// The attempt has reached this phase, which a timeout then reports.
    pub fn phase(&mut self, now: Now, id: ConnectionId, reached: Phase) {
        self.enter(now, id, |machine| machine.phase(reached));
    }

    /// The upgrade exchange has ended. `answer` is the result of
    /// [`Exchange::into_answer`](crate::Exchange::into_answer).
    pub fn upgrade_answered(
        &mut self,
        now: Now,
        id: ConnectionId,
        answer: Result<Response<Vec<u8>>, ExchangeError>,
    ) {
        self.enter(now, id, |machine| machine.upgrade_answered(now, answer));
    }

    /// A message was received. Perform the queued actions first, then deliver the returned
    /// notification.
    #[must_use = "deliver the notification after the queued actions"]
    pub fn message(
        &mut self,
        now: Now,
        id: ConnectionId,
        message: Message<'_>,
    ) -> Option<Notification> {
        self.enter(now, id, |machine| machine.message(now, message))
    }

    /// Bytes were received. `mid_message` says whether they end in the middle of a message.
    ///
    /// Call it before waiting, once for all bytes since the last wait. Without it, a message that
    /// arrives very slowly at the end of the replay could be reported as live.
    pub fn bytes_received(&mut self, now: Now, id: ConnectionId, mid_message: bool) {
        self.enter(now, id, |machine| machine.bytes_received(mid_message));
    }

    /// The peer closed the connection, with a close frame (code and text) or by ending its byte
    /// stream (neither). The peer's answer to [`Action::Close`] is reported here, too.
    pub fn closed(&mut self, now: Now, id: ConnectionId, code: Option<u16>, text: &str) {
        let reason = Reason::closed(code, text);
        self.enter(now, id, |machine| machine.end_connection(now, reason));
    }

    /// The attempt or the connection failed. The driver has dropped its socket.
    pub fn failed(&mut self, now: Now, id: ConnectionId, failure: Failure) {
        self.enter(now, id, |machine| machine.failed(now, failure));
    }

    /// A request was answered. `answer` is the result of
    /// [`Exchange::into_answer`](crate::Exchange::into_answer).
    pub fn http_answered(
        &mut self,
        now: Now,
        id: RequestId,
        answer: Result<Response<Vec<u8>>, ExchangeError>,
    ) {
        // Zeroized when dropped, even if it is ignored: it may hold tokens and a private key.
        let answer = answer.map(|answer| answer.map(Zeroizing::new));
        self.enter(now, id, |machine| machine.http_answered(now, id, answer));
    }

    /// A request failed before it was answered.
    pub fn http_failed(&mut self, now: Now, id: RequestId, failure: Failure) {
        self.enter(now, id, |machine| machine.http_failed(now, id, failure));
    }

    /// The caller's answer to [`Action::ProvideToken`]: an access token, or `None` if it has none
    /// now.
    pub fn token(&mut self, now: Now, id: RequestId, token: Option<Secret>) {
        self.enter(now, id, |machine| machine.token(now, id, token));
    }

    /// Makes a call. [`Action::CallDone`] reports its outcome, now or later. While the stream is
    /// not connected, the call waits within its time limit. At rest, it fails immediately.
    ///
    /// ```
    /// use ioxproto::{Action, Config, StreamMachine, Now, rest};
    /// # use std::time::{Instant, SystemTime};
    /// # let now = Now { monotonic: Instant::now(), utc: SystemTime::now() };
    /// # let config = Config::new("http://eisy.local:8080").local_account("admin", "x");
    /// let mut stream = StreamMachine::new(config)?;
    /// let nodes = rest::nodes();
    /// let id = stream.call(now, nodes.request().clone());
    /// let Some(Action::CallDone { id: done, outcome }) = stream.poll_action() else { panic!() };
    /// assert_eq!(done, id);
    /// let error = nodes.outcome(outcome).unwrap_err();
    /// assert_eq!(error.to_string(), "the stream is not running");
    /// # Ok::<(), ioxproto::ConfigError>(())
    /// ```
    pub fn call(&mut self, now: Now, request: Request) -> CallId {
        // With the subject `()`, `enter` always runs the closure, so `id` is always set.
        let mut id = CallId(0);
        self.enter(now, (), |machine| id = machine.call(now, request));
        id
    }

    /// Cancels a call. [`Action::CallDone`] follows unless the call has already ended. A request
    /// that was sent may have been carried out.
    pub fn cancel_call(&mut self, now: Now, id: CallId) {
        self.enter(now, (), |machine| machine.cancel_call(id));
    }

    /// The exchange of a request has reached this phase. Without this input, a failed call cannot
    /// say that it may have been carried out, and a call whose answer is arriving times out too
    /// early.
    pub fn call_phase(&mut self, now: Now, id: RequestId, reached: CallPhase) {
        self.enter(now, id, |machine| machine.call_phase(id, reached));
    }

    /// Whether any calls are waiting or in flight.
    #[must_use]
    pub fn has_calls(&self) -> bool {
        self.machine.calls.has_pending()
    }

    /// The next deadline of a call. A driver that a slow consumer keeps from reading must not call
    /// [`poll_timeout`](Self::poll_timeout), but must still end calls in time.
    #[must_use]
    pub fn call_deadline(&self) -> Option<Deadline> {
        self.machine.calls.deadline()
    }

    /// Time has passed, for calls only. Call it at [`call_deadline`](Self::call_deadline) while a
    /// slow consumer keeps the driver from reading. It does not check the stream's own deadlines.
    pub fn tick_calls(&mut self, now: Now) {
        self.enter(now, (), |machine| machine.tick_calls(now));
    }

    /// Time has passed. Call it at the deadline, after reading all available bytes. Early and
    /// repeated ticks do nothing.
    pub fn tick(&mut self, now: Now) {
        self.enter(now, (), |machine| machine.tick(now));
    }

    /// Returns when to tick next, and why; `None` at rest.
    ///
    /// Call it right before waiting, when all actions are performed and the socket is drained. From
    /// then until the next input, silence of the controller counts towards its time limits. Do not
    /// call it while a slow consumer keeps the driver from reading.
    #[must_use = "call `tick` at the deadline"]
    pub fn poll_timeout(&mut self, now: Now) -> Option<Deadline> {
        self.enter(now, (), |machine| machine.poll_timeout(now))
    }

    /// Returns the next action to perform. Poll after each input until it returns `None`.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.machine.actions.pop_front()
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> Status {
        self.machine.status
    }

    /// Whether the stream is stopping. Messages received from now on are not delivered.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        matches!(self.machine.state, State::Stopping { .. })
    }

    /// The UTC time of the last text frame of any kind.
    #[must_use]
    pub fn last_event_at(&self) -> Option<SystemTime> {
        self.machine.last_event_at
    }

    /// The subscription id of the last event; empty before the connection's first event.
    #[must_use]
    pub fn sid(&self) -> &str {
        self.machine.numbering.sid()
    }

    /// The stream's counters up to now.
    #[must_use]
    pub fn stats(&self, now: Now) -> Stats {
        self.machine.stats(now)
    }

    /// The controller's address.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.machine.address
    }

    /// Runs every input: ends the driver's wait, compares the two clocks, and ignores an input for
    /// an abandoned connection or request.
    fn enter<R: Default>(
        &mut self,
        now: Now,
        subject: impl Subject,
        input: impl FnOnce(&mut Machine) -> R,
    ) -> R {
        self.machine.wake(now);
        if subject.is_current(&self.machine) {
            let output = input(&mut self.machine);
            self.machine.advance_background(now);
            output
        } else {
            trace!(
                ?subject,
                "an input for an abandoned connection or request is ignored"
            );
            R::default()
        }
    }
}

/// The subject of an input: a connection, a request, or (as `()`) the stream.
trait Subject: Copy + Debug {
    fn is_current(self, machine: &Machine) -> bool;
}

impl Subject for () {
    fn is_current(self, _: &Machine) -> bool {
        true
    }
}

impl Subject for ConnectionId {
    fn is_current(self, machine: &Machine) -> bool {
        match &machine.state {
            State::Connecting { id, .. }
            | State::Draining(Connection { id, .. })
            | State::Live(Connection { id, .. }) => *id == self,
            State::Stopping { connection, .. } => *connection == Some(self),
            State::AtRest
            | State::SigningIn { .. }
            | State::ReadingNames
            | State::Probing { .. }
            | State::Waiting => false,
        }
    }
}

impl Subject for RequestId {
    fn is_current(self, machine: &Machine) -> bool {
        match machine.state {
            State::SigningIn { request } | State::Probing { request } if request == self => true,
            State::Stopping { request, .. } if request == Some(self) => true,
            _ => machine.calls.owns(self),
        }
    }
}
