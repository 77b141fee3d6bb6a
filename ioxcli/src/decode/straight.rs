//! The lines that are met by the million, read in one straight pass: a JSON string, and a received text message in the
//! member order of recordings. Agrees with the general way of [`super::line`], or declines.

/// The text in a JSON string, put into `out`; `false` where it is for the general way.
pub(super) fn string(line: &str, out: &mut String) -> bool {
    let body = line
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    body.is_some_and(|body| unescape(body, out))
}

/// The text of a received message; `false` where it is for the general way.
pub(super) fn received(line: &str, out: &mut String) -> bool {
    body(line).is_some_and(|body| unescape(body, out))
}

/// `{"direction":"receive","opcode":1,"time":1.5,"data":"…"}`, with or without blanks after colons and commas.
fn body(line: &str) -> Option<&str> {
    let rest = member(line.strip_prefix('{')?, "\"direction\":")?.strip_prefix("\"receive\",")?;
    let rest = member(rest, "\"opcode\":")?.strip_prefix("1,")?;
    let rest = member(rest, "\"time\":")?;
    let (time, rest) = rest.split_once(',')?;
    let rest = member(rest, "\"data\":")?;
    let plain = plain_number(time);
    rest.strip_prefix('"')?
        .strip_suffix("\"}")
        .filter(|_| plain)
}

fn member<'a>(rest: &'a str, name: &str) -> Option<&'a str> {
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let rest = rest.strip_prefix(name)?;
    Some(rest.strip_prefix(' ').unwrap_or(rest))
}

/// Digits, and perhaps a point and digits; no zero in front.
fn plain_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    digits(whole) && digits(fraction) && !whole.starts_with('0')
}

/// Undoes the short escapes; declines others, control characters, and a quote that ends the string before its time.
fn unescape(body: &str, out: &mut String) -> bool {
    // Without an early end, so that it goes many bytes at a time.
    if body
        .bytes()
        .fold(false, |found, byte| found | (byte < 0x20))
    {
        return false;
    }
    out.clear();
    let mut rest = body;
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest.as_bytes()) {
        let decoded = match rest.as_bytes()[at..] {
            [b'\\', byte @ (b'"' | b'\\' | b'/'), ..] => char::from(byte),
            [b'\\', b'n', ..] => '\n',
            [b'\\', b'r', ..] => '\r',
            [b'\\', b't', ..] => '\t',
            _ => return false,
        };
        out.push_str(&rest[..at]);
        out.push(decoded);
        rest = &rest[at + 2..];
    }
    out.push_str(rest);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_the_json_library_or_declines() {
        let mut out = String::new();
        for (text, taken) in [
            (r#""""#, true),
            (r#""a \"b\" \\ \/ \n\r\t é""#, true),
            (r#""\u00e9""#, false),
            (r#""\b""#, false),
            (r#""\x""#, false),
            (r#""a"b""#, false),
            (r#""a\""#, false),
            ("\"a\tb\"", false),
            ("\"", false),
            ("x", false),
        ] {
            assert_eq!(string(text, &mut out), taken, "{text}");
            if taken {
                assert_eq!(
                    Ok(&out),
                    serde_json::from_str(text).as_ref().map_err(|_| ()),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn messages_in_the_order_of_recordings_are_taken_and_others_declined() {
        let mut out = String::new();
        for line in [
            r#"{"direction":"receive","opcode":1,"time":1778103282.5,"data":"<a b=\"c\"/>"}"#,
            r#"{"direction": "receive", "opcode": 1, "time": 17, "data": "<a b=\"c\"/>"}"#,
        ] {
            assert!(received(line, &mut out), "{line}");
            assert_eq!(out, r#"<a b="c"/>"#);
        }
        for line in [
            r#"{"direction":"send","opcode":1,"time":1,"data":"x"}"#,
            r#"{"direction":"receive","opcode":2,"time":1,"data":"x"}"#,
            r#"{"direction":"receive","opcode":1,"time":01,"data":"x"}"#,
            r#"{"direction":"receive","opcode":1,"time":1e5,"data":"x"}"#,
            r#"{"direction":"receive","opcode":1,"time":1.,"data":"x"}"#,
            r#"{"direction":"receive","opcode":1,"time":1,"data":"x","more":"y"}"#,
            r#"{"direction":"receive","opcode":1,"time":1,"data":7}"#,
            r#"{"direction":"receive","opcode":1,"data":"x","time":1}"#,
        ] {
            assert!(!received(line, &mut out), "{line}");
        }
    }
}
