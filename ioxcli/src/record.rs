//! Writes received messages to a file, in the format of `ioxproto::recording`.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::SystemTime;

use ioxdriver::Tapped;
use ioxproto::recording::{Direction, Entry};
use jiff::ZonedDateTime;
use tokio::sync::{Notify, oneshot};

use crate::exit_error::ExitError;
use crate::file::Target;

/// The maximum size of the messages that wait to be written. When it is reached, the stream is not
/// read.
const MAX_WAITING_BYTES: usize = 8 * 1024 * 1024;

/// The overhead of a message, in bytes.
const ENTRY: usize = 128;

/// A recording that is being written on a separate thread. No message is lost: while it is
/// [full](Room::is_full), the caller must not read from the stream, so that the driver stops
/// reading.
#[derive(Debug)]
pub(crate) struct Recorder {
    path: PathBuf,
    entries: Sender<Option<Entry>>,
    backlog: Arc<Backlog>,
    ended: oneshot::Receiver<io::Result<()>>,
}

/// The messages waiting to be written.
#[derive(Debug, Default)]
struct Backlog {
    bytes: AtomicUsize,
    room: Notify,
}

impl Backlog {
    fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Acquire) >= MAX_WAITING_BYTES
    }

    fn note_written(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        if !self.is_full() {
            self.room.notify_one();
        }
    }
}

impl Recorder {
    /// Creates the file, truncates it or appends to it. Returns the recorder and the tap that feeds
    /// it. [`End::end`] ends the recording.
    pub(crate) fn create(
        target: &Target,
        append: bool,
    ) -> Result<(Self, impl FnMut(Tapped<'_>) + Send + 'static), ExitError> {
        let path = target.path().to_owned();
        let cannot = |error: io::Error| {
            ExitError::usage(format!(
                "cannot write the recording {}: {error}",
                path.display()
            ))
        };
        // Opening a pipe blocks until it has a reader, so open the file on the thread.
        let open = move |target: &Target| match append {
            true => target.append(),
            false => target.create(),
        };
        let file = target.is_ordinary().then(|| open(target));
        let file = file.transpose().map_err(cannot)?;
        let (entries, queue) = mpsc::channel();
        let (tell, ended) = oneshot::channel();
        let backlog = Arc::new(Backlog::default());
        let (counted, target) = (Arc::clone(&backlog), target.clone());
        thread::Builder::new()
            .name("recording".to_owned())
            .spawn(move || {
                let file = file.map_or_else(|| open(&target), Ok);
                let written = file.and_then(|file| write(file, &queue, &counted));
                // The receiver may have been dropped.
                let _ = tell.send(written);
            })
            .map_err(cannot)?;
        let tap = tap(entries.clone(), Arc::clone(&backlog));
        let recorder = Self {
            path,
            entries,
            backlog,
            ended,
        };
        Ok((recorder, tap))
    }

    /// Splits the recorder into the handle that ends it, the one that reports room, and a future
    /// that completes when it has ended. The future completes early only if writing failed.
    pub(crate) fn split(self) -> (End, Room, impl Future<Output = Result<(), ExitError>>) {
        let Self {
            path,
            entries,
            backlog,
            ended,
        } = self;
        let shown = path.display().to_string();
        let ended = async move {
            match ended.await {
                Ok(written) => written.map_err(|error| {
                    ExitError::other(format!("cannot write the recording {shown}: {error}"))
                }),
                Err(_) => Err(ExitError::other(format!(
                    "the recording {shown} ended unexpectedly"
                ))),
            }
        };
        (End { path, entries }, Room(backlog), ended)
    }
}

/// Replaces the time fields in a file name, such as `%F` for the date.
pub(crate) fn with_time(path: &Path) -> Result<PathBuf, ExitError> {
    let Some(name) = path.to_str().filter(|name| name.contains('%')) else {
        return Ok(path.to_owned());
    };
    let filled = jiff::fmt::strtime::format(name, &ZonedDateTime::now());
    filled.map(PathBuf::from).map_err(|error| {
        ExitError::usage(format!(
            "cannot fill in the time in {name}: {error}; %F is the date, %H%M%S the time of day, %% a %"
        ))
    })
}

/// Ends a recording.
#[derive(Debug)]
pub(crate) struct End {
    path: PathBuf,
    entries: Sender<Option<Entry>>,
}

impl End {
    /// Ends the recording after the messages that are waiting.
    pub(crate) fn end(&self) {
        // Fails if writing has already ended.
        let _ = self.entries.send(None);
    }

    /// The error of a recording that is abandoned with messages still waiting.
    pub(crate) fn cut_short(&self) -> ExitError {
        ExitError::other(format!(
            "the end of the recording {} is missing: it could not be written in time",
            self.path.display()
        ))
    }
}

/// Whether a recording has room for more.
#[derive(Clone, Debug)]
pub(crate) struct Room(Arc<Backlog>);

impl Room {
    pub(crate) fn is_full(&self) -> bool {
        self.0.is_full()
    }

    /// Waits until there is room.
    pub(crate) async fn wait(&self) {
        while self.0.is_full() {
            self.0.room.notified().await;
        }
    }
}

fn tap(
    entries: Sender<Option<Entry>>,
    backlog: Arc<Backlog>,
) -> impl FnMut(Tapped<'_>) + Send + 'static {
    move |message| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let time = since.unwrap_or_default().as_secs_f64();
        let entry = match message {
            // A recording is text, so invalid UTF-8 is replaced.
            Tapped::Text(bytes) => {
                Entry::text(Direction::Receive, time, String::from_utf8_lossy(bytes))
            }
            Tapped::Binary(bytes) => Entry::binary(Direction::Receive, time, bytes),
            _ => return,
        };
        backlog.bytes.fetch_add(weight(&entry), Ordering::AcqRel);
        // Fails only after writing has failed, which the future reports.
        let _ = entries.send(Some(entry));
    }
}

fn weight(entry: &Entry) -> usize {
    entry.data.len() + ENTRY
}

fn write(file: File, queue: &Receiver<Option<Entry>>, backlog: &Backlog) -> io::Result<()> {
    let mut file = BufWriter::new(file);
    while let Ok(Some(entry)) = queue.recv() {
        writeln!(file, "{entry}")?;
        backlog.note_written(weight(&entry));
        for entry in queue.try_iter() {
            let Some(entry) = entry else {
                return file.flush();
            };
            writeln!(file, "{entry}")?;
            backlog.note_written(weight(&entry));
        }
        // Flush, so that a reader, or the file after a kill, has all messages so far.
        file.flush()?;
    }
    Ok(())
}
