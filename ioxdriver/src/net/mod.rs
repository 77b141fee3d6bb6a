//! HTTP exchanges: name lookup, TCP, TLS, request and answer.

pub(crate) mod exchange;
pub(crate) mod failure;
mod happy_eyeballs;
mod idle;
mod opening;
mod resolve;
mod route;

use std::io;
use std::task::Poll;

pub(crate) use self::exchange::{Attempt, CompletedExchange, Exchanged};
pub(crate) use self::idle::IdleConnections;
pub use self::opening::Connection;
pub(crate) use self::opening::{Opening, Route};
pub use self::route::Socket;
pub(crate) use self::route::{Connector, Resolver};

/// Converts `WouldBlock` to `Poll::Pending`.
pub(crate) fn pending<T>(done: io::Result<T>) -> Poll<io::Result<T>> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        done => Poll::Ready(done),
    }
}

/// Ignores `WouldBlock`, for work that a later call completes.
pub(crate) fn would_block(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        done => done,
    }
}
