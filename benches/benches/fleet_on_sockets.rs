//! A fleet coming back over real sockets: the process of a controller that holds 5,000 streams is
//! killed, and another begins on its port. Each stream is held against the wait that it announced.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use iox_benches::clients::Result;
use iox_benches::controller::{Controller, Kind, serve};
use iox_benches::ratio::is_test;
use ioxproto::{Notification, Status, StatusChange, Timing};
use ioxtransport_tokio::EventStream;

const CONNECTING_AT_ONCE: usize = 500;
const LIMIT: Duration = Duration::from_secs(300);
const JITTER: f64 = 0.5;
/// The clock is read once for each wake-up of a stream, a little before it is told here.
const TOLERANCE: Duration = Duration::from_millis(5);

/// What one stream of the fleet has told.
#[derive(Debug, Default)]
struct Member {
    /// When it connected, the first time and again.
    connected: Vec<Instant>,
    lost: Option<Instant>,
    /// When the next attempt may begin.
    due: Option<Instant>,
    attempts: usize,
    early: usize,
}

impl Member {
    fn told(&mut self, change: &StatusChange) {
        let now = Instant::now();
        match change.status {
            Status::Connected => self.connected.push(now),
            Status::LostConnection => self.lost = self.lost.or(Some(now)),
            Status::StreamInitializing if self.lost.is_some() => {
                self.attempts += 1;
                self.early += usize::from(self.due.is_some_and(|due| now + TOLERANCE < due));
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
        _ if is_test() => runtime.block_on(homecoming(50, Duration::from_millis(500))),
        _ => runtime.block_on(homecoming(5_000, Duration::from_secs(20))),
    }
}

async fn homecoming(count: usize, away: Duration) -> Result<()> {
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
                    lock(&member).told(change);
                }
            })?;
        handles.push(handle);
        all_connected(&fleet, 1, number.saturating_sub(CONNECTING_AT_ONCE)).await;
    }
    all_connected(&fleet, 1, count).await;
    println!(
        "{count} streams connected in {:.1?}; their controller is killed, and begins anew on its port after {away:?}; jitter {JITTER}",
        began.elapsed()
    );
    drop(controller);
    tokio::time::sleep(away).await;
    let _controller = Controller::start(Kind::Plain, port)?;
    let back = tokio::time::timeout(LIMIT, all_connected(&fleet, 2, count)).await;
    report(&fleet, back.is_ok())
}

/// Waits until this many of the fleet have connected this many times.
async fn all_connected(fleet: &Fleet, times: usize, count: usize) {
    let is_there = |member: &&Arc<Mutex<Member>>| lock(member).connected.len() >= times;
    while fleet.iter().filter(is_there).take(count).count() < count {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn report(fleet: &Fleet, back: bool) -> Result<()> {
    let mut returns: BTreeMap<u64, usize> = BTreeMap::new();
    let (mut attempts, mut early, mut returned) = (0, 0, 0);
    for member in fleet {
        let member = lock(member);
        attempts += member.attempts;
        early += member.early;
        if let ([_, connected, ..], Some(lost)) = (&*member.connected, member.lost) {
            let second = connected.duration_since(lost).as_secs();
            *returns.entry(second / 2 * 2).or_default() += 1;
            returned += 1;
        }
    }
    println!("connected again, by seconds since the loss:");
    let most = returns.values().max().copied().unwrap_or(1);
    for (second, count) in &returns {
        let bar = "#".repeat((count * 60).div_ceil(most));
        println!("  {second:>4} s {count:>6} {bar}");
    }
    println!(
        "{attempts} attempts, {early} earlier than announced; {returned} of {} are back",
        fleet.len()
    );
    match back && early == 0 {
        true => Ok(()),
        false => Err("the fleet did not come back as it should".into()),
    }
}

fn lock(member: &Mutex<Member>) -> std::sync::MutexGuard<'_, Member> {
    member.lock().unwrap_or_else(PoisonError::into_inner)
}
