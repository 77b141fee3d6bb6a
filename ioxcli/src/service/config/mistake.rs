//! What is wrong in a configuration: the file, the line, and the nearest word that would be right.

use std::path::Path;

/// Below this likeness a word is another word, not a misspelt one.
const LIKENESS: f64 = 0.75;

/// One sentence about an error. The text of the file is not repeated, since it may hold a password.
pub(super) fn sentence(path: &Path, text: &str, error: &toml::de::Error) -> String {
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
    // Its place is that of the key alone.
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

/// The expected word that is nearest to the one that was found. serde puts each word between
/// backticks: the unknown one first, then those that it expects.
fn suggestion(message: &str) -> Option<&str> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut words = message.split('`').skip(1).step_by(2);
    let found = words.next()?;
    nearest(found, words)
}

/// The word that is nearest to this one, if any is like it.
pub(crate) fn nearest<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let written = word.to_lowercase();
    words
        .map(|near| (strsim::jaro_winkler(&written, &near.to_lowercase()), near))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, near)| near)
}
