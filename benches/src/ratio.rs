//! Contenders measured side by side: short batches taken in turn, so that whatever else the machine
//! does meets all of them alike.

use std::time::{Duration, Instant};

/// One thing to be measured.
pub struct Contender<'a> {
    /// What the table calls it.
    pub name: &'static str,
    /// Does the thing once.
    pub once: Box<dyn FnMut() + 'a>,
}

impl<'a> Contender<'a> {
    /// A contender of this name.
    pub fn new(name: &'static str, once: impl FnMut() + 'a) -> Self {
        Self {
            name,
            once: Box::new(once),
        }
    }
}

/// The median time of each contender for doing its thing once, over this many rounds of batches in
/// turn.
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

/// The middle value; zero of none.
pub fn median(times: &mut [Duration]) -> Duration {
    quantile(times, 0.5)
}

/// The value below which this share of all lies; zero of none.
pub fn quantile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    times
        .get((last as f64 * share).round() as usize)
        .copied()
        .unwrap_or_default()
}

/// Whether the command line asks for a short run that only shows that all works.
#[must_use]
pub fn is_test() -> bool {
    std::env::args().any(|argument| argument == "--test")
}
