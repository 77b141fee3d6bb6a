//! Measures contenders side by side: in short batches taken in turn, so that other load on the
//! machine affects all of them alike.

use std::time::{Duration, Instant};

/// One thing to measure.
pub struct Contender<'a> {
    /// Its name in the table.
    pub name: &'static str,
    /// Runs it once.
    pub once: Box<dyn FnMut() + 'a>,
}

impl<'a> Contender<'a> {
    /// Makes a contender with this name.
    pub fn new(name: &'static str, once: impl FnMut() + 'a) -> Self {
        Self {
            name,
            once: Box::new(once),
        }
    }
}

/// Returns the median time of one run of each contender, over this many rounds of batches.
pub fn side_by_side(contenders: &mut [Contender<'_>], rounds: usize, batch: u32) -> Vec<Duration> {
    let mut times = vec![Vec::with_capacity(rounds); contenders.len()];
    for _ in 0..rounds {
        for (contender, times) in contenders.iter_mut().zip(&mut times) {
            let began = Instant::now();
            for _ in 0..batch {
                (contender.once)();
            }
            times.push(began.elapsed() / batch);
        }
    }
    times.iter_mut().map(|times| median(times)).collect()
}

/// Returns the median; zero if there are no values.
pub fn median(times: &mut [Duration]) -> Duration {
    quantile(times, 0.5)
}

/// Returns the quantile for this share; zero if there are no values.
pub fn quantile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    times
        .get((last as f64 * share).round() as usize)
        .copied()
        .unwrap_or_default()
}

/// Whether the command line asks for a short run that only checks that everything works.
#[must_use]
pub fn is_test() -> bool {
    std::env::args().any(|argument| argument == "--test")
}
