//! Happy eyeballs: connects to the first address of a host that answers.

use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::driver::{Seam, Timer as _};

/// The delay between two connection attempts (RFC 8305 section 5). An address whose packets get
/// lost causes this delay.
const STAGGER: Duration = Duration::from_millis(250);

/// Connection attempts to the addresses of one host.
pub(crate) struct HappyEyeballs<S: Seam> {
    /// The addresses that have not been tried yet.
    untried: std::vec::IntoIter<SocketAddr>,
    /// The connects in progress.
    connecting: Vec<S::Connecting>,
    /// When to try the next address, unless the last attempt fails earlier.
    next_at: Option<Instant>,
    timer: S::Timer,
    last_error: io::Error,
}

impl<S: Seam> HappyEyeballs<S> {
    /// Starts with the first address; tries them in this order.
    pub(crate) fn new(seam: &S, addresses: Vec<SocketAddr>) -> Self {
        Self {
            untried: addresses.into_iter(),
            connecting: Vec::new(),
            next_at: None,
            timer: seam.timer(),
            last_error: io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
        }
    }

    /// Returns the first connection that succeeds, or the last error after all attempts have
    /// failed.
    pub(crate) fn poll(&mut self, seam: &S, context: &mut Context<'_>) -> Poll<io::Result<S::Io>> {
        loop {
            let mut at = 0;
            while at < self.connecting.len() {
                match Pin::new(&mut self.connecting[at]).poll(context) {
                    Poll::Ready(Ok(socket)) => return Poll::Ready(Ok(socket)),
                    Poll::Ready(Err(error)) => {
                        drop(self.connecting.swap_remove(at));
                        self.last_error = error;
                        self.next_at = None;
                    }
                    Poll::Pending => at += 1,
                }
            }
            if self.untried.len() > 0
                && let Some(next_at) = self.next_at
                && self.timer.poll(next_at, context).is_pending()
            {
                return Poll::Pending;
            }
            match self.untried.next() {
                Some(address) => {
                    self.next_at = Some(Instant::now() + STAGGER);
                    self.connecting.push(seam.connect(address));
                }
                None if self.connecting.is_empty() => {
                    let placeholder = io::ErrorKind::NotFound.into();
                    return Poll::Ready(Err(std::mem::replace(&mut self.last_error, placeholder)));
                }
                None => return Poll::Pending,
            }
        }
    }
}
