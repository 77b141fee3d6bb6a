//! Tests of the binary itself, with simulated controllers.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod bad_input;
#[cfg(unix)]
mod bridge;
mod certificates;
#[cfg(unix)]
mod configured;
mod connecting;
mod contrib;
mod decode;
#[cfg(unix)]
mod discover;
mod endings;
mod house;
mod house_by_name;
mod iox;
mod output;
mod portal;
mod reading;
mod reconnecting;
mod resources;
#[cfg(unix)]
mod setup;
mod signals;
mod simulate;
mod state;
#[cfg(unix)]
mod stuck;
#[cfg(unix)]
mod top;
mod transports;
mod trust;
