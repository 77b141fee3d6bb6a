//! Calls of the stream machine, drawn from bytes: any call, in any order, with any id and at any
//! time.

use std::time::Duration;

use super::stamp::{Base, Micros, Stamp};

/// One thing that a driver, good or bad, can do.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    Start,
    Stop,
    Tick,
    /// Asks for the deadline: from here on the stream takes it that somebody listens.
    Listen,
    /// Does what is asked for: this many actions.
    Drain(usize),
    /// Time passes.
    Pass(Duration),
    /// Time passes up to the deadline that was asked for last.
    PassToDeadline,
    /// A good driver with nothing to read listens for so long, and ticks whenever it is due.
    Listened(Duration),
    /// A good driver with nothing to read, this many rounds long: listens, waits, ticks, does what
    /// is asked for.
    Idle(usize),
    /// Both clocks go back.
    Back(Duration),
    /// The wall clock alone is set, by this many seconds.
    SetWallClock(i64),
    /// The attempt has come so far.
    Phase(Which, u8),
    /// The upgrade is answered.
    Answer(Which, Answer),
    /// A request is answered, or the question for a token.
    Granted(Which, Grant),
    Message(Which, Content, Stamp, Sid),
    /// What the controller sends behind its replay: `_4`/5, `_4`/6 and the end mark.
    End(Which, Stamp),
    /// The controller's clock is set by so much.
    SetControllerClock(Micros),
    BytesReceived(Which, bool),
    Closed(Which),
    Failed(Which, u8),
    /// A call is made.
    Call(u8),
    /// A call's exchange has come so far.
    CallPhase(Which, u8),
    /// A call is taken back.
    CancelCall(Which),
}

/// Whose id is given, counted back from the last one.
pub type Which = usize;

/// Which subscription an event is of.
pub type Sid = u8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Accept,
    Status(u16),
    Garbage,
    /// The connection ends before the answer.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Tokens that live for this many seconds.
    Tokens(u64),
    Status(u16),
    Nonsense,
    Failed,
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Property,
    /// A command that somebody gave to a node.
    Command,
    /// A heartbeat with one of [`PROMISES`].
    Heartbeat(usize),
    /// What ends the replay on `/rest/subscribe`.
    EndMark,
    /// `_4`/5 and `_4`/6, which go before the end mark.
    Batch,
    Battery,
    /// `_4`/0: somebody set the controller's clock.
    TimeChanged,
    System,
    /// `SubscriptionResponse`: this controller marks the end of its replay.
    Response,
    Ignored,
    Malformed,
    Binary,
    Ping,
    Pong,
}

impl Content {
    /// Whether it is of a node, as what a replay holds is.
    pub fn is_of_node(self) -> bool {
        matches!(self, Self::Property | Self::Command)
    }

    pub fn is_event(self) -> bool {
        !matches!(
            self,
            Self::Response
                | Self::Ignored
                | Self::Malformed
                | Self::Binary
                | Self::Ping
                | Self::Pong
        )
    }
}

/// What heartbeats promise, and what it counts as, in seconds.
pub const PROMISES: [(&str, u64); 6] = [
    ("90", 90),
    ("0", 75),
    ("-3", 75),
    ("soon", 75),
    ("1000000000", 120),
    ("5", 5),
];

const TIMES: [u64; 20] = [
    0, 1, 10, 100, 249, 250, 251, 499, 500, 501, 999, 1000, 1001, 1500, 2000, 10_000, 35_000,
    77_000, 122_000, 86_400_000,
];

/// How far a stamp is from what it is counted from: around each limit that the rules know.
const OFFSETS: [Micros; 20] = [
    0,
    1,
    -1,
    250_000,
    500_000,
    500_001,
    -500_000,
    -500_001,
    1_000_000,
    2_000_000,
    2_000_001,
    -2_000_000,
    -2_000_001,
    5_000_000,
    5_000_001,
    -5_000_000,
    -5_000_001,
    60_000_000,
    3_600_000_000,
    -3_600_000_000,
];

const STATUSES: [u16; 9] = [200, 302, 400, 401, 403, 404, 429, 500, 503];

impl Operation {
    /// The operation that three bytes say. What drives a stream on is drawn more often than the
    /// rest.
    pub fn drawn([kind, detail, which]: [u8; 3]) -> Self {
        let of = |length: usize| usize::from(detail) % length;
        let stamp = stamp(which % 64);
        // Mostly the one in hand.
        let which = usize::from(which / 64).saturating_sub(1);
        let sid = if detail < 224 { 1 } else { 2 };
        match kind % 57 {
            0 | 1 => Self::Start,
            2 => Self::Stop,
            3..=6 => Self::Tick,
            7..=10 => Self::Listen,
            11..=14 => Self::Drain(if detail < 200 { usize::MAX } else { of(3) }),
            15 | 16 => Self::Pass(Duration::from_millis(TIMES[of(TIMES.len())])),
            17..=20 => Self::PassToDeadline,
            21 => Self::Back(Duration::from_millis(TIMES[of(13)])),
            22 => Self::SetWallClock((i64::from(detail) - 128) * 7),
            23 => Self::Phase(which, detail),
            24 | 25 => Self::Answer(which, Answer::Accept),
            26 => Self::Answer(which, Answer::Status(STATUSES[of(STATUSES.len())])),
            27 => Self::Answer(
                which,
                if detail < 128 {
                    Answer::Garbage
                } else {
                    Answer::End
                },
            ),
            28 | 29 => Self::Granted(which, Grant::Tokens(u64::from(detail) * 20)),
            30 => Self::Granted(
                which,
                match detail {
                    0..150 => Grant::Status(STATUSES[of(STATUSES.len())]),
                    150..190 => Grant::Nonsense,
                    190..230 => Grant::Failed,
                    _ => Grant::Nothing,
                },
            ),
            31..=34 => Self::Message(which, content(detail), stamp, sid),
            35 => Self::BytesReceived(which, detail < 128),
            36 => Self::Closed(which),
            37 => Self::Failed(which, detail),
            38 => Self::Message(which, Content::Pong, Stamp::Missing, sid),
            39..=41 => Self::Idle(1 + of(6)),
            42..=44 => Self::Call(detail),
            45 => Self::CallPhase(which, detail),
            46 => Self::CancelCall(which),
            47 => Self::Message(which, Content::Heartbeat(of(PROMISES.len())), stamp, sid),
            48..=52 => Self::Message(which, near_end(detail), stamp, sid),
            53 | 54 => Self::End(which, stamp),
            55 => Self::SetControllerClock(OFFSETS[of(OFFSETS.len())]),
            // Often for less than the shortest quiet, at most for half a minute.
            _ => Self::Listened(Duration::from_millis(u64::from(detail).pow(2) / 2)),
        }
    }
}

/// The stamp that six bits say.
fn stamp(bits: u8) -> Stamp {
    let index = usize::from(bits);
    let at = |base, index: usize| Stamp::At(base, OFFSETS[index]);
    match index {
        0 => Stamp::Missing,
        1..=20 => at(Base::Clock, index - 1),
        21..=40 => at(Base::Last, index - 21),
        41..=60 => at(Base::First, index - 41),
        _ => Stamp::Broken,
    }
}

/// What comes around the end of a replay.
fn near_end(detail: u8) -> Content {
    match detail % 8 {
        0 => Content::Batch,
        1 => Content::Battery,
        2 => Content::EndMark,
        3 => Content::TimeChanged,
        4 => Content::Response,
        5 => Content::Heartbeat(0),
        6 => Content::Command,
        _ => Content::Property,
    }
}

fn content(detail: u8) -> Content {
    match detail % 10 {
        0..=2 => Content::Property,
        3 => Content::Heartbeat(usize::from(detail) % PROMISES.len()),
        4 => Content::EndMark,
        5 => Content::System,
        6 => Content::Ignored,
        7 => Content::Malformed,
        8 => Content::Binary,
        _ => Content::Ping,
    }
}
