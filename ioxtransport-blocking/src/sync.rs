//! The locks, atomics and threads of the blocking driver.
//!
//! They are the standard library's. The crate `models` compiles the sources that use this module
//! with shuttle's in their place.

pub(super) use std::sync::atomic::{AtomicBool, Ordering};
pub(super) use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
pub(super) use std::thread;
