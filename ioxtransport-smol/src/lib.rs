//! The event stream of IoX and ISY-994 controllers on smol.
//!
//! ```no_run
//! use ioxtransport_smol::{EventStream, Notification, Trust};
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
//! The stream runs on smol's global executor, which needs no starting: [`EventStream`]s can be started anywhere.

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

use ioxdriver_async::{Io, Runtime};
use smol::{Async, Timer};

/// A running stream on smol: a `Stream` of [`Notification`]s.
pub type EventStream = ioxdriver_async::EventStream<Smol>;

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
    ioxdriver_async::inspect::<Smol>(address, patience).await
}

/// The smol runtime, as the driver uses it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Smol;

impl Runtime for Smol {
    fn current() -> Result<Self, BuildError> {
        Ok(Self)
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Io> {
        let socket = Async::<std::net::TcpStream>::connect(to).await?;
        socket.get_ref().set_nodelay(true)?;
        Ok(Box::new(socket))
    }

    fn adopt(&self, socket: Socket) -> io::Result<Io> {
        match socket {
            Socket::Tcp(socket) => Ok(Box::new(Async::new(socket)?)),
            #[cfg(unix)]
            Socket::Unix(socket) => Ok(Box::new(Async::new(socket)?)),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    #[expect(clippy::manual_async_fn, reason = "the future must not borrow `self`")]
    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send + 'static {
        async move {
            Timer::at(at).await;
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        smol::spawn(task).detach();
    }
}
