//! The driver, written once: what it does with the core's actions, and what it tells the core.
//!
//! [`Body`] is the loop. A driver crate supplies a [`Seam`] and runs the body: an async crate as a
//! task, the blocking crate on whichever thread waits. Not for applications, and not stable.

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
pub use self::handle::{Async, Blocking, EndError, Handle, WaitError, waiting_otherwise};
pub use self::seam::{PollIo, Seam, Timer, WebSocket};
pub use self::shared::{Drive, Relaunch, Shared, Sleep};
pub use self::ticket::Ticket;
pub use crate::net::Connection;
pub use crate::options::Listener;
pub use crate::websocket::{Filtered, Open, Received, WRITE_BUFFER};
