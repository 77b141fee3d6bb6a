//! What must hold after every step, whatever the weather: judged from outside of the core, by what
//! the world knows.

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
pub(crate) use self::calls::{Nature, path_of};
pub(crate) use self::messages::Handled;
use self::tokens::OwnTokens;
use crate::site::Entrance;

/// The client's secrets: they go to the host that it names, and show nowhere.
pub(crate) const HOST: &str = "eisy.test";
pub(crate) const PASSWORD: &str = "plover-xyzzy";
/// `admin:plover-xyzzy` in base64.
pub(crate) const BASIC: &str = "YWRtaW46cGxvdmVyLXh5enp5";

/// What every JSON web token begins with.
const JWT: &str = "eyJ";

/// A time may be off by this where two clocks are compared.
const HAIR: Duration = Duration::from_millis(1);

/// All times are readings of the client's monotonic clock, but for those named `heard`, which are
/// of the clock that moves only while the driver listens.
#[derive(Debug)]
pub(crate) struct Witness {
    violation: Option<String>,
    timing: Timing,
    limit: usize,
    api: bool,
    keep_trying: bool,
    now: Duration,
    heard: Duration,
    wait: Option<(Duration, Option<Duration>)>,
    /// The last call, on both clocks.
    entered: Option<(Duration, SystemTime)>,
    /// Time has passed unnoticed on an open connection: a ping is due.
    wants_ping: bool,
    ticks_at_once: (Duration, usize),

    status: Status,
    status_since: Duration,
    stop_asked: Option<Duration>,
    /// Somebody asked for a start, and it has not begun.
    start_asked: bool,

    /// Failures in a row, as the schedule counts them.
    failures: usize,
    /// A live heartbeat came on this connection.
    proved: bool,
    connected_heard: Duration,
    not_before: Option<Duration>,
    attempts_in_a_row: usize,
    requests_in_a_row: usize,
    /// Whether the port was asked for TLS since the start.
    has_probed: bool,
    last_answer: Option<u16>,
    /// The last answer asked to be left alone for a while.
    retry_after: Option<Asked>,
    attempt_began: Duration,

    /// The identity that was refused last is being told to the core.
    stranger: Option<IdentityProblem>,
    tokens: OwnTokens,
    connection: Connection,
    calls: CallsSeen,
    ever_ponged: bool,
    /// From the first connection on, the controller is expected to mark the end of its replay.
    owes_mark: bool,
    /// It has shown a mark, or what goes before one.
    may_expect_mark: bool,
    /// How many replayed frames passed as live because the network had been silent for so long that
    /// nobody can tell.
    pub(crate) excused: u64,
}

/// What a `Retry-After` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Seconds(Duration),
    Date,
    Nonsense,
}

/// What is seen of one open connection.
#[derive(Debug, Default)]
struct Connection {
    open: bool,
    /// On `/api/events/subscribe` the first frame shows the token accepted, and the drain begins
    /// with it.
    accepted: bool,
    opened: Duration,
    opened_heard: Duration,
    upgraded_heard: Duration,
    /// When the last text or binary message was there to read, and handed in.
    data_available: Duration,
    data_heard: Duration,
    text_heard: Duration,
    text_read: Duration,
    any_heard: Duration,
    text_available: Duration,
    mid_message: bool,
    /// When a message was last under way.
    held_heard: Duration,
    /// When the last end mark came.
    mark_heard: Option<Duration>,
    /// When the last event came that left the controller less than a second after the mark.
    near_mark_heard: Duration,
    /// A stamp came that tells the replay from what happens now.
    anchored: bool,
    /// The newest stamp is of the future, until a heartbeat puts it right.
    ahead: bool,
    stamped: bool,
    /// Silence on the wire long enough to end the drain came before the replay's end.
    fell_silent: bool,
    pinged_heard: Option<Duration>,
    numbers: BTreeMap<String, (i64, i64)>,
    promise: Duration,
}

impl Witness {
    pub(crate) fn new(
        timing: Timing,
        limit: usize,
        keep_trying: bool,
        entrance: Entrance,
        profile: Profile,
    ) -> Self {
        Self {
            violation: None,
            timing,
            limit,
            api: entrance.is_api(),
            keep_trying,
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
            stranger: None,
            tokens: OwnTokens::of(entrance),
            connection: Connection::default(),
            calls: CallsSeen::default(),
            ever_ponged: false,
            owes_mark: profile == Profile::Isy994,
            may_expect_mark: profile == Profile::Isy994,
            excused: 0,
        }
    }

    pub(crate) fn is_content(&self) -> bool {
        self.violation.is_none()
    }

    pub(crate) fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    pub(crate) fn status(&self) -> Status {
        self.status
    }

    /// What is wrong first is what counts.
    pub(crate) fn fail(&mut self, what: impl Into<String>) {
        self.violation.get_or_insert_with(|| what.into());
    }

    pub(crate) fn check(&mut self, holds: bool, otherwise: &str) {
        if !holds {
            self.fail(otherwise);
        }
    }

    // The clocks.

    /// The core is called: the wait is over. One that ended far too late counts for nothing.
    pub(crate) fn entered(&mut self, now: Duration, utc: SystemTime) {
        self.check(now >= self.now, "the world's clock went backwards");
        // It should have run at the end of its wait, or all the time.
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

    /// The driver waits on an empty socket.
    pub(crate) fn listens(&mut self, now: Duration, until: Option<Duration>) {
        self.wait = Some((now, until));
        if let Some(asked) = self.stop_asked {
            let in_time = until.is_some_and(|until| until <= asked + self.timing.stop + HAIR);
            self.check(in_time, "a stop takes longer than it may");
        }
        // A deadline that is due at once is not a wait.
        let waits = until.is_none_or(|until| until > now);
        let open = self.connection.open && self.stop_asked.is_none();
        self.check(
            !(self.wants_ping && waits && open),
            "time has passed unnoticed, and nobody was asked whether the connection lives",
        );
        self.waits_for_a_token(until);
        self.never_silently_dead();
        self.drain_ends();
    }

    pub(crate) fn ticked(&mut self) {
        let (at, count) = self.ticks_at_once;
        let count = if at == self.now { count + 1 } else { 1 };
        self.ticks_at_once = (self.now, count);
        self.check(count < 12, "ticks without end at one instant");
    }

    /// A connection on which nothing is heard for too long is given up.
    fn never_silently_dead(&mut self) {
        let connection = &self.connection;
        if !connection.open || self.stop_asked.is_some() {
            return;
        }
        let slack = self.timing.overrun + HAIR;
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
