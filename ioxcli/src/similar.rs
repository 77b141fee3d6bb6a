//! Suggests names and words that are similar to what was written.

/// The similarity, from 0 to 1, above which a word is suggested.
const MIN_SIMILARITY: f64 = 0.75;

/// Returns the most similar word, if any is similar enough.
pub(crate) fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    similar(written, known).into_iter().next()
}

/// Returns the most similar names, at most three, in quotes.
pub(crate) fn similar_names<'a>(
    written: &str,
    known: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    let similar = similar(written, known);
    let quoted = similar.into_iter().take(3);
    quoted.map(|name| format!("{name:?}")).collect()
}

/// Returns the similar words, the most similar one first. Upper and lower case count the same.
fn similar<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let written = written.to_lowercase();
    let mut similar: Vec<_> = known
        .map(|word| (strsim::jaro_winkler(&written, &word.to_lowercase()), word))
        .filter(|(similarity, _)| *similarity >= MIN_SIMILARITY)
        .collect();
    similar.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    similar.dedup();
    similar.into_iter().map(|(_, word)| word).collect()
}
