//! Writes to standard output on a separate thread, so that a slow or stopped reader does not delay
//! signals and deadlines.

use std::io::{self, IsTerminal as _, Write};
use std::thread;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::exit_error::ExitError;

/// The maximum number of pieces that wait to be written. When it is reached, the stream is not
/// read.
const MAX_WAITING_PIECES: usize = 16;

/// Whether to use colours: standard output is a terminal, and `NO_COLOR` is not set.
pub(crate) fn stdout_has_colour() -> bool {
    let wished = AutoStream::choice(&io::stdout());
    wished != ColorChoice::Never
        && (io::stdout().is_terminal()
            || wished == ColorChoice::AlwaysAnsi
            || wished == ColorChoice::Always)
}

/// Writes and flushes pieces of output in order. Each piece consists of complete lines.
#[derive(Debug)]
pub(crate) struct Screen {
    pieces: mpsc::Sender<Vec<u8>>,
    ended: oneshot::Receiver<Ended>,
}

/// How the writing ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Everything has been written.
    Done,
    /// The reader has closed the pipe, as in `iox … | head`.
    ReaderClosed,
    /// It could not be written.
    Failed(io::Error),
}

impl Screen {
    /// Starts the thread that writes to standard output.
    pub(crate) fn stdout() -> io::Result<Self> {
        Self::start("stdout", io::stdout())
    }

    fn start(name: &str, mut to: impl Write + Send + 'static) -> io::Result<Self> {
        let (pieces, mut waiting) = mpsc::channel::<Vec<u8>>(MAX_WAITING_PIECES);
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
                    Err(error) if is_closed_pipe(&error) => Ended::ReaderClosed,
                    Err(error) => Ended::Failed(error),
                };
                // The receiver may have been dropped.
                let _ = sender.send(ended);
            })?;
        Ok(Self { pieces, ended })
    }

    /// Waits until there is room for a piece; `None` if writing has ended.
    pub(crate) async fn room(&self) -> Option<mpsc::Permit<'_, Vec<u8>>> {
        self.pieces.reserve().await.ok()
    }

    /// Sends the rest and waits until everything is written.
    pub(crate) async fn finish(self, rest: Vec<u8>) -> Ended {
        if !rest.is_empty() {
            // If it fails, the next lines return the reason.
            let _ = self.pieces.send(rest).await;
        }
        drop(self.pieces);
        self.ended.await.unwrap_or(Ended::Done)
    }
}

/// How long to wait for a reader that has stopped reading.
const PRINT_TIMEOUT: Duration = Duration::from_secs(5);

/// Writes a result to standard output. It is not an error if the reader has closed the pipe or does
/// not read.
pub(crate) async fn print(text: impl Into<Vec<u8>>) -> Result<(), ExitError> {
    let cannot = |error| ExitError::other(format!("cannot write to standard output: {error}"));
    let screen = Screen::stdout().map_err(cannot)?;
    match timeout(PRINT_TIMEOUT, screen.finish(text.into())).await {
        Ok(Ended::Failed(error)) => Err(cannot(error)),
        _ => Ok(()),
    }
}

/// Whether a write error only means that the reader has closed the pipe.
pub(crate) fn is_closed_pipe(error: &io::Error) -> bool {
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
    async fn a_write_error_is_reported_at_the_end() {
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
    async fn a_closed_pipe_is_not_an_error() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let screen = Screen::start("test", writer).unwrap();
        assert!(matches!(
            screen.finish(b"line\n".to_vec()).await,
            Ended::ReaderClosed
        ));
    }
}
