//! The locks and atomics that handles, drivers and consumers share.
//!
//! They are the standard library's. The crate `models` compiles the sources that use this module
//! with shuttle's in their place.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use event_listener::{Event, EventListener, Listener};
