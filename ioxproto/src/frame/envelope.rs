//! The JSON envelope: `{"type":"event","data":"<?xml …"}`.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A JSON value: a string, or a value of another type.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Text {
    Is(String),
    Not,
}

/// The kind of a JSON frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Envelope {
    /// An event's document.
    Event(String),
    /// An object of another type; empty where it has none.
    OtherType(String),
    /// Anything else.
    Other,
}

/// The members of a JSON frame that are read.
#[derive(Deserialize)]
struct Object {
    #[serde(rename = "type", default = "absent")]
    kind: Text,
    #[serde(default = "absent")]
    data: Text,
}

fn absent() -> Text {
    Text::Not
}

pub(super) fn read(text: &str) -> Result<Envelope, String> {
    if !text.starts_with('{') {
        return match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => Ok(Envelope::Other),
            Err(error) => Err(error.to_string()),
        };
    }
    let object: Object = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(match (object.kind, object.data) {
        (Text::Is(kind), Text::Is(data)) if kind == "event" => Envelope::Event(data),
        (Text::Is(kind), Text::Not) if kind == "event" => Envelope::Other,
        (Text::Is(kind), _) => Envelope::OtherType(kind),
        (Text::Not, _) => Envelope::OtherType(String::new()),
    })
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyText)
    }
}

/// Reads strings and skips every other value, at any depth, without storing it.
struct AnyText;

impl<'de> Visitor<'de> for AnyText {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text::Is(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Text, E> {
        Ok(Text::Is(text))
    }

    fn visit_unit<E>(self) -> Result<Text, E> {
        Ok(Text::Not)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Text, E> {
        Ok(Text::Not)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Text, E> {
        Ok(Text::Not)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Text, E> {
        Ok(Text::Not)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Text, E> {
        Ok(Text::Not)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Text, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text::Not)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Text, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text::Not)
    }
}
