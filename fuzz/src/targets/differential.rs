//! Parses any text with the frame reader and with roxmltree, an independent strict reader. If
//! roxmltree accepts the text, both must give the same event. If it rejects the text, the frame
//! reader may repair it or report it as malformed.

use ioxproto::{Event, Frame, FrameReader};
use roxmltree::{Document, Node};

/// Parses the bytes with both readers.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let text = text.trim_start_matches('\u{feff}').trim_ascii();
    // Controllers do not use namespaces. The other reader accepts `<:a>` and `</a>` as a pair.
    let strange = ["xmlns", "<:", "/:", " :", "\t:", "\n:", "\r:"];
    if !text.starts_with('<') || strange.iter().any(|part| text.contains(part)) {
        return;
    }
    // The other reader keeps a carriage return directly before a reference; XML 1.0, section 2.11,
    // does not.
    if text.contains("\r&") {
        return;
    }
    // The other reader accepts any name of an encoding, even with `?>` in it.
    if text.starts_with("<?xml") && !names_its_encoding(text) {
        return;
    }
    // The other reader accepts an XML declaration that is not at the start as an instruction, if
    // no blank follows its name.
    if text[1..].contains("<?xml") {
        return;
    }
    let Ok(document) = Document::parse(text) else {
        return;
    };
    let root = document.root_element();
    let crowded =
        |node: Node<'_, '_>| node.attributes().len() > 64 || node.tag_name().namespace().is_some();
    // The other reader turns a reference to an invalid character into U+FFFD, which cannot be
    // distinguished from a genuine one.
    let replaced = |node: Node<'_, '_>| {
        let text = node.is_text().then(|| node.text()).flatten();
        let values = node.attributes().map(|attribute| attribute.value());
        values.chain(text).any(|value| value.contains('\u{fffd}'))
    };
    let nodes = || document.descendants();
    if nodes().any(crowded) || nodes().any(replaced) {
        return;
    }
    match FrameReader::new().read(text) {
        Frame::Event(event) => {
            assert_eq!(root.tag_name().name(), "Event");
            same(&event, root);
        }
        Frame::Ignored(_) => assert_ne!(root.tag_name().name(), "Event"),
        Frame::Malformed(malformed) => panic!("well-formed, and refused: {}", malformed.cause),
    }
}

/// Whether the quotes of a declaration are closed within it, and its encoding is a valid name.
fn names_its_encoding(text: &str) -> bool {
    let declaration = text.split("?>").next().unwrap_or_default();
    let encoding = declaration.split_once("encoding").map(|(_, value)| value);
    let mut quoted = encoding.unwrap_or_default().split(['"', '\'']);
    let name = quoted.nth(1).unwrap_or_default();
    let in_name = |c: char| c.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&c);
    let mut quotes = ['"', '\''].into_iter();
    quotes.all(|quote| declaration.matches(quote).count().is_multiple_of(2))
        && name.chars().all(in_name)
}

fn same(event: &Event, root: Node<'_, '_>) {
    let number = |node: Option<Node<'_, '_>>, name: &str| {
        let value = node.and_then(|node| node.attribute(name));
        value.and_then(|value| value.trim().parse::<i64>().ok())
    };
    assert_eq!(event.known_seqnum(), number(Some(root), "seqnum"));
    assert_eq!(event.sid(), attribute(Some(root), "sid"));
    assert_eq!(event.timestamp(), attribute(Some(root), "timestamp"));
    let action = child(root, "action");
    assert_eq!(event.uom(), attribute(action, "uom"));
    if let Some(prec) = number(action, "prec") {
        assert_eq!(event.prec(), i32::try_from(prec).ok());
    }
    let parts = [
        ("control", event.control()),
        ("action", event.action()),
        ("node", event.node()),
        ("fmtAct", event.fmt_act()),
        ("fmtName", event.fmt_name()),
    ];
    for (name, value) in parts {
        assert_eq!(value, text(child(root, name)), "{name}");
    }
    let info = child(root, "eventInfo");
    if info.is_some_and(|info| info.children().any(|node| node.is_element())) {
        // Inner XML: its whole text must be the same.
        let inner = format!("<x>{}</x>", event.event_info());
        let inner = Document::parse(&inner).expect("the payload is well-formed by itself");
        let all = |node: Node<'_, '_>| -> String {
            let texts = node.descendants().filter(Node::is_text);
            texts.filter_map(|text| text.text()).collect()
        };
        let expected = info.map(all).unwrap_or_default();
        assert_eq!(all(inner.root_element()).trim(), expected.trim());
    } else {
        assert_eq!(event.event_info(), text(info).trim());
    }
}

/// Returns the first child with this name.
fn child<'a, 'input>(root: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    root.children().find(|node| node.has_tag_name(name))
}

/// Returns the character data directly in a node.
fn text(node: Option<Node<'_, '_>>) -> String {
    let children = node.into_iter().flat_map(|node| node.children());
    children
        .filter(Node::is_text)
        .filter_map(|node| node.text())
        .collect()
}

fn attribute<'a>(node: Option<Node<'a, '_>>, name: &str) -> &'a str {
    node.and_then(|node| node.attribute(name))
        .unwrap_or_default()
}
