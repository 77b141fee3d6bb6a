//! What all drivers of the event stream share and that is not protocol, each thing once.
//!
//! Applications use a driver crate, which shows the parts of this one that they need. Who writes a driver finds
//! here: the [`Builder`] with its [`Launch`] seam, the [`Delivery`] queue, the [`Handle`] and what it
//! [`Shared`]s with the driver, the TLS policy ([`Trust`], [`tls`]), names ([`resolve`]), the filter below the
//! WebSocket library ([`TextAsBinary`]), the frame that goes past it ([`Aside`]), the eye on what is below TLS ([`Records`]), and the sorting of the system's errors ([`failure`]).
//!
//! # Secrets and logs
//!
//! Passwords, tokens and `Authorization` values are in no log, no `Debug`, no error and no recording of ours, nor in
//! those of the libraries below, at any level: requests and the first frame with its token go to the socket past the
//! WebSocket library, which logs what it handles. A test of each driver listens to every target of every
//! crate through whole sessions and looks for them in a dozen encodings. What is left to you:
//!
//! * **Mute the targets of others below your own level.** `tungstenite` logs each frame, by the `log` crate and at
//!   TRACE: no credentials, but what goes on in the house. With `tracing-subscriber` that is
//!   `EnvFilter::new("info,tungstenite=off,rustls=off")`; with `env_logger` the same directives.
//! * **A [`Connector`] of your own** carries what is sent in the clear on an `http` address: log none of it.
//! * **Your own copies** of a password are yours to wipe; a [`Secret`](ioxproto::Secret) wipes itself when dropped. Hand it
//!   over early, and keep no other.

mod aside;
mod authority;
mod certificate;
mod delivery;
pub mod failure;
mod handle;
mod inspect;
mod opcode;
mod options;
mod records;
pub mod resolve;
mod route;
mod shared;
pub mod tls;
mod trust;

pub use crate::aside::Aside;
pub use crate::authority::{Authority, AuthorityError};
pub use crate::certificate::ServerCertificate;
pub use crate::delivery::{Delivery, Overflow};
pub use crate::handle::{EndError, Handle, WaitError};
pub use crate::inspect::{InspectError, inspect};
pub use crate::opcode::TextAsBinary;
pub use crate::options::{
    BuildError, Builder, Launch, LaunchWith, Listener, Prepared, Tap, Tapped,
};
pub use crate::records::Records;
pub use crate::route::{Connector, Resolver, Socket, addresses};
pub use crate::shared::{Command, Drive, Exchanged, Relaunch, Shared, Sleep};
pub use crate::trust::{Fingerprint, FingerprintError, Trust};
