//! Splits a file into lines, reading large blocks, in bounded memory.

use std::io::{self, Read};

/// The size of a block, in bytes.
const BLOCK: usize = 256 * 1024;

/// The longest line accepted, in bytes.
const MAX_LINE: usize = 16 * 1024 * 1024;

/// One line, without its line feed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Whole(&'a [u8]),
    /// Too long; skipped.
    TooLong,
}

/// Splits the bytes of a reader into lines.
pub(super) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    /// The bytes not yet returned are `start..end`. There is no line feed before `searched`.
    start: usize,
    searched: usize,
    end: usize,
    /// Whether the rest of a line that is too long is being skipped.
    is_skipping: bool,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: vec![0; BLOCK],
            start: 0,
            searched: 0,
            end: 0,
            is_skipping: false,
        }
    }

    /// The next complete line in the buffer.
    pub(super) fn next(&mut self) -> Option<Line<'_>> {
        let unsearched = &self.buffer[self.searched..self.end];
        let Some(length) = memchr::memchr(b'\n', unsearched) else {
            self.searched = self.end;
            return None;
        };
        let feed = self.searched + length;
        let line = self.start..feed;
        self.start = feed + 1;
        self.searched = self.start;
        if std::mem::take(&mut self.is_skipping) {
            return Some(Line::TooLong);
        }
        Some(Line::Whole(&self.buffer[line]))
    }

    /// Reads more bytes; returns 0 at the end.
    pub(super) fn fill(&mut self) -> io::Result<usize> {
        if self.is_skipping || self.end - self.start > MAX_LINE {
            self.is_skipping = true;
            self.end = self.start;
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        self.searched = self.end;
        if self.end <= BLOCK / 2 && self.buffer.len() > BLOCK {
            self.buffer.truncate(BLOCK);
            self.buffer.shrink_to_fit();
        } else if self.buffer.len() - self.end < BLOCK / 2 {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(read) => {
                    self.end += read;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The text after the last line feed. Call at the end.
    pub(super) fn last(&mut self) -> Option<Line<'_>> {
        if self.is_skipping {
            return Some(Line::TooLong);
        }
        (self.start < self.end).then(|| Line::Whole(&self.buffer[self.start..self.end]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns at most this many bytes for each read.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let length = self.0.len().min(self.1).min(to.len());
            let (now, later) = self.0.split_at(length);
            to[..length].copy_from_slice(now);
            self.0 = later;
            Ok(length)
        }
    }

    fn all(text: &[u8], at_a_time: usize) -> Vec<Option<Vec<u8>>> {
        let mut lines = Lines::new(Trickle(text, at_a_time));
        let mut all = Vec::new();
        let kept = |line: Line<'_>| match line {
            Line::Whole(bytes) => Some(bytes.to_vec()),
            Line::TooLong => None,
        };
        loop {
            while let Some(line) = lines.next() {
                all.push(kept(line));
            }
            if lines.fill().unwrap() == 0 {
                break;
            }
        }
        all.extend(lines.last().map(kept));
        all
    }

    #[test]
    fn lines_are_complete_for_any_size_of_reads() {
        let text = b"one\n\ntwo three\nlast";
        for at_a_time in [1, 2, 3, 7, 100] {
            let expected =
                [&b"one"[..], b"", b"two three", b"last"].map(|line| Some(line.to_vec()));
            assert_eq!(all(text, at_a_time), expected, "{at_a_time}");
        }
        assert_eq!(all(b"one\n", 100), [Some(b"one".to_vec())]);
    }

    #[test]
    fn a_line_longer_than_a_block_is_returned() {
        let mut text = vec![b'x'; 3 * BLOCK];
        text.extend_from_slice(b"\nshort");
        let lines = all(&text, usize::MAX);
        assert_eq!(lines[0].as_ref().map(Vec::len), Some(3 * BLOCK));
        assert_eq!(lines[1], Some(b"short".to_vec()));
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_in_bounded_memory() {
        let endless = io::repeat(b'x').take(10 * MAX_LINE as u64);
        let mut lines = Lines::new(endless.chain(&b"\nshort\n"[..]));
        let mut found = Vec::new();
        while lines.fill().unwrap() > 0 {
            while let Some(line) = lines.next() {
                found.push(line == Line::TooLong);
            }
            assert!(lines.buffer.len() <= 4 * MAX_LINE);
        }
        assert_eq!(found, [true, false]);
    }
}
