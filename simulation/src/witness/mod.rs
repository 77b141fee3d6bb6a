//! What must hold after every step, whatever the weather: judged from outside of the core, by what the world
//! knows.

mod messages;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use ioxproto::{Reason, Silence, Status, StatusChange, Timing};

pub(crate) use self::messages::Handled;

/// The client's secrets: they go to the host that it names, and show nowhere.
pub(crate) const HOST: &str = "eisy.test";
pub(crate) const PASSWORD: &str = "plover-xyzzy";
/// `admin:plover-xyzzy` in base64.
pub(crate) const BASIC: &str = "YWRtaW46cGxvdmVyLXh5enp5";

/// What every JSON web token begins with.
const JWT: &str = "eyJ";

/// A time may be off by this where two clocks are compared.
const HAIR: Duration = Duration::from_millis(1);

/// All times are readings of the client's monotonic clock, but for those named `heard`, which are of the clock that
/// moves only while the driver listens.
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

    /// Failures in a row, as the schedule counts them.
    failures: usize,
    /// A live heartbeat came on this connection.
    proved: bool,
    connected_heard: Duration,
    not_before: Option<Duration>,
    attempts_in_a_row: usize,
    requests_in_a_row: usize,
    last_answer: Option<u16>,
    /// The last answer asked to be left alone for a while.
    retry_after: Option<Asked>,
    attempt_began: Duration,

    connection: Connection,
    ever_ponged: bool,
    /// How many replayed frames passed as live because the network had been silent for so long that nobody can tell.
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
    /// On `/api/events/subscribe` the first frame shows the token accepted, and the drain begins with it.
    accepted: bool,
    opened: Duration,
    opened_heard: Duration,
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
    end_mark: bool,
    /// Silence on the wire long enough to end the drain came before the replay's end.
    fell_silent: bool,
    pinged_heard: Option<Duration>,
    numbers: BTreeMap<String, (i64, i64)>,
    promise: Duration,
}

impl Witness {
    pub(crate) fn new(timing: Timing, limit: usize, keep_trying: bool, api: bool) -> Self {
        Self {
            violation: None,
            timing,
            limit,
            api,
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
            failures: 0,
            proved: false,
            connected_heard: Duration::ZERO,
            not_before: None,
            attempts_in_a_row: 0,
            requests_in_a_row: 0,
            last_answer: None,
            retry_after: None,
            attempt_began: Duration::ZERO,
            connection: Connection::default(),
            ever_ponged: false,
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
        // A deadline that is due at once is no wait.
        let waits = until.is_none_or(|until| until > now);
        let open = self.connection.open && self.stop_asked.is_none();
        self.check(
            !(self.wants_ping && waits && open),
            "time has passed unnoticed, and nobody was asked whether the connection lives",
        );
        self.never_silently_dead();
        self.drain_ends();
    }

    /// Once nothing more comes of the replay, the stream is connected, and not later.
    fn drain_ends(&mut self) {
        let connection = &mut self.connection;
        if connection.mid_message {
            connection.held_heard = self.heard;
        }
        let stopping = self.stop_asked.is_some();
        if self.status != Status::StreamSyncing || !connection.accepted || stopping {
            return;
        }
        let quiet = if connection.end_mark && connection.held_heard < connection.data_heard {
            self.timing.drain_quiet_after_mark
        } else {
            self.timing.drain_quiet
        };
        let silent = self.heard - connection.data_heard.max(connection.held_heard);
        let most = quiet + self.timing.overrun + HAIR;
        self.check(silent <= most, "the drain does not end");
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

    // Statuses and attempts.

    pub(crate) fn starts(&mut self, now: Duration) {
        if self.status.at_rest() {
            self.failures = 0;
            self.not_before = None;
            self.attempts_in_a_row = 0;
            self.stop_asked = None;
        }
        self.now = now;
    }

    pub(crate) fn stops(&mut self, now: Duration) {
        if !self.status.at_rest() {
            self.stop_asked.get_or_insert(now);
        }
    }

    /// A request was answered, with this `Retry-After`.
    pub(crate) fn answered(&mut self, status: u16, retry_after: Option<&str>) {
        self.last_answer = Some(status);
        self.retry_after = retry_after.map(|after| match after.parse() {
            Ok(seconds) => Asked::Seconds(Duration::from_secs(seconds)),
            Err(_) if after.contains("GMT") => Asked::Date,
            Err(_) => Asked::Nonsense,
        });
    }

    pub(crate) fn changed(&mut self, now: Duration, change: &StatusChange) {
        self.now = now;
        self.keeps_secrets(change);
        if let Some(reason) = &change.reason {
            self.keeps_secrets(&reason.to_string());
        }
        let (from, to) = (self.status, change.status);
        self.check(
            is_legal(from, to),
            &format!("{from} cannot be followed by {to}"),
        );
        match to {
            Status::Connected => self.connected(),
            Status::LostConnection => self.lost(change),
            Status::ReconnectFailed => self.gave_up(change),
            Status::Disconnected => self.disconnected(),
            Status::StreamInitializing => {
                self.attempts_in_a_row = 0;
                self.requests_in_a_row = 0;
            }
            Status::StreamSyncing | Status::Reconnecting | Status::NotStarted => {}
        }
        if matches!(
            to,
            Status::LostConnection | Status::ReconnectFailed | Status::Disconnected
        ) {
            self.connection.open = false;
        }
        self.status = to;
        self.status_since = now;
    }

    fn connected(&mut self) {
        self.connected_heard = self.heard;
        self.proved = false;
        let connection = &self.connection;
        let quiet = if connection.end_mark {
            self.timing.drain_quiet_after_mark
        } else {
            self.timing.drain_quiet
        };
        let silent = self.heard - connection.data_heard;
        let cap = self.heard - connection.opened_heard >= self.timing.drain_cap;
        if !connection.accepted {
            self.fail("connected before the token was accepted");
        } else if connection.mid_message {
            self.fail("connected in the middle of a message");
        } else if silent < quiet && !cap {
            self.fail(format!("connected after {silent:?} of silence"));
        }
    }

    fn lost(&mut self, change: &StatusChange) {
        let (Some(reason), Some(wait)) = (&change.reason, change.retry_in) else {
            return self.fail("a loss without a reason or a wait");
        };
        self.true_reason(reason);
        self.check(
            self.stop_asked.is_none(),
            "a loss is told while the stream stops",
        );
        let most = self.timing.backoff.len() - 1;
        let (backoff, jitter) = (self.timing.backoff.clone(), self.timing.jitter);
        let span = |failures: usize| {
            let least = backoff[failures.min(most)];
            (least, least + least.mul_f64(jitter) + HAIR)
        };
        let for_a_person = matches!(
            reason,
            Reason::CredentialsRefused { .. } | Reason::LoginRefused { .. }
        );
        let lasted = if self.status == Status::Connected {
            self.heard - self.connected_heard
        } else {
            Duration::ZERO
        };
        let surely = std::mem::take(&mut self.proved)
            || lasted > self.timing.proven_after + Duration::from_secs(3);
        let maybe = surely || lasted + HAIR >= self.timing.proven_after;
        let fits = |failures: usize, wait: Duration| {
            let (least, longest) = span(failures);
            (least..=longest).contains(&wait)
        };
        if for_a_person {
            self.check(self.keep_trying, "refused credentials are tried again");
            self.check(
                fits(most, wait),
                "the wait after a refusal is not the longest",
            );
        } else {
            let asked = match (reason, self.retry_after) {
                (
                    Reason::UpgradeRefused { .. } | Reason::LoginFailed { .. },
                    Some(Asked::Seconds(seconds)),
                ) => Some(seconds.min(self.timing.retry_after_max)),
                _ => None,
            };
            let dated = self.retry_after == Some(Asked::Date);
            let longest = self.timing.retry_after_max;
            let candidates = [
                (surely || maybe).then_some(0),
                (!surely).then_some(self.failures),
            ];
            let fitting = candidates.into_iter().flatten().find(|failures| {
                let (least, _) = span(*failures);
                match asked {
                    Some(asked) if asked >= least => {
                        wait == asked || (wait > asked && fits(*failures, wait))
                    }
                    _ if dated && wait >= least && wait <= longest => true,
                    _ => fits(*failures, wait),
                }
            });
            match fitting {
                Some(failures) => self.failures = failures + 1,
                None => self.fail(format!(
                    "a wait of {wait:?} is not of the schedule after {} failures (proved: {surely}, {maybe})",
                    self.failures
                )),
            }
        }
        self.not_before = Some(self.now + wait);
    }

    /// The reason is what happened in the world.
    fn true_reason(&mut self, reason: &Reason) {
        let connection = &self.connection;
        match reason {
            Reason::Stalled {
                silence: Silence::Heartbeat,
                ..
            } => {
                let silent = self.now.saturating_sub(connection.text_available);
                let promised = connection.promise + self.timing.stall_grace;
                self.check(
                    silent + HAIR >= promised && self.now - connection.text_read + HAIR >= promised,
                    "a stall is told though a frame came in time",
                );
            }
            Reason::Stalled {
                silence: Silence::Ping,
                ..
            } => {
                let since_ping = connection.pinged_heard.map(|at| self.heard - at);
                let enough =
                    since_ping.is_some_and(|since| since + HAIR >= self.timing.pong_within);
                self.check(
                    enough && self.ever_ponged,
                    "an unanswered ping is told where there was none",
                );
            }
            Reason::TimedOut { after, .. } => {
                let lasted = self.now - self.attempt_began;
                self.check(
                    lasted + HAIR >= *after,
                    "a time-out is told before its time",
                );
            }
            Reason::TokenNotAccepted { closed } => {
                let silent = self.now - connection.opened + HAIR >= self.timing.token_accepted;
                self.check(
                    !connection.accepted && (*closed || silent),
                    "a token is told not to be accepted without a sign of it",
                );
            }
            Reason::UpgradeRefused { status, .. } => {
                self.check(
                    self.last_answer == Some(*status),
                    "a refusal is told that was none",
                );
            }
            _ => {}
        }
    }

    fn gave_up(&mut self, change: &StatusChange) {
        // A login can be refused in words.
        let refused = match change.reason {
            Some(Reason::LoginRefused { .. }) => {
                matches!(self.last_answer, Some(200 | 400..=499))
            }
            _ => matches!(self.last_answer, Some(401 | 403)),
        };
        let reason = matches!(
            change.reason,
            Some(Reason::CredentialsRefused { .. } | Reason::LoginRefused { .. })
        );
        self.check(
            refused && reason && !self.keep_trying,
            "given up without a refusal",
        );
    }

    fn disconnected(&mut self) {
        let asked = self.stop_asked.take().is_some();
        self.check(asked, "disconnected, and nobody asked for it");
    }

    pub(crate) fn attempts(&mut self, now: Duration, host: &str, request: &[u8], open: bool) {
        self.now = now;
        self.goes_to(host, request);
        self.check(!open, "an attempt beside an open connection");
        self.check(
            self.status == Status::StreamInitializing,
            "an attempt in the wrong status",
        );
        self.attempt_began = now;
        self.attempts_in_a_row += 1;
        if self.attempts_in_a_row == 1 {
            self.in_time();
        } else {
            let reason = matches!(self.last_answer, Some(400 | 401 | 403));
            let renewed = self.requests_in_a_row > 0 && self.last_answer == Some(200);
            self.check(
                (reason || renewed) && self.attempts_in_a_row <= 3,
                "an attempt at once without a reason",
            );
        }
        self.last_answer = None;
    }

    /// A login, a refresh or a logout.
    pub(crate) fn requests(&mut self, now: Duration, host: &str, request: &[u8]) {
        self.now = now;
        self.goes_to(host, request);
        self.requests_in_a_row += 1;
        let stopping = self.stop_asked.is_some();
        self.check(
            stopping || self.status == Status::StreamInitializing,
            "a request in the wrong status",
        );
        // A refresh and a login before the first upgrade, the same again after a 401; a refresh and a logout at the end.
        self.check(
            self.requests_in_a_row <= 6,
            "more requests than an attempt needs",
        );
        if !stopping {
            self.attempt_began = now;
            self.in_time();
        }
    }

    fn in_time(&mut self) {
        let early = self
            .not_before
            .is_some_and(|not_before| self.now < not_before);
        self.check(!early, "an attempt before its time");
    }

    fn goes_to(&mut self, host: &str, request: &[u8]) {
        let text = String::from_utf8_lossy(request);
        let named = text.contains(&format!("\r\nHost: {HOST}"));
        self.check(
            host == HOST && named,
            "a request to a host that was not named",
        );
    }

    /// Nothing that may be logged shows a secret.
    pub(crate) fn keeps_secrets(&mut self, shown: &impl Debug) {
        let text = format!("{shown:?}");
        let leaks = [PASSWORD, BASIC, JWT]
            .iter()
            .any(|secret| text.contains(secret));
        self.check(!leaks, "a secret shows");
    }
}

fn is_legal(from: Status, to: Status) -> bool {
    use Status::{
        Connected, Disconnected, LostConnection, NotStarted, ReconnectFailed, Reconnecting,
        StreamInitializing, StreamSyncing,
    };
    match from {
        NotStarted | ReconnectFailed | Disconnected | Reconnecting => to == StreamInitializing,
        StreamInitializing => matches!(
            to,
            StreamSyncing | LostConnection | ReconnectFailed | Disconnected
        ),
        StreamSyncing => matches!(to, Connected | LostConnection | Disconnected),
        Connected => matches!(to, LostConnection | Disconnected),
        LostConnection => matches!(to, Reconnecting | Disconnected),
    }
}
