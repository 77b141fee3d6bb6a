//! Reads the password from a file, the environment or a prompt. It is never an argument, because
//! other users can see those.

use std::env::{self, VarError};
use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::Path;

use ioxproto::Secret;
use zeroize::Zeroizing;

use crate::exit_error::ExitError;
use crate::service::secret;
use crate::signals::Stop;

const VARIABLE: &str = "IOX_PASSWORD";

/// Some editors write a byte order mark. It is not part of the password.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Returns the password; `None` if a signal arrived at the prompt.
pub(crate) async fn obtain(
    username: &str,
    file: Option<&Path>,
    stop: &mut Stop,
) -> Result<Option<Secret>, ExitError> {
    obtain_from(VARIABLE, "--password-file", username, file, stop).await
}

/// The same with the given variable and option.
pub(crate) async fn obtain_from(
    variable: &str,
    option: &str,
    username: &str,
    file: Option<&Path>,
    stop: &mut Stop,
) -> Result<Option<Secret>, ExitError> {
    if let Some(path) = file {
        let path = path.to_owned();
        // A pipe may block.
        let mut read = tokio::task::spawn_blocking(move || from_file(&path));
        return tokio::select! {
            read = &mut read => match read {
                Ok(password) => password.map(Some),
                Err(error) => Err(ExitError::other(error.to_string())),
            },
            () = stop.requested() => Ok(None),
        };
    }
    match env::var(variable) {
        Ok(password) if password.is_empty() => Err(ExitError::usage(format!(
            "{variable} is set, but empty: put the password into it"
        ))),
        Ok(password) => Ok(Some(Secret::from(password))),
        Err(VarError::NotUnicode(_)) => Err(ExitError::usage(format!(
            "{variable} is not valid UTF-8: use {option} with a file that is"
        ))),
        Err(VarError::NotPresent) if io::stdin().is_terminal() => {
            ask(username, variable, option, stop).await
        }
        Err(VarError::NotPresent) => Err(ExitError::usage(format!(
            "no password: put it into the environment variable {variable}, name a file with {option}, or run this on a terminal to enter it"
        ))),
    }
}

/// Reads the password from the first line of a file.
pub(crate) fn from_file(path: &Path) -> Result<Secret, ExitError> {
    let shown = path.display();
    let text = fs::read(path)
        .map_err(|error| {
            ExitError::usage(format!("cannot read the password file {shown}: {error}"))
        })
        .map(Zeroizing::new)?;
    secret::warn_if_shared("password file", path);
    first_line(&text).map_err(|what| {
        ExitError::usage(format!(
            "the first line of the password file {shown} {what}"
        ))
    })
}

/// Returns the first line of a string as a password, or why it cannot be one.
pub(crate) fn first_line(text: &[u8]) -> Result<Secret, &'static str> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match str::from_utf8(line) {
        Ok("") => Err("is empty"),
        Ok(password) => Ok(Secret::from(password)),
        Err(_) => Err("is not valid UTF-8"),
    }
}

async fn ask(
    username: &str,
    variable: &str,
    option: &str,
    stop: &mut Stop,
) -> Result<Option<Secret>, ExitError> {
    let terminal = Terminal::save();
    let prompt = format!("Password of {username}: ");
    let mut prompting = tokio::task::spawn_blocking(move || rpassword::prompt_password(prompt));
    let answer = tokio::select! {
        answer = &mut prompting => answer,
        () = stop.requested() => {
            // Ctrl-C ends both the prompt and the program; after any other signal the prompt still
            // waits, with echo off.
            terminal.restore();
            return Ok(None);
        }
    };
    match answer {
        Ok(Ok(password)) if password.is_empty() => Err(ExitError::usage("no password was entered")),
        Ok(Ok(password)) => Ok(Some(Secret::from(password))),
        Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        Ok(Err(error)) => Err(ExitError::usage(format!(
            "cannot ask for the password ({error}): put it into the environment variable {variable}, or name a file with {option}"
        ))),
        Err(_) => Err(ExitError::other("asking for the password failed")),
    }
}

/// The settings of the terminal before the prompt switched its echo off.
#[cfg(unix)]
struct Terminal(Option<rustix::termios::Termios>);

#[cfg(unix)]
impl Terminal {
    fn save() -> Self {
        Self(rustix::termios::tcgetattr(io::stdin()).ok())
    }

    fn restore(self) {
        if let Some(state) = self.0 {
            // An error cannot be reported at this point.
            let _ = rustix::termios::tcsetattr(
                io::stdin(),
                rustix::termios::OptionalActions::Now,
                &state,
            );
        }
    }
}

#[cfg(not(unix))]
struct Terminal;

#[cfg(not(unix))]
impl Terminal {
    fn save() -> Self {
        Self
    }

    fn restore(self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn the_password_is_the_first_line_of_the_file_without_its_end() {
        for content in ["pa ss", "pa ss\n", "pa ss\r\nmore\n", "\u{feff}pa ss\n"] {
            let file = file(content.as_bytes());
            assert_eq!(from_file(file.path()).unwrap().expose(), "pa ss");
        }
    }

    #[test]
    fn an_empty_first_line_and_bytes_that_are_not_text_are_refused() {
        for content in [&b""[..], b"\n", b"\xff\n"] {
            let file = file(content);
            assert_eq!(from_file(file.path()).unwrap_err().code, 2);
        }
    }
}
