//! The subset of HTTP/1.1 that controllers need: one request, one answer.

mod body;
mod exchange;
mod get;
mod header_set;
mod keep_alive;
mod post;
mod refusal;
mod upgrade;

pub use exchange::{Exchange, ExchangeError, Progress};
pub(crate) use get::get;
pub(crate) use header_set::HeaderSet;
pub(crate) use post::{basic, post};
pub(crate) use upgrade::{Upgrade, Verdict, retry_after};
