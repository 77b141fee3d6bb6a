//! Changes the opcode Text to Binary below the WebSocket library, so that every byte of a text
//! message reaches the core.
//!
//! WebSocket libraries close the connection if a text message is not UTF-8, and controllers send
//! such messages in every replay. The filter parses the frame headers as bytes arrive, in pieces of
//! any size, and remembers which messages were text.
//!
//! The library reads within one call until a message is complete, so endless empty fragments would
//! block the stream. Therefore the number of fragments in a message is limited: the filter sets
//! reserved bits in the next one, and the library closes the connection.

use std::collections::VecDeque;

const OPCODE: u8 = 0x0f;
const FINAL: u8 = 0x80;
const CONTROL: u8 = 0x08;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const RESERVED: u8 = 0x70;

/// How much of the payload of a close frame is kept, in bytes; more than is allowed.
const MAX_CLOSE: usize = 256;

/// Far more than any controller sends in a message within the size limit.
const MAX_FRAGMENTS: u32 = 65_536;

/// Parses the frame headers of a server (RFC 6455 section 5.2).
#[derive(Debug, Default)]
pub(crate) struct TextAsBinary {
    stage: Stage,
    /// The header being read: its first byte, and the length so far.
    first: u8,
    length: u64,
    masked: bool,
    /// For each message begun and not yet taken: whether it was text.
    texts: VecDeque<bool>,
    /// A data message has begun, and its last frame has not.
    open: bool,
    /// The number of frames of that message after the first.
    fragments: u32,
    /// Why the library is about to close the connection, if its own error would mislead.
    violation: Option<&'static str>,
    /// The payload of a close frame received so far.
    close: Option<Vec<u8>>,
}

/// A close frame as the peer sent it, valid or not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CloseSent {
    /// `None` if it had none, or half of one.
    pub(crate) code: Option<u16>,
    pub(crate) text: String,
}

/// The part of a frame that comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    First,
    Second,
    /// The number of missing bytes of an extended length.
    Length(u8),
    /// The number of missing bytes of a mask. A server must not send one; the library reports that.
    Mask(u8),
    Payload,
}

impl TextAsBinary {
    /// Changes the Text opcodes in the next bytes from the socket to Binary, in place.
    pub(crate) fn filter(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while at < bytes.len() {
            at += self.filter_frame(&mut bytes[at..]);
        }
    }

    /// Like [`filter`](Self::filter), but stops at the end of the current frame. Returns the number
    /// of bytes filtered.
    pub(crate) fn filter_frame(&mut self, bytes: &mut [u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            match self.stage {
                Stage::First => {
                    bytes[at] = self.begin(bytes[at]);
                    at += 1;
                    // A complete header in the form that most messages have.
                    if let [126, high, low, ..] = bytes[at..] {
                        self.masked = false;
                        self.length = u64::from(u16::from_be_bytes([high, low]));
                        at += 3;
                        self.after_length();
                    }
                }
                Stage::Second => {
                    self.second(bytes[at]);
                    at += 1;
                }
                Stage::Length(missing) => {
                    self.length = self.length << 8 | u64::from(bytes[at]);
                    self.stage = Stage::Length(missing - 1);
                    at += 1;
                    if missing == 1 {
                        self.after_length();
                    }
                }
                Stage::Mask(missing) => {
                    self.stage = if missing == 1 {
                        Stage::Payload
                    } else {
                        Stage::Mask(missing - 1)
                    };
                    at += 1;
                    self.after_payload();
                }
                Stage::Payload => {
                    let here = u64::try_from(bytes.len() - at)
                        .unwrap_or(u64::MAX)
                        .min(self.length);
                    self.length -= here;
                    // `here` is at most the length of a slice.
                    let here = usize::try_from(here).unwrap_or(usize::MAX);
                    if self.first & OPCODE == CLOSE {
                        self.keep_close(&bytes[at..at + here]);
                    }
                    at += here;
                    self.after_payload();
                }
            }
            if self.stage == Stage::First {
                break;
            }
        }
        at
    }

    /// The violation found by the filter, if there is one.
    pub(crate) fn violation(&self) -> Option<&'static str> {
        self.violation
    }

    /// The close frame received, if any. The library replaces a code that must not be sent by one
    /// of its own, and drops a frame that is too long.
    pub(crate) fn close_sent(&self) -> Option<CloseSent> {
        let payload = self.close.as_deref()?;
        Some(match payload {
            [high, low, text @ ..] => CloseSent {
                code: Some(u16::from_be_bytes([*high, *low])),
                text: String::from_utf8_lossy(text).into_owned(),
            },
            other => CloseSent {
                code: None,
                text: String::from_utf8_lossy(other).into_owned(),
            },
        })
    }

    fn keep_close(&mut self, bytes: &[u8]) {
        if let Some(close) = &mut self.close {
            let room = MAX_CLOSE - close.len();
            close.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    /// Whether the next message that the library delivers was text. Call once for each message.
    pub(crate) fn take_was_text(&mut self) -> bool {
        self.texts.pop_front().unwrap_or(false)
    }

    /// Whether a data message, or the beginning of one, has arrived that the library has not
    /// delivered.
    pub(crate) fn has_more(&self) -> bool {
        !self.texts.is_empty()
    }

    /// Whether a data message is incomplete.
    pub(crate) fn is_mid_message(&self) -> bool {
        self.open || (self.stage != Stage::First && self.first & CONTROL == 0)
    }

    /// Whether a close frame, or the beginning of one, has arrived.
    pub(crate) fn is_closing(&self) -> bool {
        self.close.is_some()
    }

    /// Whether no message is pending: no frame is incomplete, no message needs more frames, and
    /// every complete message was taken.
    pub(crate) fn is_between_messages(&self) -> bool {
        self.stage == Stage::First && !self.open && self.texts.is_empty()
    }

    fn begin(&mut self, byte: u8) -> u8 {
        self.first = byte;
        self.stage = Stage::Second;
        match byte & OPCODE {
            TEXT | BINARY => {
                if self.open {
                    self.violation = Some("a message begins in the middle of another");
                }
                self.texts.push_back(byte & OPCODE == TEXT);
                self.open = byte & FINAL == 0;
                self.fragments = 0;
                byte & !OPCODE | BINARY
            }
            CONTINUATION => {
                self.open = byte & FINAL == 0;
                self.fragments = self.fragments.saturating_add(1);
                if self.fragments <= MAX_FRAGMENTS {
                    return byte;
                }
                self.violation = Some("a message in more than 65,536 fragments");
                byte | RESERVED
            }
            CLOSE => {
                self.close = Some(Vec::new());
                byte
            }
            _ => byte,
        }
    }

    fn second(&mut self, byte: u8) {
        self.masked = byte & 0x80 != 0;
        self.length = 0;
        match byte & 0x7f {
            126 => self.stage = Stage::Length(2),
            127 => self.stage = Stage::Length(8),
            length => {
                self.length = u64::from(length);
                self.after_length();
            }
        }
    }

    fn after_length(&mut self) {
        self.stage = if self.masked {
            Stage::Mask(4)
        } else {
            Stage::Payload
        };
        self.after_payload();
    }

    fn after_payload(&mut self) {
        if self.stage == Stage::Payload && self.length == 0 {
            self.stage = Stage::First;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..126 => frame.push(length as u8),
            length @ 126..65_536 => {
                frame.push(126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(payload);
        frame
    }

    #[test]
    fn text_becomes_binary_and_is_remembered() {
        let mut filter = TextAsBinary::default();
        let mut bytes = [
            frame(0x81, b"\xff\x81"),
            frame(0x82, b"true binary"),
            frame(0x81, b""),
        ]
        .concat();
        filter.filter(&mut bytes);
        assert_eq!(
            bytes,
            [
                frame(0x82, b"\xff\x81"),
                frame(0x82, b"true binary"),
                frame(0x82, b"")
            ]
            .concat()
        );
        let was_text = [
            filter.take_was_text(),
            filter.take_was_text(),
            filter.take_was_text(),
        ];
        assert_eq!(was_text, [true, false, true]);
        assert!(!filter.is_mid_message());
    }

    #[test]
    fn fragments_are_one_message_with_control_frames_between() {
        let mut filter = TextAsBinary::default();
        let mut first = [frame(0x01, b"half"), frame(0x89, b"ping")].concat();
        filter.filter(&mut first);
        assert!(filter.is_mid_message() && filter.has_more());
        assert_eq!(first[0], 0x02);
        let mut rest = frame(0x80, b"whole");
        filter.filter(&mut rest);
        assert!(!filter.is_mid_message());
        assert_eq!(rest[0], 0x80);
        assert!(filter.take_was_text());
        assert!(!filter.has_more());
        assert!(!filter.take_was_text());
    }

    #[test]
    fn a_message_of_endless_empty_fragments_is_made_invalid() {
        let mut filter = TextAsBinary::default();
        filter.filter(&mut frame(0x01, b""));
        let mut allowed = [0x00, 0x00].repeat(65_536);
        filter.filter(&mut allowed);
        assert!(allowed.iter().all(|byte| *byte == 0));
        let mut one_more = [0x00, 0x00];
        filter.filter(&mut one_more);
        assert_eq!(one_more, [0x70, 0x00]);

        // Each message has its own count.
        let mut filter = TextAsBinary::default();
        for _ in 0..2 {
            let mut message = frame(0x01, b"");
            message.extend([0x00, 0x00].repeat(40_000));
            message.extend(frame(0x80, b""));
            filter.filter(&mut message);
            assert!(message.iter().all(|byte| byte & RESERVED == 0));
        }
    }

    #[test]
    fn an_unfinished_frame_is_mid_message_and_an_unfinished_ping_is_not() {
        let mut filter = TextAsBinary::default();
        filter.filter(&mut [0x81]);
        assert!(filter.is_mid_message());
        filter.filter(&mut [0x01]);
        assert!(filter.is_mid_message());
        filter.filter(b"x".to_vec().as_mut());
        assert!(!filter.is_mid_message());
        filter.filter(&mut [0x89, 0x02]);
        assert!(!filter.is_mid_message());
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same_result(
            messages in proptest::collection::vec((0u8..3, proptest::collection::vec(any::<u8>(), 0..300)), 0..12),
            cuts in proptest::collection::vec(1usize..50, 1..40),
        ) {
            let whole: Vec<u8> = messages
                .iter()
                .flat_map(|(kind, payload)| frame([0x81, 0x82, 0x8a][usize::from(*kind)], &payload[..payload.len().min(if *kind == 2 { 125 } else { 300 })]))
                .collect();
            let mut at_once = whole.clone();
            TextAsBinary::default().filter(&mut at_once);
            let mut in_pieces = whole;
            let mut filter = TextAsBinary::default();
            let mut at = 0;
            for cut in cuts.iter().cycle() {
                if at >= in_pieces.len() { break }
                let to = in_pieces.len().min(at + cut);
                filter.filter(&mut in_pieces[at..to]);
                at = to;
            }
            prop_assert_eq!(at_once, in_pieces);
            for (kind, _) in messages.iter().filter(|(kind, _)| *kind < 2) {
                prop_assert_eq!(filter.take_was_text(), *kind == 0);
            }
            prop_assert!(!filter.is_mid_message());
        }
    }

    #[test]
    fn a_close_frame_is_kept_as_it_was_sent() {
        let close = |payload: &[u8]| {
            let mut filter = TextAsBinary::default();
            assert_eq!(filter.close_sent(), None);
            // Byte by byte.
            for byte in frame(0x88, payload) {
                filter.filter(&mut [byte]);
            }
            filter.close_sent().unwrap()
        };
        let sent = |code: Option<u16>, text: &str| CloseSent {
            code,
            text: text.to_owned(),
        };
        assert_eq!(close(b""), sent(None, ""));
        assert_eq!(close(b"\x03"), sent(None, "\u{3}"));
        assert_eq!(close(b"\x03\xe8"), sent(Some(1000), ""));
        assert_eq!(close(b"\x03\xeebye"), sent(Some(1006), "bye"));
        assert_eq!(
            close(&[&[0, 0][..], &[b'x'; 130]].concat()),
            sent(Some(0), &"x".repeat(130))
        );
        assert_eq!(close(&[b'x'; 1000]).text.len(), MAX_CLOSE - 2);
    }
}
