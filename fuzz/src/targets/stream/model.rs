//! A model of the stream with a local account: its status, whether an event is live, and its
//! deadline.

use std::time::{Duration, Instant};

use ioxproto::{Now, Status};

use super::operation::{Answer, Content, HEARTBEAT_INTERVALS};
use super::replay::{Path, Replay, Verdict};
use super::seconds;
use super::stamp::Stamped;

const WAITS: [u64; 6] = [1, 2, 5, 10, 30, 60];

/// A model of a stream with a local account.
#[derive(Debug)]
pub struct Model {
    pub status: Status,
    /// The number of attempts so far. Answers give the number of the attempt they belong to.
    pub attempts: usize,
    stage: Stage,
    failures: usize,
    isy_headers: bool,
    /// After a 400 to both sets of headers, they alternate: whether those of the ISY-994 are next.
    turn: Option<bool>,
    answers_pings: bool,
    /// Whether the controller has marked the end of a replay. Then its end mark is awaited.
    shows_end_mark: bool,
    /// The profile `isy994`: an end mark is awaited from the first connection on.
    isy994: bool,
    listening: Listening,
    /// The number of replays that had not ended at their time limit.
    pub incomplete: u64,
}

/// A clock that advances only while the driver listens on an empty socket.
#[derive(Debug, Default)]
pub struct Listening {
    pub heard: Duration,
    wait: Option<(Instant, Option<Instant>)>,
    last: Option<Now>,
}

impl Listening {
    /// Notes a call of the stream, which ends the wait. A wait that ended far too late does not
    /// count. Returns whether time has passed unnoticed.
    pub fn enter(&mut self, now: Now) -> bool {
        let mut unnoticed = false;
        if let Some((since, until)) = self.wait.take() {
            let late = until.map(|until| now.monotonic.saturating_duration_since(until));
            unnoticed = late.is_some_and(|late| late > Duration::from_millis(500));
            if !unnoticed {
                self.heard += now.monotonic.saturating_duration_since(since);
            }
        }
        if let Some(last) = self.last.replace(now) {
            let expected = last.utc + now.monotonic.saturating_duration_since(last.monotonic);
            let ahead = now.utc.duration_since(expected).unwrap_or_default();
            unnoticed |= ahead > seconds(2);
        }
        unnoticed
    }

    /// Starts listening until this deadline.
    pub fn listen(&mut self, now: Now, until: Option<Instant>) {
        self.wait = Some((now.monotonic, until));
    }
}

/// What the modelled stream is doing.
#[derive(Debug)]
enum Stage {
    Rest,
    Trying { until: Instant, isy_headers: bool },
    Open(Box<Open>),
    Waiting { until: Instant },
    Stopping { until: Instant },
}

/// Deadlines are readings of the listening clock.
#[derive(Debug)]
struct Open {
    live: bool,
    mid_message: bool,
    replay: Replay,
    /// When the drain ends after the end mark, whatever arrives.
    ends: Option<Duration>,
    /// The interval that the last heartbeat announced.
    heartbeat_interval: Duration,
    quiet: Option<Duration>,
    /// When the stamps have shown no replayed event for a while.
    past: Option<Duration>,
    cap: Option<Duration>,
    stall: Duration,
    pong: Option<Duration>,
    ping: Option<Duration>,
    proven: Option<Duration>,
}

impl Open {
    /// Returns when silence from now on ends the drain.
    fn quiet(&self, heard: Duration, expects_mark: bool) -> Duration {
        match self.ends {
            Some(ends) => ends.min(heard + QUARTER),
            None => heard + seconds(if expects_mark { 5 } else { 1 }),
        }
    }

    /// Returns the first rule of the drain that is due.
    fn due(&self, heard: Duration) -> Option<Rule> {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= heard);
        let rules = [
            (Rule::Quiet, self.quiet),
            (Rule::Past, self.past),
            (Rule::Cap, self.cap),
        ];
        let due = rules.into_iter().find(|(_, at)| is_due(*at));
        due.map(|(rule, _)| rule)
    }

    fn set(&mut self, rule: Rule, at: Option<Duration>) {
        match rule {
            Rule::Quiet => self.quiet = at,
            Rule::Past => self.past = at,
            Rule::Cap => self.cap = at,
        }
    }
}

/// What ends a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Quiet,
    Past,
    Cap,
}

const QUARTER: Duration = Duration::from_millis(250);

impl Model {
    pub fn new(isy994: bool) -> Self {
        Self {
            status: Status::NotStarted,
            attempts: 0,
            stage: Stage::Rest,
            failures: 0,
            isy_headers: false,
            turn: None,
            answers_pings: false,
            shows_end_mark: false,
            isy994,
            listening: Listening::default(),
            incomplete: 0,
        }
    }

    /// Notes a call of the stream. If time passed unnoticed on an open connection, sends a ping.
    pub fn enter(&mut self, now: Now) {
        let unnoticed = self.listening.enter(now);
        if unnoticed && matches!(&self.stage, Stage::Open(open) if open.pong.is_none()) {
            self.ping();
        }
    }

    pub fn start(&mut self, now: Now) {
        if matches!(self.stage, Stage::Rest) {
            self.failures = 0;
            self.attempt(now, false);
        }
    }

    pub fn stop(&mut self, now: Now) {
        match self.stage {
            Stage::Rest | Stage::Stopping { .. } => {}
            Stage::Open(_) => {
                let until = now.monotonic + Duration::from_millis(1500);
                self.stage = Stage::Stopping { until };
            }
            Stage::Trying { .. } | Stage::Waiting { .. } => self.rest(Status::Disconnected),
        }
    }

    /// Starts listening, and returns the deadline. A call's deadline may be earlier.
    pub fn listen(&mut self, now: Now, call: Option<Instant>) -> Option<Instant> {
        let at = |reading: Duration| now.monotonic + reading.saturating_sub(self.heard());
        let until = match &self.stage {
            Stage::Rest => None,
            Stage::Trying { until, .. } | Stage::Waiting { until } | Stage::Stopping { until } => {
                Some(*until)
            }
            Stage::Open(open) => [
                open.quiet,
                open.past,
                open.cap,
                open.pong,
                open.ping,
                open.proven,
            ]
            .into_iter()
            .flatten()
            .chain([open.stall])
            .min()
            .map(at),
        };
        let until = until.into_iter().chain(call).min();
        self.listening.listen(now, until);
        until
    }

    pub fn tick(&mut self, now: Now) {
        // Each deadline is handled once; an open connection has seven.
        for _ in 0..9 {
            let heard = self.heard();
            let due = |at: Option<Duration>| at.is_some_and(|at| at <= heard);
            match &mut self.stage {
                Stage::Waiting { until } if *until <= now.monotonic => self.attempt(now, false),
                Stage::Trying { until, .. } if *until <= now.monotonic => self.lost(now),
                Stage::Stopping { until } if *until <= now.monotonic => {
                    self.rest(Status::Disconnected);
                }
                Stage::Open(open) if let Some(rule) = open.due(heard) => self.drained(rule),
                Stage::Open(open) if open.stall <= heard || due(open.pong) => self.lost(now),
                Stage::Open(open) if due(open.ping) => self.ping(),
                Stage::Open(open) if due(open.proven) => {
                    open.proven = None;
                    self.failures = 0;
                }
                _ => return,
            }
        }
    }

    fn heard(&self) -> Duration {
        self.listening.heard
    }

    /// Whether an end mark is awaited, so that the drain needs a longer silence.
    fn expects_mark(&self, replay: &Replay) -> bool {
        let owed = self.shows_end_mark || replay.responded || self.isy994;
        owed && !replay.is_mark_seen()
    }

    /// Ends the drain by this rule, unless a message is incomplete.
    fn drained(&mut self, rule: Rule) {
        let heard = self.heard();
        let Stage::Open(open) = &self.stage else {
            return;
        };
        let expects_mark = self.expects_mark(&open.replay);
        let Stage::Open(open) = &mut self.stage else {
            return;
        };
        open.set(rule, None);
        if rule == Rule::Past && (expects_mark || !open.replay.is_stamped()) {
            return;
        }
        let again = match rule {
            Rule::Quiet => open.quiet(heard, expects_mark),
            Rule::Past | Rule::Cap => heard + QUARTER,
        };
        if open.mid_message && again > heard {
            return open.set(rule, Some(again));
        }
        let marked = open.replay.is_marked();
        open.replay.drained();
        open.live = true;
        (open.quiet, open.past, open.cap) = (None, None, None);
        open.proven = Some(heard + seconds(30));
        self.shows_end_mark |= marked;
        self.incomplete += u64::from(rule == Rule::Cap && !marked);
        self.status = Status::Connected;
        self.ping();
    }

    pub fn answer(&mut self, now: Now, attempt: usize, answer: Answer) {
        let Stage::Trying { isy_headers, .. } = self.stage else {
            return;
        };
        if attempt != self.attempts {
            return;
        }
        match answer {
            Answer::Accept => {
                self.isy_headers |= isy_headers;
                self.turn = None;
                self.status = Status::StreamSyncing;
                let after = |time: u64| self.heard() + seconds(time);
                let replay = Replay::new(Path::Rest, self.heard());
                let quiet = if self.expects_mark(&replay) { 5 } else { 1 };
                self.stage = Stage::Open(Box::new(Open {
                    live: false,
                    mid_message: false,
                    replay,
                    ends: None,
                    heartbeat_interval: seconds(77),
                    quiet: Some(after(quiet)),
                    past: Some(after(10)),
                    cap: Some(after(60)),
                    stall: after(77),
                    pong: None,
                    ping: Some(after(35)),
                    proven: None,
                }));
            }
            Answer::Status(400) if self.isy994 => self.lost(now),
            Answer::Status(400) if !isy_headers && self.turn.is_none() => self.attempt(now, true),
            Answer::Status(401 | 403) => self.rest(Status::ReconnectFailed),
            Answer::Status(_) | Answer::Garbage | Answer::End => {
                if answer == Answer::Status(400) {
                    // Forgets the headers that worked before. If none did, the sets alternate from
                    // now on.
                    if self.turn.is_some() || !std::mem::take(&mut self.isy_headers) {
                        self.turn = Some(!isy_headers);
                    }
                }
                self.lost(now);
            }
        }
    }

    /// Handles a connection or an attempt that is closed or has failed.
    pub fn gone(&mut self, now: Now, attempt: usize) {
        match self.stage {
            Stage::Stopping { .. } if attempt == self.attempts => self.rest(Status::Disconnected),
            Stage::Trying { .. } | Stage::Open(_) if attempt == self.attempts => self.lost(now),
            _ => {}
        }
    }

    pub fn bytes_received(&mut self, attempt: usize, mid: bool) {
        if let Stage::Open(open) = &mut self.stage
            && attempt == self.attempts
        {
            open.mid_message = mid;
        }
    }

    /// Returns whether the notification for a message is live; `None` if there is none.
    pub fn message(&mut self, attempt: usize, message: Stamped) -> Option<bool> {
        let heard = self.heard();
        let Stage::Open(open) = &mut self.stage else {
            return None;
        };
        if attempt != self.attempts {
            return None;
        }
        let content = message.content;
        open.mid_message = false;
        open.pong = None;
        open.ping = Some(heard + seconds(35));
        let mut verdict = Verdict::default();
        match content {
            Content::Ping => return None,
            Content::Pong => {
                self.answers_pings = true;
                return None;
            }
            Content::Response => open.replay.responded = true,
            Content::Ignored | Content::Malformed | Content::Binary => {}
            _ => verdict = open.replay.event(heard, !open.live, message),
        }
        self.shows_end_mark |= verdict.confirms_mark;
        let live = open.live && !verdict.replay;
        if let Content::Heartbeat(heartbeat_interval) = content {
            open.heartbeat_interval = seconds(HEARTBEAT_INTERVALS[heartbeat_interval].1 + 2);
            if live {
                open.proven = None;
                self.failures = 0;
            }
        }
        if content != Content::Binary {
            open.stall = heard + open.heartbeat_interval;
        }
        if !open.live {
            self.prolong_drain(content, &verdict);
        }
        (content != Content::Binary).then_some(live)
    }

    /// Prolongs the drain after a message.
    fn prolong_drain(&mut self, content: Content, verdict: &Verdict) {
        let heard = self.heard();
        let Stage::Open(open) = &self.stage else {
            return;
        };
        let expects_mark = self.expects_mark(&open.replay);
        let Stage::Open(open) = &mut self.stage else {
            return;
        };
        if content.is_event() && open.replay.is_stamped() && !expects_mark {
            let past = heard + seconds(if verdict.replay { 5 } else { 0 });
            open.past = open.past.max(Some(past));
        }
        if verdict.behind_mark {
            return;
        }
        if open.replay.is_marked() {
            open.ends.get_or_insert(heard + seconds(1));
        } else {
            open.ends = None;
        }
        open.quiet = Some(open.quiet(heard, expects_mark));
    }

    fn attempt(&mut self, now: Now, fallback: bool) {
        self.attempts += 1;
        self.status = Status::StreamInitializing;
        self.stage = Stage::Trying {
            until: now.monotonic + seconds(10),
            isy_headers: self.turn.unwrap_or(self.isy_headers || fallback),
        };
    }

    fn lost(&mut self, now: Now) {
        let wait = seconds(WAITS[self.failures.min(WAITS.len() - 1)]);
        self.failures += 1;
        self.status = Status::LostConnection;
        self.stage = Stage::Waiting {
            until: now.monotonic + wait,
        };
    }

    fn rest(&mut self, status: Status) {
        self.status = status;
        self.stage = Stage::Rest;
    }

    fn ping(&mut self) {
        let heard = self.heard();
        if let Stage::Open(open) = &mut self.stage {
            if self.answers_pings {
                open.ping = None;
                open.pong = Some(heard + seconds(10));
            } else {
                open.ping = Some(heard + seconds(35));
            }
        }
    }
}
