//! Describes errors in a configuration: the file, the line, and the most similar valid word.

use std::path::Path;

use crate::similar::nearest;

/// Describes an error in one sentence. It does not repeat the text of the file, which may contain a
/// password.
pub(super) fn describe(path: &Path, text: &str, error: &toml::de::Error) -> String {
    let shown = path.display();
    let place = match error.span() {
        Some(span) => {
            let before = text.get(..span.start).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            format!("{shown}:{line}")
        }
        None => shown.to_string(),
    };
    let message = error.message().trim();
    // The span of this error is exactly the key.
    if message == "duplicate key"
        && let Some(key) = error.span().and_then(|span| text.get(span))
    {
        return format!("{place}: duplicate key `{}`", key.trim());
    }
    match suggestion(message) {
        Some(near) => format!("{place}: {message}; did you mean `{near}`?"),
        None => format!("{place}: {message}"),
    }
}

/// Returns the expected word that is most similar to the unknown one. serde puts backticks around
/// each word: first the unknown one, then the expected ones.
fn suggestion(message: &str) -> Option<&str> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut words = message.split('`').skip(1).step_by(2);
    let found = words.next()?;
    nearest(found, words)
}
