//! The event stream of IoX and ISY-994 controllers without an async runtime.
//!
//! An [`EventStream`] is an iterator of [`Notification`]s over standard sockets, driven by the
//! thread that waits for the next one.
//!
//! ```no_run
//! use ioxtransport_blocking::{EventStream, Notification};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let url = std::env::args().nth(1).ok_or("usage: URL [FINGERPRINT]")?;
//!     let password = std::env::var("IOX_PASSWORD").map_err(|_| "no password in IOX_PASSWORD")?;
//!     let mut options = EventStream::builder(url).local_account("admin", password);
//!     if let Some(fingerprint) = std::env::args().nth(2) {
//!         options = options.pin(fingerprint);
//!     }
//!
//!     let mut stream = options.start()?;
//!     for notification in &mut stream {
//!         match notification {
//!             Notification::Event(event) if event.is_live() => println!("{event}"),
//!             Notification::Status(change) => println!("{change}"),
//!             _ => {}
//!         }
//!     }
//!     Ok(stream.handle().closed()?)
//! }
//! ```
//!
//! # The types
//!
//! * [`EventStream`]: [`builder`](EventStream::builder) begins one, [`next`](Iterator::next) waits
//!   for the next notification, [`next_live_event`](EventStream::next_live_event) for the next live
//!   event, [`next_timeout`](EventStream::next_timeout) and
//!   [`try_next`](EventStream::try_next) wait for a limited time or not at all,
//!   [`in_background`](EventStream::in_background) drives it on a thread of its own,
//!   [`stop`](EventStream::stop) ends it, [`handle`](EventStream::handle) gives a handle.
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
//! * **The caller's thread does the work**, within [`next`](Iterator::next). There is no other
//!   thread, except one that looks up a name. While nothing happens the thread sleeps until the
//!   next deadline. [`Handle::stop`] from another thread wakes it at once.
//! * **Between two calls of `next` nothing is read.** Nothing is lost: the controller's bytes wait
//!   in the socket, the time does not count as silence, and what was sent as replay stays replay.
//!   But nothing is answered either. If the consumer stays away for minutes, it learns late that a
//!   connection is dead, or that the controller has dropped a subscriber that does not read; both
//!   are reported and recovered like any loss. For long work on one event use
//!   [`EventStream::in_background`]: a thread drives the stream, with a bounded queue in between
//!   ([`Overflow`]).
//! * **Handles**: the methods that wait drive the stream if no other caller does, so they may be
//!   called between two calls of `next`, on the same thread or another. Within a
//!   [`tap`](Builder::tap) nothing may wait, since nothing can happen before it returns.
//! * **Calls go beside the stream**, with its account: [`Handle::call`] asks the
//!   controller for nodes, values and names, and sends commands. While the stream reconnects a call
//!   waits, 60 s at most. It drives the stream like other methods that wait, between two calls of
//!   `next` too, however small the queue. In a callback, take the [`Ticket`] of [`Handle::submit`],
//!   which does not wait. The answer to a command says that it was accepted;
//!   [`Command::confirmed`](ioxproto::rest::Command::confirmed) waits for the event that proves it.
//! * **The end of the loop**: [`EventStream::stop`] waits for the controller's close frame and logs
//!   a portal account out; dropping the stream does neither.
//! * **A name lookup** that the operating system does not interrupt may outlive the stream, on a
//!   thread of its own.
//! * **Logs** go through `tracing`. Credentials appear in none of ours. Keep the targets
//!   `tungstenite` and `rustls` below TRACE, since they log what the controller sends.

mod driver;
mod inspect;
mod poller;
mod seam;
mod shared_driver;
mod stream;
mod sync;

pub use ioxdriver::{
    Authority, AuthorityError, BuildError, EndError, Fingerprint, FingerprintError, InspectError,
    Options, Overflow, ServerCertificate, Socket, Tapped, Trust, WaitError,
};
pub use ioxproto;
pub use ioxproto::{
    Account, Address, Event, Notification, Profile, ReadNames, Reason, Secret, Status,
    StatusChange, SubscribePath, Timing,
};

pub use crate::inspect::inspect;
pub use crate::stream::{Builder, EventStream, TimedOut};

/// A handle on a stream, whose methods that wait block the thread that calls them.
pub type Handle = ioxdriver::Handle<ioxdriver::Blocking>;

/// A call that was made, to wait for on a thread.
pub type Ticket<A> = ioxdriver::Ticket<A, ioxdriver::Blocking>;
