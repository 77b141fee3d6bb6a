//! Measures the reconnection of a fleet over real sockets: the process of a controller with 5,000
//! streams is killed, and another starts on its port. Checks that no stream reconnects before its
//! announced wait is over.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use benches::clients::Result;
use benches::controller::{Controller, Kind, serve};
use benches::histogram::Histogram;
use benches::ratio::is_test;
use ioxproto::{Notification, Status, StatusChange, Timing};
use ioxtransport_tokio::EventStream;

const CONNECTING_AT_ONCE: usize = 500;
const LIMIT: Duration = Duration::from_secs(300);
const JITTER: f64 = 0.5;
/// How much earlier than announced an attempt may seem to begin: a stream reads its clock shortly
/// before the notification arrives here.
const TOLERANCE: Duration = Duration::from_millis(5);

/// What one stream of the fleet has reported.
#[derive(Debug, Default)]
struct Member {
    /// The times at which it connected.
    connected: Vec<Instant>,
    /// When the connection was first lost.
    first_lost: Option<Instant>,
    /// When the next attempt may begin.
    due: Option<Instant>,
    attempts: usize,
    /// The number of attempts that began before they were due.
    early_attempts: usize,
}

impl Member {
    fn record(&mut self, change: &StatusChange) {
        let now = Instant::now();
        match change.status {
            Status::Connected => self.connected.push(now),
            Status::LostConnection => self.first_lost = self.first_lost.or(Some(now)),
            Status::StreamInitializing if self.first_lost.is_some() => {
                self.attempts += 1;
                self.early_attempts +=
                    usize::from(self.due.is_some_and(|due| now + TOLERANCE < due));
            }
            _ => {}
        }
        if let Some(wait) = change.retry_in {
            self.due = Some(now + wait);
        }
    }
}

type Fleet = Vec<Arc<Mutex<Member>>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match &*arguments {
        [serving, kind, port] if serving == "serve" => {
            runtime.block_on(serve(kind.parse()?, port.parse()?))
        }
        _ if is_test() => runtime.block_on(measure_reconnect(50, Duration::from_millis(500))),
        _ => runtime.block_on(measure_reconnect(5_000, Duration::from_secs(20))),
    }
}

async fn measure_reconnect(count: usize, outage: Duration) -> Result<()> {
    let controller = Controller::start(Kind::Plain, 0)?;
    let port = controller.port()?;
    let mut timing = Timing::default();
    timing.jitter = JITTER;
    let mut fleet = Fleet::new();
    let mut handles = Vec::new();
    let began = Instant::now();
    for number in 0..count {
        let member = Arc::new(Mutex::new(Member::default()));
        fleet.push(Arc::clone(&member));
        let handle = EventStream::builder(controller.url())
            .local_account("admin", "admin")
            .timing(timing.clone())
            .start_with(move |notification| {
                if let Notification::Status(change) = notification {
                    lock(&member).record(change);
                }
            })?;
        handles.push(handle);
        wait_for_connects(&fleet, 1, number.saturating_sub(CONNECTING_AT_ONCE)).await;
    }
    wait_for_connects(&fleet, 1, count).await;
    println!(
        "{count} streams connected in {:.1?}; their controller is killed, and restarted on its port after {outage:?}; jitter {JITTER}",
        began.elapsed()
    );
    drop(controller);
    tokio::time::sleep(outage).await;
    let _controller = Controller::start(Kind::Plain, port)?;
    let reconnected = tokio::time::timeout(LIMIT, wait_for_connects(&fleet, 2, count)).await;
    report(&fleet, reconnected.is_ok())
}

/// Waits until `count` streams have connected at least `times` times.
async fn wait_for_connects(fleet: &Fleet, times: usize, count: usize) {
    let has_connected = |member: &&Arc<Mutex<Member>>| lock(member).connected.len() >= times;
    while fleet.iter().filter(has_connected).take(count).count() < count {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Prints a histogram of the reconnects. Fails if not `all_reconnected`, or if an attempt was
/// early.
fn report(fleet: &Fleet, all_reconnected: bool) -> Result<()> {
    let mut histogram = Histogram::default();
    let (mut attempts, mut early, mut returned) = (0, 0, 0);
    for member in fleet {
        let member = lock(member);
        attempts += member.attempts;
        early += member.early_attempts;
        if let ([_, connected, ..], Some(lost)) = (&*member.connected, member.first_lost) {
            histogram.add(connected.duration_since(lost));
            returned += 1;
        }
    }
    println!("connected again, in intervals of 2 s since the loss:");
    histogram.print();
    println!(
        "{attempts} attempts, {early} earlier than announced; {returned} of {} are back",
        fleet.len()
    );
    match all_reconnected && early == 0 {
        true => Ok(()),
        false => Err("some streams did not reconnect within 300 s, or attempted too early".into()),
    }
}

fn lock(member: &Mutex<Member>) -> std::sync::MutexGuard<'_, Member> {
    member.lock().unwrap_or_else(PoisonError::into_inner)
}
