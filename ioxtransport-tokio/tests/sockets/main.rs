//! The driver against the simulated controller, on real sockets, plain and TLS.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod bytes;
mod endings;
mod healing;
mod identity;
mod slow_consumer;
mod watch;
mod watched;
