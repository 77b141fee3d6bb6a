//! Invalid answers: each gives a typed error that names what is wrong.

use std::time::{Duration, Instant};

use ioxproto::rest::{
    AnswerError, NetworkResources, Nodes, Programs, Statuses, VariableDefinitions, Variables,
};
use ioxproto::view::VariableType;

fn said(body: &str) -> String {
    Nodes::parse(body.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_missing_part_is_reported() {
    assert_eq!(
        said("<nodes><node><address>1</address></node><node><name>x</name></node></nodes>"),
        "address is missing in node 2"
    );
    assert_eq!(
        said(r#"{"successful":true,"data":{"nodes":{"group":[{"name":"x"}]}}}"#),
        "address is missing in group 1"
    );
    assert_eq!(said(r#"{"successful":true}"#), "nodes is missing");
    assert_eq!(said(r#"{"successful":true,"data":{}}"#), "nodes is missing");
    assert_eq!(
        said(r#"<nodes><node><address>7</address><property value="1"/></node></nodes>"#),
        "id is missing in a property of node \"7\""
    );
    let programs = Programs::parse(b"<programs><program id=\"xyz\"/></programs>");
    assert_eq!(
        programs.unwrap_err().to_string(),
        "id in program 1 is \"xyz\"; it must be a hexadecimal or decimal number"
    );
    let kind = VariableType::Integer;
    let variables = Variables::parse(b"<vars><var id=\"1\"><val>x</val></var></vars>", kind);
    assert_eq!(
        variables.unwrap_err().to_string(),
        "val in variable 1 is \"x\"; it must be a number"
    );
    let variables = Variables::parse(b"<vars><var id=\"1\"><val/></var></vars>", kind);
    assert_eq!(
        variables.unwrap_err().to_string(),
        "val is missing in variable 1"
    );
    let definitions = VariableDefinitions::parse(b"<CList><e name=\"x\"/></CList>", kind);
    assert_eq!(
        definitions.unwrap_err().to_string(),
        "id is missing in definition 1"
    );
}

#[test]
fn a_document_of_another_kind_is_reported() {
    assert_eq!(
        said("<vars/>"),
        "the answer is a document \"vars\" instead of \"nodes\""
    );
}

#[test]
fn a_web_page_is_named_as_one() {
    let page = "<!-- made by a proxy --><!DOCTYPE HTML>\n<html><head><TITLE lang=\"en\">Sign in\n</TITLE></head></html>";
    assert_eq!(
        Nodes::parse(page.as_bytes()).unwrap_err(),
        AnswerError::WebPage {
            title: "Sign in".to_owned()
        }
    );
    let untitled = "<html><title>never closed</html>";
    assert_eq!(
        Nodes::parse(untitled.as_bytes()).unwrap_err(),
        AnswerError::WebPage {
            title: String::new()
        }
    );
    assert_eq!(
        said("<html><body>busy</body></html>"),
        "the answer is a web page, not data: is a proxy or a login page in between?"
    );
}

#[test]
fn broken_documents_are_errors() {
    assert_eq!(said(""), "the answer is empty");
    assert_eq!(said(" \r\n\u{feff} "), "the answer is empty");
    for body in [
        "OK",
        "<",
        "<nodes",
        "<nodes>",
        "<nodes><node>",
        "<nodes></vars>",
        "<nodes/><nodes/>",
        "<nodes/>text",
        "<nodes/>&amp;",
        "<nodes/><![CDATA[text]]>",
        "<!-- no element -->",
        "<!DOCTYPE x [<!ENTITY a \"b\">]><nodes>&a;</nodes>",
        "{",
        "[",
        "{}}",
        r#"{"data":{"nodes":{"node":[{"address":"1"]}}}"#,
        r#"{"data":7}"#,
        r#"{"data":{"nodes":{"node":[{"address":"1"}]}}} trailing"#,
    ] {
        let error = Nodes::parse(body.as_bytes());
        assert!(
            matches!(error, Err(AnswerError::Broken { .. })),
            "{body}: {error:?}"
        );
    }
}

#[test]
fn a_json_answer_of_another_kind_names_what_was_expected() {
    for (body, due) in [
        (r#"{"data":7}"#, "expected an object with the member nodes"),
        (
            r#"{"data":{"nodes":7}}"#,
            "expected an object or a list of entries",
        ),
    ] {
        let said = said(body);
        assert!(said.starts_with("the answer is malformed JSON: invalid type: integer `7`, "));
        assert!(said.contains(due), "{said}");
    }
}

#[test]
fn stray_markup_in_a_name_is_repaired() {
    let body = "<nodes><node><address>1</address><name>Fan & light < hall</name></node></nodes>";
    let nodes = Nodes::parse(body.as_bytes()).unwrap();
    assert_eq!(nodes.nodes[0].name, "Fan & light < hall");
    let kind = VariableType::Integer;
    let body = br#"<CList><e id="3" name="Kids & dogs"/></CList>"#;
    let named = VariableDefinitions::parse(body, kind).unwrap();
    assert_eq!(named.definitions[0].name, "Kids & dogs");
    let body = b"<nodes><node><address>1</address><name>Caf\xe9</name></node></nodes>";
    assert_eq!(Nodes::parse(body).unwrap().nodes[0].name, "Caf\u{fffd}");
}

#[test]
fn an_entry_has_at_most_20_000_elements_and_attributes() {
    let xml = |elements: usize, attribute: &str| {
        let many = "<a/>".repeat(elements);
        format!("<nodes><node{attribute}><address>1</address>{many}</node></nodes>")
    };
    let json = |value: &str, count: usize| {
        let many = vec![value; count].join(",");
        format!(r#"{{"data":{{"nodes":{{"node":[{{"address":"1","a":[{many}]}}]}}}}}}"#)
    };
    for (largest, larger) in [
        (xml(19_998, ""), xml(19_999, "")),
        (xml(19_997, " flag='0'"), xml(19_998, " flag='0'")),
        (json("0", 19_997), json("0", 19_998)),
        (json("null", 19_997), json("null", 19_998)),
    ] {
        assert!(Nodes::parse(largest.as_bytes()).is_ok());
        assert!(Nodes::parse(larger.as_bytes()).is_err());
    }
    // The limit applies to each entry separately.
    let entry = |address| {
        format!(
            "<node><address>{address}</address>{}</node>",
            "<a/>".repeat(15_000)
        )
    };
    let two = format!("<nodes>{}{}</nodes>", entry(1), entry(2));
    assert_eq!(Nodes::parse(two.as_bytes()).unwrap().nodes.len(), 2);
}

#[test]
fn an_entry_is_nested_at_most_32_deep() {
    let xml = |depth: usize| {
        let (open, close) = ("<a>".repeat(depth), "</a>".repeat(depth));
        format!("<nodes><node><address>1</address>{open}{close}</node></nodes>")
    };
    let json = |depth: usize| {
        let (open, close) = (r#"{"a":"#.repeat(depth), "}".repeat(depth));
        format!(r#"{{"data":{{"nodes":{{"node":{{"address":"1","a":{open}0{close}}}}}}}}}"#)
    };
    assert!(Nodes::parse(xml(31).as_bytes()).is_ok());
    assert!(Nodes::parse(xml(32).as_bytes()).is_err());
    assert!(Nodes::parse(json(31).as_bytes()).is_ok());
    assert!(Nodes::parse(json(32).as_bytes()).is_err());
    let lists = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"data":{{"nodes":{{"node":{{"address":"1","a":{open}0{close}}}}}}}}}"#)
    };
    assert!(Nodes::parse(lists(31).as_bytes()).is_ok());
    assert!(Nodes::parse(lists(32).as_bytes()).is_err());
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "how long it takes is what is tested"
)]
fn oversized_documents_are_refused_in_linear_time() {
    let megabytes = 4 * 1024 * 1024;
    let deep = format!("<nodes>{}", "<a>".repeat(megabytes / 3));
    let wide = format!(
        "<nodes><node>{}</node></nodes>",
        "<a/>".repeat(megabytes / 4)
    );
    let many = format!(
        "<nodes>{}</nodes>",
        "<folder><address>1</address></folder>".repeat(110_000)
    );
    let attributes = format!("<nodes><node {}/></nodes>", "a='' ".repeat(megabytes / 5));
    let lists = format!(
        "{{\"data\":{{\"nodes\":{{\"node\":{{\"x\":{}",
        "[".repeat(megabytes)
    );
    let objects = format!(
        "{{\"data\":{{\"nodes\":{{\"node\":{{\"x\":[{}{{}}]}}}}}}}}",
        "{},".repeat(megabytes / 3)
    );
    let ampersands = format!(
        "<nodes><node><name>{}</name></node></nodes>",
        "&".repeat(megabytes)
    );
    let began = Instant::now();
    for (name, body) in [
        ("deep", deep),
        ("wide", wide),
        ("many", many),
        ("attributes", attributes),
        ("lists", lists),
        ("objects", objects),
        ("ampersands", ampersands),
    ] {
        assert!(Nodes::parse(body.as_bytes()).is_err(), "{name}");
        // The other parsers read the same documents, and find no entries.
        assert!(Programs::parse(body.as_bytes()).is_err(), "{name}");
    }
    // A debug build on a busy machine; quadratic time would take hours.
    assert!(began.elapsed() < Duration::from_secs(60));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_an_answer_or_an_error(
        body in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
        text in "[<>/&;\"'={}\\[\\],:a-z0-9 ]{0,200}",
    ) {
        for body in [&body[..], text.as_bytes(), format!("<nodes>{text}</nodes>").as_bytes()] {
            let _ = (Nodes::parse(body), Statuses::parse(body), Programs::parse(body));
            let _ = NetworkResources::parse(body);
        }
    }
}
