//! The driver against the simulated controller, on real sockets, plain and TLS.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod endings;
mod own_loop;
mod watched;
