//! Keeps what comes in a file, in the format of `ioxproto::recording`.

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

use crate::file::Target;
use crate::trouble::Trouble;

/// Bytes of messages that may wait for the disk; after that the stream is read no further.
const WAITING: usize = 8 * 1024 * 1024;

/// What a message weighs beside its bytes.
const ENTRY: usize = 128;

/// A recording that is being written, on a thread of its own. Nothing of it is left out: while it
/// is [full](Room::is_full), the caller is to take nothing from the stream, so that the driver
/// stops reading.
#[derive(Debug)]
pub(crate) struct Recorder {
    path: PathBuf,
    entries: Sender<Option<Entry>>,
    waiting: Arc<Waiting>,
    ended: oneshot::Receiver<io::Result<()>>,
}

/// What waits to be written.
#[derive(Debug, Default)]
struct Waiting {
    bytes: AtomicUsize,
    room: Notify,
}

impl Waiting {
    fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Acquire) >= WAITING
    }

    fn written(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        if !self.is_full() {
            self.room.notify_one();
        }
    }
}

impl Recorder {
    /// Makes the file, or empties it, or adds to it, and gives what takes the messages.
    /// [`Recorder::end`] ends it.
    pub(crate) fn create(
        target: &Target,
        append: bool,
    ) -> Result<(Self, impl FnMut(Tapped<'_>) + Send + 'static), Trouble> {
        let path = target.path().to_owned();
        let cannot = |error: io::Error| {
            Trouble::usage(format!(
                "cannot write the recording {}: {error}",
                path.display()
            ))
        };
        // A pipe opens once somebody reads it, which is waited for on the thread.
        let open = move |target: &Target| match append {
            true => target.append(),
            false => target.create(),
        };
        let file = target.is_ordinary().then(|| open(target));
        let file = file.transpose().map_err(cannot)?;
        let (entries, queue) = mpsc::channel();
        let (tell, ended) = oneshot::channel();
        let waiting = Arc::new(Waiting::default());
        let (counted, target) = (Arc::clone(&waiting), target.clone());
        thread::Builder::new()
            .name("recording".to_owned())
            .spawn(move || {
                let file = file.map_or_else(|| open(&target), Ok);
                let written = file.and_then(|file| write(file, &queue, &counted));
                // Nobody may wait for it any more.
                let _ = tell.send(written);
            })
            .map_err(cannot)?;
        let tap = tap(entries.clone(), Arc::clone(&waiting));
        let recorder = Self {
            path,
            entries,
            waiting,
            ended,
        };
        Ok((recorder, tap))
    }

    /// Takes the recording apart: what ends it, what says how full it is, and what completes when
    /// it has ended, before its time only if it could not be written.
    pub(crate) fn split(self) -> (End, Room, impl Future<Output = Result<(), Trouble>>) {
        let Self {
            path,
            entries,
            waiting,
            ended,
        } = self;
        let shown = path.display().to_string();
        let ended = async move {
            match ended.await {
                Ok(written) => written.map_err(|error| {
                    Trouble::other(format!("cannot write the recording {shown}: {error}"))
                }),
                Err(_) => Err(Trouble::other(format!(
                    "the recording {shown} ended before its time"
                ))),
            }
        };
        (End { path, entries }, Room(waiting), ended)
    }
}

/// A file's name with the fields of the present time filled in, such as `%F` for the date.
pub(crate) fn with_time(path: &Path) -> Result<PathBuf, Trouble> {
    let Some(name) = path.to_str().filter(|name| name.contains('%')) else {
        return Ok(path.to_owned());
    };
    let filled = jiff::fmt::strtime::format(name, &ZonedDateTime::now());
    filled.map(PathBuf::from).map_err(|error| {
        Trouble::usage(format!(
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
    /// Has the rest written, and the file ended there.
    pub(crate) fn end(&self) {
        // It fails where the writing has ended by itself.
        let _ = self.entries.send(None);
    }

    /// The recording is given up while something still waits to be written.
    pub(crate) fn cut_short(&self) -> Trouble {
        Trouble::other(format!(
            "the end of the recording {} is missing: it could not be written in time",
            self.path.display()
        ))
    }
}

/// Whether a recording has room for more.
#[derive(Clone, Debug)]
pub(crate) struct Room(Arc<Waiting>);

impl Room {
    pub(crate) fn is_full(&self) -> bool {
        self.0.is_full()
    }

    /// Completes when there is room.
    pub(crate) async fn wait(&self) {
        while self.0.is_full() {
            self.0.room.notified().await;
        }
    }
}

fn tap(
    entries: Sender<Option<Entry>>,
    waiting: Arc<Waiting>,
) -> impl FnMut(Tapped<'_>) + Send + 'static {
    move |message| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let time = since.unwrap_or_default().as_secs_f64();
        let entry = match message {
            // A recording is text: what is no UTF-8 is replaced in it.
            Tapped::Text(bytes) => {
                Entry::text(Direction::Receive, time, String::from_utf8_lossy(bytes))
            }
            Tapped::Binary(bytes) => Entry::binary(Direction::Receive, time, bytes),
            _ => return,
        };
        waiting.bytes.fetch_add(weight(&entry), Ordering::AcqRel);
        // It fails once the writing has, which is told elsewhere.
        let _ = entries.send(Some(entry));
    }
}

fn weight(entry: &Entry) -> usize {
    entry.data.len() + ENTRY
}

fn write(file: File, queue: &Receiver<Option<Entry>>, waiting: &Waiting) -> io::Result<()> {
    let mut file = BufWriter::new(file);
    while let Ok(Some(entry)) = queue.recv() {
        writeln!(file, "{entry}")?;
        waiting.written(weight(&entry));
        for entry in queue.try_iter() {
            let Some(entry) = entry else {
                return file.flush();
            };
            writeln!(file, "{entry}")?;
            waiting.written(weight(&entry));
        }
        // Whoever reads along, or ends the program hard, finds what has come.
        file.flush()?;
    }
    Ok(())
}
