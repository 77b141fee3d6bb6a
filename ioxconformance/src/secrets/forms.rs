//! The forms in which a secret could appear in a log.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// The encodings of a secret, by name.
fn forms(secret: &str) -> BTreeMap<String, String> {
    let bytes = secret.as_bytes();
    let mut forms = BTreeMap::new();
    let mut form = |name: &str, text: String| {
        forms.insert(name.to_owned(), text);
    };
    form("plain", secret.to_owned());
    form("debug", format!("{secret:?}").trim_matches('"').to_owned());
    form("escaped bytes", bytes.escape_ascii().to_string());
    let numbers = format!("{bytes:?}");
    form("numbers", numbers.trim_matches(['[', ']']).to_owned());
    let hex = |join: &str, upper: bool| {
        let pairs = bytes.iter().map(|byte| match upper {
            true => format!("{byte:02X}"),
            false => format!("{byte:02x}"),
        });
        pairs.collect::<Vec<_>>().join(join)
    };
    form("hex", hex("", false));
    form("HEX", hex("", true));
    form("hex apart", hex(" ", false));
    form("hex numbers", hex(", 0x", false));
    let percent = bytes.iter().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(*byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    });
    form("percent", percent.collect());
    // At each offset in the encoded text, without the characters at its edges, which also depend on
    // the neighbouring bytes.
    for offset in 0..3 {
        let shifted = [&b"..."[..offset], bytes].concat();
        for (name, engine) in [("base64", STANDARD_NO_PAD), ("base64url", URL_SAFE_NO_PAD)] {
            let encoded = engine.encode(&shifted);
            let core = &encoded[if offset == 0 { 0 } else { 4 }..encoded.len() - 2];
            form(&format!("{name} at {offset}"), core.to_owned());
        }
    }
    forms
}

fn json_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// The strings to search for: the secret itself and as a JSON string. For a token, also its payload
/// and its signature; all tokens have the same header. For a PEM key, also its lines.
fn parts(secret: &str) -> Vec<String> {
    let mut parts = vec![secret.to_owned(), json_text(secret)];
    parts.dedup();
    if secret.matches('.').count() == 2 && secret.len() > 100 {
        parts.extend(
            secret
                .split('.')
                .skip(1)
                .map(|part| part[..part.len().min(60)].to_owned()),
        );
    }
    if secret.starts_with("-----BEGIN") {
        parts.extend(
            secret
                .lines()
                .filter(|line| !line.starts_with('-'))
                .map(str::to_owned),
        );
    }
    parts
}

/// The names of the encodings in which a string contains a secret.
pub(crate) fn find_encodings(text: &str, secret: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in parts(secret) {
        let seen = forms(&part)
            .into_iter()
            .filter(|(_, form)| text.contains(form.as_str()));
        found.extend(seen.map(|(name, _)| name));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoding_of_a_secret_is_found() {
        for secret in [
            "k0rrekt-pf\u{e4}rd/\"batterie\" %20+",
            "stapel&klammer=\u{20ac}9!",
            "own.token-of_the~application.0123456789",
        ] {
            let in_json = format!("{{\"password\":\"{}\"}}", json_text(secret));
            let in_basic = STANDARD_NO_PAD.encode(format!("admin:{secret}"));
            let bytes = format!("{:?}", format!("x{secret}y").as_bytes());
            let texts = [
                secret.to_owned(),
                format!("{:?}", format!("Some({secret})")),
                in_json,
                in_basic,
                bytes,
                format!("{:?}", json_text(secret).as_bytes()),
                format!("{:02x?}", secret.as_bytes()).replace(", ", ""),
                format!("{}", secret.as_bytes().escape_ascii()),
            ];
            for text in texts {
                assert!(!find_encodings(&text, secret).is_empty(), "{text}");
            }
            assert!(find_encodings("nothing here", secret).is_empty());
        }
    }
}
