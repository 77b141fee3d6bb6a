//! Secret text: passwords, tokens, header values.

use std::fmt;

use zeroize::Zeroizing;

/// Text that does not appear in `Debug` output and is wiped from memory when dropped.
///
/// ```
/// let password = ioxproto::Secret::new("hunter2");
/// assert_eq!(format!("{password:?}"), "Secret(***)");
/// assert_eq!(password.expose(), "hunter2");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a string. Does not wipe copies that the caller keeps.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for sending it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_wiped_when_dropped() {
        // A test cannot read freed memory without unsafe code. The trait guarantees that it is
        // wiped.
        fn wiped_when_dropped(_: &impl zeroize::ZeroizeOnDrop) {}
        let Secret(text) = &Secret::new("hunter2");
        wiped_when_dropped(text);
    }

    #[test]
    fn a_secret_does_not_show_in_debug_however_it_is_nested() {
        let nested = vec![Some(Secret::new("hunter2"))];
        assert_eq!(format!("{nested:?}"), "[Some(Secret(***))]");
        assert!(!format!("{nested:#?}").contains("hunter2"));
    }
}
