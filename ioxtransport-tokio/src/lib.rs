//! The event stream of IoX and ISY-994 controllers on tokio.
//!
//! An [`EventStream`] is a stream of [`Notification`]s. It is started within a tokio runtime that
//! has I/O and timers enabled, and a task on that runtime drives it.
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
//! * [`EventStream`]: [`builder`](EventStream::builder) begins one, [`next`](EventStream::next)
//!   takes the next notification, [`next_live_event`](EventStream::next_live_event) the next live
//!   event, [`handle`](EventStream::handle) gives a handle. It is a `Stream` of futures-core too.
//! * [`PolledStream`]: the same without a task of its own. Taking the next notification drives it,
//!   which spares a wake-up where a task would run on another thread.
//! * [`Builder`] collects the options, and starts.
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
//!   [`exchange_account`](Handle::exchange_account), [`exchange_trust`](Handle::exchange_trust),
//!   [`provide_token`](Handle::provide_token). [`call`](Handle::call) makes a call to the REST
//!   interface, [`submit`](Handle::submit) makes one without waiting and gives a [`Ticket`].
//! * [`Notification`]: an [`Event`], a [`StatusChange`] with its [`Reason`], a gap in the
//!   numbering, a malformed or ignored frame, a request for a token.
//! * [`Event`]: [`is_live`](Event::is_live), [`node`](Event::node), [`control`](Event::control),
//!   [`action`](Event::action), [`fmt_act`](Event::fmt_act); [`view`](Event::view) decodes it.
//! * [`ioxproto`]: [listeners](ioxproto::dispatch), [the state of the house](ioxproto::state),
//!   [what events mean](ioxproto::view), [calls and commands](ioxproto::rest).
//!
//! # What to know
//!
//! * **Replay is not live.** After each connect the controller repeats its state. Those events are
//!   delivered too; [`Event::is_live`] is false for them.
//! * **The stream recovers by itself.** It ends only when it is stopped, or when a person must act:
//!   refused credentials, a refused certificate. [`Handle::closed`] then says why.
//! * **It can start again**, by [`Handle::start`], with the same consumer or listeners, and with
//!   another account or other pins if they were exchanged meanwhile. A stream that has ended is no
//!   task.
//! * **A slow consumer loses nothing.** A full queue stops the reading ([`Overflow`]): memory is
//!   bounded, and the time does not count as silence of the controller.
//!   [`Handle::is_waiting_for_consumer`] says so. The controller may drop a subscriber that does
//!   not read, so hand long work to another task, or choose [`Overflow::DropOldest`].
//! * **Callbacks** run where the driver runs, without a queue. With a
//!   [`Dispatcher`](ioxproto::dispatch::Dispatcher) in the callback there can be any number of
//!   listeners, and the state of the house is updated before they run.
//! * **Calls go beside the stream**, with its account: [`Handle::call`] asks the controller for
//!   nodes, values and names, and sends commands. While the stream reconnects a call waits, 60 s at
//!   most. A call may be awaited between two notifications, however small the queue. In a callback,
//!   take the [`Ticket`] of [`Handle::submit`], which does not wait. The answer to a command says
//!   that it was accepted; [`Command::confirmed`](ioxproto::rest::Command::confirmed) waits for the
//!   event that proves it.
//! * **Everything is `Send`.** The futures of [`EventStream::next`], [`Handle::stop`],
//!   [`Handle::call`] and [`Handle::wait_for`] may be dropped at any await, in `select!` for
//!   example. Dropping the stream and the last [`Handle`] stops the stream and leaves no task.
//! * **A runtime that shuts down** ends the stream without a close frame to the controller: stop
//!   the stream first. A name lookup that the operating system does not interrupt may outlive it,
//!   on a thread of its own.
//! * **Logs** go through `tracing`, in the span in which the stream was started. Credentials appear
//!   in none of ours and in none of the libraries'. Mute the target `tungstenite`
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

/// A stream that its consumer drives, without a task of its own.
pub type PolledStream = ioxdriver_async::PolledStream<Tokio>;

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
        // Whoever awaits it may be on a thread that knows no runtime.
        let _inside = self.runtime.enter();
        tokio::time::sleep_until(at.into())
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // What the stream logs belongs to the span in which it was started.
        self.runtime.spawn(task.in_current_span());
    }
}
