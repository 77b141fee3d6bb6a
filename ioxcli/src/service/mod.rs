//! The configuration, and the commands that write and use it: `setup`, `discover` and `bridge`.

pub(crate) mod bridge;
pub(crate) mod config;
pub(crate) mod discover;
mod http;
mod notify;
mod plan;
pub(crate) mod secret;
pub(crate) mod setup;
pub(crate) mod shard;
mod written;
