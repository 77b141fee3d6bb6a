//! REST requests and answers: one test for each kind of answer, in both formats.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answers;
mod commands;
mod errors;
mod hostile;
