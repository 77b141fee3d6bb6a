//! Runs a stream on one of the drivers.

use std::thread;

use ioxdriver::driver::convert_handle;
use ioxdriver::{Async, BuildError, Options};
use ioxproto::Notification;
use tokio::sync::mpsc;

use crate::arguments::Transport;
use crate::exit_error::ExitError;

/// The maximum number of notifications that wait between the thread of a blocking stream and the
/// reader.
const MAX_WAITING_NOTIFICATIONS: usize = 256;

/// The handle of a stream, whichever driver runs it. Its futures also complete for a blocking
/// stream, because a background thread runs that stream.
pub(crate) type Handle = ioxdriver::Handle<Async>;

/// A running stream, whichever driver runs it.
pub(crate) struct AnyStream {
    inner: Inner,
    handle: Handle,
}

/// The stream of a driver.
enum Inner {
    Tokio(ioxtransport_tokio::EventStream),
    AsyncStd(ioxtransport_async_std::EventStream),
    Smol(ioxtransport_smol::EventStream),
    Blocking(mpsc::Receiver<Notification>),
}

impl AnyStream {
    /// Starts the stream on the requested driver.
    pub(crate) fn start(options: Options, transport: Transport) -> Result<Self, ExitError> {
        let usage_error = |error: BuildError| ExitError::usage(error.to_string());
        let (handle, inner) = match transport {
            Transport::Tokio => {
                let stream =
                    ioxtransport_tokio::EventStream::start(options).map_err(usage_error)?;
                (stream.handle(), Inner::Tokio(stream))
            }
            Transport::AsyncStd => {
                let stream =
                    ioxtransport_async_std::EventStream::start(options).map_err(usage_error)?;
                (stream.handle(), Inner::AsyncStd(stream))
            }
            Transport::Smol => {
                let stream = ioxtransport_smol::EventStream::start(options).map_err(usage_error)?;
                (stream.handle(), Inner::Smol(stream))
            }
            Transport::Blocking => {
                let stream =
                    ioxtransport_blocking::EventStream::start(options).map_err(usage_error)?;
                let handle = convert_handle(&stream.handle());
                (handle, Inner::Blocking(spawn_reader(stream)?))
            }
        };
        Ok(Self { handle, inner })
    }

    /// Returns the next notification; `None` at the end. Cancellation-safe.
    pub(crate) async fn next(&mut self) -> Option<Notification> {
        match &mut self.inner {
            Inner::Tokio(stream) => stream.next().await,
            Inner::AsyncStd(stream) => stream.next().await,
            Inner::Smol(stream) => stream.next().await,
            Inner::Blocking(notifications) => notifications.recv().await,
        }
    }

    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

/// Runs a blocking stream on a separate thread. Returns its notifications.
fn spawn_reader(
    stream: ioxtransport_blocking::EventStream,
) -> Result<mpsc::Receiver<Notification>, ExitError> {
    let (sender, notifications) = mpsc::channel(MAX_WAITING_NOTIFICATIONS);
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
