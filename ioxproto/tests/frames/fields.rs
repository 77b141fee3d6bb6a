//! The parts of an event.

use ioxproto::Event;

use super::{event, with_info};

const STATUS: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\"16\" sid=\"uuid:9\" timestamp=\"2026-05-05T18:52:41.875777-07:00\"><control>ST</control><action uom=\"100\" prec=\"0\">128</action><node>1A 2B 3C 1</node><eventInfo></eventInfo><fmtAct>50%</fmtAct><fmtName>Status</fmtName></Event>";

#[test]
fn all_parts_of_a_status_frame_are_read() {
    let event = event(STATUS);
    assert_eq!(event.seqnum(), 16);
    assert_eq!(event.known_seqnum(), Some(16));
    assert_eq!(event.sid(), "uuid:9");
    assert_eq!(event.timestamp(), "2026-05-05T18:52:41.875777-07:00");
    assert_eq!(event.control(), "ST");
    assert_eq!(event.action(), "128");
    assert_eq!(event.uom(), "100");
    assert_eq!(event.prec(), Some(0));
    assert_eq!(event.node(), "1A 2B 3C 1");
    assert_eq!(event.event_info(), "");
    assert_eq!(event.fmt_act(), "50%");
    assert_eq!(event.fmt_name(), "Status");
    assert_eq!(event.document(), STATUS);
    assert!(event.is_node_property());
    assert!(!event.is_live());
}

#[test]
fn missing_parts_take_their_defaults() {
    for text in [
        "<Event></Event>",
        "<Event/>",
        "<Event><control/><action></action></Event>",
    ] {
        let event = event(text);
        assert_eq!(
            (event.seqnum(), event.known_seqnum(), event.prec()),
            (0, None, None),
            "{text}"
        );
        let parts = [
            event.sid(),
            event.timestamp(),
            event.control(),
            event.action(),
            event.uom(),
        ];
        assert_eq!(parts, [""; 5]);
        assert_eq!(
            [
                event.node(),
                event.event_info(),
                event.fmt_act(),
                event.fmt_name()
            ],
            [""; 4]
        );
        assert!(!event.is_node_property());
    }
}

#[test]
fn an_invalid_number_is_unknown_and_shown_as_zero() {
    for (text, known) in [
        ("7", Some(7)),
        (" 8 ", Some(8)),
        ("-3", Some(-3)),
        ("", None),
        ("x", None),
        ("1.5", None),
        ("99999999999999999999", None),
    ] {
        let event = event(&format!(
            "<Event seqnum=\"{text}\"><control>ST</control></Event>"
        ));
        assert_eq!(event.known_seqnum(), known, "{text:?}");
        assert_eq!(event.seqnum(), known.unwrap_or(0));
    }
}

#[test]
fn the_precision_may_be_negative_and_is_absent_if_invalid() {
    for (text, prec) in [
        ("1", Some(1)),
        ("-2", Some(-2)),
        (" 3 ", Some(3)),
        ("", None),
        ("many", None),
    ] {
        let event = event(&format!(
            "<Event><action prec=\"{text}\">5</action></Event>"
        ));
        assert_eq!(event.prec(), prec, "{text:?}");
    }
}

#[test]
fn numbers_keep_the_format_of_the_controller() {
    assert_eq!(
        event("<Event><action>007.50</action></Event>").action(),
        "007.50"
    );
}

#[test]
fn only_direct_children_count() {
    let info = "<node id=\"2\"><control>no</control><action uom=\"9\" prec=\"9\">no</action><node>no</node><fmtAct>no</fmtAct></node>";
    let event = event(&format!(
        "<Event><eventInfo>{info}</eventInfo><control>_3</control><action>ND</action><node>n001</node></Event>"
    ));
    assert_eq!(
        (event.control(), event.action(), event.node()),
        ("_3", "ND", "n001")
    );
    assert_eq!((event.uom(), event.prec(), event.fmt_act()), ("", None, ""));
    assert_eq!(event.event_info(), info);
}

#[test]
fn the_text_of_a_nested_element_does_not_belong_to_the_part() {
    let event = event(
        "<Event><control>S<b>&amp;x<![CDATA[y]]><c/>z</b>T</control><action>&#52;<b>3</b>2</action></Event>",
    );
    assert_eq!((event.control(), event.action()), ("ST", "42"));
}

#[test]
fn the_first_of_two_children_counts() {
    let event = event(
        "<Event><control>A</control><control>B</control><action uom=\"1\">2</action><action uom=\"3\" prec=\"4\">5</action></Event>",
    );
    assert_eq!(
        (event.control(), event.action(), event.uom(), event.prec()),
        ("A", "2", "1", None)
    );
}

#[test]
fn entities_and_numeric_references_are_decoded() {
    let event = event(
        "<Event sid='a&amp;b' timestamp='&#x41;'><control>&lt;&gt;&amp;&apos;&quot;</control><action uom='&#49;' prec='&#50;'>&#53;5</action><node>x&#x20AC;y</node></Event>",
    );
    assert_eq!((event.sid(), event.timestamp()), ("a&b", "A"));
    assert_eq!((event.control(), event.node()), ("<>&'\"", "x€y"));
    assert_eq!(
        (event.action(), event.uom(), event.prec()),
        ("55", "1", Some(2))
    );
}

#[test]
fn a_text_payload_is_trimmed() {
    assert_eq!(
        event(&with_info(" E8E7BC14.2B06 \n")).event_info(),
        "E8E7BC14.2B06"
    );
    let padded = "[4B 28 E3 6      ]            ST   0 (uom=100 prec=0)";
    assert_eq!(event(&with_info(padded)).event_info(), padded);
    assert_eq!(
        event(&with_info(" a &lt; b &amp;&amp; c ")).event_info(),
        "a < b && c"
    );
}

#[test]
fn cdata_in_the_payload_is_its_text() {
    let info = "<![CDATA[U7 Rest:  submitCmd([6536],[DOF],[<NULL>]) & more]]>";
    assert_eq!(
        event(&with_info(info)).event_info(),
        "U7 Rest:  submitCmd([6536],[DOF],[<NULL>]) & more"
    );
    assert_eq!(
        event(&with_info("a<![CDATA[<]]>b<![CDATA[]]>&amp;")).event_info(),
        "a<b&"
    );
    assert_eq!(
        event("<Event><control><![CDATA[S]]>T</control></Event>").control(),
        "ST"
    );
}

#[test]
fn mixed_content_of_the_payload_survives_verbatim() {
    let info = "before <status a='1'>0</status> between &amp; <![CDATA[<x>]]><b/> after";
    assert_eq!(event(&with_info(&format!(" {info} "))).event_info(), info);
}

#[test]
fn comments_are_not_text() {
    assert_eq!(event(&with_info("a<!-- b -->c")).event_info(), "ac");
    assert_eq!(
        event(&with_info("<!-- b --> a<?b c?> &amp;")).event_info(),
        "a &"
    );
    assert_eq!(
        event("<!-- x --><Event><!-- y --><control>S<!-- z -->T</control></Event><!-- w -->")
            .control(),
        "ST"
    );
}

#[test]
fn an_isy_994_frame_without_timestamp_and_display_names_is_an_event() {
    let event = event(
        "<?xml version=\"1.0\"?><Event seqnum=\"2\" sid=\"uuid:75\"><control>ST</control><action>255</action><node>1A 2B 3C 1</node><eventInfo></eventInfo></Event>",
    );
    assert_eq!(
        (event.action(), event.timestamp(), event.fmt_act()),
        ("255", "", "")
    );
}

#[test]
fn blanks_around_the_document_and_between_its_parts_do_not_matter() {
    let event = event(
        "\u{feff}\n <?xml version=\"1.0\"?>\r\n<Event  seqnum = '4' >\n\t<control>ST</control >\n <action\nuom='1'>2</action> </Event>\n",
    );
    assert_eq!(
        (event.seqnum(), event.control(), event.action(), event.uom()),
        (4, "ST", "2", "1")
    );
}

#[test]
fn an_event_is_small_cheap_to_clone_and_may_cross_threads() {
    fn travels<T: Send + Sync + Clone + 'static>() {}
    travels::<Event>();
    assert!(size_of::<Event>() <= 128, "{}", size_of::<Event>());
    let one = event(STATUS);
    let other = one.clone();
    assert!(
        std::ptr::eq(one.sid(), other.sid()),
        "clones share one text"
    );
    assert_eq!(one, other);
}

#[test]
fn events_with_equal_parts_are_equal_however_they_are_written() {
    let one = event("<Event seqnum='1'><control>ST</control><action>a&amp;b</action></Event>");
    let other =
        event("<Event  seqnum=\"1\"><action><![CDATA[a&b]]></action><control>ST</control></Event>");
    assert_eq!(one, other);
    assert_ne!(
        one,
        event("<Event seqnum='2'><control>ST</control><action>a&amp;b</action></Event>")
    );
}
