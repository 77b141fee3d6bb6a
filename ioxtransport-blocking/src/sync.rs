//! The locks, atomics and threads of the blocking driver.
//!
//! They come from the standard library. The crate `models` compiles the modules that use them with
//! those of shuttle instead.

pub(super) use std::sync::atomic::{AtomicBool, Ordering};
pub(super) use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
pub(super) use std::thread;
