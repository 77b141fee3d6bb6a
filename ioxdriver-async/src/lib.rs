//! The async driver, on any runtime that implements a small trait.
//!
//! Applications use the crate of their runtime. A crate for another runtime needs an implementation
//! of [`Runtime`] and an alias of [`EventStream`]. This is a complete one, on async-io with a
//! thread for each task:
//!
//! ```
//! use std::future::Future;
//! use std::io;
//! use std::net::{SocketAddr, TcpStream};
//! use std::thread;
//! use std::time::Instant;
//!
//! use async_io::{Async, Timer};
//! use ioxdriver::{BuildError, Socket};
//! use ioxdriver_async::{Io, Runtime};
//!
//! #[derive(Clone)]
//! struct Threads;
//!
//! impl Runtime for Threads {
//!     fn current() -> Result<Self, BuildError> {
//!         Ok(Self)
//!     }
//!
//!     async fn connect(&self, to: SocketAddr) -> io::Result<Io> {
//!         let socket = Async::<TcpStream>::connect(to).await?;
//!         socket.get_ref().set_nodelay(true)?;
//!         Ok(Box::new(socket))
//!     }
//!
//!     fn adopt(&self, socket: Socket) -> io::Result<Io> {
//!         match socket {
//!             Socket::Tcp(socket) => Ok(Box::new(Async::new(socket)?)),
//!             _ => Err(io::ErrorKind::Unsupported.into()),
//!         }
//!     }
//!
//!     fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send + 'static {
//!         let timer = Timer::at(at);
//!         async move {
//!             timer.await;
//!         }
//!     }
//!
//!     fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
//!         thread::spawn(|| async_io::block_on(task));
//!     }
//! }
//!
//! type EventStream = ioxdriver_async::EventStream<Threads>;
//! ```
//!
//! The tests of such a crate run the conformance suite (`ioxconformance`):
//! `ioxconformance::conformance!(crate::OnThreads)` generates a test for each scenario.
//! `tests/thread_runtime.rs` of this crate shows how to implement the two small traits that the
//! suite needs. A runtime whose timers are not `Send`, or whose sockets do not implement the traits
//! of `futures_io`, needs the more general trait `ioxdriver::driver::Seam`.

mod inspect;
mod polled;
mod seam;
mod stream;
mod task;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use ioxdriver::BuildError;

pub use crate::inspect::inspect;
pub use crate::polled::PolledStream;
pub use crate::seam::{Duplex, Io};
pub use crate::stream::EventStream;

/// A handle on a stream; its methods that wait are futures.
pub type Handle = ioxdriver::Handle<ioxdriver::Async>;

/// A pending call: a future of its answer.
pub type Ticket<A> = ioxdriver::Ticket<A, ioxdriver::Async>;

/// A runtime: sockets, timers and tasks.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// The runtime of the calling task or thread, which a stream is started on.
    ///
    /// # Errors
    ///
    /// [`BuildError::NoRuntime`] if there is none.
    fn current() -> Result<Self, BuildError>;

    /// Connects to one address by TCP, with `TCP_NODELAY`. It need not time out: the future is
    /// dropped if it takes too long.
    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<Io>> + Send;

    /// Takes over a connected socket of the standard library.
    ///
    /// # Errors
    ///
    /// An error of the system, or [`Unsupported`](io::ErrorKind::Unsupported) for a kind of socket
    /// that the runtime does not support.
    fn adopt(&self, socket: ioxdriver::Socket) -> io::Result<Io>;

    /// Completes at this instant or soon after.
    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send + 'static;

    /// Spawns a detached task.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);
}
