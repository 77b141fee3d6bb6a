//! The stream with a local account as it ought to be, on a page: what its status is, whether an event is live,
//! and when it wants to be woken.

use std::time::{Duration, Instant};

use ioxproto::{Now, Status};

use super::operation::{Answer, Content, PROMISES};

const WAITS: [u64; 6] = [1, 2, 5, 10, 30, 60];

#[derive(Debug)]
pub struct Model {
    pub status: Status,
    /// How many attempts have begun; answers name the one that they belong to.
    pub attempts: usize,
    stage: Stage,
    failures: usize,
    isy_headers: bool,
    /// After a 400 to both sets of headers they take turns: whether the ISY-994's are next.
    turn: Option<bool>,
    answers_pings: bool,
    /// Whether the controller has shown where its replay ends; then its end mark is waited for.
    shows_end_mark: bool,
    /// How long somebody listened to an empty socket.
    heard: Duration,
    wait: Option<(Instant, Option<Instant>)>,
    last: Option<Now>,
}

#[derive(Debug)]
enum Stage {
    Rest,
    Trying { until: Instant, isy_headers: bool },
    Open(Open),
    Waiting { until: Instant },
    Stopping { until: Instant },
}

/// Deadlines are readings of the listening clock.
#[derive(Debug)]
struct Open {
    live: bool,
    mid_message: bool,
    end_mark: bool,
    /// An end mark came, even if a property took it back.
    seen: bool,
    /// The end mark counts no longer: it has ended the drain, or was confirmed after it.
    over: bool,
    /// When the drain ends behind the end mark, whatever comes.
    ends: Option<Duration>,
    opened: Duration,
    promise: Duration,
    quiet: Option<Duration>,
    /// Wakes to see whether stamps show a replay; nothing here is stamped.
    past: Option<Duration>,
    cap: Option<Duration>,
    stall: Duration,
    pong: Option<Duration>,
    ping: Option<Duration>,
    proven: Option<Duration>,
}

impl Open {
    /// An event came. Whether it shows that the mark before it was the end of the replay.
    fn marked(&mut self, heard: Duration, content: Content) -> bool {
        let asked = !self.live || heard <= self.opened + seconds(120);
        if self.over || !asked {
            return false;
        }
        match content {
            Content::EndMark => (self.end_mark, self.seen) = (true, true),
            Content::Property => self.end_mark = false,
            _ => {}
        }
        let confirms = self.end_mark && content != Content::EndMark;
        self.over = confirms && self.live;
        confirms
    }

    /// When silence from now on ends the drain.
    fn quiet(&self, heard: Duration, shows_end_mark: bool) -> Duration {
        match self.ends {
            Some(ends) => ends.min(heard + Duration::from_millis(250)),
            None => heard + seconds(if shows_end_mark && !self.seen { 5 } else { 1 }),
        }
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Model {
    pub fn new() -> Self {
        Self {
            status: Status::NotStarted,
            attempts: 0,
            stage: Stage::Rest,
            failures: 0,
            isy_headers: false,
            turn: None,
            answers_pings: false,
            shows_end_mark: false,
            heard: Duration::ZERO,
            wait: None,
            last: None,
        }
    }

    /// Every call: the wait is over, and a wait that ended far too late proves nothing.
    pub fn enter(&mut self, now: Now) {
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

    /// The deadline, and from here on somebody listens. A call may be due before it.
    pub fn listen(&mut self, now: Now, call: Option<Instant>) -> Option<Instant> {
        let at = |reading: Duration| now.monotonic + reading.saturating_sub(self.heard);
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
        self.wait = Some((now.monotonic, until));
        until
    }

    pub fn tick(&mut self, now: Now) {
        // Each deadline is met once; an open connection has seven.
        for _ in 0..9 {
            let heard = self.heard;
            let due = |at: Option<Duration>| at.is_some_and(|at| at <= heard);
            match &mut self.stage {
                Stage::Waiting { until } if *until <= now.monotonic => self.attempt(now, false),
                Stage::Trying { until, .. } if *until <= now.monotonic => self.lost(now),
                Stage::Stopping { until } if *until <= now.monotonic => {
                    self.rest(Status::Disconnected);
                }
                Stage::Open(open) if due(open.past) && !due(open.quiet) => open.past = None,
                Stage::Open(open) if due(open.quiet) || due(open.cap) => {
                    let ends = due(open.quiet) && open.quiet(heard, false) <= heard;
                    if open.mid_message && due(open.quiet) && !ends {
                        open.quiet = Some(open.quiet(heard, self.shows_end_mark));
                    } else if open.mid_message && !ends {
                        open.cap = Some(heard + Duration::from_millis(250));
                    } else {
                        open.live = true;
                        open.over = open.end_mark;
                        (open.quiet, open.past, open.cap) = (None, None, None);
                        open.proven = Some(heard + seconds(30));
                        self.shows_end_mark |= open.end_mark;
                        self.status = Status::Connected;
                        self.ping();
                    }
                }
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
                let after = |time: u64| self.heard + seconds(time);
                let quiet = if self.shows_end_mark { 5 } else { 1 };
                self.stage = Stage::Open(Open {
                    live: false,
                    mid_message: false,
                    end_mark: false,
                    seen: false,
                    over: false,
                    ends: None,
                    opened: self.heard,
                    promise: seconds(77),
                    quiet: Some(after(quiet)),
                    past: Some(after(10)),
                    cap: Some(after(60)),
                    stall: after(77),
                    pong: None,
                    ping: Some(after(35)),
                    proven: None,
                });
            }
            Answer::Status(400) if !isy_headers && self.turn.is_none() => self.attempt(now, true),
            Answer::Status(401 | 403) => self.rest(Status::ReconnectFailed),
            Answer::Status(_) | Answer::Garbage | Answer::End => {
                if answer == Answer::Status(400) {
                    // What had been learned is forgotten; what was on trial begins the turns.
                    if self.turn.is_some() || !std::mem::take(&mut self.isy_headers) {
                        self.turn = Some(!isy_headers);
                    }
                }
                self.lost(now);
            }
        }
    }

    /// A connection or an attempt is closed or has failed.
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

    /// Whether what the message gives is live; `None` if it gives nothing.
    pub fn message(&mut self, attempt: usize, content: Content) -> Option<bool> {
        let heard = self.heard;
        let Stage::Open(open) = &mut self.stage else {
            return None;
        };
        if attempt != self.attempts {
            return None;
        }
        open.mid_message = false;
        open.pong = None;
        open.ping = Some(heard + seconds(35));
        match content {
            Content::Ping => return None,
            Content::Pong => {
                self.answers_pings = true;
                return None;
            }
            Content::EndMark | Content::Property | Content::Heartbeat(_) | Content::System => {
                self.shows_end_mark |= open.marked(heard, content);
            }
            Content::Ignored | Content::Malformed | Content::Binary => {}
        }
        if let Content::Heartbeat(promise) = content {
            open.promise = seconds(PROMISES[promise].1 + 2);
            if open.live {
                open.proven = None;
                self.failures = 0;
            }
        }
        if !open.live {
            if open.end_mark {
                open.ends.get_or_insert_with(|| heard + seconds(1));
            } else {
                open.ends = None;
            }
            open.quiet = Some(open.quiet(heard, self.shows_end_mark));
        }
        if content == Content::Binary {
            return None;
        }
        open.stall = heard + open.promise;
        Some(open.live)
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
        if let Stage::Open(open) = &mut self.stage {
            if self.answers_pings {
                open.ping = None;
                open.pong = Some(self.heard + seconds(10));
            } else {
                open.ping = Some(self.heard + seconds(35));
            }
        }
    }
}
