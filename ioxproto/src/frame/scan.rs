//! The fast path: reads the layout that nearly all frames have, in one pass. Its result is either
//! that of the general path ([`super::xml`], [`super::envelope`]) or `None`.
//!
//! ```text
//! envelope    = '{"type":"event","data":"' document '"}'      each '"' of the document written as '\"'
//! document    = [declaration] '<Event seqnum="' value '" sid="' value '"' [' timestamp="' value '"'] '>'
//!               '<control>' text '</control>'
//!               '<action' [' uom="' value '"'] [' prec="' value '"'] '>' text '</action>'
//!               '<node>' text '</node>'
//!               '<eventInfo>' payload '</eventInfo>'
//!               ['<fmtAct>' text '</fmtAct>'] ['<fmtName>' text '</fmtName>'] '</Event>'
//! declaration = '<?xml version="1.0"' [' encoding="UTF-8"'] '?>'
//! payload     = text { element text }
//! element     = '<' name { ' ' name '="' value '"' } ( '>' payload '</' name '>' | ['␠'] '/>' )
//! name        = letter or '_', then letters, digits and '_', all of them ASCII
//! text        = no '<'; in an envelope no '"' and no '\' either
//! value       = no '<' and no '"'; in an envelope no '\' either
//! ```
//!
//! The document contains no control characters, no `&`, and no characters whose encoding begins
//! with the byte 0xEF (U+FFFE and U+FFFF, which XML forbids, among them). So nothing but the quotes
//! of an envelope has to be decoded, and every part is a slice of the document. Only a payload can
//! contain quotes.

use std::str::FromStr;

use crate::event::{ESCAPED_QUOTE, Parts, Span};

const ENVELOPE: &str = "{\"type\":\"event\",\"data\":\"";
/// The beginning of nearly all documents, plain and in an envelope.
const OPENING: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\"";
const ESCAPED_OPENING: &str = r#"<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\""#;
/// The limit of a payload, for its nesting depth and for the attributes of one element.
const PAYLOAD_LIMIT: usize = 8;

/// Reads a document.
pub(super) fn document(text: &str) -> Option<Parts> {
    let mut scan = Scan::<false> { text, at: 0 };
    let parts = scan.document()?;
    (scan.at == text.len()).then_some(parts)
}

/// Reads a document in an envelope. Returns it as it is there, with its quotes escaped, and its
/// parts.
pub(super) fn envelope(frame: &str) -> Option<(&str, Parts)> {
    let text = frame.strip_prefix(ENVELOPE)?;
    let mut scan = Scan::<true> { text, at: 0 };
    let parts = scan.document()?;
    let (document, rest) = text.split_at(scan.at);
    (rest == "\"}").then_some((document, parts))
}

/// A position in the text. `ESCAPED` if the document is in a JSON string.
struct Scan<'a, const ESCAPED: bool> {
    text: &'a str,
    at: usize,
}

impl<'a, const ESCAPED: bool> Scan<'a, ESCAPED> {
    fn document(&mut self) -> Option<Parts> {
        let mut parts = Parts::default();
        let opening = if ESCAPED { ESCAPED_OPENING } else { OPENING };
        if !self.maybe(opening) {
            self.declaration()?;
            self.expect("<Event seqnum=")?;
            self.quote()?;
        }
        if !is_plain(&self.text.as_bytes()[self.at..]) {
            return None;
        }
        parts.seqnum = integer(self.value_from_here()?.1);
        self.expect(" sid=")?;
        parts.sid = self.value()?.0;
        if self.maybe(" timestamp=") {
            parts.timestamp = self.value()?.0;
        }
        self.expect("><control>")?;
        parts.control = self.text()?;
        self.expect("</control><action")?;
        if self.maybe(" uom=") {
            parts.uom = self.value()?.0;
        }
        if self.maybe(" prec=") {
            parts.prec = integer(self.value()?.1);
        }
        self.expect(">")?;
        parts.action = self.text()?;
        self.expect("</action><node>")?;
        parts.node = self.text()?;
        self.expect("</node><eventInfo>")?;
        parts.event_info = self.payload()?;
        self.expect("</eventInfo>")?;
        if self.maybe("<fmtAct>") {
            parts.fmt_act = self.text()?;
            self.expect("</fmtAct>")?;
        }
        if self.maybe("<fmtName>") {
            parts.fmt_name = self.text()?;
            self.expect("</fmtName>")?;
        }
        self.expect("</Event>")?;
        Some(parts)
    }

    fn declaration(&mut self) -> Option<()> {
        if self.maybe("<?xml version=") {
            self.quoted("1.0")?;
            if self.maybe(" encoding=") {
                self.quoted("UTF-8")?;
            }
            self.expect("?>")?;
        }
        Some(())
    }

    /// Character data up to the next `<`.
    #[inline(always)]
    fn text(&mut self) -> Option<Span> {
        let from = self.at;
        self.at = if ESCAPED {
            find(self.text, from, [b'<', b'"', b'\\'])?
        } else {
            find(self.text, from, [b'<'])?
        };
        Some(span(from, self.at))
    }

    /// A quoted value.
    #[inline(always)]
    fn value(&mut self) -> Option<(Span, &'a str)> {
        self.quote()?;
        self.value_from_here()
    }

    #[inline(always)]
    fn value_from_here(&mut self) -> Option<(Span, &'a str)> {
        let from = self.at;
        self.at = if ESCAPED {
            find(self.text, from, [b'\\', b'"', b'<'])?
        } else {
            find(self.text, from, [b'"', b'<'])?
        };
        let value = (span(from, self.at), &self.text[from..self.at]);
        self.quote()?;
        Some(value)
    }

    fn quoted(&mut self, value: &str) -> Option<()> {
        self.quote()?;
        self.expect(value)?;
        self.quote()
    }

    /// Reads a payload. The whitespace around it is not part of it.
    fn payload(&mut self) -> Option<Span> {
        let from = self.at;
        if self.text.as_bytes()[from..].starts_with(b"</") {
            return Some(span(from, from));
        }
        let mut open = [""; PAYLOAD_LIMIT];
        let mut depth = 0;
        loop {
            self.text()?;
            if self.text[self.at..].starts_with("</") {
                let Some(above) = usize::checked_sub(depth, 1) else {
                    break;
                };
                depth = above;
                self.at += "</".len();
                self.expect(open[depth])?;
                self.expect(">")?;
                continue;
            }
            self.expect("<")?;
            let name = self.name()?;
            if self.attributes()? {
                *open.get_mut(depth)? = name;
                depth += 1;
            }
        }
        let whole = &self.text[from..self.at];
        let body = whole.trim_start();
        let leading = whole.len() - body.len();
        let trailing = body.len() - body.trim_end().len();
        Some(span(from + leading, self.at - trailing))
    }

    /// Reads the rest of a start tag. `false` if the element is empty.
    fn attributes(&mut self) -> Option<bool> {
        let mut names = [""; PAYLOAD_LIMIT];
        for count in 0.. {
            if self.maybe(">") {
                return Some(true);
            }
            if self.maybe("/>") || self.maybe(" />") {
                return Some(false);
            }
            self.expect(" ")?;
            let name = self.name()?;
            if names.contains(&name) {
                return None;
            }
            *names.get_mut(count)? = name;
            self.expect("=")?;
            self.value()?;
        }
        None
    }

    fn name(&mut self) -> Option<&'a str> {
        let rest = &self.text[self.at..];
        let in_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let length = rest.bytes().position(|byte| !in_name(byte))?;
        if length == 0 || rest.as_bytes()[0].is_ascii_digit() {
            return None;
        }
        self.at += length;
        Some(&rest[..length])
    }

    #[inline(always)]
    fn quote(&mut self) -> Option<()> {
        self.expect(if ESCAPED { ESCAPED_QUOTE } else { "\"" })
    }

    #[inline(always)]
    fn maybe(&mut self, literal: &str) -> bool {
        let found = self.text.as_bytes()[self.at..].starts_with(literal.as_bytes());
        if found {
            self.at += literal.len();
        }
        found
    }

    #[inline(always)]
    fn expect(&mut self, literal: &str) -> Option<()> {
        self.maybe(literal).then_some(())
    }
}

/// The conversions cannot fail: a frame is shorter than 4 GiB.
fn span(from: usize, to: usize) -> Span {
    Span {
        start: from as u32,
        end: to as u32,
    }
}

/// Parses an integer. Nearly all are a few digits without sign or spaces.
#[inline(always)]
fn integer<I: FromStr + From<i32>>(value: &str) -> Option<I> {
    // Up to seven bytes cannot overflow, whatever their values are.
    if let 1..=7 = value.len() {
        let digits = value.bytes().map(|byte| i32::from(byte.wrapping_sub(b'0')));
        let (number, largest) = digits.fold((0, 0), |(number, largest), digit| {
            (number * 10 + digit, largest.max(digit))
        });
        if largest < 10 {
            return Some(number.into());
        }
    }
    value.trim().parse().ok()
}

/// Whether none of the bytes has to be decoded or refused. A fold, because the compiler vectorizes
/// it.
fn is_plain(bytes: &[u8]) -> bool {
    let odd = |odd: bool, byte: &u8| odd | (*byte < 0x20) | (*byte == b'&') | (*byte == 0xef);
    !bytes.iter().fold(false, odd)
}

/// Finds the first of these bytes, reading eight at a time. `None` if fewer than eight bytes are
/// left: in a complete frame more than eight always follow.
#[inline(always)]
fn find<const N: usize>(text: &str, mut at: usize, needles: [u8; N]) -> Option<usize> {
    const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    loop {
        let word = u64::from_le_bytes(*text.as_bytes().get(at..)?.first_chunk()?);
        let mut found = 0;
        for needle in needles {
            // Sets the highest bit of each zero byte, and possibly of bytes above it. The lowest
            // set bit is exact.
            let zero = word ^ (LOW * u64::from(needle));
            found |= zero.wrapping_sub(LOW) & !zero & HIGH;
        }
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every layout seen from controllers. The fast path has to read each of them.
    const LAYOUTS: [&str; 8] = [
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\"16\" sid=\"uuid:1\" timestamp=\"2026-05-05T18:52:41.875777-07:00\"><control>ST</control><action uom=\"100\" prec=\"0\">0</action><node>42 92 8C 1</node><eventInfo></eventInfo><fmtAct>Off</fmtAct><fmtName>Status</fmtName></Event>",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\"17\" sid=\"uuid:1\" timestamp=\"2026-05-05T18:52:41.875777-07:00\"><control>DON</control><action uom=\"100\" prec=\"0\">0</action><node>42 92 8C 1</node><eventInfo></eventInfo><fmtAct>Günstig</fmtAct></Event>",
        "<?xml version=\"1.0\"?><Event seqnum=\"18\" sid=\"uuid:75\"><control>ST</control><action>255</action><node>42 92 8C 1</node><eventInfo></eventInfo></Event>",
        "<Event seqnum=\"\" sid=\"uuid:75\"><control>_0</control><action>90</action><node></node><eventInfo></eventInfo></Event>",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\"19\" sid=\"uuid:1\" timestamp=\"2026-05-05T18:52:41.875777-07:00\"><control>_5</control><action>1</action><node></node><eventInfo>  [4B 28 E3 6      ]            ST   0 (uom=100 prec=0) </eventInfo></Event>",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\"20\" sid=\"uuid:1\" timestamp=\"2026-05-05T18:52:41.875777-07:00\"><control>_1</control><action>0</action><node></node><eventInfo><id>8D</id><on /><nr /><r>260506 14:30:36 </r><f>260506 14:30:36 </f><s>31</s></eventInfo></Event>",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\"21\" sid=\"uuid:1\" timestamp=\"2026-05-05T18:52:41.875777-07:00\"><control>_1</control><action>6</action><node></node><eventInfo> <var type=\"2\" id=\"12\"><prec>0</prec><val>0</val><ts>20260506 13:23:15 </ts></var> </eventInfo></Event>",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\"22\" sid=\"uuid:1\" timestamp=\"2026-05-05T18:52:41.875777-07:00\"><control>_28</control><action>1.3</action><node></node><eventInfo><matter loglevel=\"0\" interviewtimeout=\"0\" relaxdelay=\"0\" relaxdelaydefault=\"1\" connected=\"true\" /></eventInfo></Event>",
    ];

    #[test]
    fn the_layouts_that_controllers_send_are_read_raw_and_in_envelopes() {
        for layout in LAYOUTS {
            assert!(document(layout).is_some(), "{layout}");
            let text = format!("{ENVELOPE}{}\"}}", layout.replace('"', "\\\""));
            let (escaped, _) = envelope(&text).expect(layout);
            assert_eq!(escaped.replace(ESCAPED_QUOTE, "\""), layout);
        }
    }

    #[test]
    fn integers_are_parsed_as_by_the_standard_library() {
        let values = [
            "",
            "0",
            "7",
            "0123456",
            "1234567",
            "12345678",
            "-1",
            "+5",
            " 42 ",
            "1 2",
            "1a",
            "a",
            "/",
            ":",
            "９",
            "2147483648",
            "99999999999999999999",
        ];
        for value in values {
            assert_eq!(
                integer::<i64>(value),
                value.trim().parse().ok(),
                "{value:?}"
            );
            assert_eq!(
                integer::<i32>(value),
                value.trim().parse().ok(),
                "{value:?}"
            );
        }
    }

    #[test]
    fn a_text_that_must_be_decoded_or_refused_is_declined() {
        let plain = LAYOUTS[0];
        for odd in [
            "&amp;",
            "&",
            "\t",
            "\u{1}",
            "\u{fffe}",
            "<![CDATA[0]]>",
            "<!-- -->",
            "<NULL>",
        ] {
            let text = plain.replace("Off", odd);
            assert!(document(&text).is_none(), "{text}");
        }
        for nameless in ["< />", "<1 />", "<-/>", "<></>"] {
            let text = LAYOUTS[5].replace("<on />", nameless);
            assert!(document(&text).is_none(), "{text}");
        }
        assert!(document(&format!("{plain} ")).is_none());
        let text = format!("{ENVELOPE}{}\"}}", plain.replace('"', "\\\""));
        for (from, to) in [
            ("Off", "\\u0041"),
            ("Off", "\""),
            ("</node>", "<\\/node>"),
            ("\"}", "\",\"x\":1}"),
        ] {
            let text = text.replace(from, to);
            assert!(envelope(&text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_payload_beyond_the_depth_limit_is_declined() {
        let nested = |depth| {
            LAYOUTS[3].replace(
                "<eventInfo>",
                &format!("<eventInfo>{}{}", "<a>".repeat(depth), "</a>".repeat(depth)),
            )
        };
        assert!(document(&nested(PAYLOAD_LIMIT)).is_some());
        assert!(document(&nested(PAYLOAD_LIMIT + 1)).is_none());
    }
}
