//! The operations on the stream machine, decoded from bytes: any method, in any order, with any id
//! and at any time.

use std::time::Duration;

use super::stamp::{Base, Micros, Stamp};

/// One operation of a driver, correct or not.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    Start,
    Stop,
    Tick,
    /// Asks for the deadline. From then on, the stream assumes that the driver listens.
    Listen,
    /// Takes up to this many actions.
    TakeActions(usize),
    /// Time passes.
    Pass(Duration),
    /// Time passes up to the last deadline that was returned.
    PassToDeadline,
    /// A correct driver with nothing to read listens for this long, and ticks whenever it is due.
    Listened(Duration),
    /// A correct driver with nothing to read, for this many rounds: takes actions, listens, waits
    /// and ticks.
    Idle(usize),
    /// Both clocks go back.
    Back(Duration),
    /// Only the wall clock is set, by this many seconds.
    SetWallClock(i64),
    /// The attempt reaches a phase.
    Phase(Which, u8),
    /// The upgrade is answered.
    Answer(Which, Answer),
    /// A request is answered, or a token is provided.
    Granted(Which, Grant),
    Message(Which, Content, Stamp, Sid),
    /// The end of the controller's replay: `_4`/5, `_4`/6 and the end mark.
    End(Which, Stamp),
    /// The controller's clock is set by this much.
    SetControllerClock(Micros),
    BytesReceived(Which, bool),
    Closed(Which),
    Failed(Which, u8),
    /// A call is made.
    Call(u8),
    /// A call's exchange reaches a phase.
    CallPhase(Which, u8),
    /// A call is cancelled.
    CancelCall(Which),
}

/// Which id is used, counted back from the last one.
pub type Which = usize;

/// The subscription that an event belongs to.
pub type Sid = u8;

/// The answer to an upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Accept,
    Status(u16),
    Garbage,
    /// The connection ends before the answer.
    End,
}

/// The answer to a login or a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Tokens that are valid for this many seconds.
    Tokens(u64),
    Status(u16),
    Nonsense,
    Failed,
    Nothing,
}

/// The content of a message from the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Property,
    /// A command that was given to a node.
    Command,
    /// A heartbeat with one of [`HEARTBEAT_INTERVALS`].
    Heartbeat(usize),
    /// The end mark of the replay on `/rest/subscribe`.
    EndMark,
    /// `_4`/5. `Batch` and `Battery` (`_4`/6) precede the end mark.
    Batch,
    Battery,
    /// `_4`/0: the controller's clock was set.
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
    /// Whether it is an event of a node, as replayed events are.
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

/// The intervals that heartbeats announce, and how long each counts, in seconds.
pub const HEARTBEAT_INTERVALS: [(&str, u64); 6] = [
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

/// The distance of a stamp from its base: around each limit in the rules, in microseconds.
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
    /// Decodes an operation from three bytes. Operations that advance a stream are more frequent.
    pub fn drawn([kind, detail, which]: [u8; 3]) -> Self {
        let of = |length: usize| usize::from(detail) % length;
        let stamp = stamp(which % 64);
        // Mostly the latest one.
        let which = usize::from(which / 64).saturating_sub(1);
        let sid = if detail < 224 { 1 } else { 2 };
        match kind % 57 {
            0 | 1 => Self::Start,
            2 => Self::Stop,
            3..=6 => Self::Tick,
            7..=10 => Self::Listen,
            11..=14 => Self::TakeActions(if detail < 200 { usize::MAX } else { of(3) }),
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
            47 => Self::Message(
                which,
                Content::Heartbeat(of(HEARTBEAT_INTERVALS.len())),
                stamp,
                sid,
            ),
            48..=52 => Self::Message(which, near_end(detail), stamp, sid),
            53 | 54 => Self::End(which, stamp),
            55 => Self::SetControllerClock(OFFSETS[of(OFFSETS.len())]),
            // Often less than the shortest silence that ends a drain, at most half a minute.
            _ => Self::Listened(Duration::from_millis(u64::from(detail).pow(2) / 2)),
        }
    }
}

/// Decodes a stamp from six bits.
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

/// Decodes a message that is typical of the end of a replay.
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
        3 => Content::Heartbeat(usize::from(detail) % HEARTBEAT_INTERVALS.len()),
        4 => Content::EndMark,
        5 => Content::System,
        6 => Content::Ignored,
        7 => Content::Malformed,
        8 => Content::Binary,
        _ => Content::Ping,
    }
}
