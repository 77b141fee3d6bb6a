//! The general path: reads a well-formed XML document into the parts of an event.
//!
//! quick-xml does the tokenizing. This module refuses the errors that quick-xml accepts: truncated
//! input, text or a second element after the root, duplicate attributes, invalid names, control
//! characters, an XML declaration that is not at the start, and document types (which are never
//! expanded).

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event as Token};

use super::characters;
use crate::event::{Parts, Span};

/// The limit for attributes on one tag; controllers send up to eight. Bounds the cost of the check
/// for duplicates.
const MAX_ATTRIBUTES: usize = 64;

/// The result of reading a well-formed document.
#[derive(Debug)]
pub(super) enum Document {
    Event(Parts),
    OtherRoot(Span),
}

/// Reads a document. Spans below the length of `text` point into `text`, the others into `decoded`,
/// which holds the strings that had to be decoded.
pub(super) fn read(text: &str, decoded: &mut String) -> Result<Document, String> {
    decoded.clear();
    check_characters(text)?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = false;
    let mut parser = Parser::new(text, decoded);
    loop {
        let from = offset(reader.buffer_position());
        let token = reader.read_event().map_err(|error| error.to_string())?;
        let to = offset(reader.buffer_position());
        match token {
            Token::Start(tag) => parser.start(&tag, from, to)?,
            Token::Empty(tag) => {
                parser.start(&tag, from, to)?;
                // The content is empty and ends where the tag ends.
                parser.end(to);
            }
            Token::End(_) => parser.end(from),
            Token::Text(_) => parser.handle_text(from, to)?,
            Token::CData(_) => parser.handle_cdata(from + "<![CDATA[".len(), to - "]]>".len())?,
            Token::GeneralRef(_) => parser.handle_reference(from, to)?,
            Token::Decl(_) if from == 0 => {}
            Token::Decl(_) => {
                return Err(format!(
                    "an XML declaration that is not at the start, at byte {from}"
                ));
            }
            Token::DocType(_) => return Err("a document type, which is never expanded".to_owned()),
            Token::Comment(_) | Token::PI(_) => {}
            Token::Eof => return parser.finish(),
        }
    }
}

fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

fn check_characters(text: &str) -> Result<(), String> {
    match characters::first_forbidden(text) {
        Some((at, character)) => Err(format!(
            "the character U+{:04X}, which XML forbids, at byte {at}",
            u32::from(character)
        )),
        None => Ok(()),
    }
}

/// The direct children of `Event` that are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Child {
    Control,
    Action,
    Node,
    EventInfo,
    FmtAct,
    FmtName,
}

impl Child {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "control" => Self::Control,
            "action" => Self::Action,
            "node" => Self::Node,
            "eventInfo" => Self::EventInfo,
            "fmtAct" => Self::FmtAct,
            "fmtName" => Self::FmtName,
            _ => return None,
        })
    }
}

/// Collects the parts of an event from the tokens.
struct Parser<'a> {
    text: &'a str,
    decoded: &'a mut String,
    depth: usize,
    root: Option<Span>,
    is_event: bool,
    parts: Parts,
    /// A bit for each child seen so far. Of several with one name, the first is used.
    seen: u8,
    child: Option<Open>,
}

/// A wanted child element whose end tag has not been reached.
struct Open {
    child: Child,
    content_from: usize,
    has_element: bool,
    value: Value,
}

/// The character data of an element: one slice of `text` if it is a single chunk without
/// references, otherwise a copy in `decoded`.
enum Value {
    Nothing,
    Slice(Span),
    Decoded { from: usize },
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, decoded: &'a mut String) -> Self {
        Self {
            text,
            decoded,
            depth: 0,
            root: None,
            is_event: false,
            parts: Parts::default(),
            seen: 0,
            child: None,
        }
    }

    fn start(&mut self, tag: &BytesStart<'_>, from: usize, to: usize) -> Result<(), String> {
        let name_to = from + 1 + tag.name().as_ref().len();
        let name = self.text.get(from + 1..name_to).unwrap_or_default();
        if !is_name(name) {
            return Err(format!("a tag without a valid name, at byte {from}"));
        }
        match self.depth {
            0 if self.root.is_some() => {
                return Err(format!("a second element after the root, at byte {from}"));
            }
            0 => {
                self.root = Some(span(from + 1, name_to));
                self.is_event = name == "Event";
            }
            1 if self.is_event => {
                if let Some(child) = Child::named(name)
                    && self.seen & (1 << child as u8) == 0
                {
                    self.seen |= 1 << child as u8;
                    self.child = Some(Open {
                        child,
                        content_from: to,
                        has_element: false,
                        value: Value::Nothing,
                    });
                }
            }
            _ => {
                if let Some(open) = &mut self.child {
                    open.has_element = true;
                }
            }
        }
        self.depth += 1;
        let attributes_to = to
            - if self.text[..to].ends_with("/>") {
                2
            } else {
                1
            };
        self.attributes(name_to, attributes_to)
    }

    /// Reads the attributes of a tag and stores those of interest.
    fn attributes(&mut self, from: usize, to: usize) -> Result<(), String> {
        let mut names: [&str; MAX_ATTRIBUTES] = [""; MAX_ATTRIBUTES];
        let mut count = 0;
        let mut at = from;
        while let Some(attribute) = next_attribute(self.text, at, to)? {
            let name = &self.text[attribute.name.0..attribute.name.1];
            if count == MAX_ATTRIBUTES {
                return Err(format!(
                    "more than {MAX_ATTRIBUTES} attributes on one tag, at byte {from}"
                ));
            }
            if names[..count].contains(&name) {
                return Err(format!(
                    "the attribute {name} twice on one tag, at byte {from}"
                ));
            }
            names[count] = name;
            count += 1;
            at = attribute.value.1 + 1;
            let on_action = self
                .child
                .as_ref()
                .is_some_and(|open| open.child == Child::Action);
            let value = match (self.depth, name) {
                // If the root is not `Event`, these values are discarded with `parts`.
                (1, "seqnum" | "sid" | "timestamp") => self.attribute_value(attribute.value)?,
                (2, "uom" | "prec") if on_action => self.attribute_value(attribute.value)?,
                _ => {
                    check_references(&self.text[attribute.value.0..attribute.value.1])?;
                    continue;
                }
            };
            match name {
                "seqnum" => self.parts.seqnum = self.slice(value).trim().parse().ok(),
                "prec" => self.parts.prec = self.slice(value).trim().parse().ok(),
                "sid" => self.parts.sid = value,
                "timestamp" => self.parts.timestamp = value,
                _ => self.parts.uom = value,
            }
        }
        Ok(())
    }

    fn attribute_value(&mut self, (from, to): (usize, usize)) -> Result<Span, String> {
        let raw = &self.text[from..to];
        if !raw.contains(['&', '\t', '\n']) {
            return Ok(span(from, to));
        }
        let start = self.decoded.len();
        decode(raw, self.decoded)?;
        Ok(span(
            self.text.len() + start,
            self.text.len() + self.decoded.len(),
        ))
    }

    fn end(&mut self, content_to: usize) {
        self.depth = self.depth.saturating_sub(1);
        if self.depth != 1 {
            return;
        }
        let Some(open) = self.child.take() else {
            return;
        };
        let value = match open.value {
            Value::Nothing => Span::default(),
            Value::Slice(slice) => slice,
            Value::Decoded { from } => {
                span(self.text.len() + from, self.text.len() + self.decoded.len())
            }
        };
        match open.child {
            Child::Control => self.parts.control = value,
            Child::Action => self.parts.action = value,
            Child::Node => self.parts.node = value,
            Child::FmtAct => self.parts.fmt_act = value,
            Child::FmtName => self.parts.fmt_name = value,
            Child::EventInfo if open.has_element => {
                self.parts.event_info = self.trimmed(span(open.content_from, content_to));
            }
            Child::EventInfo => self.parts.event_info = self.trimmed(value),
        }
    }

    fn handle_text(&mut self, from: usize, to: usize) -> Result<(), String> {
        if self.depth == 0 {
            let blank = |text: &str| {
                text.trim_matches(['\u{feff}', ' ', '\t', '\r', '\n'])
                    .is_empty()
            };
            return if blank(&self.text[from..to]) {
                Ok(())
            } else {
                Err(format!("text outside the root element, at byte {from}"))
            };
        }
        self.append_text(from, to);
        Ok(())
    }

    fn handle_cdata(&mut self, from: usize, to: usize) -> Result<(), String> {
        if self.depth == 0 {
            return Err(format!("text outside the root element, at byte {from}"));
        }
        self.append_text(from, to);
        Ok(())
    }

    fn handle_reference(&mut self, from: usize, to: usize) -> Result<(), String> {
        let text = self.text;
        let character = text
            .get(from..to)
            .and_then(resolve_reference)
            .ok_or_else(|| format!("an unknown reference, at byte {from}"))?;
        if self.depth == 0 {
            return Err(format!("text outside the root element, at byte {from}"));
        }
        if self.depth == 2 && self.child.is_some() {
            self.move_to_decoded();
            self.decoded.push(character);
        }
        Ok(())
    }

    /// Appends character data without references to the value of the open child.
    fn append_text(&mut self, from: usize, to: usize) {
        let text = self.text;
        let Some(open) = self.child.as_mut().filter(|_| self.depth == 2) else {
            return;
        };
        match &open.value {
            Value::Nothing => open.value = Value::Slice(span(from, to)),
            Value::Slice(_) => {
                self.move_to_decoded();
                self.decoded.push_str(&text[from..to]);
            }
            Value::Decoded { .. } => self.decoded.push_str(&text[from..to]),
        }
    }

    fn move_to_decoded(&mut self) {
        let Some(open) = &mut self.child else { return };
        let chunk = match open.value {
            Value::Nothing => "",
            Value::Slice(slice) => &self.text[slice.start as usize..slice.end as usize],
            Value::Decoded { .. } => return,
        };
        open.value = Value::Decoded {
            from: self.decoded.len(),
        };
        self.decoded.push_str(chunk);
    }

    fn slice(&self, span: Span) -> &str {
        let (start, end) = (span.start as usize, span.end as usize);
        match start.checked_sub(self.text.len()) {
            None => &self.text[start..end],
            Some(start) => &self.decoded[start..end - self.text.len()],
        }
    }

    fn trimmed(&self, whole: Span) -> Span {
        let text = self.slice(whole);
        let start = whole.start as usize + (text.len() - text.trim_start().len());
        span(start, start + text.trim().len())
    }

    fn finish(self) -> Result<Document, String> {
        if self.depth > 0 {
            return Err("the document ends before its root element is closed".to_owned());
        }
        match self.root {
            None => Err("no element".to_owned()),
            Some(_) if self.is_event => Ok(Document::Event(self.parts)),
            Some(name) => Ok(Document::OtherRoot(name)),
        }
    }
}

/// Creates a span. The conversions cannot fail: a frame is at most 1 GiB ([`super::MAX_FRAME`]),
/// and decoding can at most double the length.
fn span(start: usize, end: usize) -> Span {
    let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
    Span {
        start: narrow(start),
        end: narrow(end),
    }
}

/// The offsets of an attribute's name and value.
struct Attribute {
    name: (usize, usize),
    value: (usize, usize),
}

/// XML 1.0 section 3.1: whitespace, name, equals sign, quoted value without `<`.
fn next_attribute(text: &str, from: usize, to: usize) -> Result<Option<Attribute>, String> {
    let malformed = || format!("a malformed attribute, at byte {from}");
    let bytes = &text.as_bytes()[..to];
    let blanks = |mut at: usize| {
        while bytes.get(at).is_some_and(|byte| byte.is_ascii_whitespace()) {
            at += 1;
        }
        at
    };
    let name_from = blanks(from);
    if name_from >= to {
        return Ok(None);
    }
    if name_from == from {
        return Err(malformed());
    }
    let stop = |byte: &u8| *byte == b'=' || byte.is_ascii_whitespace();
    let name_to = bytes[name_from..]
        .iter()
        .position(stop)
        .map(|length| name_from + length)
        .ok_or_else(malformed)?;
    let equals = blanks(name_to);
    let quote_at = blanks(equals + 1);
    let quote = bytes
        .get(quote_at)
        .copied()
        .filter(|byte| matches!(byte, b'"' | b'\''));
    let (Some(b'='), Some(quote)) = (bytes.get(equals), quote) else {
        return Err(malformed());
    };
    let value_from = quote_at + 1;
    let length = bytes[value_from..]
        .iter()
        .position(|byte| *byte == quote)
        .ok_or_else(malformed)?;
    let value = (value_from, value_from + length);
    let name_ok = is_name(&text[name_from..name_to]);
    if !name_ok || bytes[value.0..value.1].contains(&b'<') {
        return Err(malformed());
    }
    Ok(Some(Attribute {
        name: (name_from, name_to),
        value,
    }))
}

fn check_references(raw: &str) -> Result<(), String> {
    match raw.contains('&') {
        true => decode(raw, &mut String::new()),
        false => Ok(()),
    }
}

/// Appends an attribute's value with references resolved, and line ends and tabs replaced by spaces
/// (XML 1.0 section 3.3.3).
fn decode(raw: &str, into: &mut String) -> Result<(), String> {
    let mut rest = raw;
    while let Some(at) = rest.find(['&', '\t', '\n']) {
        into.push_str(&rest[..at]);
        rest = &rest[at..];
        if !rest.starts_with('&') {
            into.push(' ');
            rest = &rest[1..];
            continue;
        }
        let unknown = || "an unknown reference in an attribute".to_owned();
        let length = rest.find(';').ok_or_else(unknown)? + 1;
        into.push(resolve_reference(&rest[..length]).ok_or_else(unknown)?);
        rest = &rest[length..];
    }
    into.push_str(rest);
    Ok(())
}

/// The character that a complete reference (`&amp;`, `&#65;`, `&#x41;`) denotes.
pub(crate) fn resolve_reference(text: &str) -> Option<char> {
    let name = text.strip_prefix('&')?.strip_suffix(';')?;
    let number = match name {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "apos" => return Some('\''),
        "quot" => return Some('"'),
        _ => name.strip_prefix('#')?,
    };
    let (digits, radix) = number
        .strip_prefix('x')
        .map_or((number, 10), |digits| (digits, 16));
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let character = char::from_u32(u32::from_str_radix(digits, radix).ok()?)?;
    let allowed = matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    allowed.then_some(character)
}

/// Whether a string is a name (XML 1.0 section 2.3). Accepts every character beyond ASCII as a
/// letter.
pub(super) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(starts_name)
        && bytes.all(|byte| starts_name(byte) || matches!(byte, b'-' | b'.' | b'0'..=b'9'))
}

/// Whether a byte can begin a name.
pub(super) fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':') || byte >= 0x80
}
