//! What real controllers get wrong in log texts is mended, and only that.

use super::{event, malformed, with_info};

#[test]
fn a_stray_ampersand_is_literal_and_escaped_text_beside_it_stays_right() {
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
fn references_to_nothing_are_literal_too() {
    for text in [
        "&;",
        "&#;",
        "&#x;",
        "&#xyz;",
        "&#0;x",
        "&#x110000;",
        "&amp",
        "&AMP;",
        "&#99999999999;",
    ] {
        assert_eq!(
            event(&with_info(&format!("{text} &"))).event_info(),
            format!("{text} &"),
            "{text}"
        );
    }
}

#[test]
fn a_stray_ampersand_in_an_attribute_is_literal() {
    let event = event("<Event sid=\"a&b\"><action uom=\"1&2\">3</action></Event>");
    assert_eq!((event.sid(), event.uom()), ("a&b", "1&2"));
}

#[test]
fn a_less_than_sign_that_begins_no_markup_is_literal() {
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
fn elements_beside_a_mistake_stay_elements() {
    let mended = event(&with_info("<status>0</status> <NULL> a & b"));
    assert_eq!(
        mended.event_info(),
        "<status>0</status> &lt;NULL> a &amp; b"
    );
    assert_eq!(mended.document().matches("&amp;").count(), 1);
}

#[test]
fn a_mistake_in_one_part_leaves_the_others_alone() {
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
fn cdata_is_not_mended() {
    let info = "<![CDATA[a & <NULL> &amp;]]> & b";
    assert_eq!(event(&with_info(info)).event_info(), "a & <NULL> &amp; & b");
}

#[test]
fn the_same_mistakes_inside_an_envelope_are_mended() {
    let text = serde_json::json!({"type": "event", "data": with_info("a & b <NULL>")}).to_string();
    assert_eq!(event(&text).event_info(), "a & b <NULL>");
}

#[test]
fn the_skeleton_of_a_frame_is_not_mended() {
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
fn an_end_tag_too_many_is_text_also_of_a_name_that_was_closed_before() {
    for name in ["b", "c"] {
        let info = format!("<b>x</b> y</{name}> & z");
        assert_eq!(
            event(&with_info(&info)).event_info(),
            format!("<b>x</b> y&lt;/{name}> &amp; z")
        );
    }
}
