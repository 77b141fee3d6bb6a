//! Tests of the web page: its server on real sockets, and the page in a headless browser.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod browser;
mod chromium;
mod client;
mod house;
mod server;
