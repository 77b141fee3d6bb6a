//! What a line holds: a frame as it is, a frame in a JSON string, or a message of a recording.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::straight;

/// What a line holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// A frame's text.
    Frame(&'a [u8]),
    /// A binary message.
    Binary,
    /// Nothing that a controller sent: a blank line, or a message that was sent to it.
    Nothing,
    /// It is not what it looks like; what is wrong with it.
    Broken(String),
}

/// Reads lines; keeps its working memory between them.
#[derive(Debug, Default)]
pub(super) struct LineReader {
    text: String,
    direction: String,
}

impl LineReader {
    /// Says what a line holds. What begins as no JSON string and is no message of a recording is a frame as it is.
    pub(super) fn read<'a>(&'a mut self, line: &'a [u8]) -> Content<'a> {
        let line = line
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(line)
            .trim_ascii();
        match line {
            [] => Content::Nothing,
            [b'"', ..] => self.string(line),
            // An envelope begins like this, a message of a recording does not.
            [b'{', rest @ ..] if !rest.starts_with(br#""type""#) => self.object(line),
            _ => Content::Frame(line),
        }
    }

    fn string<'a>(&'a mut self, line: &[u8]) -> Content<'a> {
        let line = String::from_utf8_lossy(line);
        if straight::string(&line, &mut self.text) {
            return Content::Frame(self.text.as_bytes());
        }
        self.text.clear();
        let mut json = serde_json::Deserializer::from_str(&line);
        let read = Take(&mut self.text).deserialize(&mut json);
        match read.and_then(|_| json.end()) {
            Ok(()) => Content::Frame(self.text.as_bytes()),
            Err(error) => Content::Broken(format!("not a JSON string: {error}")),
        }
    }

    fn object<'a>(&'a mut self, line: &'a [u8]) -> Content<'a> {
        let text = String::from_utf8_lossy(line);
        if straight::received(&text, &mut self.text) {
            return Content::Frame(self.text.as_bytes());
        }
        let mut json = serde_json::Deserializer::from_str(&text);
        let message = Message {
            direction: &mut self.direction,
            data: &mut self.text,
        };
        let read = json.deserialize_map(message);
        let Ok((Some(opcode), data)) = read.and_then(|read| json.end().map(|()| read)) else {
            // Other JSON, or none: a frame, and the frame reader's to judge.
            return Content::Frame(line);
        };
        match (&*self.direction, opcode, data) {
            ("send", ..) => Content::Nothing,
            ("receive", _, false) => Content::Broken(
                "a message of a recording, but its \"data\" is not there, or no string".to_owned(),
            ),
            ("receive", 1, true) => Content::Frame(self.text.as_bytes()),
            ("receive", 2, true) => match BASE64.decode(&self.text) {
                Ok(_) => Content::Binary,
                Err(error) => Content::Broken(format!("a binary message, but no base64: {error}")),
            },
            ("receive", ..) => Content::Broken(format!(
                "a message of a recording with the opcode {opcode}, which is neither 1 nor 2"
            )),
            _ => Content::Frame(line),
        }
    }
}

/// Takes the members that make an object a message of a recording: the opcode, if there is one, and whether there is a
/// text. Texts are put where they are asked for.
struct Message<'a> {
    direction: &'a mut String,
    data: &'a mut String,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Name {
    Direction,
    Opcode,
    Data,
    #[serde(other)]
    Other,
}

impl<'de> Visitor<'de> for Message<'_> {
    type Value = (Option<u64>, bool);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message of a recording")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        self.direction.clear();
        self.data.clear();
        let mut opcode = None;
        let mut data = false;
        while let Some(name) = map.next_key()? {
            match name {
                Name::Direction => {
                    map.next_value_seed(Take(&mut *self.direction))?;
                }
                Name::Opcode => match map.next_value_seed(Take(&mut String::new()))? {
                    Value::Number(number) => opcode = Some(number),
                    _ => opcode = None,
                },
                Name::Data => {
                    data = map.next_value_seed(Take(&mut *self.data))? == Value::Text;
                }
                Name::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok((opcode, data))
    }
}

/// Takes any value: puts a text into the string, passes over the rest.
struct Take<'a>(&'a mut String);

#[derive(PartialEq, Eq)]
enum Value {
    Text,
    Number(u64),
    Other,
}

impl<'de> DeserializeSeed<'de> for Take<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.0.clear();
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Take<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        self.0.push_str(text);
        Ok(Value::Text)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(line: &str) -> String {
        match LineReader::default().read(line.as_bytes()) {
            Content::Frame(text) => String::from_utf8(text.to_vec()).unwrap(),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_frame_stands_as_it_is_or_in_a_json_string_or_in_a_recording() {
        assert_eq!(frame("  <Event/>\r"), "<Event/>");
        assert_eq!(frame("\u{feff}<Event/>"), "<Event/>");
        assert_eq!(frame(r#""<Event sid=\"1\"/>""#), r#"<Event sid="1"/>"#);
        assert_eq!(frame(r#""""#), "");
        let recorded = r#"{"direction":"receive","opcode":1,"time":1.5,"data":"{\"type\":\"x\"}"}"#;
        assert_eq!(frame(recorded), r#"{"type":"x"}"#);
        let reordered =
            r#"{ "data":"a", "more":[{}], "time":1, "opcode":1, "direction":"receive" }"#;
        assert_eq!(frame(reordered), "a");
    }

    #[test]
    fn other_json_is_a_frame() {
        for line in [
            r#"{"type":"event","data":"<Event/>"}"#,
            r#"{"data":"<Event/>","type":"event"}"#,
            r#"{"direction":"receive"}"#,
            r#"{"direction":7,"opcode":[1]}"#,
            "null",
            "[1]",
            "{",
            "junk",
        ] {
            assert_eq!(frame(line), line);
        }
    }

    #[test]
    fn what_was_sent_and_blank_lines_are_nothing() {
        for line in [
            "",
            "  \r",
            r#"{"direction":"send","opcode":1,"time":1,"data":"token"}"#,
        ] {
            assert_eq!(
                LineReader::default().read(line.as_bytes()),
                Content::Nothing
            );
        }
    }

    #[test]
    fn binary_messages_are_told_apart() {
        let line = r#"{"direction":"receive","opcode":2,"time":1,"data":"AP8H"}"#;
        assert_eq!(LineReader::default().read(line.as_bytes()), Content::Binary);
    }

    #[test]
    fn what_is_not_what_it_looks_like_says_so() {
        for (line, cause) in [
            (r#""<Event"#, "not a JSON string"),
            (r#""a" "b""#, "not a JSON string"),
            (r#"{"direction":"receive","opcode":1}"#, "\"data\""),
            (
                r#"{"direction":"receive","opcode":9,"data":""}"#,
                "opcode 9",
            ),
            (r#"{"direction":"receive","opcode":2,"data":"?"}"#, "base64"),
        ] {
            match LineReader::default().read(line.as_bytes()) {
                Content::Broken(error) => assert!(error.contains(cause), "{line}: {error}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }
}
