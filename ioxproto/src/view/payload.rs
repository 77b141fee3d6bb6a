//! The direct child elements of a payload. Linear in time, for any payload.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event as Piece};

use super::ViewError;

/// The limit for the attributes of one element.
const MAX_ATTRIBUTES: usize = 16;

/// A direct child of the payload.
#[derive(Clone, Debug, Default)]
pub(super) struct Child<'a> {
    pub(super) name: &'a str,
    /// The whole element, verbatim.
    pub(super) outer: &'a str,
    /// The text between its tags.
    pub(super) inner: &'a str,
    /// Its character data, decoded and trimmed, without that of nested elements.
    pub(super) text: Cow<'a, str>,
    start_tag: &'a str,
}

impl<'a> Child<'a> {
    /// An attribute of its start tag, decoded.
    pub(super) fn attribute(&self, name: &str) -> Option<Cow<'a, str>> {
        let found = self.attributes().into_iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value)
    }

    /// The attributes of its start tag, decoded. Skips those that cannot be decoded.
    pub(super) fn attributes(&self) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
        let content = self.start_tag.strip_prefix('<').unwrap_or_default();
        let content = content.strip_suffix('>').unwrap_or_default();
        let content = content.strip_suffix('/').unwrap_or(content);
        if content.len() <= self.name.len() {
            return Vec::new();
        }
        BytesStart::from_content(content, self.name.len())
            .attributes()
            .with_checks(false)
            .take(MAX_ATTRIBUTES)
            .filter_map(Result::ok)
            .filter_map(|attribute| {
                // Line ends and tabs in a value become spaces (XML 1.0 section 3.3.3).
                let value = attribute.value.as_ref().replace(['\t', '\n'], " ");
                let value = quick_xml::escape::unescape(&value).ok()?;
                let key = attribute.key.as_ref().to_owned();
                Some((Cow::Owned(key), Cow::Owned(value.into_owned())))
            })
            .collect()
    }

    /// The attribute or the child element of this name: controllers use both forms.
    pub(super) fn field(&self, name: &str) -> Result<Option<Cow<'a, str>>, ViewError> {
        if let Some(value) = self.attribute(name) {
            return Ok(Some(value));
        }
        Ok(first(self.inner, name)?.map(|child| child.text))
    }
}

/// The first direct child of this name.
pub(super) fn first<'a>(payload: &'a str, name: &str) -> Result<Option<Child<'a>>, ViewError> {
    let mut found = None;
    children(payload, |child| {
        if found.is_none() && child.name == name {
            found = Some(child);
        }
    })?;
    Ok(found)
}

/// The text of the first direct child of this name.
pub(super) fn text<'a>(payload: &'a str, name: &str) -> Result<Option<Cow<'a, str>>, ViewError> {
    Ok(first(payload, name)?.map(|child| child.text))
}

/// Visits the direct children in order. Skips text between them.
pub(super) fn children<'a>(
    payload: &'a str,
    mut each: impl FnMut(Child<'a>),
) -> Result<(), ViewError> {
    let mut reader = Reader::from_str(payload);
    reader.config_mut().check_comments = false;
    let mut depth = 0_usize;
    let mut open = Child::default();
    let (mut outer_from, mut inner_from) = (0, 0);
    loop {
        let from = offset(reader.buffer_position());
        let piece = reader.read_event().map_err(|error| broken(&error))?;
        let to = offset(reader.buffer_position());
        match piece {
            Piece::Start(tag) => {
                if depth == 0 {
                    (outer_from, inner_from) = (from, to);
                    open = child(payload, &tag, from, to);
                }
                depth += 1;
            }
            Piece::Empty(tag) if depth == 0 => {
                let mut empty = child(payload, &tag, from, to);
                empty.outer = slice(payload, from, to);
                each(empty);
            }
            Piece::End(_) => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    let mut closed = std::mem::take(&mut open);
                    closed.outer = slice(payload, outer_from, to);
                    closed.inner = slice(payload, inner_from, from);
                    closed.text = trimmed(closed.text);
                    each(closed);
                }
            }
            Piece::Text(_) if depth == 1 => append(&mut open.text, slice(payload, from, to)),
            Piece::CData(_) if depth == 1 => {
                let content = slice(payload, from + "<![CDATA[".len(), to - "]]>".len());
                append(&mut open.text, content);
            }
            Piece::GeneralRef(reference) if depth == 1 => {
                let mut buffer = [0; 4];
                if let Some(character) = character(&reference) {
                    let piece = character.encode_utf8(&mut buffer);
                    open.text.to_mut().push_str(piece);
                } else {
                    append(&mut open.text, slice(payload, from, to));
                }
            }
            Piece::Eof if depth == 0 => return Ok(()),
            Piece::Eof => {
                return Err(ViewError::Payload {
                    cause: format!("the element {:?} is not closed", open.name),
                });
            }
            _ => {}
        }
    }
}

fn child<'a>(payload: &'a str, tag: &BytesStart<'_>, from: usize, to: usize) -> Child<'a> {
    let name_from = from + 1;
    Child {
        name: slice(payload, name_from, name_from + tag.name().as_ref().len()),
        start_tag: slice(payload, from, to),
        ..Child::default()
    }
}

fn append<'a>(text: &mut Cow<'a, str>, piece: &'a str) {
    if text.is_empty() {
        *text = Cow::Borrowed(piece);
    } else {
        text.to_mut().push_str(piece);
    }
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

fn character(reference: &BytesRef<'_>) -> Option<char> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return Some(character);
    }
    let name: &str = reference.as_ref();
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

fn slice(payload: &str, from: usize, to: usize) -> &str {
    payload.get(from..to).unwrap_or_default()
}

fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

fn broken(error: &quick_xml::Error) -> ViewError {
    ViewError::Payload {
        cause: error
            .to_string()
            .chars()
            .take(super::MAX_SHOWN * 2)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_direct_children_are_found() {
        let payload = "x<a>1 <b>2</b> 3&amp;<![CDATA[<4>]]></a>y<c k='&lt;'/><a>5</a>";
        let a = first(payload, "a").unwrap().unwrap();
        assert_eq!(a.text, "1  3&<4>");
        assert_eq!(a.inner, "1 <b>2</b> 3&amp;<![CDATA[<4>]]>");
        assert!(first(payload, "b").unwrap().is_none());
        let c = first(payload, "c").unwrap().unwrap();
        assert_eq!(
            (c.outer, c.attribute("k").as_deref()),
            ("<c k='&lt;'/>", Some("<"))
        );
    }

    #[test]
    fn a_broken_payload_is_an_error() {
        for payload in ["<a>", "<a></b>", "</a>", "<a", "<![CDATA["] {
            assert!(first(payload, "a").is_err(), "{payload}");
        }
    }
}
