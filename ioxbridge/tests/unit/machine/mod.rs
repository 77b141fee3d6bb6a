//! Tests of the machine with a simulated broker and controllers, without sockets.

mod broker;
mod commands;
mod property;
mod removal;
mod sensing;
mod traps;
pub(crate) mod world;
