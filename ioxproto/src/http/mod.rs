//! HTTP as far as a controller needs it: one request, one answer.

mod body;
mod exchange;
mod post;
mod upgrade;

pub use exchange::{Exchange, ExchangeError, Progress};
pub(crate) use post::{basic, post};
pub(crate) use upgrade::{Upgrade, Verdict, retry_after};
