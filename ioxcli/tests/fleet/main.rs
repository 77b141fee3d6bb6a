//! A fleet: hundreds of simulated controllers, bridges that share them, and a Mosquitto.
//!
//! Both tests take minutes, and run when they are asked for: see `CONTRIBUTING.md`.

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

/// The longest that a single thing may take, on a machine with much else to do.
const LIMIT: Duration = Duration::from_secs(60);

/// A setting of a test, from the environment.
fn setting<T: FromStr>(name: &str, default: T) -> T {
    let Ok(text) = env::var(name) else {
        return default;
    };
    match text.parse() {
        Ok(value) => value,
        Err(_) => panic!("{name} is {text:?}, which is not a number of its kind"),
    }
}

/// Waits until something holds.
async fn until(what: &str, limit: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < limit, "not in time: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Allows this process and its children this many descriptors, if the system lets it.
fn allow_descriptors(needed: u64) {
    let now = getrlimit(Resource::Nofile);
    if now.current.is_some_and(|current| current < needed) {
        let wanted = now.maximum.map_or(needed, |most| most.min(needed));
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
