//! Shuttle's locks, atomics and threads, and an event listener built on them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
pub(crate) use shuttle::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Threads that the scheduler controls.
pub(crate) mod thread {
    pub(crate) use shuttle::thread::{
        Builder, JoinHandle, Thread, ThreadId, current, park, park_timeout, spawn,
    };
    pub(crate) use std::thread::panicking;
}

/// Replaces `event_listener::Event`, which wakes under a lock that the scheduler does not control.
#[derive(Debug, Default)]
pub(crate) struct Event {
    listeners: Mutex<Vec<Arc<Mutex<State>>>>,
}

/// The state of a listener: whether it was notified, and the waker of its task.
#[derive(Debug, Default)]
struct State {
    notified: bool,
    /// The waker of the task that listens.
    waker: Option<Waker>,
}

impl Event {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn listen(&self) -> EventListener {
        let state = Arc::default();
        let mut listeners = lock(&self.listeners);
        // Remove listeners that have been dropped.
        listeners.retain(|listener| Arc::strong_count(listener) > 1);
        listeners.push(Arc::clone(&state));
        EventListener(state)
    }

    /// Notifies all listeners. The included sources always notify all of them.
    pub(crate) fn notify(&self, count: usize) {
        assert_eq!(
            count,
            usize::MAX,
            "the model notifies all listeners or none"
        );
        let listeners = std::mem::take(&mut *lock(&self.listeners));
        for listener in listeners {
            let waker = {
                let mut state = lock(&listener);
                state.notified = true;
                state.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

/// Completes when its event is notified.
#[derive(Debug)]
pub struct EventListener(Arc<Mutex<State>>);

/// The blocking methods of `event_listener::Listener`.
pub(crate) trait Listener: Sized {
    fn wait(self);

    /// Ignores the deadline: no time passes.
    fn wait_deadline(self, _: Instant) -> Option<()> {
        self.wait();
        Some(())
    }
}

impl Listener for EventListener {
    fn wait(self) {
        shuttle::future::block_on(self);
    }
}

impl Future for EventListener {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.0);
        if state.notified {
            return Poll::Ready(());
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
