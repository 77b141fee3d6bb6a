//! The event stream of IoX and ISY-994 controllers on smol.
//!
//! An [`EventStream`] is a stream of [`Notification`]s. It runs on smol's global executor, which
//! starts by itself, so a stream can be started anywhere.
//!
//! ```no_run
//! use ioxtransport_smol::{EventStream, Notification};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     smol::block_on(watch())
//! }
//!
//! async fn watch() -> Result<(), Box<dyn std::error::Error>> {
//!     let url = std::env::args().nth(1).ok_or("usage: URL [FINGERPRINT]")?;
//!     let password = std::env::var("IOX_PASSWORD").map_err(|_| "no password in IOX_PASSWORD")?;
//!     let mut options = EventStream::builder(url).local_account("admin", password);
//!     if let Some(fingerprint) = std::env::args().nth(2) {
//!         options = options.pin(fingerprint);
//!     }
//!
//!     let mut stream = options.start()?;
//!     while let Some(notification) = stream.next().await {
//!         match notification {
//!             Notification::Event(event) if event.is_live() => println!("{event}"),
//!             Notification::Status(change) => println!("{change}"),
//!             _ => {}
//!         }
//!     }
//!     Ok(stream.handle().closed().await?)
//! }
//! ```
//!
//! # The types
//!
//! * [`EventStream`]: [`builder`](EventStream::builder) creates its options,
//!   [`next`](EventStream::next) takes the next notification,
//!   [`next_live_event`](EventStream::next_live_event) the next live event, and
//!   [`handle`](EventStream::handle) returns a handle. It also implements `Stream` of futures-core.
//! * [`PolledStream`]: the same without a task of its own. Polling it runs the driver, which saves
//!   a wake-up if a task would run on another thread.
//! * [`Builder`] has the options and starts a stream.
//!   * Account: [`local_account`](Builder::local_account),
//!     [`portal_account`](Builder::portal_account), [`own_tokens`](Builder::own_tokens).
//!   * Certificate: [`pin`](Builder::pin) takes a fingerprint, [`trust`](Builder::trust) any
//!     [`Trust`]; [`inspect()`] shows what a controller presents.
//!   * Controller: [`path`](Builder::path), [`profile`](Builder::profile),
//!     [`timing`](Builder::timing), [`keep_trying`](Builder::keep_trying).
//!   * Connection: [`resolver`](Builder::resolver), [`connector`](Builder::connector),
//!     [`tap`](Builder::tap), [`max_message_bytes`](Builder::max_message_bytes).
//!   * Delivery: [`queue`](Builder::queue) and [`overflow`](Builder::overflow) for a stream from
//!     [`start`](Builder::start); [`start_with`](Builder::start_with) calls a function instead.
//! * [`Handle`], cheap to clone: [`status`](Handle::status), [`stats`](Handle::stats),
//!   [`wait_for`](Handle::wait_for), [`stop`](Handle::stop), [`start`](Handle::start) to start
//!   again, [`closed`](Handle::closed), [`last_reason`](Handle::last_reason),
//!   [`replace_account`](Handle::replace_account), [`replace_trust`](Handle::replace_trust),
//!   [`provide_token`](Handle::provide_token). [`call`](Handle::call) makes a call to the REST
//!   interface; [`submit`](Handle::submit) makes one without waiting and returns a [`Ticket`].
//! * [`Notification`]: an [`Event`], a [`StatusChange`] with its [`Reason`], a gap in the
//!   numbering, a malformed or ignored frame, a request for a token.
//! * [`Event`]: [`is_live`](Event::is_live), [`node`](Event::node), [`control`](Event::control),
//!   [`action`](Event::action), [`fmt_act`](Event::fmt_act); [`view`](Event::view) decodes it.
//! * [`ioxproto`]: [listeners](ioxproto::dispatch), [the state of the house](ioxproto::state),
//!   [what events mean](ioxproto::view), [calls and commands](ioxproto::rest).
//!
//! # What to know
//!
//! The documentation of `ioxtransport-tokio` describes replay, recovery, slow consumers, restarts
//! and logs. The names and the behaviour are the same here.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use ioxdriver::{
    Authority, AuthorityError, BuildError, EndError, Fingerprint, FingerprintError, InspectError,
    Options, Overflow, ServerCertificate, Socket, Tapped, Trust, WaitError,
};
pub use ioxdriver_async::{Handle, Ticket};
pub use ioxproto;
pub use ioxproto::{
    Account, Address, Event, Notification, Profile, ReadNames, Reason, Secret, Status,
    StatusChange, SubscribePath, Timing,
};

use ioxdriver_async::{Io, Runtime};
use smol::{Async, Timer};

/// A running stream on smol: a `Stream` of [`Notification`]s.
pub type EventStream = ioxdriver_async::EventStream<Smol>;

/// A stream that its consumer polls, without a task of its own.
pub type PolledStream = ioxdriver_async::PolledStream<Smol>;

/// The options of a stream, and the methods that start it.
pub type Builder = Options<EventStream>;

/// Reads a server's certificate without trusting it. Connects as a stream does and completes the
/// TLS handshake, in which the server proves that it has the key. Sends no HTTP. Takes at most
/// `timeout`.
///
/// The certificate is not verified. Before trusting it, a person must compare its fingerprint with
/// the one that the controller itself shows, or know that nobody can intercept the connection.
///
/// # Errors
///
/// [`InspectError`] if there is no certificate, or none within `timeout`.
pub async fn inspect(
    address: &Address,
    timeout: Duration,
) -> Result<ServerCertificate, InspectError> {
    ioxdriver_async::inspect::<Smol>(address, timeout).await
}

/// The smol runtime, for the driver.
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
