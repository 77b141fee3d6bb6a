//! The stream machine against a scripted controller, under a fake clock: a test for each rule.

mod backoff;
mod drain;
mod harness;
mod messages;
mod misuse;
mod refusals;
mod stall;
mod status;
mod stop;
