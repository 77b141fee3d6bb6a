//! Finds the frames in the lines of a file: plain, in JSON strings, in recordings, in log lines or
//! over several lines. Also reads the JSON lines of `iox watch`.

use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use memchr::memmem;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::watch_line::WatchLine;

/// The longest frame that spans several lines, in bytes. A longer one counts as truncated.
const MAX_FRAME: usize = 1024 * 1024;

/// The end tag of a frame.
const END: &[u8] = b"</Event>";

/// The content of a line, or of several lines that hold one frame.
#[derive(Debug, PartialEq)]
pub(super) enum Content<'a> {
    /// A frame's text.
    Frame(&'a [u8]),
    /// A binary message.
    Binary,
    /// A JSON line of `iox watch`, parsed and verbatim.
    WatchLine(Box<WatchLine>, &'a [u8]),
    /// An invalid line, with a description of the error.
    Broken(String),
}

/// Reads lines; keeps its working memory between them.
#[derive(Debug, Default)]
pub(super) struct LineReader {
    text: String,
    direction: String,
    /// When the message of a recording was received, in seconds since the epoch.
    time: Option<f64>,
    /// The beginning of a frame that continues in the next line; empty if there is none.
    begun: Vec<u8>,
}

impl LineReader {
    /// When the last content was received, if known.
    pub(super) fn received(&self) -> Option<SystemTime> {
        let since = Duration::try_from_secs_f64(self.time?).ok()?;
        SystemTime::UNIX_EPOCH.checked_add(since)
    }

    /// Calls `each` with the content of a line. If the line ends an incomplete frame, calls it with
    /// that frame first. Skips blank lines and messages that were sent to a controller.
    pub(super) fn read(&mut self, line: &[u8], mut each: impl FnMut(&Self, Content<'_>)) {
        self.time = None;
        let line = line
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(line)
            .trim_ascii_end();
        if !self.begun.is_empty() {
            if is_continuation(&self.begun, line) && self.begun.len() + line.len() < MAX_FRAME {
                self.begun.push(b'\n');
                self.begun.extend_from_slice(line);
                if memmem::find(line, END).is_some() {
                    self.finish(each);
                }
                return;
            }
            self.finish(&mut each);
        }
        let line = line.trim_ascii_start();
        match line {
            [] => {}
            // A `<` before a digit begins the priority of a syslog line, not markup.
            [b'<', second, ..] if !second.is_ascii_digit() => self.document(line, each),
            [b'"', ..] => {
                let content = self.string(line);
                self.emit(line, content, each);
            }
            // Nearly all JSON lines with a type are envelopes.
            [b'{', ..] if line.starts_with(br#"{"type":"event","data""#) => {
                each(self, Content::Frame(line));
            }
            [b'{', ..] => {
                let content = self.object(line);
                self.emit(line, content, each);
            }
            _ if is_json(line) => each(self, Content::Frame(line)),
            _ => self.log_line(line, "it contains no frame", each),
        }
    }

    /// Calls `each` with the incomplete frame at the end, if there is one.
    pub(super) fn finish(&mut self, mut each: impl FnMut(&Self, Content<'_>)) {
        let begun = std::mem::take(&mut self.begun);
        if !begun.is_empty() {
            each(self, Content::Frame(&begun));
        }
    }

    /// Reads a document, or the beginning of one that spans several lines.
    fn document(&mut self, line: &[u8], mut each: impl FnMut(&Self, Content<'_>)) {
        let begins = line.starts_with(b"<Event") || line.starts_with(b"<?xml");
        let whole =
            line.ends_with(END) || line.ends_with(b"/>") || memmem::find(line, END).is_some();
        if begins && !whole {
            self.begun.extend_from_slice(line);
        } else {
            each(self, Content::Frame(line));
        }
    }

    /// Reads a line of a log. The frame in it may continue in the next line, and may be escaped as
    /// in JSON.
    fn log_line(&mut self, line: &[u8], otherwise: &str, mut each: impl FnMut(&Self, Content<'_>)) {
        let Some(at) = memmem::find(line, b"<Event") else {
            return each(self, Content::Broken(otherwise.to_owned()));
        };
        let from = memmem::rfind(&line[..at], b"<?xml").unwrap_or(at);
        let found = &line[from..];
        let frame = match memmem::rfind(found, END) {
            Some(end) => &found[..end + END.len()],
            None if found.ends_with(b"/>") => found,
            None => return self.begun.extend_from_slice(found),
        };
        let frame = String::from_utf8_lossy(frame);
        let quoted = format!("\"{frame}\"");
        match serde_json::from_str::<String>(&quoted) {
            Ok(unescaped) => each(self, Content::Frame(unescaped.as_bytes())),
            Err(_) => each(self, Content::Frame(frame.as_bytes())),
        }
    }

    /// Calls `each` with the content of a JSON line.
    fn emit(
        &mut self,
        line: &[u8],
        content: JsonContent,
        mut each: impl FnMut(&Self, Content<'_>),
    ) {
        match content {
            JsonContent::Nothing => {}
            JsonContent::Text => {
                let text = std::mem::take(&mut self.text);
                each(self, Content::Frame(text.as_bytes()));
                self.text = text;
            }
            JsonContent::Line => each(self, Content::Frame(line)),
            JsonContent::Binary => each(self, Content::Binary),
            JsonContent::WatchLine(watch_line) => {
                self.time = watch_line.time();
                each(self, Content::WatchLine(watch_line, line));
            }
            JsonContent::Broken(error) => each(self, Content::Broken(error)),
            JsonContent::NotJson => self.log_line(
                line,
                "it contains no frame: it begins like JSON but is not JSON",
                each,
            ),
        }
    }

    fn string(&mut self, line: &[u8]) -> JsonContent {
        let line = String::from_utf8_lossy(line);
        let mut json = serde_json::Deserializer::from_str(&line);
        let read = Take(&mut self.text).deserialize(&mut json);
        match read.and_then(|_| json.end()) {
            Ok(()) => JsonContent::Text,
            Err(_) if line.contains("<Event") => JsonContent::NotJson,
            Err(_) => JsonContent::Broken("not a whole JSON string, and no frame in it".to_owned()),
        }
    }

    fn object(&mut self, line: &[u8]) -> JsonContent {
        let text = String::from_utf8_lossy(line);
        if let Some(watch_line) = WatchLine::parse(&text) {
            return JsonContent::WatchLine(Box::new(watch_line));
        }
        let mut json = serde_json::Deserializer::from_str(&text);
        let message = Message {
            direction: &mut self.direction,
            data: &mut self.text,
            time: &mut self.time,
        };
        let read = json.deserialize_map(message);
        let (opcode, data) = match read.and_then(|read| json.end().map(|()| read)) {
            Ok((Some(opcode), data)) => (opcode, data),
            // Other JSON: the frame reader classifies it.
            Ok((None, _)) => return JsonContent::Line,
            Err(_) => return JsonContent::NotJson,
        };
        match (&*self.direction, opcode, data) {
            ("send", ..) => JsonContent::Nothing,
            ("receive", _, false) => JsonContent::Broken(
                "a message of a recording, but its \"data\" is missing or not a string".to_owned(),
            ),
            ("receive", 1, true) => JsonContent::Text,
            ("receive", 2, true) => match BASE64.decode(&self.text) {
                Ok(_) => JsonContent::Binary,
                Err(error) => {
                    JsonContent::Broken(format!("a binary message, but not valid base64: {error}"))
                }
            },
            ("receive", ..) => JsonContent::Broken(format!(
                "a message of a recording with the opcode {opcode}, which is neither 1 nor 2"
            )),
            _ => JsonContent::Line,
        }
    }
}

/// The content of a JSON line.
enum JsonContent {
    Nothing,
    /// A frame, in the reader's text.
    Text,
    /// A frame: the line itself.
    Line,
    Binary,
    WatchLine(Box<WatchLine>),
    Broken(String),
    /// The line looked like JSON but is not.
    NotJson,
}

/// Whether a line can continue an incomplete frame: it is indented, blank or markup, and does not
/// begin a frame.
fn is_continuation(begun: &[u8], line: &[u8]) -> bool {
    let text = line.trim_ascii_start();
    match text {
        [] => true,
        // The XML declaration may be on a separate line.
        [b'<', ..] if text.starts_with(b"<Event") => memmem::find(begun, b"<Event").is_none(),
        [b'<', ..] => !text.starts_with(b"<?xml"),
        [b'{' | b'"', ..] => false,
        _ => text.len() < line.len(),
    }
}

/// Whether a line is JSON other than an object or a string.
fn is_json(line: &[u8]) -> bool {
    matches!(line, [b'[' | b'-' | b'0'..=b'9' | b'n' | b't' | b'f', ..])
        && serde_json::from_slice::<IgnoredAny>(line).is_ok()
}

/// Reads a message of a recording. Returns the opcode, if there is one, and whether `data` is a
/// text. Writes the texts to its fields.
struct Message<'a> {
    direction: &'a mut String,
    data: &'a mut String,
    time: &'a mut Option<f64>,
}

/// The name of a member of a recorded message.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Name {
    Direction,
    Opcode,
    Time,
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
                Name::Time => match map.next_value_seed(Take(&mut String::new()))? {
                    Value::Number(seconds) => *self.time = Some(seconds as f64),
                    Value::Fraction(seconds) => *self.time = Some(seconds),
                    _ => {}
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

/// Reads any value. Writes a string to the buffer and skips other values.
struct Take<'a>(&'a mut String);

/// The kind of a JSON value.
#[derive(PartialEq)]
enum Value {
    Text,
    Number(u64),
    Fraction(f64),
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

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Fraction(number))
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

    /// The contents of lines: frames as text, others as one word.
    fn contents(lines: &[&str]) -> Vec<String> {
        let mut reader = LineReader::default();
        let mut found = Vec::new();
        let mut each = |_: &LineReader, content: Content<'_>| {
            found.push(match content {
                Content::Frame(text) => String::from_utf8(text.to_vec()).unwrap(),
                Content::Binary => "binary".to_owned(),
                Content::WatchLine(..) => "watch line".to_owned(),
                Content::Broken(error) => format!("broken: {error}"),
            });
        };
        for line in lines {
            reader.read(line.as_bytes(), &mut each);
        }
        reader.finish(&mut each);
        found
    }

    fn frame(line: &str) -> String {
        let found = contents(&[line]);
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        found[0].clone()
    }

    #[test]
    fn a_frame_is_plain_or_in_a_json_string_or_in_a_recording() {
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
    fn the_time_of_a_recording_is_the_time_of_receipt() {
        for line in [
            r#"{"direction":"receive","opcode":1,"time":1.5,"data":"a"}"#,
            r#"{ "data":"a", "time":1.5, "opcode":1, "direction":"receive" }"#,
            r#"{"direction":"receive","opcode":2,"time":1.5,"data":"AP8H"}"#,
        ] {
            let mut reader = LineReader::default();
            reader.read(line.as_bytes(), |reader, _| {
                let since = reader
                    .received()
                    .unwrap()
                    .duration_since(SystemTime::UNIX_EPOCH);
                assert_eq!(since.unwrap(), Duration::from_millis(1500), "{line}");
            });
            reader.read(b"<Event/>", |reader, _| {
                assert!(reader.received().is_none());
            });
        }
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
        ] {
            assert_eq!(frame(line), line);
        }
    }

    #[test]
    fn a_line_without_a_frame_is_reported() {
        for line in [
            "junk",
            "{",
            "nul",
            r#"{"type":"event","#,
            "2026-05-06 connected",
        ] {
            let said = frame(line);
            assert!(said.starts_with("broken: it contains no frame"), "{said}");
        }
    }

    #[test]
    fn a_frame_is_found_in_a_line_of_a_log() {
        let plain = r#"<?xml version="1.0"?><Event seqnum="1"><control>ST</control></Event>"#;
        let escaped = plain.replace('"', "\\\"");
        for line in [
            format!("2026-05-06 01:52:41 DEBUG (MainThread) received: {plain} (68 bytes)"),
            format!("DEBUG:pyisyox:Event: {escaped}"),
            format!(r#"[ws] < {{"type":"event","data":"{escaped}"}}"#),
            format!("'{plain}',"),
        ] {
            assert_eq!(frame(&line), plain, "{line}");
        }
        let bare = "<Event seqnum='1'><control>ST</control></Event>";
        let syslog = format!("<13>May  6 01:52:41 host isy: {bare}");
        assert_eq!(contents(&[&syslog]), [bare]);
        assert_eq!(contents(&["DEBUG got <Event/>", " x"])[0], "<Event/>");
        let (after, rest) = (
            "x</Event> <Event seqnum='1'>",
            "<control>ST</control></Event>",
        );
        assert_eq!(
            contents(&[after, rest]),
            [format!("<Event seqnum='1'>\n{rest}")]
        );
        assert_eq!(frame(&format!("[12] {bare}")), bare);
    }

    #[test]
    fn a_frame_over_several_lines_is_joined() {
        let lines = [
            "<?xml version=\"1.0\"?>",
            "<Event seqnum=\"1\">",
            "  <control>ST</control>",
            "",
            "</Event>",
        ];
        let found = contents(&[
            "<Event seqnum='0'>",
            "\t<control>ST</control>",
            "</Event>",
            "<Event/>",
        ]);
        assert_eq!(
            found,
            [
                "<Event seqnum='0'>\n\t<control>ST</control>\n</Event>",
                "<Event/>"
            ]
        );
        assert_eq!(contents(&lines), [lines.join("\n")]);
        assert_eq!(contents(&lines[..3]), [lines[..3].join("\n")]);
        let logged = contents(&["DEBUG got <Event>", "  <control>ST</control>", "</Event>"]);
        assert_eq!(logged, ["<Event>\n  <control>ST</control>\n</Event>"]);
    }

    #[test]
    fn a_truncated_frame_ends_where_another_line_begins() {
        let whole = r#"<?xml version="1.0"?><Event seqnum="2"><control>ST</control></Event>"#;
        for next in [whole, "junk", r#"{"type":"event","data":""}"#, "\"x\""] {
            let found = contents(&["<Event seqnum=\"1\"><control>S", next]);
            assert_eq!(found.len(), 2, "{next}: {found:?}");
            assert_eq!(found[0], "<Event seqnum=\"1\"><control>S");
        }
        assert_eq!(contents(&["<Event"]), ["<Event"]);
    }

    #[test]
    fn the_lines_of_watch_are_recognised() {
        for line in [
            r#"{"type":"event","time":null,"live":true,"seqnum":1,"control":"ST"}"#,
            r#"{"type":"status","time":"2026-05-06T01:52:41.901Z","status":"connected"}"#,
            r#"{"type":"gap","expected":1,"got":3}"#,
            r#"{"type":"dropped","count":3}"#,
        ] {
            assert_eq!(frame(line), "watch line", "{line}");
        }
    }

    #[test]
    fn sent_messages_and_blank_lines_are_skipped() {
        for line in [
            "",
            "  \r",
            r#"{"direction":"send","opcode":1,"time":1,"data":"token"}"#,
        ] {
            assert!(contents(&[line]).is_empty(), "{line}");
        }
    }

    #[test]
    fn binary_messages_are_recognised() {
        let line = r#"{"direction":"receive","opcode":2,"time":1,"data":"AP8H"}"#;
        assert_eq!(frame(line), "binary");
    }

    #[test]
    fn a_malformed_line_is_reported_with_its_cause() {
        for (line, cause) in [
            (r#""<Even"#, "not a whole JSON string"),
            (r#""a" "b""#, "not a whole JSON string"),
            (r#"{"direction":"receive","opcode":1}"#, "\"data\""),
            (
                r#"{"direction":"receive","opcode":9,"data":""}"#,
                "opcode 9",
            ),
            (r#"{"direction":"receive","opcode":2,"data":"?"}"#, "base64"),
        ] {
            let said = frame(line);
            assert!(
                said.starts_with("broken: ") && said.contains(cause),
                "{line}: {said}"
            );
        }
    }
}
