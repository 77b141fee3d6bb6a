//! A recorded house: sends again what a controller once sent.

use std::time::Duration;

use ioxproto::recording::{BINARY, Direction, Entry, EntryError};
use thiserror::Error;

use crate::event::{self, Event, Stamp};

/// The minimum pause between replay and live events, at any speed. The first pause of this length
/// in a recording separates them.
const REPLAY_PAUSE: Duration = Duration::from_millis(1200);

/// The maximum of all times in a recording, so that no clock overflows.
const MAX_TIME: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The frames that a controller once sent, to be sent again to each subscriber from its connection
/// on.
///
/// Frames are sent as they were recorded, with their own sequence numbers and stamps. Everything
/// before the first pause of 1.2 s is the replay. That pause stays at least as long at any speed.
/// After the last frame the connection stays open, and heartbeats continue its sequence numbers.
///
/// ```
/// let lines = concat!(
///     r#"{"direction":"receive","opcode":1,"time":10.0,"data":"<Event seqnum=\"0\"/>"}"#, "\n",
///     r#"{"direction":"receive","opcode":1,"time":15.0,"data":"<Event seqnum=\"1\"/>"}"#, "\n",
/// );
/// let recording = ioxsim::Recording::parse(lines)?.speed(10.0);
/// assert_eq!((recording.replay_frames(), recording.frames()), (1, 2));
/// # Ok::<(), ioxsim::RecordingError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Recording {
    frames: Vec<Recorded>,
    replay: usize,
    speed: f64,
    /// Whether the connection is closed after the last frame.
    then_close: bool,
    tail: Tail,
}

/// A recorded message with its time.
#[derive(Clone, Debug)]
struct Recorded {
    /// The time since the first frame, at the original pace.
    at: Duration,
    content: Content,
}

/// A recorded message.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Text(String),
    Binary(Vec<u8>),
}

/// The form of the heartbeats after the last frame.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    pub(crate) next_seqnum: u64,
    pub(crate) sid: String,
    /// The interval that heartbeats announce, in seconds.
    pub(crate) heartbeat_interval: String,
    /// Whether heartbeats have a timestamp.
    stamped: bool,
    /// Whether heartbeats are in JSON envelopes.
    enveloped: bool,
}

/// Why a recording cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// A line is not an entry.
    #[error("line {line}: {cause}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        cause: EntryError,
    },
    /// It contains nothing that a controller sent.
    #[error("the recording contains no received frame: is it the right file?")]
    Empty,
}

impl Recording {
    /// Makes a recording of the received frames of these entries, at the original pace.
    ///
    /// # Errors
    ///
    /// If there is no received frame.
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Result<Self, RecordingError> {
        let mut start = None;
        let mut at = Duration::ZERO;
        let mut frames: Vec<Recorded> = Vec::new();
        for entry in entries {
            if entry.direction != Direction::Receive {
                continue;
            }
            let start = *start.get_or_insert(entry.time);
            // If the clock was set back, the frame is due together with the previous one.
            let offset = Duration::try_from_secs_f64(entry.time - start).unwrap_or_default();
            at = at.max(offset.min(MAX_TIME));
            let content = if entry.opcode == BINARY {
                Content::Binary(entry.bytes())
            } else {
                Content::Text(entry.data)
            };
            frames.push(Recorded { at, content });
        }
        if frames.is_empty() {
            return Err(RecordingError::Empty);
        }
        let replay = frames
            .windows(2)
            .position(|pair| pair[1].at - pair[0].at >= REPLAY_PAUSE)
            .map_or(frames.len(), |last| last + 1);
        Ok(Self {
            tail: Tail::of(&frames),
            frames,
            replay,
            speed: 1.0,
            then_close: false,
        })
    }

    /// Parses the lines of a recording. Empty lines are skipped.
    ///
    /// # Errors
    ///
    /// If a line is not an entry (the error gives its number), or there is no received frame.
    pub fn parse(lines: &str) -> Result<Self, RecordingError> {
        let mut entries = Vec::new();
        for (index, line) in lines.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            entries.push(Entry::parse(line).map_err(|cause| RecordingError::Line {
                line: index + 1,
                cause,
            })?);
        }
        Self::new(entries)
    }

    /// Sets the speed as a multiple of the original pace; 1 if it is not a positive number. Default
    /// 1.
    #[must_use]
    pub fn speed(mut self, factor: f64) -> Self {
        self.speed = if factor.is_finite() && factor > 0.0 {
            factor
        } else {
            1.0
        };
        self
    }

    /// Sets whether the controller closes the connection (code 1000) after the last frame. Default:
    /// it stays open.
    #[must_use]
    pub fn then_close(mut self, close: bool) -> Self {
        self.then_close = close;
        self
    }

    /// Returns the number of frames that each subscriber receives.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    /// Returns the number of frames in the replay.
    #[must_use]
    pub fn replay_frames(&self) -> usize {
        self.replay
    }

    pub(crate) fn closes(&self) -> bool {
        self.then_close
    }

    pub(crate) fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Returns the frame at this index, and the time after the connection at which it is due.
    pub(crate) fn frame(&self, index: usize) -> Option<(Duration, &Content)> {
        let frame = self.frames.get(index)?;
        let mut due = self.scaled(frame.at);
        if index >= self.replay {
            let last = self.frames[self.replay - 1].at;
            let first = self.frames[self.replay].at;
            let kept = self.scaled(last) + self.scaled(first - last).max(REPLAY_PAUSE);
            due = kept + self.scaled(frame.at - first);
        }
        Some((due, &frame.content))
    }

    fn scaled(&self, time: Duration) -> Duration {
        Duration::try_from_secs_f64(time.as_secs_f64() / self.speed)
            .unwrap_or(MAX_TIME)
            .min(MAX_TIME)
    }
}

impl Tail {
    fn of(frames: &[Recorded]) -> Self {
        let mut tail = Self {
            next_seqnum: 0,
            sid: "uuid:1".to_owned(),
            heartbeat_interval: "90".to_owned(),
            stamped: true,
            enveloped: false,
        };
        for frame in frames {
            let Content::Text(text) = &frame.content else {
                continue;
            };
            let number = attribute(text, "seqnum").and_then(|number| number.parse::<u64>().ok());
            // A frame without a sequence number still uses one up.
            tail.next_seqnum = number.unwrap_or(tail.next_seqnum).saturating_add(1);
            if let (Some(_), Some(sid)) = (number, attribute(text, "sid")) {
                tail.sid = sid.to_owned();
                tail.stamped = attribute(text, "timestamp").is_some();
                tail.enveloped = text.trim_start().starts_with('{');
            }
            if let Some((_, heartbeat_interval)) = text.split_once("<control>_0</control><action>")
            {
                let heartbeat_interval = heartbeat_interval.split('<').next().unwrap_or_default();
                tail.heartbeat_interval = heartbeat_interval.to_owned();
            }
        }
        tail
    }

    /// Returns the text of an event in the form of the recording.
    pub(crate) fn text(&self, event: &Event, seqnum: u64, timestamp: &str) -> String {
        let stamp = Stamp {
            seqnum,
            sid: &self.sid,
            timestamp: self.stamped.then_some(timestamp),
        };
        let text = event::text(event, &stamp);
        if self.enveloped {
            event::enveloped(&text)
        } else {
            text
        }
    }
}

/// Returns the value of an attribute of the event, whether or not its quotes are escaped in a JSON
/// string.
pub(crate) fn attribute<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let start = text.find("<Event")?;
    let head = text[start..].split('>').next()?;
    let (_, value) = head.split_once(&format!(" {name}="))?;
    let value = value.trim_start_matches('\\').strip_prefix('"')?;
    value.split(['"', '\\']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(times: &[f64]) -> Recording {
        let entries = times.iter().enumerate().map(|(number, time)| {
            let text = format!(r#"<Event seqnum="{number}" sid="uuid:7" timestamp="t"></Event>"#);
            Entry::text(Direction::Receive, *time, text)
        });
        Recording::new(entries).expect("there are frames")
    }

    fn due(recording: &Recording) -> Vec<u128> {
        (0..recording.frames())
            .filter_map(|index| recording.frame(index))
            .map(|(due, _)| due.as_millis())
            .collect()
    }

    #[test]
    fn the_first_long_pause_separates_replay_from_live() {
        let recording = recording(&[100.0, 100.5, 101.5, 103.0, 103.1, 110.0]);
        assert_eq!(recording.replay_frames(), 3);
        assert_eq!(due(&recording), [0, 500, 1500, 3000, 3100, 10000]);
    }

    #[test]
    fn speed_keeps_the_pause_before_live() {
        let recording = recording(&[100.0, 101.0, 111.0, 112.0]).speed(100.0);
        assert_eq!(due(&recording), [0, 10, 1210, 1220]);
    }

    #[test]
    fn a_recording_without_a_long_pause_is_all_replay() {
        assert_eq!(recording(&[1.0, 2.0, 3.0]).replay_frames(), 3);
    }

    #[test]
    fn invalid_times_and_speeds_are_tolerated() {
        let recording = recording(&[5.0, 1.0, f64::MAX, f64::NAN]).speed(f64::MIN_POSITIVE);
        assert_eq!(due(&recording).len(), 4);
        assert!(recording.frame(3).expect("a frame at this index").0 <= 2 * MAX_TIME);
        assert_eq!(due(&recording.speed(-1.0))[..2], [0, 0]);
    }

    #[test]
    fn numbers_continue_after_frames_without_one() {
        let event = r#"{"type":"event","data":"<?xml version=\"1.0\"?><Event seqnum=\"422\" sid=\"uuid:9\" timestamp=\"t\"><control>_0</control><action>60</action></Event>"}"#;
        let other = r#"{"type":"spolisy","data":"{}"}"#;
        let entries = [event, other].map(|text| Entry::text(Direction::Receive, 1.0, text));
        let recording = Recording::new(entries).expect("there are frames");
        let tail = recording.tail();
        assert_eq!(tail.next_seqnum, 424);
        assert_eq!(
            (tail.sid.as_str(), tail.heartbeat_interval.as_str()),
            ("uuid:9", "60")
        );
        let text = tail.text(&Event::new("_0", "60"), 424, "now");
        assert!(
            text.starts_with(r#"{"type":"event","data":"<?xml version=\"1.0\""#),
            "{text}"
        );
        assert!(
            text.contains(r#"seqnum=\"424\" sid=\"uuid:9\" timestamp=\"now\""#),
            "{text}"
        );
    }

    #[test]
    fn what_the_client_sent_is_left_out_and_errors_name_the_line() {
        let sent = Entry::text(Direction::Send, 1.0, "token");
        assert_eq!(
            Recording::new([sent]).expect_err("nothing was received"),
            RecordingError::Empty
        );
        let error = Recording::parse("\n{\"direction\":1}\n").expect_err("line 2 is wrong");
        assert!(error.to_string().starts_with("line 2: "), "{error}");
    }
}
