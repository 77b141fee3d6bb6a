//! The guard of a registered listener.

use std::fmt;
use std::sync::Weak;

use super::Shared;
use super::listener::Entry;

/// A registered listener: unregistered when this is dropped or told to.
///
/// It does not keep the dispatcher alive, and outlives it harmlessly.
#[must_use = "dropping the registration unregisters the listener"]
pub struct Registration {
    shared: Weak<Shared>,
    entry: Weak<Entry>,
}

impl Registration {
    pub(super) fn new(shared: Weak<Shared>, entry: Weak<Entry>) -> Self {
        Self { shared, entry }
    }

    /// Unregisters the listener; again, or from within a callback, is harmless. It is not called
    /// any more, save for a call that has begun.
    pub fn unregister(&self) {
        let (Some(shared), Some(entry)) = (self.shared.upgrade(), self.entry.upgrade()) else {
            return;
        };
        if entry.deactivate() {
            shared.remove(&entry);
        }
    }

    /// Whether the listener is still registered.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.shared.strong_count() > 0 && self.entry.upgrade().is_some_and(|entry| entry.active())
    }

    /// Keeps the listener registered for as long as the dispatcher lives.
    pub fn detach(mut self) {
        self.entry = Weak::new();
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.unregister();
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("registered", &self.is_registered())
            .finish()
    }
}
