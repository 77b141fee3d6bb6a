//! The bodies of the fuzz targets.

#[path = "targets/envelope.rs"]
pub mod envelope;
#[path = "targets/exchange.rs"]
pub mod exchange;
#[path = "targets/frame.rs"]
pub mod frame;
#[path = "targets/mirror.rs"]
pub mod mirror;
