//! The driver, which all driver crates share: it carries out the actions of the core and reports
//! the results to it.
//!
//! [`Body`] is the loop. A driver crate supplies a [`Seam`] and runs the body: an async crate runs
//! it as a task, the blocking crate on the thread that waits. This module is not for applications,
//! and its API is not stable.

mod body;
mod delivery;
mod handle;
mod link;
mod seam;
pub(crate) mod shared;
mod ticket;
mod waiting;

pub use self::body::{Body, Turn};
pub use self::delivery::{Delivery, Overflow};
pub use self::handle::{Async, Blocking, EndError, Handle, WaitError, convert_handle};
pub use self::seam::{PollIo, Seam, Timer, WebSocket};
pub use self::shared::{Drive, Relaunch, Shared, Sleep};
pub use self::ticket::Ticket;
pub use crate::net::Connection;
pub use crate::options::Listener;
pub use crate::websocket::{Filtered, Open, Received, WRITE_BUFFER};
