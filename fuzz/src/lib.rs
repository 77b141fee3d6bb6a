//! The bodies of the fuzz targets.

#![forbid(unsafe_code)]

#[path = "targets/answer.rs"]
pub mod answer;
#[path = "targets/differential.rs"]
pub mod differential;
#[path = "targets/envelope.rs"]
pub mod envelope;
#[path = "targets/exchange.rs"]
pub mod exchange;
#[path = "targets/frame.rs"]
pub mod frame;
#[path = "targets/login.rs"]
pub mod login;
#[path = "targets/state.rs"]
pub mod state;
#[path = "targets/stream/mod.rs"]
pub mod stream;
