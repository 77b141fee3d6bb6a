//! The fast path and the general path give the same result, for frames in and near the layout that
//! controllers send.

use ioxproto::{Frame, FrameReader};
use proptest::prelude::*;
use proptest::sample::Index;

/// Checks that both paths give the same result.
fn same(text: &str) {
    let straight = FrameReader::new().read(text);
    let general = FrameReader::general().read(text);
    match (&straight, &general) {
        (Frame::Event(straight), Frame::Event(general)) => {
            assert_eq!(straight, general, "{text}");
            assert_eq!(straight.document(), general.document(), "{text}");
        }
        (Frame::Ignored(straight), Frame::Ignored(general)) => assert_eq!(straight, general),
        (Frame::Malformed(straight), Frame::Malformed(general)) => assert_eq!(straight, general),
        _ => panic!("{text}\nis {straight:?}\nand {general:?}"),
    }
}

/// The text of a value: usually plain, sometimes one that the fast path must leave to the general
/// path.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[A-Za-z0-9_:. -]{0,12}",
        1 => "[ -~]{0,6}",
        1 => "[ é€Ａ\u{fffd}\u{a0}\u{7f}'>/]{0,6}",
        1 => prop_oneof![
            Just("&amp;"), Just("&"), Just("&#65;"), Just("\t"), Just("\u{1}"), Just("\u{ffff}"), Just("<NULL>"),
            Just("<b>x</b>"), Just("<![CDATA[x]]>"), Just("<!-- x -->"), Just("\\"), Just("\""), Just(" \u{2003}x "),
        ].prop_map(str::to_owned),
    ]
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<i64>().prop_map(|number| number.to_string()),
        2 => (-3i32..9).prop_map(|number| number.to_string()),
        1 => value(),
        1 => prop_oneof![Just("+5"), Just(" 7 "), Just("1e3"), Just("99999999999999999999")].prop_map(str::to_owned),
    ]
}

fn maybe<T>(strategy: T) -> impl Strategy<Value = String>
where
    T: Strategy<Value = String>,
{
    prop_oneof![4 => strategy, 1 => Just(String::new())]
}

fn attribute(
    name: &'static str,
    value: impl Strategy<Value = String> + 'static,
) -> BoxedStrategy<String> {
    maybe(value.prop_map(move |value| format!(" {name}=\"{value}\""))).boxed()
}

fn element(name: &'static str) -> impl Strategy<Value = String> {
    value().prop_map(move |value| format!("<{name}>{value}</{name}>"))
}

fn payload() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => value(),
        1 => Just("<on />".to_owned()),
        1 => Just("<nr/>".to_owned()),
        1 => Just("<status>1</status>".to_owned()),
    ];
    leaf.prop_recursive(10, 24, 3, |inner| {
        let name = prop_oneof![
            Just("var"),
            Just("node"),
            Just("eventInfo"),
            Just("id"),
            Just("x1_y"),
            Just("a-b")
        ];
        let attributes = (attribute("id", value()), attribute("type", value()));
        (
            name,
            attributes,
            proptest::collection::vec(inner, 0..3),
            value(),
        )
            .prop_map(|(name, (id, kind), children, tail)| {
                format!("<{name}{id}{kind}>{}</{name}>{tail}", children.concat())
            })
    })
}

fn declaration() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"),
        1 => Just("<?xml version=\"1.0\"?>"),
        1 => Just("<?xml version=\"1.0\" encoding=\"utf-8\" ?>"),
        1 => Just(""),
    ]
    .prop_map(str::to_owned)
}

fn document() -> impl Strategy<Value = String> {
    let event = (
        attribute("seqnum", number()),
        attribute("sid", value()),
        attribute(
            "timestamp",
            Just("2026-05-05T18:52:41.875777-07:00".to_owned()),
        ),
    );
    let action = (
        attribute("uom", value()),
        attribute("prec", number()),
        value(),
    );
    let shown = (maybe(element("fmtAct")), maybe(element("fmtName")));
    (declaration(), event, element("control"), action, element("node"), payload(), shown).prop_map(
        |(declaration, (seqnum, sid, timestamp), control, (uom, prec, action), node, info, (act, name))| {
            format!(
                "{declaration}<Event{seqnum}{sid}{timestamp}>{control}<action{uom}{prec}>{action}</action>{node}<eventInfo>{info}</eventInfo>{act}{name}</Event>"
            )
        },
    )
}

/// The content of a JSON string, with more escapes than necessary.
fn escaped(document: &str, slashes: bool, letters: bool) -> String {
    let mut text = serde_json::Value::from(document).to_string();
    if slashes {
        text = text.replace('/', "\\/");
    }
    if letters {
        text = text.replace('T', "\\u0054");
    }
    text
}

fn frame() -> impl Strategy<Value = String> {
    let seldom = || proptest::bool::weighted(0.1);
    (document(), 0..5, seldom(), seldom()).prop_map(|(document, form, slashes, letters)| match form
    {
        0 | 1 => document,
        2 => format!(
            "{{\"type\": \"event\", \"data\": {}}}",
            escaped(&document, slashes, letters)
        ),
        _ => format!(
            "{{\"type\":\"event\",\"data\":{}}}",
            escaped(&document, slashes, letters)
        ),
    })
}

/// A change to a string: the position, the number of characters to replace, and the replacement.
fn change() -> impl Strategy<Value = (Index, usize, String)> {
    let piece = prop_oneof![
        Just(""),
        Just(" "),
        Just("<"),
        Just(">"),
        Just("/"),
        Just("\""),
        Just("\\"),
        Just("\\\""),
        Just("'"),
        Just("&"),
        Just("="),
        Just("é"),
        Just("\u{fffe}"),
        Just("\n"),
        Just("\\n"),
        Just("\\u0041"),
        Just("</Event>"),
        Just("<node>"),
        Just("</eventInfo>"),
        Just("<on />"),
        Just("]]>"),
        Just("<x"),
        Just("\u{feff}"),
        Just(" a=\"1\""),
    ];
    (any::<Index>(), 0usize..3, piece.prop_map(str::to_owned))
}

fn changed(text: &str, changes: &[(Index, usize, String)]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for (at, count, piece) in changes {
        let from = at.index(characters.len() + 1);
        let to = (from + count).min(characters.len());
        characters.splice(from..to, piece.chars());
    }
    characters.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn both_paths_agree_on_frames_as_controllers_send_them(text in frame()) {
        same(&text);
    }

    #[test]
    fn both_paths_agree_on_frames_with_mistakes(
        text in frame(),
        changes in proptest::collection::vec(change(), 1..4),
    ) {
        same(&changed(&text, &changes));
    }
}

#[test]
fn both_paths_agree_on_frames_truncated_or_corrupted_anywhere() {
    let document = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\"7\" sid=\"uuid:1\" timestamp=\"2026-05-05T18:52:41.875777-07:00\"><control>_1</control><action uom=\"100\" prec=\"0\">6</action><node>1A 2B 3C 1</node><eventInfo> <var type=\"2\" id=\"12\"><prec>0</prec><on /></var> </eventInfo><fmtAct>50%</fmtAct><fmtName>Status</fmtName></Event>";
    let envelope =
        serde_json::json!({"data": document})
            .to_string()
            .replacen("{", "{\"type\":\"event\",", 1);
    for text in [document, envelope.as_str()] {
        same(text);
        for at in 0..text.len() {
            same(&text[..at]);
            same(&text[at..]);
            same(&format!("{}{}", &text[..at], &text[at + 1..]));
            for piece in ["<", "&", "\"", "\\", "\u{1}", " ", ">", "\u{ffff}", "x"] {
                same(&format!("{}{piece}{}", &text[..at], &text[at..]));
                same(&format!("{}{piece}{}", &text[..at], &text[at + 1..]));
            }
        }
    }
}
