//! Measures the reconnection of a fleet: 5,000 machines lose their controller at once, and it
//! returns after 40 s. Time is virtual, so that each wait can be compared with the backoff.

use std::time::Duration;

use benches::clients::Result;
use benches::histogram::Histogram;
use benches::ratio::is_test;
use ioxproto::{FailureKind, Status, Timing};
use pretend::Driver;

/// The controller is lost this long after the start.
const LOSS: Duration = Duration::from_secs(60);
const OUTAGE: Duration = Duration::from_secs(40);
const LIMIT: Duration = Duration::from_secs(300);

fn main() -> Result<()> {
    let count = if is_test() { 200 } else { 5_000 };
    let timing = {
        let mut timing = Timing::default();
        timing.jitter = 0.5;
        timing
    };
    let mut fleet = Vec::new();
    let mut back = 0;
    for number in 0..count {
        let mut member = Driver::with(|config| config.timing(timing.clone()).seed(number));
        member.start();
        member.accept();
        // Connected after a second, and proven stable half a minute later.
        member.pass(LOSS.as_secs_f64());
        if member.status() != Status::Connected {
            return Err(format!("a member is {}", member.status()).into());
        }
        member.closed();
        let end = member.began + LOSS + LIMIT;
        while member.status() != Status::Connected && member.pass_to_deadline(end) {
            if member.upgrade.is_none() {
                continue;
            }
            if member.now.monotonic - member.began < LOSS + OUTAGE {
                member.fail(FailureKind::ConnectionRefused);
            } else {
                member.accept();
            }
        }
        back += usize::from(member.status() == Status::Connected);
        fleet.push(member.attempts);
    }
    report(&fleet, &timing, back)
}

/// Compares the times of each member's attempts with the backoff. The first attempt precedes the
/// loss.
fn report(fleet: &[Vec<Duration>], timing: &Timing, back: usize) -> Result<()> {
    let mut histogram = Histogram::default();
    let (mut early, mut late, mut attempts) = (0, 0, 0);
    for member in fleet {
        let mut last = LOSS;
        for (attempt, at) in member.iter().skip(1).enumerate() {
            let wait = timing.backoff[attempt.min(timing.backoff.len() - 1)];
            early += usize::from(*at - last < wait);
            late += usize::from(
                *at - last > wait.mul_f64(1.0 + timing.jitter) + Duration::from_millis(1),
            );
            last = *at;
            attempts += 1;
        }
        histogram.add(last - LOSS);
    }
    println!(
        "{} streams lose a controller that is away for {OUTAGE:?}; jitter {}",
        fleet.len(),
        timing.jitter
    );
    println!("the attempts that succeed, in intervals of 2 s since the loss:");
    histogram.print();
    println!(
        "{attempts} attempts, {early} earlier than the schedule, {late} later than its jitter allows; {back} of {} are back",
        fleet.len()
    );
    if early > 0 || late > 0 || back < fleet.len() {
        return Err("some streams did not reconnect, or attempted too early or too late".into());
    }
    Ok(())
}
