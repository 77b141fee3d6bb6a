//! Accounts: tests the client's machine against the controller's, without sockets and under a fake
//! clock.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod api_path;
mod isy994;
mod portal;
mod world;
