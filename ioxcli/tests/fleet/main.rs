//! Tests with a fleet: hundreds of simulated controllers, the bridges that watch a shard of them
//! each, and Mosquitto.
//!
//! Both tests take minutes and run only on request: see `CONTRIBUTING.md`.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bridges;
mod broker;
mod expected;
mod figures;
mod houses;
mod soak;
mod subscriber;

use std::env;
use std::str::FromStr;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::sleep;

/// The time limit for a single step, generous enough for a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Reads a setting of a test from the environment.
fn setting<T: FromStr>(name: &str, default: T) -> T {
    let Ok(text) = env::var(name) else {
        return default;
    };
    match text.parse() {
        Ok(value) => value,
        Err(_) => panic!("{name} is {text:?}, which is not a number of its kind"),
    }
}

/// Waits until a condition is met.
async fn until(what: &str, limit: Duration, mut condition: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < limit, "not in time: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Raises the descriptor limit of this process and its children. Fails if the system does not
/// allow it.
fn allow_descriptors(needed: u64) {
    let now = getrlimit(Resource::Nofile);
    if now.current.is_some_and(|current| current < needed) {
        let wanted = now.maximum.map_or(needed, |max| max.min(needed));
        assert!(
            wanted == needed,
            "{needed} descriptors are needed and {wanted} allowed: see ulimit -n"
        );
        let limit = Rlimit {
            current: Some(needed),
            maximum: now.maximum,
        };
        setrlimit(Resource::Nofile, limit).unwrap();
    }
}
