//! Models of what drivers share between threads, run under [shuttle]. At each lock, atomic and
//! wake-up, a scheduler chooses the thread that continues, in thousands of orders. A thread that
//! never wakes is a deadlock, which is reported with a schedule that reproduces it. Atomics are
//! sequentially consistent here, so faults that require a weaker memory order are not found.
//!
//! The code under test is the real code: this crate includes the sources of `ioxdriver` and
//! `ioxtransport-blocking`. They take their locks, atomics and threads from a module `sync`, for
//! which this crate supplies [its own](sync). It also replaces what the scheduler cannot control:
//! the poller ([`blocking`]) and the event listener. No socket is opened and no time passes.
//!
//! Each [model](models) is a function named after the property that it checks; the tests run them.

// The unit tests of the included sources run in their own crates.
#![cfg(not(test))]
#![allow(
    dead_code,
    unreachable_patterns,
    unreachable_pub,
    unused_imports,
    reason = "the included sources are one crate here, which uses only a part of them"
)]

// The included sources of the blocking driver import from `ioxdriver`, which is part of this crate.
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
