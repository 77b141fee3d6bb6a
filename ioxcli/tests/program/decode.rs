//! `iox decode`: reads frames from files.

use std::io::Write as _;

use crate::iox::{iox, objects, run, run_with_input, without_time};

const LAMP: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Event seqnum="16" sid="uuid:1" timestamp="2026-05-05T18:52:41.875777-07:00"><control>ST</control><action uom="100" prec="0">0</action><node>42 92 8C 1</node><eventInfo></eventInfo><fmtAct>Off</fmtAct><fmtName>Status</fmtName></Event>"#;
const LAMP_SHOWN: &str = concat!(
    r#"{"type":"event","live":false,"seqnum":16,"sid":"uuid:1","timestamp":"2026-05-05T18:52:41.875777-07:00","#,
    r#""control":"ST","action":"0","node_address":"42 92 8C 1","formatted_action":"Off","formatted_name":"Status","#,
    r#""uom":"100","precision":0,"event_info":"""#,
);

fn decode(input: &str, format: &str) -> String {
    let finished = run_with_input(iox(&["decode", "--format", format]), input.as_bytes());
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(finished.stderr, "");
    finished.stdout
}

/// The same frame in each form that a line may have.
fn shapes() -> [String; 4] {
    let string = serde_json::Value::from(LAMP).to_string();
    let envelope = serde_json::json!({"type": "event", "data": LAMP}).to_string();
    let recorded =
        serde_json::json!({"direction": "receive", "opcode": 1, "time": 1.5, "data": envelope});
    [LAMP.to_owned(), string, envelope, recorded.to_string()]
}

#[test]
fn a_frame_has_the_same_result_in_every_form() {
    let shown = decode(&shapes().join("\n"), "json");
    assert_eq!(shown.lines().count(), 4, "{shown}");
    for line in shown.lines() {
        assert!(without_time(line).starts_with(LAMP_SHOWN), "{line}");
    }
}

#[test]
fn lines_are_written_in_the_order_of_the_input() {
    let sent =
        r#"{"direction":"send","opcode":1,"time":1,"data":"{\"auth\":{\"token\":\"secret\"}}"}"#;
    let lines = [
        sent,
        LAMP,
        "",
        r#""{\"type\":\"spolisy\",\"data\":{}}""#,
        "<Event seqnum=",
        r#""""#,
        "<SubscriptionResponse/>",
        r#"{"direction":"receive","opcode":2,"time":1,"data":"AP8H"}"#,
        LAMP,
    ];
    let shown = objects(&decode(&lines.join("\n"), "json"));
    let types: Vec<_> = shown
        .iter()
        .map(|line| line["type"].as_str().unwrap())
        .collect();
    let expected = [
        "event",
        "ignored",
        "malformed",
        "ignored",
        "ignored",
        "ignored",
        "event",
    ];
    assert_eq!(types, expected);
    assert!(shown[1]["reason"].as_str().unwrap().contains("spolisy"));
    assert!(!shown[2]["error"].as_str().unwrap().is_empty());
    assert!(
        shown[4]["reason"]
            .as_str()
            .unwrap()
            .contains("SubscriptionResponse")
    );
    let counted = decode(&lines.join("\n"), "none");
    assert_eq!(counted, "2 events, 4 ignored, 1 malformed");
}

#[test]
fn several_files_are_read_one_after_the_other() {
    let file = |seqnum: u32| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "<Event seqnum=\"{seqnum}\"/>").unwrap();
        file
    };
    let (one, two) = (file(1), file(2));
    let paths = [&one, &two].map(|file| file.path().to_str().unwrap());
    let finished = run(iox(&["decode", "--format", "json", paths[0], paths[1]]));
    let numbers: Vec<_> = objects(&finished.stdout)
        .iter()
        .map(|line| line["seqnum"].as_i64())
        .collect();
    assert_eq!(numbers, [Some(1), Some(2)]);
}

#[test]
fn text_has_columns_and_no_control_characters() {
    let hostile = "<Event><control>ST</control><action>1</action><node>a&#27;[2Jb</node></Event>";
    let shown = decode(&format!("{LAMP}\n{hostile}\nnonsense\n"), "text");
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(
        lines[0],
        "2026-05-05 18:52:41  42 92 8C 1      Status        Off"
    );
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    assert!(lines[2].contains("malformed"), "{shown}");
}

#[test]
fn a_hundred_thousand_lines_are_counted() {
    let input = shapes().join("\n").repeat(25_000).replace("}<?", "}\n<?");
    assert_eq!(
        decode(&input, "none"),
        "100000 events, 0 ignored, 0 malformed"
    );
}
