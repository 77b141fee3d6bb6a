//! Tests the driver against the simulated controller over real sockets, with and without TLS.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic fails the test"
)]

mod endings;
mod own_loop;
mod watched;
