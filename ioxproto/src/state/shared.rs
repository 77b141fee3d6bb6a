//! A controller state that threads share.

use std::sync::{Arc, PoisonError, RwLock};

use super::ControllerState;

/// A [`ControllerState`] that a dispatcher keeps up to date while other threads read it. Cheap to
/// clone.
///
/// The closures run under a lock, so they should be quick. A closure must not dispatch or access
/// the same state again, because this would deadlock. Listeners of a
/// [`Dispatcher`](crate::dispatch::Dispatcher) run outside the lock and may read the state.
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

    /// Reads the state. It does not change while `look` runs.
    pub fn read<T>(&self, look: impl FnOnce(&ControllerState) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state, for example applies events or seeds values.
    pub fn update<T>(&self, change: impl FnOnce(&mut ControllerState) -> T) -> T {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns a consistent copy of the state.
    #[must_use]
    pub fn snapshot(&self) -> ControllerState {
        self.read(Clone::clone)
    }
}
