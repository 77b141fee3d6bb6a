//! Reads JSON answers into the same trees as XML.
//!
//! A scalar member becomes an attribute, any other member a child; the member `_` is the element's
//! text. So these two give the same tree:
//!
//! ```text
//! {"parent": {"_": "31337", "type": "3"}}
//! <parent type="3">31337</parent>
//! ```
//!
//! A list of one item may be the bare item, and a number, a boolean or a string may be written as
//! any of the three.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::AnswerError;
use super::document::{Element, MAX_DEPTH, MAX_ELEMENTS, Scalar, shortened};

/// Reads a document: follows `path` from the top and passes the entries there to `each`, one at a
/// time. The items of a list get the name `item`; the entries in a member of an object get the
/// member's name.
pub(super) fn read<T: Default>(
    text: &str,
    path: &[&'static str],
    item: &'static str,
    each: impl Fn(&mut T, Element) -> Result<(), AnswerError>,
) -> Result<T, AnswerError> {
    let sink = Sink {
        collected: RefCell::new(T::default()),
        each,
        error: Cell::new(None),
        reached: Cell::new(false),
    };
    // A list without the envelope is read as the content of the envelope.
    let path = if text.starts_with('[') { &[] } else { path };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let top = PathStep {
        sink: &sink,
        path,
        name: item,
    };
    let outcome = top.deserialize(&mut deserializer);
    let outcome = outcome.and_then(|()| deserializer.end());
    if let Some(error) = sink.error.take() {
        return Err(error);
    }
    outcome.map_err(|error| AnswerError::Broken {
        format: "JSON",
        detail: shortened(&error.to_string()),
    })?;
    if !sink.reached.get() {
        let part = path.last().copied().unwrap_or("data");
        let entry = String::new();
        return Err(AnswerError::Missing { part, entry });
    }
    Ok(sink.collected.into_inner())
}

/// Collects the entries.
struct Sink<T, F> {
    collected: RefCell<T>,
    each: F,
    error: Cell<Option<AnswerError>>,
    /// Whether the document has a value at the end of the path.
    reached: Cell<bool>,
}

impl<T, F: Fn(&mut T, Element) -> Result<(), AnswerError>> Sink<T, F> {
    fn take<E: Error>(&self, entry: Element) -> Result<(), E> {
        (self.each)(&mut self.collected.borrow_mut(), entry).map_err(|error| {
            self.error.set(Some(error));
            E::custom("an entry cannot be read")
        })
    }
}

/// A step of the path, or its end.
struct PathStep<'a, T, F> {
    sink: &'a Sink<T, F>,
    path: &'a [&'static str],
    name: &'a str,
}

impl<'de, T, F> DeserializeSeed<'de> for PathStep<'_, T, F>
where
    F: Fn(&mut T, Element) -> Result<(), AnswerError>,
{
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T, F> Visitor<'de> for PathStep<'_, T, F>
where
    F: Fn(&mut T, Element) -> Result<(), AnswerError>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.first() {
            Some(member) => write!(f, "an object with the member {member}"),
            None => f.write_str("an object or a list of entries"),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (sink, path) = (self.sink, self.path);
        if path.is_empty() {
            sink.reached.set(true);
        }
        while let Some(key) = map.next_key::<String>()? {
            match path.split_first() {
                None => map.next_value_seed(Entries { sink, name: &key })?,
                Some((step, rest)) if *step == key => map.next_value_seed(PathStep {
                    sink,
                    path: rest,
                    name: self.name,
                })?,
                Some(_) => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        if !self.path.is_empty() {
            return Err(Error::invalid_type(serde::de::Unexpected::Seq, &self));
        }
        self.sink.reached.set(true);
        let (sink, name) = (self.sink, self.name);
        Entries { sink, name }.visit_seq(seq)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// The entries of one name: a list, or a single entry.
struct Entries<'a, T, F> {
    sink: &'a Sink<T, F>,
    name: &'a str,
}

impl<'de, T, F> DeserializeSeed<'de> for Entries<'_, T, F>
where
    F: Fn(&mut T, Element) -> Result<(), AnswerError>,
{
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T, F> Visitor<'de> for Entries<'_, T, F>
where
    F: Fn(&mut T, Element) -> Result<(), AnswerError>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an entry or a list of entries of {}", self.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let budget = Cell::new(0);
        let entry = Tree::new(self.name, &budget, 0).visit_map(map)?;
        self.sink.take(entry)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        loop {
            let budget = Cell::new(0);
            let Some(entry) = seq.next_element_seed(Tree::new(self.name, &budget, 0))? else {
                return Ok(());
            };
            self.sink.take(entry)?;
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.sink.take(Element::of_text(self.name, text))
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// One value as a tree.
struct Tree<'a> {
    name: &'a str,
    /// The elements and attributes of the entry so far.
    budget: &'a Cell<usize>,
    depth: usize,
}

impl<'a> Tree<'a> {
    fn new(name: &'a str, budget: &'a Cell<usize>, depth: usize) -> Self {
        Self {
            name,
            budget,
            depth,
        }
    }

    fn spend<E: Error>(&self) -> Result<(), E> {
        self.budget.set(self.budget.get() + 1);
        if self.budget.get() > MAX_ELEMENTS || self.depth > MAX_DEPTH {
            return Err(E::custom("an entry is too large or nested too deeply"));
        }
        Ok(())
    }

    fn scalar<E: Error>(self, text: &str, scalar: Scalar) -> Result<Element, E> {
        self.spend()?;
        let mut element = Element::of_text(self.name, text);
        element.scalar = Some(scalar);
        Ok(element)
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Element;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Element, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Element;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value for {}", self.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Element, A::Error> {
        self.spend()?;
        let mut element = Element::of_text(self.name, "");
        while let Some(key) = map.next_key::<String>()? {
            let member = map.next_value_seed(Tree::new(&key, self.budget, self.depth + 1))?;
            element.take_member(member);
        }
        Ok(element)
    }

    /// The items become the children of a nameless element, which [`Element::take_member`] replaces
    /// by its children.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Element, A::Error> {
        self.spend()?;
        let mut list = Element::of_text("", "");
        let depth = self.depth + 1;
        while let Some(mut item) =
            seq.next_element_seed(Tree::new(self.name, self.budget, depth))?
        {
            item.scalar = None;
            list.take_member(item);
        }
        Ok(list)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Element, E> {
        self.scalar(text, Scalar::Text)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Element, E> {
        self.scalar(if value { "true" } else { "false" }, Scalar::Text)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Element, E> {
        self.scalar(&value.to_string(), Scalar::Number)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Element, E> {
        self.scalar(&value.to_string(), Scalar::Number)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Element, E> {
        self.scalar(&value.to_string(), Scalar::Number)
    }

    /// A null is treated as a missing member: [`Element::take_member`] drops an element that has
    /// neither name nor children.
    fn visit_unit<E: Error>(self) -> Result<Element, E> {
        self.spend()?;
        Ok(Element::default())
    }
}
