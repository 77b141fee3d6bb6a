//! The state of a controller, shared between threads.

use std::sync::{Arc, PoisonError, RwLock};

use super::ControllerState;

/// A [`ControllerState`] that a dispatcher keeps up to date while others look at it. Cheap to
/// clone.
///
/// The closures run under a lock: they should be quick, and must not dispatch or come back to the
/// same state, which would wait for itself. Listeners of a
/// [`Dispatcher`](crate::dispatch::Dispatcher) run outside it and may look.
///
/// ```
/// use ioxproto::state::{ControllerState, SharedState};
/// let shared = SharedState::new(ControllerState::new());
/// assert_eq!(shared.read(|state| state.nodes().count()), 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct SharedState(Arc<RwLock<ControllerState>>);

impl SharedState {
    /// Shares a state.
    #[must_use]
    pub fn new(state: ControllerState) -> Self {
        Self(Arc::new(RwLock::new(state)))
    }

    /// Looks at it: at one moment, between two notifications.
    pub fn read<T>(&self, look: impl FnOnce(&ControllerState) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes it: feeds or seeds it.
    pub fn update<T>(&self, change: impl FnOnce(&mut ControllerState) -> T) -> T {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// A copy of it at one moment.
    #[must_use]
    pub fn snapshot(&self) -> ControllerState {
        self.read(Clone::clone)
    }
}
