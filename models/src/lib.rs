//! What drivers share between threads, run under [shuttle]: a scheduler chooses at each lock,
//! atomic and wake-up which thread goes on, in thousands of orders. A thread that waits for ever is
//! a deadlock, reported with a schedule that shows it again. Atomics are sequentially consistent
//! here: a fault that needs a weaker order is not found.
//!
//! The code under test is the real one: this crate includes the sources of `ioxdriver` and
//! `ioxtransport-blocking`, which take their locks, atomics and threads from a module `sync`, and
//! puts [its own](sync) in their place. What cannot be scheduled is replaced: the poller
//! ([`blocking`]) and the event listener. No socket is opened and no time passes.
//!
//! Each [model](models) is a function named after what must hold; the tests run them.

// The unit tests of the included sources run where these belong.
#![cfg(not(test))]
#![allow(
    dead_code,
    unreachable_patterns,
    unreachable_pub,
    unused_imports,
    reason = "of the included sources only a part is used, and they are one crate here"
)]

// The included sources of the blocking driver name the crate that this one includes too.
extern crate self as ioxdriver;

pub mod blocking;
pub mod models;
pub mod sync;

#[path = "../../ioxdriver/src/driver/mod.rs"]
pub mod driver;
#[path = "../../ioxdriver/src/net/mod.rs"]
mod net;
#[path = "../../ioxdriver/src/options.rs"]
mod options;
#[path = "../../ioxdriver/src/tls/mod.rs"]
mod tls;
#[path = "../../ioxdriver/src/websocket/mod.rs"]
mod websocket;

pub use crate::driver::{Async, Blocking, EndError, Handle, Overflow, Ticket, WaitError};
pub use crate::net::Socket;
pub use crate::options::{BuildError, Options, Start, Tapped};
pub use crate::tls::{
    Authority, AuthorityError, Fingerprint, FingerprintError, InspectError, Inspection,
    ServerCertificate, Trust,
};
