//! The code that all drivers of the event stream share, apart from the protocol: options,
//! certificate verification, the handle on a running stream, and the driver itself.
//!
//! Applications use a driver crate, which re-exports the parts of this crate that they need.
//!
//! # Secrets and logs
//!
//! Passwords, tokens and `Authorization` values never appear in a log, a `Debug` output, an error
//! or a recording of these crates, at any level. They do not appear in the logs of the libraries
//! below either: HTTP requests, and the first frame with its token, bypass the WebSocket library,
//! which logs what it handles. A test of each driver records the logs of all crates during whole
//! sessions and searches them for the secrets in a dozen encodings. What remains for you to do:
//!
//! * **Turn off the log targets of the libraries.** `tungstenite` logs each frame with the `log`
//!   crate at TRACE. These frames contain no credentials, but they show what happens in the house.
//!   With `tracing-subscriber`, use `EnvFilter::new("info,tungstenite=off,rustls=off")`; with
//!   `env_logger`, use the same directives.
//! * **Do not log the bytes in your own [`connector`](Options::connector).** On an `http` address
//!   they are not encrypted.
//! * **Wipe your own copies of a password.** A [`Secret`](ioxproto::Secret) wipes itself when
//!   dropped. Convert the password to a `Secret` early, and keep no other copy.

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
