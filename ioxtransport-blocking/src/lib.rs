//! The event stream of IoX and ISY-994 controllers without an async runtime: an iterator over standard sockets.
//!
//! ```no_run
//! use ioxtransport_blocking::{EventStream, Notification, Trust};
//!
//! # fn watch() -> Result<(), Box<dyn std::error::Error>> {
//! let stream = EventStream::builder("https://eisy.local:8443")
//!     .local_account("admin", std::env::var("IOX_PASSWORD")?)
//!     .trust(Trust::Pins(vec!["sha256:…".parse()?]))
//!     .start()?;
//! for notification in stream {
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
//! * **The caller's thread does the work**, within [`next`](Iterator::next). There is no other thread, but one for looking up a
//!   name. While nothing happens it sleeps, until the next deadline. [`Handle::stop_blocking`] from another thread wakes it at once.
//! * **Between two `next`** nothing is read. Nothing is lost here, the controller's bytes wait in the
//!   socket, and the time counts for no silence: a slow loop makes no stall, and what was sent meanwhile as replay is replay.
//!   But nothing is answered either, and a consumer that stays away for minutes finds out late that a connection is dead, or that the
//!   controller has dropped a subscriber that does not read; that is then reported like any loss, and healed.
//!   Who works long on one event takes [`EventStream::in_background`]: a thread then drives, and a bounded queue lies between ([`Overflow`]).
//! * **Handles**: of the methods that wait, take those with `_blocking` in their names. They drive the stream if nobody
//!   else does, so that they may be called between two `next`, on the same thread or another. (The futures beside them are for
//!   runtimes; nothing drives the stream while one is awaited, but a stream in the background.) From within a
//!   [`tap`](Builder::tap) nothing waits, since nothing can happen before it returns.
//! * **The end of the loop**: [`EventStream::stop`] says goodbye to the controller, dropping the stream hangs up.
//! * **A look-up of a name** that the operating system will not interrupt may outlive the stream, on a thread of its own.
//! * **Logs** go through `tracing`. Credentials are in none of ours; keep the targets `tungstenite` and `rustls`
//!   below TRACE all the same, since they log what the controller sends.

mod driver;
mod inspect;
mod poller;
mod seam;
mod seat;
mod stream;

pub use ioxdriver::{
    Authority, AuthorityError, BuildError, EndError, Fingerprint, FingerprintError, Handle,
    InspectError, Options, Overflow, ServerCertificate, Socket, Tapped, Trust, WaitError,
};
pub use ioxproto;
pub use ioxproto::{
    Account, Address, Event, Notification, Profile, Reason, Secret, Status, StatusChange,
    SubscribePath, Timing,
};

pub use crate::inspect::inspect;
pub use crate::stream::{Builder, EventStream, TimedOut};
