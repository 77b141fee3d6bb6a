//! The event stream of IoX and ISY-994 controllers on tokio.
//!
//! An [`EventStream`] is a stream of [`Notification`]s. Start it in a tokio runtime that has I/O
//! and timers enabled. A task on that runtime runs it.
//!
//! ```no_run
//! use ioxtransport_tokio::{EventStream, Notification};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
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
//! * **Replay is not live.** After each connect the controller replays its state. These events are
//!   delivered, too; [`Event::is_live`] is false for them.
//! * **The stream recovers by itself.** It ends only if it is stopped, or if a person must fix the
//!   cause: refused credentials or a refused certificate. [`Handle::closed`] then returns why.
//! * **It can start again**, with [`Handle::start`]. The consumer or the listeners stay the same,
//!   and a new account or new pins are used if they were set meanwhile. A stream that has ended has
//!   no task.
//! * **A slow consumer loses nothing.** When the queue is full, the driver stops reading
//!   ([`Overflow`]). Memory is bounded, and the time does not count as silence of the controller.
//!   [`Handle::is_waiting_for_consumer`] reports it. The controller may disconnect a subscriber
//!   that does not read, so move long work to another task, or choose [`Overflow::DropOldest`].
//! * **Callbacks** run on the driver's task, without a queue. With a
//!   [`Dispatcher`](ioxproto::dispatch::Dispatcher) in the callback there can be any number of
//!   listeners, and the state of the house is updated before they run.
//! * **Calls run alongside the stream**, with its account: [`Handle::call`] reads nodes, values and
//!   names from the controller, and sends commands. While the stream reconnects, a call waits for
//!   at most 60 s. A call may be awaited between two notifications, with any queue size. In a
//!   callback, use [`Handle::submit`], which returns a [`Ticket`] and does not wait. The answer to
//!   a command means that it was accepted;
//!   [`Command::confirmed`](ioxproto::rest::Command::confirmed) waits for the event that proves its
//!   effect.
//! * **Everything is `Send`.** The futures of [`EventStream::next`], [`Handle::stop`],
//!   [`Handle::call`] and [`Handle::wait_for`] may be dropped at any await point, for example in
//!   `select!`. Dropping the stream and the last [`Handle`] stops the stream and leaves no task.
//! * **A runtime that shuts down** ends the stream without a close frame to the controller, so stop
//!   the stream first. A name lookup runs on a thread of its own. It cannot be interrupted, so it
//!   may outlive the stream.
//! * **Logs** use `tracing`, in the span in which the stream was started. Neither these logs nor
//!   those of the libraries contain credentials. Turn off the target `tungstenite`
//!   (`tungstenite=off`): at TRACE it logs what the controller sends.

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
use tokio::runtime;
use tokio_util::compat::TokioAsyncReadCompatExt as _;
use tracing::Instrument as _;

/// A running stream on tokio: a `Stream` of [`Notification`]s.
pub type EventStream = ioxdriver_async::EventStream<Tokio>;

/// A stream that its consumer polls, without a task of its own.
pub type PolledStream = ioxdriver_async::PolledStream<Tokio>;

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
    ioxdriver_async::inspect::<Tokio>(address, timeout).await
}

/// The tokio runtime, for the driver.
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
        // The caller may be on a thread outside the runtime.
        let _inside = self.runtime.enter();
        tokio::time::sleep_until(at.into())
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // Logs belong to the span in which the stream was started.
        self.runtime.spawn(task.in_current_span());
    }
}
