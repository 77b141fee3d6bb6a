//! Runs a client and a controller against each other in simulated time.
//!
//! The client is the core, `ioxproto::StreamMachine`. The controller is the machine of `ioxsim`. A
//! simulated driver and a simulated network connect them. The seed decides what goes wrong:
//! latency, messages in pieces, held packets, half-open connections, reboots, refusals, garbage,
//! late answers, certificates that are refused, missing tokens, slow consumers, a stopped process,
//! a suspended machine, a wall clock that is set. After every step, `checker` checks the rules.
//!
//! Each seed makes one world. The world begins with a period of faults. Then the faults end, and
//! everything is healthy. From then on, the stream must connect within a bounded time, stay
//! connected while nothing happens, and stop when asked.
//!
//! ```sh
//! cargo run --profile simulation -p worlds -- --seeds 10000
//! cargo run --profile simulation -p worlds -- --seed 17
//! ```

pub mod bounds;
mod calls;
mod checker;
mod client;
mod clock;
mod consumer;
mod faults;
mod identity;
mod link;
mod network;
mod provider;
mod random;
mod settings;
mod site;
mod subscription;
mod totals;
mod wire;
mod world;

pub use crate::totals::Totals;
pub use crate::world::{Violation, run};

/// Runs the seeds `from..to` on one thread per processor.
///
/// # Errors
///
/// Returns the violation of the smallest seed that broke a rule, among those that ran.
pub fn run_all(from: u64, to: u64) -> Result<Totals, Violation> {
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let next = std::sync::atomic::AtomicU64::new(from);
    let broken = std::sync::atomic::AtomicBool::new(false);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let worker = || {
            let mut totals = Totals::default();
            loop {
                let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if seed >= to || broken.load(std::sync::atomic::Ordering::Relaxed) {
                    return Ok(totals);
                }
                match run(seed, false) {
                    Ok(seen) => totals.add(&seen),
                    Err(violation) => {
                        broken.store(true, std::sync::atomic::Ordering::Relaxed);
                        return Err(violation);
                    }
                }
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join()).collect()
    });
    let mut totals = Totals::default();
    let mut first: Option<Violation> = None;
    for outcome in outcomes {
        match outcome {
            Ok(Ok(seen)) => totals.add(&seen),
            Ok(Err(violation)) => {
                if first
                    .as_ref()
                    .is_none_or(|first| violation.seed < first.seed)
                {
                    first = Some(violation);
                }
            }
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    match first {
        None => Ok(totals),
        Some(violation) => Err(violation),
    }
}

/// Returns the command that runs one seed again, with its log.
#[must_use]
pub fn command(seed: u64) -> String {
    format!("cargo run --profile simulation -p worlds -- --seed {seed}")
}
