//! Shows an event as one line for people.

use std::fmt;

use super::View;
use crate::Event;

/// Describes the event in words: `42 92 8C 1 ST = On`, `1A 2B 3C 1: Fast On`. Texts are those of
/// the controller, unescaped. Does not show whether the event is live.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.view() {
            Ok(View::Other) | Err(_) if self.node().is_empty() => f.write_str(&self.describe()),
            Ok(View::Other) | Err(_) => write!(f, "{}: {}", self.node(), self.describe()),
            Ok(view) => view.fmt(f),
        }
    }
}
