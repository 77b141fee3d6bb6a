#![doc = include_str!("../README.md")]
//!
//! # Overview
//!
//! * `iox::tokio`, `iox::smol`, `iox::async_std` and `iox::blocking` each have an `EventStream`,
//!   its `Builder`, and `inspect`, which shows a controller's certificate. The feature of the same
//!   name turns each one on.
//! * [`Options`] has the options of a stream: the account, the [`Trust`] in the controller's
//!   certificate, the queue, callbacks. [`Handle`] observes and controls a running stream;
//!   `iox::tokio::Handle` is asynchronous, `iox::blocking::Handle` blocks the calling thread.
//! * A stream delivers [`Notification`]s: an [`Event`], a [`StatusChange`] with its [`Reason`], a
//!   [`Gap`], and so on.
//! * [`view`] and [`vocabulary`] decode events; [`state`] keeps the state of the house;
//!   [`dispatch`] calls listeners; [`freshness`] computes the age of an event.
//! * [`ioxproto`] is the complete core, for your own driver.
//!
//! All items are re-exports. You can also use the crates below directly; the types are the same.
//!
//! # Callbacks and the state of the house
//!
//! A stream can call a function instead of filling a queue. With a dispatcher in the function there
//! can be any number of listeners. The state of the house is updated before they run:
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use iox::dispatch::{Dispatcher, Filter};
//! use iox::state::{ControllerState, SharedState};
//! use iox::tokio::EventStream;
//! use iox::Status;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let url = std::env::args().nth(1).ok_or("usage: URL")?;
//!     let password = std::env::var("IOX_PASSWORD")?;
//!
//!     let house = SharedState::new(ControllerState::new());
//!     let dispatcher = Dispatcher::new();
//!     dispatcher.attach(house.clone());
//!     let _statuses = dispatcher.on_event(Filter::new().control("ST").live_only(), |event| {
//!         println!("{} is {}", event.node(), event.fmt_act());
//!     });
//!
//!     let handle = EventStream::builder(url)
//!         .local_account("admin", password)
//!         .start_with(move |notification| dispatcher.dispatch(notification))?;
//!     handle.wait_for(Status::Connected, Duration::from_secs(60)).await?;
//!     println!("{} nodes", house.read(|house| house.nodes().count()));
//!     Ok(handle.closed().await?)
//! }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

pub use ioxdriver::{
    Async, Authority, AuthorityError, Blocking, BuildError, EndError, Fingerprint,
    FingerprintError, Handle, InspectError, Options, Overflow, ServerCertificate, Socket, Tapped,
    Ticket, Trust, WaitError,
};
pub use ioxproto;
#[cfg(feature = "serde")]
pub use ioxproto::line;
pub use ioxproto::{
    Account, Address, AddressError, ConfigError, Event, Failure, FailureKind, Frame, FrameReader,
    Gap, IdentityProblem, Ignored, IgnoredKind, Malformed, NodePattern, Notification, Phase,
    Profile, ReadNames, Reason, Secret, Silence, Stats, Status, StatusChange, SubscribePath,
    Timing, UnknownStatus,
};
pub use ioxproto::{
    dispatch, freshness, names, recording, rest, state, unit, view, vocabulary, words,
};

/// Streams on tokio: re-exports `ioxtransport-tokio`.
///
/// Start a stream in a tokio runtime that has I/O and timers enabled. A task on that runtime runs
/// it. The documentation of [`ioxtransport_tokio`] has more details.
#[cfg(feature = "tokio")]
pub mod tokio {
    #[doc(inline)]
    pub use ioxtransport_tokio::*;
}

/// Streams on smol: re-exports `ioxtransport-smol`.
///
/// A stream runs on smol's global executor, which starts by itself. The documentation of
/// [`ioxtransport_smol`] has more details.
#[cfg(feature = "smol")]
pub mod smol {
    #[doc(inline)]
    pub use ioxtransport_smol::*;
}

/// Streams on async-std: re-exports `ioxtransport-async-std`.
///
/// A stream runs on async-std's own executor, which starts by itself. async-std is no longer
/// developed: use smol or tokio in new programs. The documentation of [`ioxtransport_async_std`]
/// has more details.
#[cfg(feature = "async-std")]
pub mod async_std {
    #[doc(inline)]
    pub use ioxtransport_async_std::*;
}

/// Streams without an async runtime: re-exports `ioxtransport-blocking`.
///
/// A stream is an iterator. It runs on the thread that waits for its next notification. The
/// documentation of [`ioxtransport_blocking`] has more details.
#[cfg(feature = "blocking")]
pub mod blocking {
    #[doc(inline)]
    pub use ioxtransport_blocking::*;
}
