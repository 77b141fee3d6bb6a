//! The blocking driver, on a poller that only a wake-up ends.

use crate::sync;

#[path = "../../ioxtransport-blocking/src/driver.rs"]
mod driver;
mod poller;
#[path = "../../ioxtransport-blocking/src/seam.rs"]
mod seam;
#[path = "../../ioxtransport-blocking/src/shared_driver.rs"]
mod shared_driver;
#[path = "../../ioxtransport-blocking/src/stream.rs"]
mod stream;

pub use self::stream::{Builder, EventStream, TimedOut};

/// A handle, as the crate of the included sources shows it.
pub type Handle = crate::Handle<crate::Blocking>;
