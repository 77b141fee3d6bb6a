//! Summaries of a stream's counts.

use ioxproto::Stats;

/// All counts, in three lines.
pub(super) fn counts(stats: &Stats) -> String {
    let replayed = stats.events.saturating_sub(stats.live_events);
    format!(
        "{} events ({replayed} replayed, {} live), {} ignored, {} malformed\n\
         {} frames, {} bytes, {} gaps, {} with invalid UTF-8, {} with forbidden characters\n\
         {} attempts to connect, {} reconnects\n",
        stats.events,
        stats.live_events,
        stats.ignored,
        stats.malformed,
        stats.frames,
        stats.bytes,
        stats.gaps,
        stats.invalid_utf8,
        stats.forbidden_characters,
        stats.attempts,
        stats.reconnects,
    )
}

/// One line for people at the end; omits counts that are zero.
pub(super) fn describe(stats: &Stats) -> String {
    let replayed = stats.events.saturating_sub(stats.live_events);
    let mut text = format!(
        "{} live, {} replayed",
        counted(stats.live_events, "event"),
        replayed
    );
    for (count, what) in [
        (stats.reconnects, "reconnect"),
        (stats.gaps, "gap"),
        (stats.malformed, "malformed frame"),
    ] {
        if count > 0 {
            text += &format!(", {}", counted(count, what));
        }
    }
    text
}

fn counted(count: u64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_says_what_happened_and_nothing_else() {
        let mut stats = Stats::default();
        stats.events = 5;
        stats.live_events = 1;
        assert_eq!(describe(&stats), "1 event live, 4 replayed");
        stats.reconnects = 2;
        stats.gaps = 1;
        assert_eq!(
            describe(&stats),
            "1 event live, 4 replayed, 2 reconnects, 1 gap"
        );
    }
}
