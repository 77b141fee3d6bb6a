//! The event stream of IoX and ISY-994 controllers on tokio.
//!
//! ```no_run
//! use ioxtransport_tokio::{EventStream, Notification, Trust};
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
//! # What to know
//!
//! * **Replay is not live.** After each connect the controller repeats its state: those events come too, with
//!   [`Event::live`](ioxproto::Event::live) false.
//! * **The stream heals by itself** and ends only when it is stopped, or when a person must act: refused
//!   credentials, a refused certificate. [`Handle::outcome`] then says why.
//! * **It starts again** by [`Handle::start`], with the same consumer or listeners, and with another account or other
//!   pins if they were exchanged in between ([`Handle::exchange_account`], [`Handle::exchange_trust`]). At rest it is
//!   no task.
//! * **A slow consumer loses nothing**: a full queue stops the reading ([`Overflow`]), memory is bounded, and the silence
//!   is not held against the controller. [`Handle::waits_for_consumer`] says that it is so. The controller is kept waiting, and
//!   may drop a subscriber that does not read; so hand long work to another task, or ask for
//!   [`Overflow::DropOldest`].
//! * **Callbacks**: [`Builder::start_with`](Options::start_with) calls a function where the driver runs, without a
//!   queue; with a [`Dispatcher`](ioxproto::dispatch::Dispatcher) in it, any number of listeners, and a picture of the house
//!   that is up to date before they run.
//! * **Your own way there**: [`Builder::resolver`](Options::resolver) looks up names,
//!   [`Builder::connector`](Options::connector) connects, through a tunnel or a Unix socket.
//! * **Everything here is `Send`**, [`EventStream::next`], [`Handle::stop`] and [`Handle::wait_for`] may be dropped at
//!   any await (in `select!`, say), and dropping the last [`Handle`] and the stream stops it and leaves no task.
//! * **A runtime that shuts down** ends the stream where it stands, without a goodbye to the controller: stop it before.
//!   A look-up of a name that the operating system will not interrupt may outlive it, on a thread of its own.
//! * **Logs** go through `tracing`. Credentials are in none of ours and in none of the libraries below. Mute the
//!   target `tungstenite` all the same (`tungstenite=off`): at TRACE it logs what the controller sends.

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
use tokio::runtime;
use tokio_util::compat::TokioAsyncReadCompatExt as _;

/// A running stream on tokio: a `Stream` of [`Notification`]s.
pub type EventStream = ioxdriver_async::EventStream<Tokio>;

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
    ioxdriver_async::inspect::<Tokio>(address, patience).await
}

/// The tokio runtime, as the driver uses it.
#[derive(Clone, Debug)]
pub struct Tokio {
    runtime: runtime::Handle,
}

impl Runtime for Tokio {
    fn current() -> Result<Self, BuildError> {
        let runtime = runtime::Handle::try_current().map_err(|_| BuildError::NoRuntime("tokio"))?;
        Ok(Self { runtime })
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Io> {
        let socket = tokio::net::TcpStream::connect(to).await?;
        socket.set_nodelay(true)?;
        Ok(Box::new(socket.compat()))
    }

    fn adopt(&self, socket: Socket) -> io::Result<Io> {
        match socket {
            Socket::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                let socket = tokio::net::TcpStream::from_std(socket)?;
                Ok(Box::new(socket.compat()))
            }
            #[cfg(unix)]
            Socket::Unix(socket) => {
                socket.set_nonblocking(true)?;
                let socket = tokio::net::UnixStream::from_std(socket)?;
                Ok(Box::new(socket.compat()))
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send + 'static {
        tokio::time::sleep_until(at.into())
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }
}
