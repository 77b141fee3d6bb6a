//! What all drivers of the event stream share and that is not protocol, each thing once: options,
//! the judgement of certificates, the handle on a running stream, and the body of every driver.
//!
//! Applications use a driver crate, which shows the parts of this one that they need.
//!
//! # Secrets and logs
//!
//! Passwords, tokens and `Authorization` values are in no log, no `Debug`, no error and no
//! recording of ours, nor in those of the libraries below, at any level: requests and the first
//! frame with its token go to the socket past the WebSocket library, which logs what it handles. A
//! test of each driver listens to every target of every crate through whole sessions and looks for
//! them in a dozen encodings. What is left to you:
//!
//! * **Mute the targets of others below your own level.** `tungstenite` logs each frame, by the
//!   `log` crate and at TRACE: no credentials, but what goes on in the house. With
//!   `tracing-subscriber` that is `EnvFilter::new("info,tungstenite=off,rustls=off")`; with
//!   `env_logger` the same directives.
//! * **A [`connector`](Options::connector) of your own** carries what is sent in the clear on an
//!   `http` address: log none of it.
//! * **Your own copies** of a password are yours to wipe; a [`Secret`](ioxproto::Secret) wipes
//!   itself when dropped. Hand it over early, and keep no other.

#[doc(hidden)]
pub mod driver;
mod net;
mod options;
mod sync;
mod tls;
mod websocket;

pub use crate::driver::{Async, Blocking, EndError, Handle, Overflow, Ticket, WaitError};
pub use crate::net::Socket;
pub use crate::options::{BuildError, Options, Start, Tapped};
#[doc(hidden)]
pub use crate::tls::Inspection;
pub use crate::tls::{
    Authority, AuthorityError, Fingerprint, FingerprintError, InspectError, ServerCertificate,
    Trust,
};
