//! The scenarios. Their names state the requirements.
#![expect(
    missing_docs,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a scenario is a test, which is documented by its name and fails with a panic"
)]

pub mod bytes;
pub mod calls;
pub mod embedding;
pub mod endings;
pub mod endurance;
pub mod house;
pub mod identity;
pub mod keep_alive;
pub mod leftovers;
pub mod portal;
pub mod reconnecting;
pub mod replay;
pub mod secrets;
pub mod slow_consumer;
pub mod stop_in_time;
pub mod stopped_process;
