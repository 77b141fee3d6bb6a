//! Recordings of a connection: one line with a JSON object for each message.
//!
//! ```json
//! {"direction":"receive","opcode":1,"time":1778103283.182967,"data":"<?xml …"}
//! ```
//!
//! `direction` is `send` or `receive`, as seen by the client; `opcode` is that of the WebSocket
//! message; `time` is in seconds since the epoch; `data` is the text of a text message, or the
//! base64 of a binary one.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};
use thiserror::Error;

/// The opcode of a text message.
pub const TEXT: u8 = 1;

/// The opcode of a binary message.
pub const BINARY: u8 = 2;

/// The direction of a message, as seen by the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a message goes one way or the other"
)]
pub enum Direction {
    /// From the client to the controller.
    Send,
    /// From the controller to the client.
    Receive,
}

/// One message of a recording.
///
/// ```
/// use ioxproto::recording::{Direction, Entry};
///
/// let line = r#"{"direction":"receive","opcode":1,"time":1778103282.5,"data":"<Event/>"}"#;
/// let entry = Entry::parse(line)?;
/// assert_eq!(entry.direction, Direction::Receive);
/// assert_eq!(entry.data, "<Event/>");
/// assert_eq!(entry.to_string(), line);
/// # Ok::<(), ioxproto::recording::EntryError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// The direction.
    pub direction: Direction,
    /// The WebSocket opcode: 1 for text, 2 for binary.
    pub opcode: u8,
    /// The time, in seconds since the epoch.
    pub time: f64,
    /// The text, or the base64 of a binary message.
    pub data: String,
}

/// Why a line is not an entry of a recording. Never contains the data, which may hold a token.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Not JSON.
    #[error("not a line of a recording: it is not JSON ({0})")]
    NotJson(String),
    /// JSON, but not an object.
    #[error("not a line of a recording: it is not a JSON object")]
    NotAnObject,
    /// A member is missing.
    #[error("not a line of a recording: {0:?} is missing")]
    Missing(&'static str),
    /// The value of a member is invalid.
    #[error("not a line of a recording: {member:?} must be {expected}")]
    Wrong {
        /// The member's name.
        member: &'static str,
        /// The expected value.
        expected: &'static str,
    },
}

crate::debug_is_display! { EntryError }

impl Entry {
    /// Creates an entry for a text message.
    pub fn text(direction: Direction, time: f64, text: impl Into<String>) -> Self {
        Self {
            direction,
            opcode: TEXT,
            time,
            data: text.into(),
        }
    }

    /// Creates an entry for a binary message.
    #[must_use]
    pub fn binary(direction: Direction, time: f64, bytes: &[u8]) -> Self {
        Self {
            direction,
            opcode: BINARY,
            time,
            data: BASE64.encode(bytes),
        }
    }

    /// Parses one line. Ignores unknown members.
    ///
    /// # Errors
    ///
    /// A member is missing or invalid, or the line is not a JSON object.
    pub fn parse(line: &str) -> Result<Self, EntryError> {
        let value: Value =
            serde_json::from_str(line).map_err(|error| EntryError::NotJson(error.to_string()))?;
        let Value::Object(members) = value else {
            return Err(EntryError::NotAnObject);
        };
        let direction = match member(&members, "direction")?.as_str() {
            Some("send") => Direction::Send,
            Some("receive") => Direction::Receive,
            _ => return Err(wrong("direction", "\"send\" or \"receive\"")),
        };
        let opcode = match member(&members, "opcode")?.as_u64() {
            Some(1) => TEXT,
            Some(2) => BINARY,
            _ => return Err(wrong("opcode", "1 (text) or 2 (binary)")),
        };
        let time = member(&members, "time")?
            .as_f64()
            .ok_or_else(|| wrong("time", "a number of seconds since the epoch"))?;
        let data = member(&members, "data")?
            .as_str()
            .ok_or_else(|| wrong("data", "a string"))?;
        if opcode == BINARY && BASE64.decode(data).is_err() {
            return Err(wrong("data", "base64, as the opcode is 2"));
        }
        Ok(Self {
            direction,
            opcode,
            time,
            data: data.to_owned(),
        })
    }

    /// The message's bytes: those of the text, or the decoded base64 (empty if it is invalid).
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        if self.opcode == BINARY {
            BASE64.decode(&self.data).unwrap_or_default()
        } else {
            self.data.clone().into_bytes()
        }
    }
}

/// The entry as a line, without a line break. A time that is not finite is written as 0.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.direction {
            Direction::Send => "send",
            Direction::Receive => "receive",
        };
        let time = if self.time.is_finite() {
            self.time
        } else {
            0.0
        };
        let data = Value::from(self.data.as_str());
        write!(
            f,
            r#"{{"direction":"{direction}","opcode":{},"time":{},"data":{data}}}"#,
            self.opcode,
            Value::from(time),
        )
    }
}

fn member<'a>(
    members: &'a Map<String, Value>,
    name: &'static str,
) -> Result<&'a Value, EntryError> {
    members.get(name).ok_or(EntryError::Missing(name))
}

fn wrong(member: &'static str, expected: &'static str) -> EntryError {
    EntryError::Wrong { member, expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_entry_reads_back_the_same() {
        let entries = [
            Entry::text(
                Direction::Receive,
                1_778_103_283.182_967,
                "\"quoted\" <a/> °F\n",
            ),
            Entry::text(Direction::Send, 0.1 + 0.2, ""),
            Entry::binary(Direction::Receive, 1_778_103_283.183_138_1, &[0, 255, 7]),
        ];
        for entry in entries {
            let line = entry.to_string();
            assert!(!line.contains('\n'));
            assert_eq!(Entry::parse(&line), Ok(entry));
        }
    }

    #[test]
    fn binary_data_is_base64() {
        let entry = Entry::binary(Direction::Receive, 1.0, &[0, 255, 7]);
        assert_eq!(entry.data, "AP8H");
        assert_eq!(entry.bytes(), [0, 255, 7]);
    }

    #[test]
    fn an_error_names_the_member_that_is_wrong() {
        let cases = [
            ("{", "not JSON"),
            ("[]", "not a JSON object"),
            ("{}", "\"direction\" is missing"),
            (r#"{"direction":"up"}"#, "\"direction\" must be"),
            (r#"{"direction":"send","opcode":9}"#, "\"opcode\" must be"),
            (
                r#"{"direction":"send","opcode":1,"time":"now"}"#,
                "\"time\" must be",
            ),
            (
                r#"{"direction":"send","opcode":1,"time":1}"#,
                "\"data\" is missing",
            ),
            (
                r#"{"direction":"send","opcode":1,"time":1,"data":{}}"#,
                "\"data\" must be",
            ),
            (
                r#"{"direction":"send","opcode":2,"time":1,"data":"?"}"#,
                "base64",
            ),
        ];
        for (line, expected) in cases {
            let error = Entry::parse(line)
                .expect_err("the line is wrong")
                .to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }

    #[test]
    fn a_time_that_is_not_a_number_is_written_as_zero() {
        let line = Entry::text(Direction::Send, f64::NAN, "").to_string();
        assert_eq!(Entry::parse(&line).map(|entry| entry.time), Ok(0.0));
    }
}
