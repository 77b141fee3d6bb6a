//! Errors that end the program: an exit code, and a message on standard error.

use std::fmt;

/// An error that ends the program, with its exit code.
#[derive(Debug)]
pub(crate) struct ExitError {
    pub(crate) code: u8,
    message: String,
}

impl ExitError {
    /// Wrong usage or unusable input: exit code 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            code: 2,
            message: message.into(),
        }
    }

    /// The controller refused the credentials, or its certificate was refused: exit code 3.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self {
            code: 3,
            message: message.into(),
        }
    }

    /// A command was accepted, but no event confirmed it: exit code 4.
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

    /// Any other error: exit code 1.
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self {
            code: 1,
            message: message.into(),
        }
    }
}

impl fmt::Display for ExitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
