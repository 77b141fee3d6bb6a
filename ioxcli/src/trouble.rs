//! What ends the program other than well: an exit code, and a sentence on standard error.

use std::fmt;

/// Why the program ends, and with which exit code.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) code: u8,
    message: String,
}

impl Trouble {
    /// It was called wrongly, or with something that cannot be used: exit code 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            code: 2,
            message: message.into(),
        }
    }

    /// The controller refused us, or we its certificate: exit code 3.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self {
            code: 3,
            message: message.into(),
        }
    }

    /// A command was accepted, and nothing has shown that it was carried out: exit code 4.
    pub(crate) fn unconfirmed(message: impl Into<String>) -> Self {
        Self {
            code: 4,
            message: message.into(),
        }
    }

    /// The controller refused a command: exit code 5.
    pub(crate) fn command_refused(message: impl Into<String>) -> Self {
        Self {
            code: 5,
            message: message.into(),
        }
    }

    /// Anything else: exit code 1.
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self {
            code: 1,
            message: message.into(),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
