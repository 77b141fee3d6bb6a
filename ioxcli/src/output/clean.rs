//! Neutralises strings from the controller, for display on one line of a terminal.

use std::fmt;

use ioxproto::words::neutralised;

/// A string from the controller that cannot move the cursor or change colours.
pub(in crate::output) struct Clean<'a>(pub(in crate::output) &'a str);

impl fmt::Display for Clean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", neutralised(self.0))
    }
}

/// Returns the neutralised text.
pub(crate) fn neutralise(text: &str) -> String {
    neutralised(text).to_string()
}
