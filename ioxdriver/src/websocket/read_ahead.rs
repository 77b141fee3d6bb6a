//! Reads a busy socket in large pieces, and an idle one in small ones.
//!
//! The WebSocket library reads into a small buffer, because each idle stream keeps one. A socket
//! that fills it is busy: it is read into a large buffer, from which the library then reads. The
//! large buffer is freed when the socket is empty, or when a read returns no more than fits into
//! the library's buffer.

use std::io;
use std::task::{Poll, ready};

/// The size of the large buffer, in bytes; holds about 200 frames.
const LARGE: usize = 64 * 1024;

/// The large buffer of a busy socket.
#[derive(Debug, Default)]
pub(crate) struct ReadAhead {
    /// Empty while the socket is not busy.
    buffer: Vec<u8>,
    /// The bytes read from the socket and not yet by the library are `start..end`.
    start: usize,
    end: usize,
}

impl ReadAhead {
    /// Reads into `buffer`: from the large buffer if it holds bytes, otherwise with one call of
    /// `read`.
    pub(crate) fn poll_read(
        &mut self,
        buffer: &mut [u8],
        mut read: impl FnMut(&mut [u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.start == self.end {
            if self.buffer.is_empty() {
                let length = ready!(read(buffer))?;
                if length == buffer.len() && length < LARGE {
                    self.buffer = vec![0; LARGE];
                }
                return Poll::Ready(Ok(length));
            }
            (self.start, self.end) = (0, 0);
            match read(&mut self.buffer) {
                Poll::Ready(Ok(length)) => self.end = length,
                ended => {
                    self.buffer = Vec::new();
                    return ended;
                }
            }
        }
        let length = buffer.len().min(self.end - self.start);
        buffer[..length].copy_from_slice(&self.buffer[self.start..][..length]);
        let is_busy = self.start > 0 || self.end > length;
        self.start += length;
        if !is_busy {
            *self = Self::default();
        }
        Poll::Ready(Ok(length))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A socket that delivers these pieces, one for each read if the buffer has room.
    struct Pieces {
        pieces: Vec<Vec<u8>>,
        reads: usize,
    }

    impl Pieces {
        fn of(lengths: &[usize]) -> Self {
            let mut byte = 0_u8;
            let mut piece = |length: &usize| {
                let bytes = (0..*length).map(|_| {
                    byte = byte.wrapping_add(1);
                    byte
                });
                bytes.collect()
            };
            Self {
                pieces: lengths.iter().map(&mut piece).collect(),
                reads: 0,
            }
        }

        fn read(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
            self.reads += 1;
            let Some(piece) = self.pieces.first_mut() else {
                return Poll::Pending;
            };
            let length = piece.len().min(buffer.len());
            buffer[..length].copy_from_slice(&piece[..length]);
            piece.drain(..length);
            if piece.is_empty() {
                self.pieces.remove(0);
            }
            Poll::Ready(Ok(length))
        }
    }

    /// Reads with a small buffer until the end.
    fn read_all(ahead: &mut ReadAhead, socket: &mut Pieces, small: usize) -> Vec<u8> {
        let mut all = Vec::new();
        let mut buffer = vec![0; small];
        while let Poll::Ready(read) = ahead.poll_read(&mut buffer, |buffer| socket.read(buffer)) {
            all.extend(&buffer[..read.expect("the pieces are no error")]);
        }
        all
    }

    #[test]
    fn a_busy_socket_is_read_in_large_pieces_and_an_idle_one_keeps_nothing() {
        let mut socket = Pieces::of(&[600_000]);
        let mut ahead = ReadAhead::default();
        assert_eq!(read_all(&mut ahead, &mut socket, 4096).len(), 600_000);
        assert!(socket.reads < 15, "{}", socket.reads);
        assert_eq!(ahead.buffer.capacity(), 0);
    }

    #[test]
    fn small_pieces_are_read_in_place() {
        let mut socket = Pieces::of(&[300; 100]);
        let mut ahead = ReadAhead::default();
        assert_eq!(read_all(&mut ahead, &mut socket, 4096).len(), 30_000);
        assert_eq!((socket.reads, ahead.buffer.capacity()), (101, 0));
    }

    #[test]
    fn the_large_buffer_is_freed_when_a_read_would_have_fitted_the_small_one() {
        let mut socket = Pieces::of(&[4096, 300]);
        let mut ahead = ReadAhead::default();
        let mut buffer = [0; 4096];
        for length in [4096, 300] {
            let read = ahead.poll_read(&mut buffer, |buffer| socket.read(buffer));
            assert!(matches!(read, Poll::Ready(Ok(read)) if read == length));
        }
        assert_eq!(ahead.buffer.capacity(), 0);
    }

    #[test]
    fn an_error_is_handed_on_behind_what_was_read_before() {
        let mut socket = Pieces::of(&[4096, 5000]);
        let mut ahead = ReadAhead::default();
        let mut buffer = [0; 4096];
        let mut lengths = Vec::new();
        let error = loop {
            let read = ahead.poll_read(&mut buffer, |buffer| match socket.read(buffer) {
                Poll::Pending => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                read => read,
            });
            match read {
                Poll::Ready(Ok(length)) => lengths.push(length),
                Poll::Ready(Err(error)) => break error,
                Poll::Pending => panic!("the socket has an error"),
            }
        };
        assert_eq!(lengths, [4096, 4096, 904]);
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(ahead.buffer.capacity(), 0);
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_or_changed(
            lengths in prop::collection::vec(1_usize..200_000, 0..8),
            small in 1_usize..9000,
        ) {
            let expected = Pieces::of(&lengths).pieces.concat();
            let mut socket = Pieces::of(&lengths);
            prop_assert_eq!(read_all(&mut ReadAhead::default(), &mut socket, small), expected);
        }
    }
}
