//! Detects a refusal in the body of an answer, regardless of the HTTP status.

use super::body;
use super::document::{self, shortened};

/// The longest body that is searched for a refusal, in bytes; real ones have a few hundred.
const MAX_BODY: usize = 4 * 1024;

/// A refusal in a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The status in the body, if there is one.
    pub(super) status: Option<u16>,
    /// The text of the body, on one line.
    pub(super) text: String,
}

/// The refusal in a body, if it is one: `<RestResponse succeeded="false">`, or
/// `{"successful":false}`.
pub(super) fn refusal(content: &[u8]) -> Option<Refusal> {
    if content.len() > MAX_BODY {
        return None;
    }
    let text = body::text(content).ok()?;
    if text.starts_with('<') {
        let root = document::whole(&text, &["RestResponse"]).ok()?;
        if root.attribute("succeeded")?.eq_ignore_ascii_case("true") {
            return None;
        }
        let status = root.child_text("status").and_then(|text| text.parse().ok());
        let reason = root.child("reason");
        let code = reason.and_then(|reason| reason.attribute("code"));
        let words = reason.map(|reason| reason.text()).unwrap_or_default();
        let text = match (words, code) {
            ("", Some(code)) => format!("reason {code}"),
            (words, _) => shortened(words),
        };
        return Some(Refusal { status, text });
    }
    #[derive(serde::Deserialize)]
    struct Verdict {
        successful: bool,
        #[serde(default)]
        error: serde_json::Value,
        #[serde(default)]
        message: serde_json::Value,
        #[serde(default)]
        data: serde_json::Value,
    }
    let verdict: Verdict = serde_json::from_str(&text).ok()?;
    if verdict.successful {
        return None;
    }
    let texts = [verdict.message, verdict.error, verdict.data];
    let text = texts.iter().find_map(|value| value.as_str());
    Some(Refusal {
        status: None,
        text: text.map(shortened).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str) -> Option<(Option<u16>, String)> {
        refusal(body.as_bytes()).map(|refusal| (refusal.status, refusal.text))
    }

    #[test]
    fn a_refusal_is_distinguished_from_an_answer() {
        let refused = r#"<?xml version="1.0"?><RestResponse succeeded="false"><status>404</status>
            <reason code="-10"/></RestResponse>"#;
        assert_eq!(said(refused), Some((Some(404), "reason -10".to_owned())));
        let worded = r#"<RestResponse succeeded="false"><reason code="1">no such node</reason></RestResponse>"#;
        assert_eq!(said(worded), Some((None, "no such node".to_owned())));
        let json = r#"{"successful":false,"error":"no such thing","data":{"a":1}}"#;
        assert_eq!(said(json), Some((None, "no such thing".to_owned())));
        for answer in [
            r#"<RestResponse succeeded="true"><status>200</status></RestResponse>"#,
            r#"<nodes><node id="1"/></nodes>"#,
            r#"{"successful":true,"data":[]}"#,
            "",
            "OK",
        ] {
            assert_eq!(said(answer), None, "{answer}");
        }
    }

    #[test]
    fn a_body_of_more_than_4_kib_is_not_searched_for_a_refusal() {
        let refused = r#"<RestResponse succeeded="false"><status>404</status></RestResponse>"#;
        let longest = format!("{refused:4096}");
        assert_eq!(said(&longest), Some((Some(404), String::new())));
        assert_eq!(said(&format!("{longest} ")), None);
    }
}
