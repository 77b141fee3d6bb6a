//! The stream machine: everything that decides about a controller's event stream.
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
//! A local account has nothing to sign in for and goes straight to `Connecting`. A stop with
//! nothing to end goes straight to `AtRest`. Where the names of the house are to be read first,
//! `ReadingNames` comes before `Connecting`.
//!
//! The rules:
//!
//! * **Replay never passes as live** (`open`). An event is live only in state `Live`, and only a
//!   tick leads there. A message never ends the drain, however late it comes, since a driver reads
//!   what is there before it ticks. Silence counts only while the driver waits on an empty socket
//!   (`timers`), and a message that has begun to arrive holds the drain open. What the network held
//!   up until after the drain is still replay if its stamp says so (`own_time`).
//! * **The drain ends** after a second of silence, or a quarter of a second behind the end mark
//!   (`end_mark`). Where a mark is expected, silence counts after 5 s only. A busy house without a
//!   mark is live once 10 s have passed and its stamps show nothing of a replay any more; after 60
//!   s the drain ends in any case, and the status says that the replay may be incomplete.
//! * **One attempt at a time** (`attempt`), named by its id. Every input passes
//!   [`StreamMachine::enter`], which drops what belongs to an abandoned attempt.
//! * **The wait between attempts grows** until a connection has proved itself, by a live heartbeat
//!   or by lasting (`backoff`). Two things are retried at once instead, once each: a 400 without
//!   the ISY-994 headers ([`HeaderSet`]), and a 401 with renewed tokens (`AccessPolicy`).
//! * **Final is only what needs a person**: refused credentials and a refused TLS identity, except
//!   for its dates. Everything else is waited out.
//! * **A connection is dead** if no text frame came for longer than the last heartbeat promised, or
//!   if a controller that answers pings leaves one unanswered.
//! * **The names of the house are read by calls of the stream's own** (`loader`).
//! * **A self-audit** (`audit`), if the caller wants one, finds a subscription that is dead
//!   although it sends heartbeats.
//! * **Calls go beside the stream** (`calls`), with its account and tokens. What becomes of them
//!   changes nothing here.
//! * **Every input is harmless in every state**: ignored where it makes no sense.
//!
//! The public methods are here, in [`StreamMachine`]; what they do to the [`Machine`] is in the
//! files of this folder.

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
mod own_time;
mod probe;
mod replay;
mod stamps;
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

/// A controller's event stream, as a machine without socket, clock or runtime.
///
/// [The driver chapter](crate::driver) says how to drive it.
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
    /// The answer to the call of the self-audit, until it is compared.
    audit_answer: Option<Result<RawAnswer, CallError>>,
    /// Whether this controller ever marked the end of a replay; outlives the connection.
    shows_end_mark: bool,
    stats: Stats,
    last_id: u64,
    /// Whether this controller ever answered a ping; outlives the connection.
    answers_pings: bool,
    was_connected: bool,
    /// Whether an unencrypted port that does not answer has been asked for TLS since the start.
    has_probed: bool,
    /// Why the stream is at rest.
    rest_reason: Option<Reason>,
    last_event_at: Option<SystemTime>,
    last_now: Option<Now>,
}

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
    /// An unencrypted connection ended without an answer: whether the port speaks TLS is being
    /// asked.
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
    /// A stream at rest.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first setting that cannot be used.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        let machine = Machine::new(config)?;
        Ok(Self { machine })
    }

    /// Starts, also again after a stop or a failure. Does nothing while running.
    pub fn start(&mut self, now: Now) {
        self.enter(now, (), |machine| machine.start(now));
    }

    /// Ends politely, from any state. Does nothing at rest, or when already stopping.
    pub fn stop(&mut self, now: Now) {
        self.enter(now, (), |machine| machine.stop(now));
    }

    /// Another account from the next [`start`](Self::start) on. While the stream runs, nothing
    /// changes.
    ///
    /// ```
    /// # use ioxproto::{Account, Config, ConfigError, StreamMachine, SubscribePath};
    /// # let config = Config::new("http://eisy.local:8080").local_account("admin", "old");
    /// let mut stream = StreamMachine::new(config)?;
    /// stream.exchange_account(Account::local("admin", "new"))?;
    /// assert_eq!(stream.exchange_account(Account::local("a:b", "")), Err(ConfigError::Username));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the account does not go with the other settings; the old one stays.
    pub fn exchange_account(&mut self, account: Account) -> Result<(), ConfigError> {
        self.machine.config.check_account(&account)?;
        self.machine.credentials.exchange_account(account);
        Ok(())
    }

    /// An attempt has come this far; a timeout then says so.
    pub fn phase(&mut self, now: Now, id: ConnectionId, reached: Phase) {
        self.enter(now, id, |machine| machine.phase(reached));
    }

    /// The upgrade exchange is over, with what
    /// [`Exchange::into_answer`](crate::Exchange::into_answer) gave.
    pub fn upgrade_answered(
        &mut self,
        now: Now,
        id: ConnectionId,
        answer: Result<Response<Vec<u8>>, ExchangeError>,
    ) {
        self.enter(now, id, |machine| machine.upgrade_answered(now, answer));
    }

    /// A message came. Deliver what the queue holds by now, then what this returns.
    #[must_use = "the notification is to be delivered after the actions that are queued"]
    pub fn message(
        &mut self,
        now: Now,
        id: ConnectionId,
        message: Message<'_>,
    ) -> Option<Notification> {
        self.enter(now, id, |machine| machine.message(now, message))
    }

    /// Bytes came, and whether the last of them leave a message unfinished.
    ///
    /// Call it before waiting, once for all bytes since the last wait. Without it, a message that
    /// arrives very slowly at the end of the replay could pass as live.
    pub fn bytes_received(&mut self, now: Now, id: ConnectionId, mid_message: bool) {
        self.enter(now, id, |machine| machine.bytes_received(mid_message));
    }

    /// The peer closed, by a close frame (code and text) or by the end of its bytes (neither); also
    /// the answer to [`Action::Close`].
    pub fn closed(&mut self, now: Now, id: ConnectionId, code: Option<u16>, text: &str) {
        let reason = Reason::closed(code, text);
        self.enter(now, id, |machine| machine.end_connection(now, reason));
    }

    /// The attempt or the connection failed. The driver has dropped its socket.
    pub fn failed(&mut self, now: Now, id: ConnectionId, failure: Failure) {
        self.enter(now, id, |machine| machine.failed(now, failure));
    }

    /// A request was answered, with what
    /// [`Exchange::into_answer`](crate::Exchange::into_answer) gave.
    pub fn http_answered(
        &mut self,
        now: Now,
        id: RequestId,
        answer: Result<Response<Vec<u8>>, ExchangeError>,
    ) {
        // Wiped when dropped, also if it came late: it may hold tokens and a private key.
        let answer = answer.map(|answer| answer.map(Zeroizing::new));
        self.enter(now, id, |machine| machine.http_answered(now, id, answer));
    }

    /// A request failed before it was answered.
    pub fn http_failed(&mut self, now: Now, id: RequestId, failure: Failure) {
        self.enter(now, id, |machine| machine.http_failed(now, id, failure));
    }

    /// The caller's answer to [`Action::ProvideToken`]: an access token, or none at present.
    pub fn token(&mut self, now: Now, id: RequestId, token: Option<Secret>) {
        self.enter(now, id, |machine| machine.token(now, id, token));
    }

    /// Makes a call: [`Action::CallDone`] follows, now or later. While the stream is not connected
    /// the call waits, within its time limit; at rest it fails at once.
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
        // Every call passes `enter`, which runs what it is given about the stream as such.
        let mut id = CallId(0);
        self.enter(now, (), |machine| id = machine.call(now, request));
        id
    }

    /// Takes a call back: [`Action::CallDone`] follows, if it is not over already. What was sent
    /// may have been carried out.
    pub fn cancel_call(&mut self, now: Now, id: CallId) {
        self.enter(now, (), |machine| machine.cancel_call(id));
    }

    /// The exchange of a request has come this far. Without it, a call that fails cannot say that
    /// it may have been carried out, and one whose answer has begun to come is given up too early.
    pub fn call_phase(&mut self, now: Now, id: RequestId, reached: CallPhase) {
        self.enter(now, id, |machine| machine.call_phase(id, reached));
    }

    /// Whether calls are pending, waiting or under way.
    #[must_use]
    pub fn has_calls(&self) -> bool {
        self.machine.calls.are_pending()
    }

    /// When a call is due, for a driver that a consumer keeps from reading: then it must not ask
    /// [`poll_timeout`](Self::poll_timeout), and still has to end calls in time.
    #[must_use]
    pub fn call_deadline(&self) -> Option<Deadline> {
        self.machine.calls.deadline()
    }

    /// Time has passed, for calls alone: at [`call_deadline`](Self::call_deadline) while a consumer
    /// keeps the driver from reading. It says nothing of the stream's own deadlines.
    pub fn tick_calls(&mut self, now: Now) {
        self.enter(now, (), |machine| machine.calls_due(now));
    }

    /// Time has passed. Call it at the deadline, after reading what is there; spurious calls do
    /// nothing.
    pub fn tick(&mut self, now: Now) {
        self.enter(now, (), |machine| machine.tick(now));
    }

    /// When to tick next, and why; `None` at rest.
    ///
    /// Call it right before waiting, when all actions are done and the socket has nothing more to
    /// read: from here to the next input the driver counts as listening. Do not call it while a
    /// consumer keeps the driver from reading.
    #[must_use = "the deadline is when to tick"]
    pub fn poll_timeout(&mut self, now: Now) -> Option<Deadline> {
        self.enter(now, (), |machine| machine.poll_timeout(now))
    }

    /// The next thing to do. Poll after each input until it says `None`.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.machine.actions.pop_front()
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> Status {
        self.machine.status
    }

    /// Whether a stop is under way: messages that still come are not delivered.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        matches!(self.machine.state, State::Stopping { .. })
    }

    /// UTC of the last text frame of any kind.
    #[must_use]
    pub fn last_event_at(&self) -> Option<SystemTime> {
        self.machine.last_event_at
    }

    /// The id of the subscription that the last event belonged to; empty before the connection's
    /// first.
    #[must_use]
    pub fn sid(&self) -> &str {
        self.machine.numbering.sid()
    }

    /// What the stream has seen, up to now.
    #[must_use]
    pub fn stats(&self, now: Now) -> Stats {
        self.machine.stats(now)
    }

    /// The controller's address.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.machine.address
    }

    /// Every input passes here: the driver's wait is over, the two clocks are compared, and an
    /// input about an abandoned connection or request has no effect and returns nothing.
    fn enter<R: Default>(
        &mut self,
        now: Now,
        subject: impl Subject,
        input: impl FnOnce(&mut Machine) -> R,
    ) -> R {
        self.machine.wake(now);
        if subject.is_current(&self.machine) {
            let output = input(&mut self.machine);
            self.machine.carry_on(now);
            output
        } else {
            trace!(?subject, "late news of what was abandoned");
            R::default()
        }
    }
}

/// What an input is about: a connection, a request, or (as `()`) the stream.
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
            _ => machine.calls.own(self),
        }
    }
}
