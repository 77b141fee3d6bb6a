//! The guard of a registered listener.

use std::fmt;
use std::sync::Weak;

use super::Shared;
use super::listener::Entry;

/// The guard of a registered listener. Dropping it unregisters the listener.
///
/// It does not keep the dispatcher alive and may outlive it.
#[must_use = "dropping the registration unregisters the listener"]
pub struct Registration {
    shared: Weak<Shared>,
    entry: Weak<Entry>,
}

impl Registration {
    pub(super) fn new(shared: Weak<Shared>, entry: Weak<Entry>) -> Self {
        Self { shared, entry }
    }

    /// Unregisters the listener. May be called more than once, and from within a callback. The
    /// listener is not called after this, but if it is running on another thread at that moment, it
    /// runs to its end.
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
        self.shared.strong_count() > 0
            && self.entry.upgrade().is_some_and(|entry| entry.is_active())
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
