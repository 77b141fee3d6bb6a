//! The rules that must hold after every step, whatever the faults. They are checked from outside
//! the core, against what the world knows.

mod calls;
mod identity;
mod messages;
mod replay;
mod statuses;
mod tokens;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use ioxproto::{IdentityProblem, Profile, Status, Timing};

use self::calls::CallsSeen;
pub(crate) use self::calls::{CallKind, path_of};
pub(crate) use self::messages::Handled;
use self::tokens::OwnTokens;
use crate::settings::Settings;

/// The host to which the client may send its secrets. They must not appear anywhere else.
pub(crate) const HOST: &str = "eisy.test";
pub(crate) const PASSWORD: &str = "plover-xyzzy";
/// `admin:plover-xyzzy` in base64.
pub(crate) const BASIC: &str = "YWRtaW46cGxvdmVyLXh5enp5";

/// The first characters of every JSON web token.
const JWT: &str = "eyJ";

/// The tolerance when two clocks are compared.
const TOLERANCE: Duration = Duration::from_millis(1);

/// Checks the rules. All times are readings of the client's monotonic clock, except those named
/// `heard`: their clock advances only while the driver listens.
#[derive(Debug)]
pub(crate) struct Checker {
    violation: Option<String>,
    timing: Timing,
    limit: usize,
    api: bool,
    keep_trying: bool,
    now: Duration,
    heard: Duration,
    wait: Option<(Duration, Option<Duration>)>,
    /// The time of the last call into the core, on both clocks.
    entered: Option<(Duration, SystemTime)>,
    /// Time has passed unnoticed on an open connection, so that a ping is due.
    wants_ping: bool,
    ticks_at_once: (Duration, usize),

    status: Status,
    status_since: Duration,
    stop_asked: Option<Duration>,
    /// A start was requested and has not begun.
    start_asked: bool,

    /// Consecutive failures, as the backoff counts them.
    failures: usize,
    /// A live heartbeat arrived on this connection.
    proved: bool,
    connected_heard: Duration,
    not_before: Option<Duration>,
    attempts_in_a_row: usize,
    requests_in_a_row: usize,
    /// Whether the port was probed for TLS since the start.
    has_probed: bool,
    last_answer: Option<u16>,
    /// The `Retry-After` of the last answer.
    retry_after: Option<Asked>,
    attempt_began: Duration,

    /// A refused identity that is being reported to the core.
    refused_identity: Option<IdentityProblem>,
    tokens: OwnTokens,
    connection: Connection,
    calls: CallsSeen,
    ever_ponged: bool,
    /// The controller is expected to mark the end of its replay from the first connection on.
    owes_mark: bool,
    /// The controller has sent an end mark, or a frame that announces one.
    may_expect_mark: bool,
    /// Replayed frames that were reported as live after a silence that ends any drain.
    pub(crate) excused: u64,
}

/// The value of a `Retry-After` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Seconds(Duration),
    Date,
    Nonsense,
}

/// What was observed of one open connection.
#[derive(Debug, Default)]
struct Connection {
    open: bool,
    /// Whether the token is accepted. On `/api/events/subscribe` the first frame shows this and
    /// begins the drain.
    accepted: bool,
    opened: Duration,
    opened_heard: Duration,
    upgraded_heard: Duration,
    /// When the last text or binary message could be read. `data_heard` is when it was passed to
    /// the core.
    data_available: Duration,
    data_heard: Duration,
    text_heard: Duration,
    text_read: Duration,
    any_heard: Duration,
    text_available: Duration,
    mid_message: bool,
    /// When a message was last incomplete.
    held_heard: Duration,
    /// When the last end mark arrived.
    mark_heard: Option<Duration>,
    /// When the last event arrived that left the controller within a second after the end mark.
    near_mark_heard: Duration,
    /// A stamp has arrived that distinguishes replayed events from live ones.
    anchored: bool,
    /// The newest stamp is in the future, and no heartbeat has corrected it.
    ahead: bool,
    stamped: bool,
    /// A silence that can end the drain occurred before the end of the replay.
    fell_silent: bool,
    pinged_heard: Option<Duration>,
    numbers: BTreeMap<String, (i64, i64)>,
    promise: Duration,
}

impl Checker {
    pub(crate) fn new(settings: &Settings) -> Self {
        let isy994 = settings.profile == Profile::Isy994;
        Self {
            violation: None,
            timing: settings.timing(),
            limit: settings.max_message_bytes,
            api: settings.access.is_api(),
            keep_trying: settings.keep_trying,
            now: Duration::ZERO,
            heard: Duration::ZERO,
            wait: None,
            entered: None,
            wants_ping: false,
            ticks_at_once: (Duration::ZERO, 0),
            status: Status::NotStarted,
            status_since: Duration::ZERO,
            stop_asked: None,
            start_asked: false,
            failures: 0,
            proved: false,
            connected_heard: Duration::ZERO,
            not_before: None,
            attempts_in_a_row: 0,
            requests_in_a_row: 0,
            has_probed: false,
            last_answer: None,
            retry_after: None,
            attempt_began: Duration::ZERO,
            refused_identity: None,
            tokens: OwnTokens::of(settings.access),
            connection: Connection::default(),
            calls: CallsSeen::default(),
            ever_ponged: false,
            owes_mark: isy994,
            may_expect_mark: isy994,
            excused: 0,
        }
    }

    pub(crate) fn is_passing(&self) -> bool {
        self.violation.is_none()
    }

    pub(crate) fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    pub(crate) fn status(&self) -> Status {
        self.status
    }

    /// Records a violation. Only the first one counts.
    pub(crate) fn fail(&mut self, what: impl Into<String>) {
        self.violation.get_or_insert_with(|| what.into());
    }

    pub(crate) fn check(&mut self, holds: bool, otherwise: &str) {
        if !holds {
            self.fail(otherwise);
        }
    }

    /// The core is called, which ends the wait. A wait that ended far too late does not count as
    /// listening.
    pub(crate) fn entered(&mut self, now: Duration, utc: SystemTime) {
        self.check(now >= self.now, "the world's clock went backwards");
        // The driver should have run at the end of its wait, or immediately if it did not wait.
        let should_run = self.wait.map_or(Some(self.now), |(_, until)| until);
        if let Some(late) = should_run.and_then(|due| now.checked_sub(due)) {
            self.forgive_lateness(late);
        }
        self.now = now;
        let mut unnoticed = false;
        if let Some((since, until)) = self.wait.take() {
            unnoticed = until.is_some_and(|until| now > until + self.timing.overrun);
            if !unnoticed {
                self.heard += now - since;
            }
        }
        if let Some((before, utc_before)) = self.entered.replace((now, utc)) {
            let ahead = utc
                .duration_since(utc_before + (now - before))
                .unwrap_or_default();
            unnoticed |= ahead > self.timing.sleep_noticed;
        }
        let pending = self.ever_ponged && self.connection.pinged_heard.is_some();
        self.wants_ping |= unnoticed && self.connection.open && !pending;
    }

    /// The driver starts to wait on an empty socket: checks what must have happened before.
    pub(crate) fn listens(&mut self, now: Duration, until: Option<Duration>) {
        self.wait = Some((now, until));
        if let Some(asked) = self.stop_asked {
            let in_time = until.is_some_and(|until| until <= asked + self.timing.stop + TOLERANCE);
            self.check(in_time, "a stop takes too long");
        }
        // A deadline that is due immediately is not a wait.
        let waits = until.is_none_or(|until| until > now);
        let open = self.connection.open && self.stop_asked.is_none();
        self.check(
            !(self.wants_ping && waits && open),
            "time has passed unnoticed, and no ping checks the connection",
        );
        self.check_token_wait(until);
        self.check_silence_is_noticed();
        self.check_drain_ends();
    }

    pub(crate) fn ticked(&mut self) {
        let (at, count) = self.ticks_at_once;
        let count = if at == self.now { count + 1 } else { 1 };
        self.ticks_at_once = (self.now, count);
        self.check(count < 12, "too many ticks at one instant");
    }

    /// Checks that a connection that stays silent for too long is given up.
    fn check_silence_is_noticed(&mut self) {
        let connection = &self.connection;
        if !connection.open || self.stop_asked.is_some() {
            return;
        }
        let slack = self.timing.overrun + TOLERANCE;
        let silent = self.heard - connection.text_heard;
        let most = connection.promise + self.timing.stall_grace + slack;
        if silent > most {
            return self.fail(format!("silently dead: {silent:?} without a frame"));
        }
        let silent = self.heard - connection.any_heard;
        let most = self.timing.ping_after + self.timing.pong_within + 2 * slack;
        if self.ever_ponged && connection.pinged_heard.is_some() && silent > most {
            self.fail(format!("silently dead: {silent:?} after a ping"));
        }
    }
}
