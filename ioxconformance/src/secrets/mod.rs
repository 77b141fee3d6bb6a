//! Searches everything that is logged for secrets.

mod forms;
mod log;

pub(crate) use forms::find_encodings;
pub(crate) use log::{capture_logs, captured_logs};
