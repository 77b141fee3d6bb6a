//! Keeps what comes in a file, in the format of `ioxproto::recording`.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::SystemTime;

use ioxdriver::Tapped;
use ioxproto::recording::{Direction, Entry};
use tokio::sync::oneshot;

use crate::trouble::Trouble;

/// Messages that may wait for the disk; after that the stream feels it.
const WAITING: usize = 4096;

/// A recording that is being written, on a thread of its own.
#[derive(Debug)]
pub(crate) struct Recorder {
    path: PathBuf,
    end: SyncSender<Option<Entry>>,
    ended: Option<oneshot::Receiver<io::Result<()>>>,
}

impl Recorder {
    /// Makes the file, or empties it, and gives what takes the messages. [`Recorder::end`] ends it.
    pub(crate) fn create(
        path: &Path,
    ) -> Result<(Self, impl FnMut(Tapped<'_>) + Send + 'static), Trouble> {
        let cannot = |error: io::Error| {
            Trouble::usage(format!(
                "cannot write the recording {}: {error}",
                path.display()
            ))
        };
        let file = File::create(path).map_err(cannot)?;
        let (sender, waiting) = mpsc::sync_channel(WAITING);
        let (tell, ended) = oneshot::channel();
        thread::Builder::new()
            .name("recording".to_owned())
            .spawn(move || {
                // Nobody may wait for it any more.
                let _ = tell.send(write(file, &waiting));
            })
            .map_err(cannot)?;
        let recorder = Self {
            path: path.to_owned(),
            end: sender.clone(),
            ended: Some(ended),
        };
        Ok((recorder, tap(sender)))
    }

    /// What takes the rest to the file, and ends it there.
    pub(crate) fn end(&self) -> impl FnOnce() + Send + 'static {
        let end = self.end.clone();
        move || {
            // It fails where the writing has ended by itself.
            let _ = end.send(None);
        }
    }

    /// Completes when the recording has ended: before its time only if it could not be written.
    pub(crate) async fn ended(&mut self) -> Result<(), Trouble> {
        let Some(ended) = &mut self.ended else {
            return std::future::pending().await;
        };
        let result = ended.await;
        self.ended = None;
        match result {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Trouble::other(format!(
                "cannot write the recording {}: {error}",
                self.path.display()
            ))),
            Err(_) => Err(Trouble::other(format!(
                "the recording {} ended before its time",
                self.path.display()
            ))),
        }
    }
}

fn tap(sender: SyncSender<Option<Entry>>) -> impl FnMut(Tapped<'_>) + Send + 'static {
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
        // It fails once the writing has, which is told elsewhere.
        let _ = sender.send(Some(entry));
    }
}

fn write(file: File, waiting: &Receiver<Option<Entry>>) -> io::Result<()> {
    let mut file = BufWriter::new(file);
    while let Ok(Some(entry)) = waiting.recv() {
        writeln!(file, "{entry}")?;
        for entry in waiting.try_iter() {
            let Some(entry) = entry else {
                return file.flush();
            };
            writeln!(file, "{entry}")?;
        }
        // Whoever reads along, or ends the program hard, finds what has come.
        file.flush()?;
    }
    Ok(())
}
