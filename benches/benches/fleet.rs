//! Measures the reconnection of a fleet: 5,000 machines lose their controller at once, and it
//! returns after 40 s. Time is virtual, so that each wait can be compared with the backoff.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use benches::clients::Result;
use benches::machine::{accept, now, quiet, stream};
use benches::ratio::is_test;
use ioxproto::{
    Action, ConnectionId, Exchange, Failure, FailureKind, Now, Status, StreamMachine, Timing,
};

const OUTAGE: Duration = Duration::from_secs(40);
const LIMIT: Duration = Duration::from_secs(300);

/// One stream of the fleet.
struct Member {
    stream: StreamMachine,
    /// The times of the attempts after the loss.
    attempts: Vec<Duration>,
}

impl Member {
    /// Performs the machine's actions. Connections are refused while the controller is away.
    fn carry_out(&mut self, now: Now, lost: Option<Instant>) -> Result<Option<ConnectionId>> {
        let mut connected = None;
        while let Some(action) = self.stream.poll_action() {
            let Action::Connect { id, upgrade, .. } = action else {
                continue;
            };
            let since = lost.map(|lost| now.monotonic - lost);
            self.attempts.extend(since);
            if since.is_some_and(|since| since < OUTAGE) {
                let refused = Failure::transport(FailureKind::ConnectionRefused, "refused");
                self.stream.failed(now, id, refused);
            } else {
                self.upgraded(now, id, upgrade)?;
                connected = Some(id);
            }
        }
        Ok(connected)
    }

    fn upgraded(&mut self, now: Now, id: ConnectionId, mut upgrade: Exchange) -> Result<()> {
        accept(&mut upgrade)?;
        self.stream
            .upgrade_answered(now, id, upgrade.into_answer().0);
        Ok(())
    }
}

fn main() -> Result<()> {
    let count = if is_test() { 200 } else { 5_000 };
    let timing = {
        let mut timing = Timing::default();
        timing.jitter = 0.5;
        timing
    };
    let began = now();
    let lost = began.monotonic + Duration::from_secs(60);
    let mut fleet = Vec::new();
    // Each member's next deadline, in order.
    let mut deadlines = BTreeSet::new();
    for number in 0..count {
        let mut member = Member {
            stream: stream(number, timing.clone())?,
            attempts: Vec::new(),
        };
        member.stream.start(began);
        let id = member.carry_out(began, None)?.ok_or("not connected")?;
        // Connected after a second, and proven stable half a minute later.
        let now = quiet(&mut member.stream, began, lost - began.monotonic);
        if member.stream.status() != Status::Connected {
            return Err(format!("a member is {}", member.stream.status()).into());
        }
        member.stream.closed(now, id, None, "");
        member.carry_out(now, Some(lost))?;
        if let Some(deadline) = member.stream.poll_timeout(now) {
            deadlines.insert((deadline.at, fleet.len()));
        }
        fleet.push(member);
    }
    let mut back = 0;
    while let Some((at, number)) = deadlines.pop_first() {
        if at > lost + LIMIT {
            break;
        }
        let now = began.after(at - began.monotonic);
        let Some(member) = fleet.get_mut(number) else {
            continue;
        };
        member.stream.tick(now);
        member.carry_out(now, Some(lost))?;
        if member.stream.status() == Status::Connected {
            back += 1;
        } else if let Some(deadline) = member.stream.poll_timeout(now) {
            deadlines.insert((deadline.at, number));
        }
    }
    report(&fleet, &timing, back)
}

fn report(fleet: &[Member], timing: &Timing, back: usize) -> Result<()> {
    let mut histogram: BTreeMap<u64, usize> = BTreeMap::new();
    let (mut early, mut late, mut attempts) = (0, 0, 0);
    for member in fleet {
        let mut last = Duration::ZERO;
        for (attempt, at) in member.attempts.iter().enumerate() {
            let wait = timing.backoff[attempt.min(timing.backoff.len() - 1)];
            early += usize::from(*at - last < wait);
            late += usize::from(
                *at - last > wait.mul_f64(1.0 + timing.jitter) + Duration::from_millis(1),
            );
            last = *at;
            attempts += 1;
        }
        *histogram.entry(last.as_secs() / 2 * 2).or_default() += 1;
    }
    println!(
        "{} streams lose a controller that is away for {OUTAGE:?}; jitter {}",
        fleet.len(),
        timing.jitter
    );
    println!("the attempts that succeed, in intervals of 2 s since the loss:");
    let largest = histogram.values().max().copied().unwrap_or(1);
    for (second, count) in &histogram {
        println!(
            "  {second:>4} s {count:>6} {}",
            "#".repeat((count * 60).div_ceil(largest))
        );
    }
    println!(
        "{attempts} attempts, {early} earlier than the schedule, {late} later than its jitter allows; {back} of {} are back",
        fleet.len()
    );
    if early > 0 || late > 0 || back < fleet.len() {
        return Err("some streams did not reconnect, or attempted too early or too late".into());
    }
    Ok(())
}
