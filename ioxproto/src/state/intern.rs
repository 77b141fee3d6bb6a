//! Texts that many values share are kept once.

use std::collections::BTreeSet;
use std::sync::Arc;

/// The most names that are kept for sharing; a controller has some hundreds.
const MAX_TEXTS: usize = 4096;
/// The longest that is kept for sharing, in bytes.
const MAX_LENGTH: usize = 128;

#[derive(Clone, Debug, Default)]
pub(super) struct SharedTexts {
    known: BTreeSet<Arc<str>>,
}

impl SharedTexts {
    /// The one copy of a name; a copy of its own where there are too many, or it is too long to be
    /// one.
    pub(super) fn shared(&mut self, name: &str) -> Arc<str> {
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

    /// Makes `place` hold the name, without work where it does already.
    pub(super) fn set(&mut self, place: &mut Arc<str>, name: &str) {
        if place.as_ref() != name {
            *place = self.shared(name);
        }
    }
}
