//! The locks and atomics that handles, drivers and consumers share.
//!
//! They come from the standard library. The crate `models` compiles the modules that use them with
//! those of shuttle instead.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use event_listener::{Event, EventListener, Listener};
