//! A recorded house: what a controller once sent, to be sent again.

use std::time::Duration;

use ioxproto::recording::{BINARY, Direction, Entry, EntryError};
use thiserror::Error;

use crate::event::{self, Event, Stamp};

/// The quiet that stays between replay and live at any speed; the first one this long divides them.
const QUIET: Duration = Duration::from_millis(1200);

/// The longest time that anything of a recording may take, so that no clock overflows.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// What a controller once sent, prepared to be sent again to each subscriber from its connect on.
///
/// Frames are sent as they were recorded, with their own numbers and stamps. Everything before the
/// first quiet of 1.2 s is the replay; at least that much quiet stays there at any speed. After
/// the end the connection stays open, with heartbeats whose numbers go on from the last one's.
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
    then_close: bool,
    tail: Tail,
}

#[derive(Clone, Debug)]
struct Recorded {
    /// At the original pace, from the first frame.
    at: Duration,
    content: Content,
}

/// A recorded message.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Text(String),
    Binary(Vec<u8>),
}

/// What heartbeats after the end look like.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    pub(crate) next_seqnum: u64,
    pub(crate) sid: String,
    pub(crate) promise: String,
    stamped: bool,
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
    /// It holds nothing that a controller sent.
    #[error("the recording holds no received frame: is it the right file?")]
    Empty,
}

impl Recording {
    /// Takes the received frames of a recording, at the original pace.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Result<Self, RecordingError> {
        let mut start = None;
        let mut at = Duration::ZERO;
        let mut frames: Vec<Recorded> = Vec::new();
        for entry in entries {
            if entry.direction != Direction::Receive {
                continue;
            }
            let start = *start.get_or_insert(entry.time);
            // A clock that was set back makes no time go backwards.
            let offset = Duration::try_from_secs_f64(entry.time - start).unwrap_or_default();
            at = at.max(offset.min(LONGEST));
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
            .position(|pair| pair[1].at - pair[0].at >= QUIET)
            .map_or(frames.len(), |last| last + 1);
        Ok(Self {
            tail: Tail::of(&frames),
            frames,
            replay,
            speed: 1.0,
            then_close: false,
        })
    }

    /// Reads the lines of a recording; empty lines are passed over.
    ///
    /// # Errors
    ///
    /// Names the first line that is not an entry; or there is no received frame.
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

    /// This many times the original pace; 1 if it is not a positive number. Default 1.
    #[must_use]
    pub fn speed(mut self, factor: f64) -> Self {
        self.speed = if factor.is_finite() && factor > 0.0 {
            factor
        } else {
            1.0
        };
        self
    }

    /// Whether the controller closes the connection (code 1000) after the last frame. Default: it
    /// stays open.
    #[must_use]
    pub fn then_close(mut self, close: bool) -> Self {
        self.then_close = close;
        self
    }

    /// How many frames each subscriber gets.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    /// How many of them are the replay.
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

    /// The frame at this index, and when it is due after the connect.
    pub(crate) fn frame(&self, index: usize) -> Option<(Duration, &Content)> {
        let frame = self.frames.get(index)?;
        let mut due = self.scaled(frame.at);
        if index >= self.replay {
            let last = self.frames[self.replay - 1].at;
            let first = self.frames[self.replay].at;
            let kept = self.scaled(last) + self.scaled(first - last).max(QUIET);
            due = kept + self.scaled(frame.at - first);
        }
        Some((due, &frame.content))
    }

    fn scaled(&self, time: Duration) -> Duration {
        Duration::try_from_secs_f64(time.as_secs_f64() / self.speed)
            .unwrap_or(LONGEST)
            .min(LONGEST)
    }
}

impl Tail {
    fn of(frames: &[Recorded]) -> Self {
        let mut tail = Self {
            next_seqnum: 0,
            sid: "uuid:1".to_owned(),
            promise: "90".to_owned(),
            stamped: true,
            enveloped: false,
        };
        for frame in frames {
            let Content::Text(text) = &frame.content else {
                continue;
            };
            let number = attribute(text, "seqnum").and_then(|number| number.parse::<u64>().ok());
            // A frame without a number still takes one.
            tail.next_seqnum = number.unwrap_or(tail.next_seqnum).saturating_add(1);
            if let (Some(_), Some(sid)) = (number, attribute(text, "sid")) {
                tail.sid = sid.to_owned();
                tail.stamped = attribute(text, "timestamp").is_some();
                tail.enveloped = text.trim_start().starts_with('{');
            }
            if let Some((_, promise)) = text.split_once("<control>_0</control><action>") {
                let promise = promise.split('<').next().unwrap_or_default();
                tail.promise = promise.to_owned();
            }
        }
        tail
    }

    /// An event in the recording's own form.
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

/// The value of an attribute of the event, whether or not its quotes are escaped in a JSON string.
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
    fn the_first_long_quiet_divides_replay_from_live() {
        let recording = recording(&[100.0, 100.5, 101.5, 103.0, 103.1, 110.0]);
        assert_eq!(recording.replay_frames(), 3);
        assert_eq!(due(&recording), [0, 500, 1500, 3000, 3100, 10000]);
    }

    #[test]
    fn speed_leaves_the_quiet_before_live() {
        let recording = recording(&[100.0, 101.0, 111.0, 112.0]).speed(100.0);
        assert_eq!(due(&recording), [0, 10, 1210, 1220]);
    }

    #[test]
    fn a_recording_without_quiet_is_all_replay() {
        assert_eq!(recording(&[1.0, 2.0, 3.0]).replay_frames(), 3);
    }

    #[test]
    fn senseless_times_and_speeds_do_no_harm() {
        let recording = recording(&[5.0, 1.0, f64::MAX, f64::NAN]).speed(f64::MIN_POSITIVE);
        assert_eq!(due(&recording).len(), 4);
        assert!(recording.frame(3).expect("it is there").0 <= 2 * LONGEST);
        assert_eq!(due(&recording.speed(-1.0))[..2], [0, 0]);
    }

    #[test]
    fn numbers_go_on_after_frames_that_bear_none() {
        let event = r#"{"type":"event","data":"<?xml version=\"1.0\"?><Event seqnum=\"422\" sid=\"uuid:9\" timestamp=\"t\"><control>_0</control><action>60</action></Event>"}"#;
        let other = r#"{"type":"spolisy","data":"{}"}"#;
        let entries = [event, other].map(|text| Entry::text(Direction::Receive, 1.0, text));
        let recording = Recording::new(entries).expect("there are frames");
        let tail = recording.tail();
        assert_eq!(tail.next_seqnum, 424);
        assert_eq!((tail.sid.as_str(), tail.promise.as_str()), ("uuid:9", "60"));
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
