//! The machine against a broker and controllers without sockets.

mod broker;
mod commands;
mod property;
mod removal;
mod sensing;
mod traps;
pub(crate) mod world;
