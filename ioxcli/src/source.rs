//! A stream, whichever driver it runs on.

use std::thread;

use ioxdriver::{BuildError, Builder, Handle, Launch, Tapped, Trust};
use ioxproto::{Notification, Profile, Secret, SubscribePath, Timing};
use tokio::sync::mpsc;

use crate::arguments::{Auth, Transport};
use crate::trouble::Trouble;

/// Notifications that may wait between a blocking stream's thread and its reader.
const WAITING: usize = 256;

/// What is done with each message as it comes.
pub(crate) type Tap = Box<dyn FnMut(Tapped<'_>) + Send>;

/// Everything that a stream needs, before a driver is chosen.
pub(crate) struct Plan {
    pub(crate) url: String,
    pub(crate) username: String,
    pub(crate) password: Secret,
    pub(crate) auth: Auth,
    pub(crate) path: SubscribePath,
    pub(crate) profile: Profile,
    pub(crate) trust: Trust,
    pub(crate) timing: Timing,
    pub(crate) transport: Transport,
    pub(crate) tap: Option<Tap>,
}

/// A running stream.
pub(crate) struct Source {
    stream: Stream,
    handle: Handle,
}

enum Stream {
    Tokio(ioxtransport_tokio::EventStream),
    AsyncStd(ioxtransport_async_std::EventStream),
    Blocking(mpsc::Receiver<Notification>),
}

impl Plan {
    /// Starts the stream on the driver that was asked for.
    pub(crate) fn start(self) -> Result<Source, Trouble> {
        let wrong = |error: BuildError| Trouble::usage(error.to_string());
        Ok(match self.transport {
            Transport::Tokio => {
                let builder: ioxtransport_tokio::Builder = self.builder();
                let stream = builder.start().map_err(wrong)?;
                Source {
                    handle: stream.handle(),
                    stream: Stream::Tokio(stream),
                }
            }
            Transport::AsyncStd => {
                let builder: ioxtransport_async_std::Builder = self.builder();
                let stream = builder.start().map_err(wrong)?;
                Source {
                    handle: stream.handle(),
                    stream: Stream::AsyncStd(stream),
                }
            }
            Transport::Blocking => {
                let builder: ioxtransport_blocking::Builder = self.builder();
                let stream = builder.start().map_err(wrong)?;
                Source {
                    handle: stream.handle(),
                    stream: Stream::Blocking(on_a_thread(stream)?),
                }
            }
        })
    }

    fn builder<L: Launch>(self) -> Builder<L> {
        let builder = Builder::new(self.url)
            .path(self.path)
            .profile(self.profile)
            .trust(self.trust)
            .timing(self.timing);
        let builder = match self.tap {
            Some(tap) => builder.tap(tap),
            None => builder,
        };
        match self.auth {
            Auth::Local => builder.local_account(self.username, self.password),
            Auth::Portal => builder.portal_account(self.username, self.password),
        }
    }
}

impl Source {
    /// The next notification; `None` at the end. A dropped future has taken nothing.
    pub(crate) async fn next(&mut self) -> Option<Notification> {
        match &mut self.stream {
            Stream::Tokio(stream) => stream.next().await,
            Stream::AsyncStd(stream) => stream.next().await,
            Stream::Blocking(notifications) => notifications.recv().await,
        }
    }

    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

/// A blocking stream lives on a thread of its own.
fn on_a_thread(
    stream: ioxtransport_blocking::EventStream,
) -> Result<mpsc::Receiver<Notification>, Trouble> {
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
        .map_err(|error| Trouble::other(format!("cannot start a thread: {error}")))?;
    Ok(notifications)
}
