//! Accounts, paths, profiles and TLS identities over real sockets, against the simulated
//! controller.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic fails the test"
)]

mod accounts;
mod api_path;
mod identity;
mod profiles;
mod watched;
