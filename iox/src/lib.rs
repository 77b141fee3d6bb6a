#![doc = include_str!("../README.md")]
//!
//! # What is where
//!
//! * `iox::tokio`, `iox::smol`, `iox::async_std` and `iox::blocking` each have an `EventStream`,
//!   its `Builder`, and `inspect`, which shows a controller's certificate. The feature of the same
//!   name turns each one on.
//! * [`Options`] collects what a stream needs: the account, the [`Trust`] in the controller's
//!   certificate, the queue, callbacks. [`Handle`] watches and steers a running stream;
//!   `iox::tokio::Handle` waits in futures, `iox::blocking::Handle` on the thread that calls.
//! * [`Notification`] is what a stream delivers: an [`Event`], a [`StatusChange`] with its
//!   [`Reason`], a [`Gap`], and so on.
//! * [`view`] and [`vocabulary`] say what an event means; [`state`] keeps the state of the house;
//!   [`dispatch`] calls listeners; [`freshness`] says how old an event is.
//! * [`ioxproto`] is the core as a whole, for a driver of your own.
//!
//! Everything here is re-exported: the crates below can be used on their own, and the types are the
//! same.
//!
//! # Callbacks and the state of the house
//!
//! A stream can call a function instead of filling a queue. With a dispatcher in the function there
//! can be any number of listeners, and the state of the house is updated before they run:
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

/// Streams on tokio: everything that `ioxtransport-tokio` shows.
///
/// A stream is started within a tokio runtime that has I/O and timers enabled, and a task on that
/// runtime drives it. The documentation of [`ioxtransport_tokio`] says what to know about it.
#[cfg(feature = "tokio")]
pub mod tokio {
    #[doc(inline)]
    pub use ioxtransport_tokio::*;
}

/// Streams on smol: everything that `ioxtransport-smol` shows.
///
/// A stream runs on smol's global executor, which needs no starting. The documentation of
/// [`ioxtransport_smol`] says what to know about it.
#[cfg(feature = "smol")]
pub mod smol {
    #[doc(inline)]
    pub use ioxtransport_smol::*;
}

/// Streams on async-std: everything that `ioxtransport-async-std` shows.
///
/// A stream runs on async-std's own executor, which needs no starting. async-std is no longer
/// developed: new programs use smol or tokio. The documentation of [`ioxtransport_async_std`] says
/// what to know about it.
#[cfg(feature = "async-std")]
pub mod async_std {
    #[doc(inline)]
    pub use ioxtransport_async_std::*;
}

/// Streams without an async runtime: everything that `ioxtransport-blocking` shows.
///
/// A stream is an iterator, and runs on the thread that waits for its next notification. The
/// documentation of [`ioxtransport_blocking`] says what to know about it.
#[cfg(feature = "blocking")]
pub mod blocking {
    #[doc(inline)]
    pub use ioxtransport_blocking::*;
}
