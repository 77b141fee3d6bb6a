//! The blocking driver, with a poller that returns only after a wake-up.

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

/// The handle type that the included sources expect at this path.
pub type Handle = crate::Handle<crate::Blocking>;
