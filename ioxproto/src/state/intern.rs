//! Stores equal strings only once.

use std::collections::BTreeSet;
use std::sync::Arc;

/// The maximum number of shared names. A controller has a few hundred.
const MAX_TEXTS: usize = 4096;
/// The maximum length of a shared name, in bytes.
const MAX_LENGTH: usize = 128;

/// The names of which one copy is shared.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedTexts {
    known: BTreeSet<Arc<str>>,
}

impl SharedTexts {
    /// Returns the shared copy of a name. Returns a separate copy if the name is too long, or if
    /// there are too many names.
    pub(super) fn intern(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.known.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = name.into();
        if name.len() > MAX_LENGTH {
            return new;
        }
        if self.known.len() >= MAX_TEXTS {
            self.known.retain(|name| Arc::strong_count(name) > 1);
        }
        if self.known.len() < MAX_TEXTS {
            self.known.insert(Arc::clone(&new));
        }
        new
    }

    /// Sets `place` to the name. Does nothing if it already has this name.
    pub(super) fn set(&mut self, place: &mut Arc<str>, name: &str) {
        if place.as_ref() != name {
            *place = self.intern(name);
        }
    }
}
