//! The first frame, which contains a token. It bypasses the WebSocket library, which logs what it
//! sends.

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use ioxproto::Secret;

const FINAL_TEXT: u8 = 0x81;

/// A text message with a secret, as one frame, and how much of it is written. Wiped when dropped.
pub(crate) struct SecretFrame {
    frame: Vec<u8>,
    written: usize,
}

impl SecretFrame {
    /// Creates the frame. It must be the first one on the connection.
    pub(crate) fn new(text: &Secret) -> Self {
        Self {
            frame: masked_text(text.expose(), mask()),
            written: 0,
        }
    }

    /// The bytes still to be written.
    pub(crate) fn left(&self) -> &[u8] {
        &self.frame[self.written..]
    }

    /// Reports that this many more bytes have been written.
    pub(crate) fn advance(&mut self, length: usize) {
        self.written = self.frame.len().min(self.written.saturating_add(length));
    }
}

impl Drop for SecretFrame {
    fn drop(&mut self) {
        // The frame contains the mask, so masking does not hide the secret: wipe it.
        self.frame.fill(0);
        std::hint::black_box(&self.frame);
    }
}

impl fmt::Debug for SecretFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretFrame")
            .field("left", &self.left().len())
            .finish_non_exhaustive()
    }
}

/// A mask need not be secret here, only not under the peer's control (RFC 6455 section 10.3).
fn mask() -> [u8; 4] {
    let [a, b, c, d, ..] = RandomState::new().build_hasher().finish().to_ne_bytes();
    [a, b, c, d]
}

/// A text message as a client sends it: one frame, masked (RFC 6455 section 5.2).
fn masked_text(text: &str, mask: [u8; 4]) -> Vec<u8> {
    let length = text.len();
    let mut frame = Vec::with_capacity(length + 14);
    frame.push(FINAL_TEXT);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..126), _) => frame.push(0x80 | short),
        (_, Ok(medium)) => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(
        text.bytes()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_text_is_what_a_server_expects() {
        let frame = masked_text("Hi", [1, 2, 3, 4]);
        assert_eq!(frame, [0x81, 0x82, 1, 2, 3, 4, b'H' ^ 1, b'i' ^ 2]);
        assert_eq!(
            masked_text(&"x".repeat(300), [0; 4])[..4],
            [0x81, 0xfe, 1, 44]
        );
        assert_eq!(masked_text(&"x".repeat(70_000), [0; 4])[1], 0xff);
    }

    #[test]
    fn a_secret_frame_is_written_in_pieces_and_shows_nothing() {
        let mut frame = SecretFrame::new(&Secret::from("token"));
        let whole = frame.left().to_vec();
        assert_eq!((whole[0], whole[1], whole.len()), (0x81, 0x85, 11));
        frame.advance(4);
        assert_eq!(frame.left(), &whole[4..]);
        assert_eq!(format!("{frame:?}"), "SecretFrame { left: 7, .. }");
        frame.advance(100);
        assert!(frame.left().is_empty());
    }
}
