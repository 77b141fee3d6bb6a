//! The mistakes that real controllers make in log texts are repaired, and no others.

use ioxproto::{Frame, FrameReader};

use super::{event, malformed, with_info};

#[test]
fn a_stray_ampersand_is_literal_and_references_next_to_it_are_decoded() {
    let info = "[n001] NUM.107=24&VAL.111=1 &amp; &#65; &lt;x&gt; &";
    assert_eq!(
        event(&with_info(info)).event_info(),
        "[n001] NUM.107=24&VAL.111=1 & A <x> &"
    );
    assert_eq!(
        event("<Event><node>a&b</node><fmtAct>&nbsp;</fmtAct></Event>").node(),
        "a&b"
    );
    assert_eq!(
        event("<Event><node>a&b</node><fmtAct>&nbsp;&amp;</fmtAct></Event>").fmt_act(),
        "&nbsp;&"
    );
}

#[test]
fn a_stray_ampersand_in_an_attribute_is_escaped_in_start_tags_and_in_empty_elements() {
    for tail in ["/>", "></a>"] {
        let event = event(&with_info(&format!(
            "<a b=\"x &nbsp; y\" c='&amp;&#2;&'{tail}"
        )));
        assert_eq!(
            event.event_info(),
            format!("<a b=\"x &amp;nbsp; y\" c='&amp;\u{fffd}&amp;'{tail}")
        );
    }
    let event = event("<Event sid='a&b'><control>ST</control><action uom='&'/></Event>");
    assert_eq!((event.sid(), event.uom()), ("a&b", "&"));
}

#[test]
fn a_greater_than_in_an_attribute_does_not_end_the_tag() {
    for quote in ["\"", "'"] {
        let info = format!("<a b={quote}x > y{quote}/> ");
        let event = event(&with_info(&format!("{info}&")));
        assert_eq!(event.event_info(), format!("{info}&amp;"));
    }
}

#[test]
fn unknown_references_are_literal() {
    for text in [
        "&;",
        "&#;",
        "&#x;",
        "&#xyz;",
        "&#xd800;",
        "&#x110000;",
        "&amp",
        "&AMP;",
        "&#99999999999;",
        "&#+5;",
        "&#x+5;",
    ] {
        assert_eq!(
            event(&with_info(&format!("{text} &"))).event_info(),
            format!("{text} &"),
            "{text}"
        );
    }
}

#[test]
fn characters_that_xml_forbids_are_replaced_and_counted() {
    for (written, count) in [
        ("\u{0}", 1),
        ("\u{1}", 1),
        ("\u{b}", 1),
        ("\u{1b}[2J", 1),
        ("\u{fffe}\u{ffff}", 2),
        ("&#0;", 1),
        ("&#x1F;&#11;", 2),
        ("&#xFFFF;", 1),
        ("\u{1}&#2; & b", 2),
    ] {
        let text = format!(
            "<Event sid=\"a{written}\"><control>ST</control><action>255</action><node>n</node><fmtName>Status{written}</fmtName></Event>"
        );
        let envelope = serde_json::json!({"type": "event", "data": text}).to_string();
        // As sent by a JSON writer that escapes too little.
        let raw = envelope
            .replace("\\u0001", "\u{1}")
            .replace("\\u0000", "\u{0}");
        for text in [text, envelope, raw] {
            let mut reader = FrameReader::new();
            let Frame::Event(event) = reader.read(&text) else {
                panic!("{text}")
            };
            assert_eq!(event.action(), "255");
            assert!(event.fmt_name().starts_with("Status\u{fffd}"), "{event:?}");
            assert!(event.sid().starts_with("a\u{fffd}"), "{event:?}");
            assert_eq!(reader.forbidden_characters(), 2 * count, "{text}");
            reader.read("<Event/>");
            assert_eq!(reader.forbidden_characters(), 0);
        }
    }
}

#[test]
fn line_ends_become_line_feeds_and_spaces_in_attributes() {
    let event = event(
        "<?xml version='1.0'?>\r\n<Event\r\nsid='a\r\nb\tc&#10;d'>\r<control>_7</control><action uom='1\r2'>1\r\n2</action>\
         <eventInfo><![CDATA[x\r\ny\rz]]></eventInfo><fmtAct>p\rq&#13;</fmtAct><fmtName>a\r&amp;</fmtName></Event>\r\n",
    );
    assert_eq!(event.sid(), "a b c\nd");
    assert_eq!(event.uom(), "1 2");
    assert_eq!(event.action(), "1\n2");
    assert_eq!(event.event_info(), "x\ny\nz");
    // A character reference keeps its character.
    assert_eq!(event.fmt_act(), "p\nq\r");
    assert_eq!(event.fmt_name(), "a\n&");
}

#[test]
fn a_stray_ampersand_in_an_attribute_is_literal() {
    let event = event("<Event sid=\"a&b\"><action uom=\"1&2\">3</action></Event>");
    assert_eq!((event.sid(), event.uom()), ("a&b", "1&2"));
}

#[test]
fn a_less_than_sign_that_does_not_begin_markup_is_literal() {
    for text in [
        "a < b",
        "a <= b",
        "5<6",
        "<",
        "<<",
        "<>",
        "a <- b",
        "->",
        "-->",
        "</",
        "x </ y",
        "<!x",
        "if(a<b && c>d)",
    ] {
        assert_eq!(event(&with_info(text)).event_info(), text, "{text}");
    }
}

#[test]
fn words_in_angle_brackets_that_are_never_closed_are_literal() {
    assert_eq!(
        event(&with_info("submitCmd([6536],[DOF],[<NULL>])")).event_info(),
        "submitCmd([6536],[DOF],[<NULL>])"
    );
    assert_eq!(
        event(&with_info("<NULL> & <NULL>")).event_info(),
        "<NULL> & <NULL>"
    );
    assert_eq!(event(&with_info("a </b> c")).event_info(), "a </b> c");
}

#[test]
fn elements_next_to_a_mistake_are_still_elements() {
    let repaired = event(&with_info("<status>0</status> <NULL> a & b"));
    assert_eq!(
        repaired.event_info(),
        "<status>0</status> &lt;NULL> a &amp; b"
    );
    assert_eq!(repaired.document().matches("&amp;").count(), 1);
}

#[test]
fn an_empty_element_next_to_a_mistake_is_still_an_element() {
    let repaired = event(&with_info("<status/> a & b <s a='1' />"));
    assert_eq!(repaired.event_info(), "<status/> a &amp; b <s a='1' />");
}

#[test]
fn a_less_than_sign_before_the_end_of_a_tag_makes_the_one_before_it_literal() {
    for text in ["a <b c <d> & x", "a <b c=\"<d> & x", "<a <b <c"] {
        assert_eq!(event(&with_info(text)).event_info(), text, "{text}");
    }
}

#[test]
fn a_mistake_in_one_part_does_not_affect_the_others() {
    let event = event(
        "<Event seqnum=\"5\" sid=\"s\"><control>_7</control><action>1</action><node>n</node><eventInfo>a & b</eventInfo><fmtAct>1 &lt; 2</fmtAct></Event>",
    );
    assert_eq!(
        (event.seqnum(), event.control(), event.fmt_act()),
        (5, "_7", "1 < 2")
    );
    assert_eq!(event.event_info(), "a & b");
}

#[test]
fn cdata_is_not_repaired() {
    let info = "<![CDATA[a & <NULL> &amp;]]> & b";
    assert_eq!(event(&with_info(info)).event_info(), "a & <NULL> &amp; & b");
}

#[test]
fn the_end_of_a_cdata_section_comment_or_instruction_is_not_repaired() {
    for (info, meant) in [
        ("<![CDATA[a &]]> & b", "a & & b"),
        ("<![CDATA[a <]]> & b", "a < & b"),
        ("<![CDATA[&]]><![CDATA[<]]>& b", "&<& b"),
        ("a<!-- x & <-->b & c", "ab & c"),
        ("a<?x & <?>b & c", "ab & c"),
    ] {
        assert_eq!(event(&with_info(info)).event_info(), meant, "{info}");
    }
}

#[test]
fn the_same_mistakes_inside_an_envelope_are_repaired() {
    let text = serde_json::json!({"type": "event", "data": with_info("a & b <NULL>")}).to_string();
    assert_eq!(event(&text).event_info(), "a & b <NULL>");
}

#[test]
fn the_skeleton_of_a_frame_is_not_repaired() {
    for text in [
        "<Event><control>ST<action>1</action></Event>",
        "<Event><control>a & b",
        "<Event>a & b</Event></Event>",
        "<Event><eventInfo>a & b</Event>",
        "<Event seqnum=\"1><control>a & b</control></Event>",
    ] {
        malformed(text);
    }
}

#[test]
fn a_surplus_end_tag_is_text_even_if_its_element_was_closed_before() {
    for name in ["b", "c"] {
        let info = format!("<b>x</b> y</{name}> & z");
        assert_eq!(
            event(&with_info(&info)).event_info(),
            format!("<b>x</b> y&lt;/{name}> &amp; z")
        );
    }
}
