//! The stream machine with a scripted controller and a fake clock: one test for each rule.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod api_path;
mod audit;
mod backoff;
mod calls;
mod confirmed;
mod drain;
mod end_mark;
mod keep_alive;
mod loader;
mod memory;
mod messages;
mod misuse;
mod own_time;
mod own_tokens;
mod portal;
mod refusals;
mod sessions;
mod signing_out;
mod stall;
mod status;
mod stop;
