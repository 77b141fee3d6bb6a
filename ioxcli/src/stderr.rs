//! Standard error, on a thread of its own: a terminal or a pipe that takes nothing holds up neither
//! a signal nor the stream. What there is no room for is left out and counted.

use std::fmt;
use std::io::{self, Write};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Lines that may wait to be written.
const WAITING: usize = 4096;

/// Lines are written together up to this many bytes.
const TOGETHER: usize = 64 * 1024;

/// How long to wait at exit for what reads standard error.
const LAST_LINES: Duration = Duration::from_millis(500);

static STDERR: LazyLock<Stderr> = LazyLock::new(|| Stderr::start(io::stderr()));

enum Piece {
    Line(Vec<u8>),
    /// Everything before it is written once this is answered.
    Flush(SyncSender<()>),
}

/// Takes whole lines and writes them in order.
struct Stderr {
    pieces: SyncSender<Piece>,
    left_out: &'static AtomicU64,
}

impl Stderr {
    fn start(to: impl Write + Send + 'static) -> Self {
        let (pieces, waiting) = sync_channel(WAITING);
        let left_out = Box::leak(Box::new(AtomicU64::new(0)));
        let counted: &AtomicU64 = left_out;
        // Without the thread nobody takes pieces, and all that is said is left out.
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

    /// Waits until all lines so far are written, but no longer than this. Whether they are.
    fn flush(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
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
                // Whoever asked may have given up.
                let _ = answer.try_send(());
            }
        }
        if buffer.len() >= TOGETHER {
            put(&mut to, &mut buffer);
        }
        next = waiting.try_recv().ok().or_else(|| {
            count(left_out, &mut buffer);
            put(&mut to, &mut buffer);
            waiting.recv().ok()
        });
    }
}

/// Says how many lines are missing, now that there is room again.
fn count(left_out: &AtomicU64, buffer: &mut Vec<u8>) {
    let count = left_out.swap(0, Ordering::Relaxed);
    if count > 0 {
        let line =
            format!("iox: {count} lines are left out here: standard error was not read in time\n");
        buffer.extend_from_slice(line.as_bytes());
    }
}

/// That standard error may be closed is no reason to end.
fn put(to: &mut impl Write, buffer: &mut Vec<u8>) {
    let _ = to.write_all(buffer).and_then(|()| to.flush());
    buffer.clear();
}

/// Says something on standard error.
pub(crate) fn say(message: impl fmt::Display) {
    STDERR.push(format!("iox: {message}\n").into_bytes());
}

/// Gives what was said a moment to be written, before the program ends.
pub(crate) fn finish() {
    STDERR.flush(LAST_LINES);
}

/// Takes log lines, each in one call of `write`.
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
    fn what_nobody_reads_is_counted_and_holds_nobody_up() {
        let (mut reader, writer) = io::pipe().unwrap();
        let stderr = Stderr::start(writer);
        let line = vec![b'x'; 1000];
        let pushed = 3 * WAITING;
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
