//! Reads XML answers, one child of the root at a time.
//!
//! A tree of a whole answer would take many times its length. So each child of the root (a node, a
//! program, a variable) becomes a tree of its own, which is dropped once it is read. Time and
//! memory are linear in the length of the answer, within limits far above any real answer.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event as Token};

use super::AnswerError;
use crate::frame::{repair, resolve_reference, without_forbidden};

/// The limit for elements and attributes in one child of the root. Scenes with many members have
/// the most.
pub(super) const MAX_ELEMENTS: usize = 20_000;
/// The limit for the nesting of elements.
pub(super) const MAX_DEPTH: usize = 32;
/// How many attributes of one element are read.
const MAX_ATTRIBUTES: usize = 32;

/// An element with its attributes, text and children.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<Attribute>,
    text: String,
    children: Vec<Self>,
    /// For a JSON scalar, how it was written. Such a member becomes an attribute.
    pub(super) scalar: Option<Scalar>,
}

/// How a scalar is written in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Text,
    Number,
}

/// An attribute of an element.
#[derive(Debug)]
struct Attribute {
    name: String,
    value: String,
    /// Always [`Scalar::Text`] in XML.
    scalar: Scalar,
}

impl Element {
    /// Creates an element that contains only text.
    pub(super) fn of_text(name: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            ..Self::default()
        }
    }

    /// Adds a member of a JSON object. A list arrives as a nameless element, whose items are added.
    pub(super) fn take_member(&mut self, member: Self) {
        if let Some(scalar) = member.scalar {
            let (name, value) = (member.name, member.text);
            if name == "_" {
                self.text = value;
            } else {
                self.attributes.push(Attribute {
                    name,
                    value,
                    scalar,
                });
            }
        } else if member.name.is_empty() {
            self.children.extend(member.children);
        } else {
            self.children.push(member);
        }
    }

    /// An attribute's value.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attribute_as_written(name).map(|(value, _)| value)
    }

    /// An attribute's value, and how it was written in JSON.
    pub(super) fn attribute_as_written(&self, name: &str) -> Option<(&str, Scalar)> {
        let mut attributes = self.attributes.iter();
        let found = attributes.find(|attribute| attribute.name == name);
        found.map(|attribute| (attribute.value.as_str(), attribute.scalar))
    }

    /// The element's own character data, trimmed.
    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }

    /// The first child of this name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All children of this name.
    pub(super) fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the first child of this name.
    pub(super) fn child_text(&self, name: &str) -> Option<&str> {
        self.child(name).map(Self::text)
    }

    /// The attribute or the text of the child of this name: firmware versions differ.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.attribute(name).or_else(|| self.child_text(name))
    }
}

/// Reads a document: passes the children of the root to `each`, in order, and returns what `each`
/// has collected.
///
/// A document that is not well-formed is repaired and read again, as frames are: controllers write
/// bare ampersands into names.
pub(super) fn read<T: Default>(
    text: &str,
    roots: &[&'static str],
    each: impl Fn(&mut T, Element) -> Result<(), AnswerError>,
) -> Result<T, AnswerError> {
    read_or_repair(text, |text| {
        let mut collected = T::default();
        let mut tree = Tree::default();
        walk(text, roots, |part| match tree.take(part)? {
            Some(child) => each(&mut collected, child),
            None => Ok(()),
        })?;
        Ok(collected)
    })
}

/// Reads a short document as one tree.
pub(super) fn whole(text: &str, roots: &[&'static str]) -> Result<Element, AnswerError> {
    read_or_repair(text, |text| {
        let mut tree = Tree {
            holds_root: true,
            ..Tree::default()
        };
        let mut root = None;
        walk(text, roots, |part| {
            root = root.take().or(tree.take(part)?);
            Ok(())
        })?;
        root.ok_or_else(|| broken(&"no element"))
    })
}

fn read_or_repair<T>(
    text: &str,
    read: impl Fn(&str) -> Result<T, AnswerError>,
) -> Result<T, AnswerError> {
    match read(text) {
        Err(AnswerError::Broken { format, detail }) => {
            let mut repaired = String::new();
            let (clean, _) = without_forbidden(text);
            repair(&clean, &mut repaired);
            if repaired == text {
                return Err(AnswerError::Broken { format, detail });
            }
            read(&repaired)
        }
        outcome => outcome,
    }
}

/// A part of a document.
enum Part<'a> {
    Start { element: Element, is_root: bool },
    End { is_root: bool },
    Text(&'a str),
}

/// Passes the parts of a document to `take`. Fails if the root has none of these names.
fn walk(
    text: &str,
    roots: &[&'static str],
    mut take: impl FnMut(Part<'_>) -> Result<(), AnswerError>,
) -> Result<(), AnswerError> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = false;
    let (mut depth, mut has_root) = (0_usize, false);
    loop {
        let from = offset(reader.buffer_position());
        let token = reader.read_event().map_err(|error| broken(&error))?;
        let to = offset(reader.buffer_position());
        match token {
            Token::Start(tag) | Token::Empty(tag) => {
                let is_root = depth == 0;
                if is_root && std::mem::replace(&mut has_root, true) {
                    return Err(broken(&"a second element after the root"));
                }
                let element = element(&tag)?;
                if is_root && !roots.contains(&&*element.name) {
                    return Err(AnswerError::OtherDocument {
                        expected: roots.first().copied().unwrap_or_default(),
                        found: shortened(&element.name),
                    });
                }
                take(Part::Start { element, is_root })?;
                if slice(text, from, to).ends_with("/>") {
                    take(Part::End { is_root })?;
                } else {
                    depth += 1;
                }
            }
            Token::End(_) => {
                depth = depth.saturating_sub(1);
                take(Part::End {
                    is_root: depth == 0,
                })?;
            }
            Token::Text(_) if depth == 0 => {
                let blank = |c: char| c == '\u{feff}' || c.is_ascii_whitespace();
                if !slice(text, from, to).trim_matches(blank).is_empty() {
                    return Err(broken(&"text outside the root element"));
                }
            }
            Token::CData(_) | Token::GeneralRef(_) if depth == 0 => {
                return Err(broken(&"text outside the root element"));
            }
            Token::Text(_) => take(Part::Text(slice(text, from, to)))?,
            Token::CData(_) => {
                let (from, to) = (from + "<![CDATA[".len(), to.saturating_sub("]]>".len()));
                take(Part::Text(slice(text, from, to)))?;
            }
            Token::GeneralRef(_) => {
                let character = resolve_reference(slice(text, from, to))
                    .ok_or_else(|| broken(&format_args!("an unknown reference, at byte {from}")))?;
                take(Part::Text(character.encode_utf8(&mut [0; 4])))?;
            }
            Token::DocType(_) => {
                return Err(broken(&"a document type, which is never expanded"));
            }
            Token::Decl(_) | Token::Comment(_) | Token::PI(_) => {}
            Token::Eof if depth > 0 => {
                return Err(broken(
                    &"the document ends before its root element is closed",
                ));
            }
            Token::Eof if !has_root => return Err(broken(&"no element")),
            Token::Eof => return Ok(()),
        }
    }
}

/// The tree under construction: a child of the root, or the root itself.
#[derive(Default)]
struct Tree {
    holds_root: bool,
    /// The open elements, outermost first.
    open: Vec<Element>,
    elements: usize,
}

impl Tree {
    /// Adds a part. Returns the tree if the part completes it.
    fn take(&mut self, part: Part<'_>) -> Result<Option<Element>, AnswerError> {
        match part {
            Part::Start { is_root, .. } | Part::End { is_root } if is_root && !self.holds_root => {}
            Part::Start { element, .. } => self.open(element)?,
            Part::End { .. } => return Ok(self.close()),
            Part::Text(text) => {
                if let Some(innermost) = self.open.last_mut() {
                    innermost.text.push_str(text);
                }
            }
        }
        Ok(None)
    }

    fn open(&mut self, element: Element) -> Result<(), AnswerError> {
        if self.open.is_empty() {
            self.elements = 0;
        }
        self.elements += 1 + element.attributes.len();
        if self.elements > MAX_ELEMENTS || self.open.len() >= MAX_DEPTH {
            return Err(AnswerError::TooMany {
                what: "elements and attributes in one entry",
                limit: MAX_ELEMENTS,
            });
        }
        self.open.push(element);
        Ok(())
    }

    fn close(&mut self) -> Option<Element> {
        let closed = self.open.pop()?;
        match self.open.last_mut() {
            Some(parent) => {
                parent.children.push(closed);
                None
            }
            None => Some(closed),
        }
    }
}

fn element(tag: &BytesStart<'_>) -> Result<Element, AnswerError> {
    let mut attributes = Vec::new();
    for attribute in tag.attributes().with_checks(false).take(MAX_ATTRIBUTES) {
        let attribute = attribute.map_err(|error| broken(&error))?;
        let value = quick_xml::escape::unescape(attribute.value.as_ref())
            .map_err(|error| broken(&error))?;
        attributes.push(Attribute {
            name: attribute.key.as_ref().to_owned(),
            value: value.into_owned(),
            scalar: Scalar::Text,
        });
    }
    Ok(Element {
        name: tag.name().as_ref().to_owned(),
        attributes,
        ..Element::default()
    })
}

fn broken(cause: &dyn std::fmt::Display) -> AnswerError {
    AnswerError::Broken {
        format: "XML",
        detail: shortened(&cause.to_string()),
    }
}

/// The maximum length of a quotation from the controller's answer in an error, in characters.
const MAX_SHOWN: usize = 80;

/// The beginning of a string, without control characters.
pub(super) fn shortened(text: &str) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(MAX_SHOWN).map(visible).collect()
}

fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

fn slice(text: &str, from: usize, to: usize) -> &str {
    text.get(from..to).unwrap_or_default()
}
