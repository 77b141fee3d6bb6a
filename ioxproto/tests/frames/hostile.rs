//! Hostile frames cost linear time and bounded memory, and never cause a panic.

use ioxproto::{Frame, FrameReader};

use super::{event, ignored, malformed, with_info};

#[test]
fn nesting_200_000_deep_does_not_recurse() {
    let deep = format!("{}x{}", "<a>".repeat(200_000), "</a>".repeat(200_000));
    assert_eq!(event(&with_info(&deep)).event_info().len(), deep.len());
    malformed(&format!("<Event><eventInfo>{}", "<a>".repeat(200_000)));
    assert_eq!(ignored(&deep), "an XML document a");
    malformed(&"[".repeat(200_000));
    malformed(&format!(
        "{{\"type\":\"event\",\"data\":{}",
        "[".repeat(200_000)
    ));
    let objects = format!("{}1{}", "{\"x\":".repeat(200_000), "}".repeat(200_000));
    assert_eq!(ignored(&objects), "a message without a type");
}

#[test]
fn entity_bombs_do_not_go_off() {
    let bomb = "<!DOCTYPE Event [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]><Event><control>&c;</control></Event>";
    assert!(malformed(bomb).contains("never expanded"));
    let external = "<!DOCTYPE Event SYSTEM \"http://elsewhere.test/x.dtd\"><Event/>";
    assert!(malformed(external).contains("never expanded"));
}

#[test]
fn a_megabyte_of_text_is_an_event() {
    let text = "x".repeat(1024 * 1024);
    assert_eq!(event(&with_info(&text)).event_info(), text);
    let text = "&amp;".repeat(200_000);
    assert_eq!(event(&with_info(&text)).event_info().len(), 200_000);
}

#[test]
fn many_mistakes_are_repaired_in_linear_time() {
    for mistake in [
        "&",
        "<",
        "<a>",
        "</a>",
        "<a",
        "&#",
        "<!",
        "<?",
        "<a b='",
        "<a><b></a>",
        "&a;",
        "]]>",
        "\"<'",
        "<a/",
    ] {
        let text = mistake.repeat(128 * 1024 / mistake.len());
        FrameReader::new().read(&with_info(&text));
        FrameReader::new().read(&text);
        FrameReader::new().read(&format!("<Event>{text}"));
    }
}

#[test]
fn a_tag_with_a_hundred_thousand_attributes_is_refused_early() {
    let attributes: String = (0..100_000)
        .map(|number| format!(" a{number}='1'"))
        .collect();
    assert!(malformed(&format!("<Event{attributes}/>")).contains("more than 64"));
}

#[test]
fn a_malformed_frame_keeps_only_the_beginning_of_its_text() {
    let Frame::Malformed(malformed) = FrameReader::new().read(&"é".repeat(100_000)) else {
        panic!()
    };
    assert_eq!(malformed.text.len(), 4096);
}
