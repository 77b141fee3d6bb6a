//! A stream on any of the drivers.

use std::thread;

use ioxdriver::driver::waiting_otherwise;
use ioxdriver::{Async, BuildError, Options};
use ioxproto::Notification;
use tokio::sync::mpsc;

use crate::arguments::Transport;
use crate::exit_error::ExitError;

/// The limit for notifications waiting between a blocking stream's thread and its reader.
const WAITING: usize = 256;

/// A handle of a stream on any driver. A blocking stream has its own thread.
pub(crate) type Handle = ioxdriver::Handle<Async>;

/// A running stream.
pub(crate) struct Source {
    stream: Stream,
    handle: Handle,
}

enum Stream {
    Tokio(ioxtransport_tokio::EventStream),
    AsyncStd(ioxtransport_async_std::EventStream),
    Smol(ioxtransport_smol::EventStream),
    Blocking(mpsc::Receiver<Notification>),
}

impl Source {
    /// Starts the stream on the requested driver.
    pub(crate) fn start(options: Options, transport: Transport) -> Result<Self, ExitError> {
        let wrong = |error: BuildError| ExitError::usage(error.to_string());
        Ok(match transport {
            Transport::Tokio => {
                let stream = ioxtransport_tokio::EventStream::start(options).map_err(wrong)?;
                Self {
                    handle: stream.handle(),
                    stream: Stream::Tokio(stream),
                }
            }
            Transport::AsyncStd => {
                let stream = ioxtransport_async_std::EventStream::start(options).map_err(wrong)?;
                Self {
                    handle: stream.handle(),
                    stream: Stream::AsyncStd(stream),
                }
            }
            Transport::Smol => {
                let stream = ioxtransport_smol::EventStream::start(options).map_err(wrong)?;
                Self {
                    handle: stream.handle(),
                    stream: Stream::Smol(stream),
                }
            }
            Transport::Blocking => {
                let stream = ioxtransport_blocking::EventStream::start(options).map_err(wrong)?;
                Self {
                    handle: waiting_otherwise(&stream.handle()),
                    stream: Stream::Blocking(on_a_thread(stream)?),
                }
            }
        })
    }

    /// The next notification; `None` at the end. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Notification> {
        match &mut self.stream {
            Stream::Tokio(stream) => stream.next().await,
            Stream::AsyncStd(stream) => stream.next().await,
            Stream::Smol(stream) => stream.next().await,
            Stream::Blocking(notifications) => notifications.recv().await,
        }
    }

    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

/// Runs a blocking stream on a separate thread.
fn on_a_thread(
    stream: ioxtransport_blocking::EventStream,
) -> Result<mpsc::Receiver<Notification>, ExitError> {
    let (sender, notifications) = mpsc::channel(WAITING);
    let thread = thread::Builder::new().name("stream".to_owned());
    thread
        .spawn(move || {
            for notification in stream {
                if sender.blocking_send(notification).is_err() {
                    break;
                }
            }
        })
        .map_err(|error| ExitError::other(format!("cannot start a thread: {error}")))?;
    Ok(notifications)
}
