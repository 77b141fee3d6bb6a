//! HTTP as far as a controller needs it: one request, one answer.

mod exchange;
mod upgrade;

pub use exchange::{Exchange, ExchangeError, Progress};
pub(crate) use upgrade::{Upgrade, Verdict};
