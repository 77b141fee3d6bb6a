//! The ticket of a pending call.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ioxproto::rest::{Call, CallError, RawAnswer};

use super::Shared;
use super::handle::{Async, Blocking};
use crate::sync::{Mutex, MutexGuard, PoisonError};

type Outcome = Result<RawAnswer, CallError>;

/// Where the driver leaves the result of a call.
#[derive(Debug, Default)]
pub(crate) struct Slot(Mutex<State>);

/// The outcome of a call, once it is known, and the waker of the task that waits for it.
#[derive(Debug, Default)]
struct State {
    outcome: Option<Outcome>,
    /// Whether the outcome was taken.
    taken: bool,
    /// The waker of the task that waits for the outcome.
    waiting: Option<Waker>,
}

impl Slot {
    /// Stores the outcome of the call. Only the first outcome counts.
    pub(crate) fn fill(&self, outcome: Outcome) {
        let mut state = self.lock();
        if state.taken || state.outcome.is_some() {
            return;
        }
        state.outcome = Some(outcome);
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    fn is_full(&self) -> bool {
        self.lock().outcome.is_some()
    }

    fn take(&self) -> Option<Outcome> {
        let mut state = self.lock();
        let outcome = state.outcome.take();
        state.taken |= outcome.is_some();
        outcome
    }

    fn poll_take(&self, context: &mut Context<'_>) -> Poll<Outcome> {
        let mut state = self.lock();
        if let Some(outcome) = state.outcome.take() {
            state.taken = true;
            return Poll::Ready(outcome);
        }
        state.waiting = Some(context.waker().clone());
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock, and the state would remain valid if one did.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call whose answer can be waited for. `M` is the way it waits: with [`Async`] it is a future,
/// with [`Blocking`] it has [`wait`](Self::wait).
///
/// Dropping it does not cancel the call: a command is still sent, and its result is discarded.
#[must_use = "the answer, and whether there is one, is in the ticket"]
pub struct Ticket<A, M> {
    call: Call<A>,
    slot: Arc<Slot>,
    shared: Arc<Shared>,
    mode: PhantomData<fn() -> M>,
}

impl<A, M> Ticket<A, M> {
    pub(crate) fn new(call: Call<A>, slot: Arc<Slot>, shared: Arc<Shared>) -> Self {
        Self {
            call,
            slot,
            shared,
            mode: PhantomData,
        }
    }

    /// Whether the call is complete, so that waiting for it does not block.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.slot.is_full()
    }

    /// Cancels the call. A command that was already sent may still be carried out. The ticket then
    /// returns [`Cancelled`](ioxproto::rest::CallProblem::Cancelled), unless the call is complete.
    pub fn cancel(&self) {
        self.shared.cancel_call(&self.slot);
    }
}

impl<A> Ticket<A, Blocking> {
    /// Blocks this thread until the answer arrives. In a callback of the same stream, the driver
    /// cannot proceed before the callback returns. There this method fails immediately, and the
    /// call continues.
    ///
    /// # Errors
    ///
    /// [`CallError`] says why there is no answer, and whether a command may have been carried out.
    pub fn wait(self) -> Result<A, CallError> {
        if self.shared.is_in_callback() && !self.is_done() {
            return self.call.outcome(Err(CallError::in_callback()));
        }
        self.shared.wait_blocking(|| self.slot.is_full(), None);
        let outcome = self.slot.take();
        let outcome = outcome.unwrap_or_else(|| Err(CallError::driver_gone()));
        self.call.outcome(outcome)
    }
}

impl<A> Future for Ticket<A, Async> {
    type Output = Result<A, CallError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = self.slot.poll_take(context);
        outcome.map(|outcome| self.call.outcome(outcome))
    }
}

impl<A, M> fmt::Debug for Ticket<A, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("path", &self.call.request().path())
            .field("done", &self.is_done())
            .finish_non_exhaustive()
    }
}
