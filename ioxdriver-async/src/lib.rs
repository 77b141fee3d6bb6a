//! The body of the async drivers, over a small seam for each runtime.
//!
//! Applications use the crate of their runtime. A crate for another runtime is an implementation of
//! [`Runtime`], an alias of [`EventStream`], and its documentation.

mod inspect;
mod seam;
mod stream;
mod task;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use ioxdriver::BuildError;

pub use crate::inspect::inspect;
pub use crate::seam::{Duplex, Io};
pub use crate::stream::EventStream;

/// A handle on a stream, whose methods that wait are futures.
pub type Handle = ioxdriver::Handle<ioxdriver::Async>;

/// A call that was made: a future of its answer.
pub type Ticket<A> = ioxdriver::Ticket<A, ioxdriver::Async>;

/// What a runtime must give: sockets, timers and tasks.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// The runtime that a stream is started on.
    ///
    /// # Errors
    ///
    /// [`BuildError::NoRuntime`] where there is none.
    fn current() -> Result<Self, BuildError>;

    /// Connects to one address, by TCP and without Nagle's delay. May hang; it is dropped when it
    /// takes too long.
    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<Io>> + Send;

    /// Takes over a connected socket of the standard library's.
    ///
    /// # Errors
    ///
    /// What the system says, or [`Unsupported`](io::ErrorKind::Unsupported) for a kind of socket
    /// that the runtime cannot take.
    fn adopt(&self, socket: ioxdriver::Socket) -> io::Result<Io>;

    /// Completes at this instant, or soon after.
    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send + 'static;

    /// Runs a task to its end, whether anybody waits for it or not.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);
}
