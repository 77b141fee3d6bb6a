//! The histogram of the reconnects of a fleet.

use std::collections::BTreeMap;
use std::time::Duration;

/// Reconnects by their time since the loss, in intervals of 2 s.
#[derive(Debug, Default)]
pub struct Histogram(BTreeMap<u64, usize>);

impl Histogram {
    /// Counts a reconnect.
    pub fn add(&mut self, since_loss: Duration) {
        *self.0.entry(since_loss.as_secs() / 2 * 2).or_default() += 1;
    }

    /// Prints a bar for each interval; the longest has 60 characters.
    pub fn print(&self) {
        let largest = self.0.values().max().copied().unwrap_or(1);
        for (second, count) in &self.0 {
            let bar = "#".repeat((count * 60).div_ceil(largest));
            println!("  {second:>4} s {count:>6} {bar}");
        }
    }
}
