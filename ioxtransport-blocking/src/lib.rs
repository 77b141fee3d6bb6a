//! The event stream of IoX and ISY-994 controllers without an async runtime.
//!
//! An [`EventStream`] is an iterator over [`Notification`]s. The thread that waits for the next one
//! does the work.
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
//! * [`EventStream`]: [`builder`](EventStream::builder) creates its options,
//!   [`next`](Iterator::next) waits for the next notification,
//!   [`next_live_event`](EventStream::next_live_event) for the next live event.
//!   [`next_timeout`](EventStream::next_timeout) waits for a limited time,
//!   [`try_next`](EventStream::try_next) does not wait.
//!   [`in_background`](EventStream::in_background) runs the stream on a thread of its own,
//!   [`stop`](EventStream::stop) ends it, [`handle`](EventStream::handle) returns a handle.
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
//! * **The caller's thread does the work**, in [`next`](Iterator::next). There is no other thread,
//!   except during a name lookup. While nothing happens, the thread sleeps until the next deadline.
//!   [`Handle::stop`] from another thread wakes it immediately.
//! * **Between two calls of `next` the stream does not read.** No event is lost: the controller's
//!   bytes wait in the socket, the time does not count as silence, and replayed events are still
//!   marked as replay. But the stream does not answer pings. If the consumer does not call `next`
//!   for minutes, it learns late that a connection is dead, or that the controller has disconnected
//!   a subscriber that does not read. Both are reported, and the stream reconnects. For long work
//!   on one event, use [`EventStream::in_background`]: a thread runs the stream and fills a bounded
//!   queue ([`Overflow`]).
//! * **Handles**: the methods that wait run the stream if no other caller does. So they may be
//!   called between two calls of `next`, on the same thread or another. Do not call them in a
//!   [`tap`](Builder::tap): the stream cannot proceed before the tap returns.
//! * **Calls run alongside the stream**, with its account: [`Handle::call`] reads nodes, values and
//!   names from the controller, and sends commands. While the stream reconnects, a call waits for
//!   at most 60 s. It runs the stream like the other methods that wait, also between two calls of
//!   `next`, and with any queue size. In a callback, use [`Handle::submit`], which returns a
//!   [`Ticket`] and does not wait. The answer to a command means that it was accepted;
//!   [`Command::confirmed`](ioxproto::rest::Command::confirmed) waits for the event that proves its
//!   effect.
//! * **Stop the stream at the end**: [`EventStream::stop`] waits for the controller's close frame
//!   and logs out a portal account. Dropping the stream does neither.
//! * **A name lookup** runs on a thread of its own. It cannot be interrupted, so it may outlive the
//!   stream.
//! * **Logs** use `tracing`. They never contain credentials. Keep the targets `tungstenite` and
//!   `rustls` below TRACE, because at TRACE they log what the controller sends.

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

/// A handle on a stream; its methods that wait block the calling thread.
pub type Handle = ioxdriver::Handle<ioxdriver::Blocking>;

/// A pending call, whose answer a thread can wait for.
pub type Ticket<A> = ioxdriver::Ticket<A, ioxdriver::Blocking>;
