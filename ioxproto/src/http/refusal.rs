//! The readable text in the body of a refused upgrade.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response};

/// The character references that error pages use, with their characters.
const REFERENCES: [(&str, &str); 6] = [
    ("&nbsp;", " "),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&#39;", "'"),
    ("&amp;", "&"),
];

/// The body as one line of plain text, without markup and invisible characters; empty if the body
/// is not text.
pub(super) fn text(answer: &Response<Vec<u8>>) -> String {
    if !is_text(answer.headers()) {
        return String::new();
    }
    let body = String::from_utf8_lossy(answer.body());
    let mut plain = without_markup(&body);
    for (reference, character) in REFERENCES {
        plain = plain.replace(reference, character);
    }
    let visible = |c: char| if is_visible(c) { c } else { ' ' };
    let plain: String = plain.chars().map(visible).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ")
}

fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().starts_with("text/"))
}

/// Removes tags and the elements that browsers do not show.
fn without_markup(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text += before;
        text.push(' ');
        let hidden = ["head", "script", "style"].into_iter().find(|name| {
            tag.get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name))
        });
        let end = hidden.map_or_else(|| ">".to_owned(), |name| format!("</{name}>"));
        rest = tag.split_once(&*end).map_or("", |(_, rest)| rest);
    }
    text + rest
}

/// Whether a character is visible: not a control character, a direction mark or a zero-width
/// character.
fn is_visible(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        && !matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fffd}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kind: &str, body: &[u8]) -> String {
        let answer = Response::builder().header(CONTENT_TYPE, kind);
        text(&answer.body(body.to_vec()).unwrap())
    }

    #[test]
    fn a_page_is_shown_as_its_text() {
        let page = b"<html>\r\n<head><title>400 Bad Request</title></head>\r\n<body>\r\n\
            <center><h1>400 Bad Request</h1></center>\r\n\
            <center>No required SSL certificate was sent</center>\r\n<hr></body></html>";
        assert_eq!(
            shown("text/html; charset=utf-8", page),
            "400 Bad Request No required SSL certificate was sent"
        );
        assert_eq!(shown("text/plain", b"try &lt;later&gt;\n"), "try <later>");
    }

    #[test]
    fn a_body_that_is_not_text_is_not_shown() {
        assert_eq!(shown("application/json", b"{}"), "");
        assert_eq!(text(&Response::new(b"some".to_vec())), "");
        assert_eq!(
            shown("text/plain", b"a\x1b[31m\xe2\x80\xae\xffb<unclosed"),
            "a [31m b"
        );
    }
}
