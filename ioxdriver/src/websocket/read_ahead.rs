//! Reads a busy socket in large pieces, and an idle one in small ones.
//!
//! The WebSocket library reads into a small buffer, because each idle stream keeps one. A socket
//! that fills it is busy, and is read into a large buffer. Nearly everything in that buffer is text
//! messages of one frame, which the driver takes from it directly: on their way through the library
//! they cost as much as parsing them. The library reads the rest, one frame at a time, so that it
//! holds no bytes when the next text message begins.
//!
//! The large buffer is freed when the socket is empty, or when a read returned no more than fits
//! into the library's buffer.

use std::io;
use std::ops::Range;
use std::task::{Poll, ready};

use super::READ_BUFFER;

/// The size of the large buffer at first, in bytes, enough for most bursts.
const LARGE: usize = 8 * 1024;
/// Its size once a read has filled it, in bytes; holds about 200 frames.
const MAX_LARGE: usize = 64 * 1024;
/// The first byte of an unfragmented text message (RFC 6455 section 5.2).
const WHOLE_TEXT: u8 = 0x81;

/// The large buffer of a busy socket.
#[derive(Debug, Default)]
pub(super) struct ReadAhead {
    /// Empty while the socket is not busy.
    buffer: Vec<u8>,
    /// The bytes read from the socket and not yet taken are `start..end`.
    start: usize,
    end: usize,
}

impl ReadAhead {
    /// Reads the next bytes of the socket into the large buffer.
    pub(super) fn enlarge(&mut self) {
        self.buffer = vec![0; LARGE];
    }

    /// Whether the socket is busy. Frees the large buffer if the last read did not need it.
    pub(super) fn is_busy(&mut self) -> bool {
        if !self.has_more() && (1..=READ_BUFFER).contains(&self.end) {
            *self = Self::default();
        }
        !self.buffer.is_empty()
    }

    /// Whether bytes were read from the socket that nobody has taken.
    pub(super) fn has_more(&self) -> bool {
        self.start < self.end
    }

    /// Takes the next message if it is a text message in one frame that has arrived completely.
    /// Returns where its payload is in [`bytes`](Self::bytes).
    pub(super) fn take_text(&mut self) -> Option<Range<usize>> {
        let (header, length) = match self.buffer[self.start..self.end] {
            [WHOLE_TEXT, length @ 0..126, ..] => (2, usize::from(length)),
            [WHOLE_TEXT, 126, high, low, ..] => (4, u16::from_be_bytes([high, low]).into()),
            _ => return None,
        };
        let begin = self.start + header;
        let end = begin + length;
        if end > self.end {
            return None;
        }
        self.start = end;
        Some(begin..end)
    }

    /// The bytes of the large buffer, including those already taken.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Returns the bytes that nobody has taken. If there are none, calls `read` once; the result is
    /// empty at the end of the connection.
    pub(super) fn poll_unread(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<&mut [u8]>> {
        if !self.has_more() {
            if self.end == self.buffer.len() && self.end < MAX_LARGE {
                self.buffer = vec![0; MAX_LARGE];
            }
            let result = read(&mut self.buffer);
            (self.start, self.end) = match result {
                Poll::Ready(Ok(length)) => (0, length),
                _ => (0, 0),
            };
            if self.end == 0 {
                self.buffer = Vec::new();
            }
            ready!(result)?;
        }
        Poll::Ready(Ok(&mut self.buffer[self.start..self.end]))
    }

    /// Takes this many of the unread bytes.
    pub(super) fn consume(&mut self, length: usize) {
        self.start += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A busy socket whose next read returns these bytes.
    fn busy(bytes: &[u8]) -> ReadAhead {
        let mut ahead = ReadAhead::default();
        ahead.enlarge();
        assert_eq!(fill(&mut ahead, bytes).len(), bytes.len());
        ahead
    }

    fn fill(ahead: &mut ReadAhead, bytes: &[u8]) -> Vec<u8> {
        let read = ahead.poll_unread(|buffer| {
            buffer[..bytes.len()].copy_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        });
        match read {
            Poll::Ready(Ok(unread)) => unread.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    fn texts(ahead: &mut ReadAhead) -> Vec<Vec<u8>> {
        let mut texts = Vec::new();
        while let Some(range) = ahead.take_text() {
            texts.push(ahead.bytes()[range].to_vec());
        }
        texts
    }

    #[test]
    fn complete_texts_are_taken_and_everything_else_is_left() {
        let long = [&[0x81, 126, 1, 0][..], &[b'x'; 256]].concat();
        let texts_first = [&long[..], b"\x81\x00", b"\x81\x02hi"].concat();
        for rest in [
            &b"\x89\x00"[..],
            b"\x82\x00",
            b"\x01\x01a",
            b"\xc1\x01a",
            b"\x81\x81mask1",
            b"\x81\x7f\0\0\0\0\0\0\0\x01a",
            b"\x81\x03hi",
            b"\x81\x7e\x00",
            b"\x81",
            b"",
        ] {
            let mut ahead = busy(&[&texts_first, rest].concat());
            let expected = [&[b'x'; 256][..], b"", b"hi"];
            assert_eq!(texts(&mut ahead), expected);
            assert_eq!(ahead.has_more(), !rest.is_empty());
            if !rest.is_empty() {
                assert_eq!(fill(&mut ahead, b"unused"), rest);
            }
        }
    }

    #[test]
    fn the_large_buffer_is_kept_until_a_read_would_have_fitted_the_small_one() {
        let mut ahead = ReadAhead::default();
        assert!(!ahead.is_busy());
        ahead.enlarge();
        for length in [READ_BUFFER + 1, LARGE, MAX_LARGE, READ_BUFFER] {
            assert!(ahead.is_busy());
            assert_eq!(fill(&mut ahead, &vec![b'x'; length]).len(), length);
            assert!(ahead.is_busy());
            ahead.consume(length);
        }
        assert!(!ahead.is_busy());
        assert!(ahead.bytes().is_empty());
    }

    #[test]
    fn an_empty_socket_its_end_and_its_error_free_the_large_buffer() {
        for read in [
            Poll::Pending,
            Poll::Ready(Ok(0)),
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        ] {
            let mut ahead = busy(b"x");
            ahead.consume(1);
            let expected = format!("{read:?}");
            let unread = ahead.poll_unread(|_| read).map_ok(|unread| unread.len());
            assert_eq!(format!("{unread:?}"), expected);
            assert!(!ahead.is_busy());
        }
    }
}
