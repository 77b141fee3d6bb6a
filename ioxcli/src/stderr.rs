//! Writes to standard error on a separate thread, so that a terminal or pipe that blocks does not
//! delay signals or the stream. Lines without room are dropped and counted.

use std::fmt;
use std::io::{self, Write};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// The maximum number of lines that wait to be written.
const MAX_WAITING_LINES: usize = 4096;

/// Lines are combined into writes of up to this many bytes.
const MAX_WRITE: usize = 64 * 1024;

/// How long to wait at exit for the reader of standard error.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

static STDERR: LazyLock<Stderr> = LazyLock::new(|| Stderr::start(io::stderr()));

/// An order to the thread that writes.
enum Piece {
    Line(Vec<u8>),
    /// Answered when everything before it has been written.
    Flush(SyncSender<()>),
}

/// Writes complete lines in order.
struct Stderr {
    pieces: SyncSender<Piece>,
    /// The number of dropped lines that have not been reported.
    left_out: &'static AtomicU64,
}

impl Stderr {
    fn start(to: impl Write + Send + 'static) -> Self {
        let (pieces, waiting) = sync_channel(MAX_WAITING_LINES);
        let left_out = Box::leak(Box::new(AtomicU64::new(0)));
        let counted: &AtomicU64 = left_out;
        // If the thread cannot start, all lines are dropped.
        let _ = thread::Builder::new()
            .name("stderr".to_owned())
            .spawn(move || write(to, &waiting, counted));
        Self { pieces, left_out }
    }

    fn push(&self, line: Vec<u8>) {
        if let Err(TrySendError::Full(_)) = self.pieces.try_send(Piece::Line(line)) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits for at most `timeout` until all lines so far are written. Returns whether they are.
    fn flush(&self, timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        let (answer, answered) = sync_channel(1);
        let mut piece = Piece::Flush(answer);
        loop {
            match self.pieces.try_send(piece) {
                Ok(()) => break,
                Err(TrySendError::Full(back)) if Instant::now() < until => piece = back,
                Err(_) => return false,
            }
            thread::sleep(Duration::from_millis(5));
        }
        let left = until.saturating_duration_since(Instant::now());
        answered.recv_timeout(left).is_ok()
    }
}

fn write(mut to: impl Write, waiting: &Receiver<Piece>, left_out: &AtomicU64) {
    let mut buffer = Vec::new();
    let mut next = waiting.recv().ok();
    while let Some(piece) = next {
        match piece {
            Piece::Line(line) => buffer.extend_from_slice(&line),
            Piece::Flush(answer) => {
                count(left_out, &mut buffer);
                put(&mut to, &mut buffer);
                // The receiver may have given up.
                let _ = answer.try_send(());
            }
        }
        if buffer.len() >= MAX_WRITE {
            put(&mut to, &mut buffer);
        }
        next = waiting.try_recv().ok().or_else(|| {
            count(left_out, &mut buffer);
            put(&mut to, &mut buffer);
            waiting.recv().ok()
        });
    }
}

/// Appends a line with the number of dropped lines.
fn count(left_out: &AtomicU64, buffer: &mut Vec<u8>) {
    let count = left_out.swap(0, Ordering::Relaxed);
    if count > 0 {
        let line =
            format!("iox: {count} lines are left out here: standard error was not read in time\n");
        buffer.extend_from_slice(line.as_bytes());
    }
}

/// Writes the buffer. Ignores errors: a closed standard error must not end the program.
fn put(to: &mut impl Write, buffer: &mut Vec<u8>) {
    let _ = to.write_all(buffer).and_then(|()| to.flush());
    buffer.clear();
}

/// Writes a line to standard error.
pub(crate) fn say(message: impl fmt::Display) {
    STDERR.push(format!("iox: {message}\n").into_bytes());
}

/// Waits briefly for pending lines, before the program exits.
pub(crate) fn finish() {
    STDERR.flush(FLUSH_TIMEOUT);
}

/// A writer for log lines; each call of `write` is one line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogLines;

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        STDERR.push(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn lines_that_nobody_reads_are_counted_and_block_nothing() {
        let (mut reader, writer) = io::pipe().unwrap();
        let stderr = Stderr::start(writer);
        let line = vec![b'x'; 1000];
        let pushed = 3 * MAX_WAITING_LINES;
        for _ in 0..pushed {
            stderr.push(line.clone());
        }
        assert!(!stderr.flush(Duration::from_millis(10)));
        let reading = thread::spawn(move || {
            let mut text = Vec::new();
            let mut some = [0; 4096];
            while !text.ends_with(b"not read in time\n") {
                let length = reader.read(&mut some).unwrap();
                text.extend_from_slice(&some[..length]);
            }
            String::from_utf8(text).unwrap()
        });
        let text = reading.join().unwrap();
        let written = text.bytes().filter(|byte| *byte == b'x').count() / line.len();
        assert!(written < pushed);
        let left_out = pushed - written;
        assert!(text.ends_with(&format!(
            "iox: {left_out} lines are left out here: standard error was not read in time\n"
        )));
    }

    #[test]
    fn everything_is_written_in_order_before_a_flush_returns() {
        let (mut reader, writer) = io::pipe().unwrap();
        let stderr = Stderr::start(writer);
        for number in 0..100 {
            stderr.push(format!("{number}\n").into_bytes());
        }
        assert!(stderr.flush(Duration::from_secs(60)));
        drop(stderr);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        let expected: String = (0..100).map(|number| format!("{number}\n")).collect();
        assert_eq!(text, expected);
    }
}
