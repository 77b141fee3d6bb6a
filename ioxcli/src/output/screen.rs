//! Standard output, on a thread of its own: who reads it slowly, or not at all, holds up no signal
//! and no deadline.

use std::io::{self, IsTerminal as _, Write};
use std::thread;

use anstream::{AutoStream, ColorChoice};
use tokio::sync::{mpsc, oneshot};

/// Pieces that may wait to be written; after that the stream feels it.
const WAITING: usize = 16;

/// Whether colours make sense: a terminal, and no wish to the contrary (`NO_COLOR`).
pub(crate) fn stdout_has_colour() -> bool {
    let wished = AutoStream::choice(&io::stdout());
    wished != ColorChoice::Never
        && (io::stdout().is_terminal()
            || wished == ColorChoice::AlwaysAnsi
            || wished == ColorChoice::Always)
}

/// Takes pieces of output, each of them whole lines, and writes and flushes them in order.
#[derive(Debug)]
pub(crate) struct Screen {
    pieces: mpsc::Sender<Vec<u8>>,
    ended: oneshot::Receiver<Ended>,
}

/// How the writing ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// All is written.
    Done,
    /// Nobody reads any more, as with `iox … | head`.
    NobodyReads,
    /// It could not be written.
    Failed(io::Error),
}

impl Screen {
    /// Begins to write to standard output.
    pub(crate) fn stdout() -> io::Result<Self> {
        Self::start("stdout", io::stdout())
    }

    fn start(name: &str, mut to: impl Write + Send + 'static) -> io::Result<Self> {
        let (pieces, mut waiting) = mpsc::channel::<Vec<u8>>(WAITING);
        let (sender, ended) = oneshot::channel();
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let written = (|| {
                    while let Some(piece) = waiting.blocking_recv() {
                        to.write_all(&piece)?;
                        to.flush()?;
                    }
                    Ok(())
                })();
                let ended = match written {
                    Ok(()) => Ended::Done,
                    Err(error) if nobody_reads(&error) => Ended::NobodyReads,
                    Err(error) => Ended::Failed(error),
                };
                // Nobody may wait for it any more.
                let _ = sender.send(ended);
            })?;
        Ok(Self { pieces, ended })
    }

    /// Completes when there is room for a piece; `None` when the writing has ended.
    pub(crate) async fn room(&self) -> Option<mpsc::Permit<'_, Vec<u8>>> {
        self.pieces.reserve().await.ok()
    }

    /// Hands over what is left and waits until all is written.
    pub(crate) async fn finish(self, rest: Vec<u8>) -> Ended {
        if !rest.is_empty() {
            // Where it fails, the reason follows.
            let _ = self.pieces.send(rest).await;
        }
        drop(self.pieces);
        self.ended.await.unwrap_or(Ended::Done)
    }
}

/// Whether a failure to write only means that the reader is gone.
pub(crate) fn nobody_reads(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_told_at_the_end() {
        let screen = Screen::start("test", Full).unwrap();
        let ended = screen.finish(b"line\n".to_vec()).await;
        assert!(
            matches!(&ended, Ended::Failed(error) if error.kind() == io::ErrorKind::StorageFull),
            "{ended:?}"
        );
    }

    #[tokio::test]
    async fn everything_is_written_before_the_end() {
        let (reader, writer) = io::pipe().unwrap();
        let screen = Screen::start("test", writer).unwrap();
        screen.room().await.unwrap().send(b"one\n".to_vec());
        assert!(matches!(
            screen.finish(b"two\n".to_vec()).await,
            Ended::Done
        ));
        assert_eq!(io::read_to_string(reader).unwrap(), "one\ntwo\n");
    }

    #[tokio::test]
    async fn a_reader_that_is_gone_is_no_failure() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let screen = Screen::start("test", writer).unwrap();
        assert!(matches!(
            screen.finish(b"line\n".to_vec()).await,
            Ended::NobodyReads
        ));
    }
}
