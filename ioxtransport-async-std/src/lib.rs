//! The event stream of IoX and ISY-994 controllers on async-std.
//!
//! ```no_run
//! use ioxtransport_async_std::{EventStream, Notification, Trust};
//!
//! # async fn watch() -> Result<(), Box<dyn std::error::Error>> {
//! let mut stream = EventStream::builder("https://eisy.local:8443")
//!     .local_account("admin", std::env::var("IOX_PASSWORD")?)
//!     .trust(Trust::Pins(vec!["sha256:…".parse()?]))
//!     .start()?;
//! while let Some(notification) = stream.next().await {
//!     match notification {
//!         Notification::Event(event) if event.live() => {
//!             println!("{} {} = {}", event.node(), event.control(), event.action());
//!         }
//!         Notification::Status(change) => println!("{}", change.status),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What holds for every driver, replay, healing, slow consumers, restarts, is said in the documentation of
//! `ioxtransport-tokio`; the names and the behaviour are the same here.
//!
//! The stream runs on async-std's own executor, which needs no starting: [`EventStream`]s can be started anywhere.
//! async-std is no longer developed. New programs take `ioxtransport-smol`, whose runtime async-std's authors point to,
//! or `ioxtransport-tokio`.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use ioxdriver::{
    Authority, AuthorityError, BuildError, EndError, Fingerprint, FingerprintError, Handle,
    InspectError, Options, Overflow, ServerCertificate, Socket, Tapped, Trust, WaitError,
};
pub use ioxproto;
pub use ioxproto::{
    Account, Address, Event, Notification, Profile, Reason, Secret, Status, StatusChange,
    SubscribePath, Timing,
};

use async_io::Async;
use async_std::task;
use ioxdriver_async::{Io, Runtime};

/// A running stream on async-std: a `Stream` of [`Notification`]s.
pub type EventStream = ioxdriver_async::EventStream<AsyncStd>;

/// Collects what a stream needs.
pub type Builder = Options<EventStream>;

/// Connects as a stream does, lets the server show its certificate and prove that it has the key,
/// and leaves, without having sent a byte of HTTP. Takes no longer than `patience`. Whether the
/// certificate is the right one is for a person to say, who compares the fingerprint with what the
/// controller itself shows, or knows that nobody can be in between.
///
/// # Errors
///
/// [`InspectError`] where there is none to look at, or none in time.
pub async fn inspect(
    address: &Address,
    patience: Duration,
) -> Result<ServerCertificate, InspectError> {
    ioxdriver_async::inspect::<AsyncStd>(address, patience).await
}

/// The async-std runtime, as the driver uses it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AsyncStd;

impl Runtime for AsyncStd {
    fn current() -> Result<Self, BuildError> {
        Ok(Self)
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Io> {
        let socket = async_std::net::TcpStream::connect(to).await?;
        socket.set_nodelay(true)?;
        Ok(Box::new(socket))
    }

    fn adopt(&self, socket: Socket) -> io::Result<Io> {
        match socket {
            // async-std's own conversion panics where the reactor refuses.
            Socket::Tcp(socket) => Ok(Box::new(Async::new(socket)?)),
            #[cfg(unix)]
            Socket::Unix(socket) => Ok(Box::new(Async::new(socket)?)),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send + 'static {
        task::sleep(at.saturating_duration_since(Instant::now()))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // The handle may go: the task runs on.
        drop(task::spawn(task));
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::File;
    use std::net::TcpStream;
    use std::os::fd::OwnedFd;

    use super::*;

    #[test]
    fn a_socket_that_the_reactor_refuses_is_an_error_and_no_panic() {
        // A file cannot be waited on.
        let file = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
        let socket = Socket::Tcp(TcpStream::from(OwnedFd::from(file)));
        assert!(AsyncStd.adopt(socket).is_err());
    }
}
