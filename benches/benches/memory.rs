//! Measures the memory of idle streams and of the states of houses, as the growth of a process.
//! Each kind has its own process, and so has the simulated controller.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use benches::clients::{Result, Seen, background, callback};
use benches::controller::{Controller, Kind, serve};
use benches::ratio::is_test;
use benches::replay;
use ioxproto::state::ControllerState;
use ioxproto::{Notification, Status};
use ioxtransport_tokio::{EventStream, Options, Tokio};
use tokio::sync::Semaphore;

/// The streams that are connected before the measurement, so that one-time costs are not counted.
const BEFORE: usize = 20;
const CONNECTING_AT_ONCE: usize = 500;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let arguments: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match arguments[..] {
        ["serve", kind, port] => runtime.block_on(serve(kind.parse()?, port.parse()?)),
        ["streams", kind, count] => runtime.block_on(streams(kind.parse()?, count.parse()?)),
        ["flood", driver, count] => flood(&runtime, driver, count.parse()?),
        ["states", count] => states(count.parse()?),
        _ => {
            let (count, frames) = match is_test() {
                true => ("50", "1000"),
                false => ("10000", "1000000"),
            };
            for measurement in [
                ["streams", "plain", count].as_slice(),
                &["streams", "tls", count],
                &["states", count],
                &["flood", "tokio", frames],
                &["flood", "blocking", frames],
            ] {
                let status = Command::new(std::env::current_exe()?)
                    .args(measurement)
                    .status()?;
                if !status.success() {
                    return Err(format!("{measurement:?}: {status}").into());
                }
            }
            Ok(())
        }
    }
}

async fn streams(kind: Kind, count: usize) -> Result<()> {
    let controller = Controller::start(kind, 0)?;
    let trust = controller.trust()?;
    let connected = Arc::new(AtomicUsize::new(0));
    let connecting = Arc::new(Semaphore::new(CONNECTING_AT_ONCE));
    let mut before = 0;
    let mut began = Instant::now();
    for number in 0..count + BEFORE {
        if number == BEFORE {
            settle(&connected, number).await;
            (before, began) = (resident()?, Instant::now());
        }
        let permit = Arc::clone(&connecting).acquire_owned().await?;
        let options = Options::new(controller.url())
            .local_account("admin", "admin")
            .trust(trust.clone())
            .read_names(ioxproto::ReadNames::Never);
        let mut stream = EventStream::start(options)?;
        let connected = Arc::clone(&connected);
        tokio::spawn(async move {
            let mut permit = Some(permit);
            while let Some(notification) = stream.next().await {
                if matches!(notification, Notification::Status(change) if change.status == Status::Connected)
                    && permit.take().is_some()
                {
                    connected.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    settle(&connected, count + BEFORE).await;
    let took = began.elapsed();
    let each = resident()?.saturating_sub(before) as f64 / count as f64;
    let (idle_since, cpu) = (Instant::now(), processor_time()?);
    let idle = Duration::from_secs(if count < 1000 { 1 } else { 10 });
    tokio::time::sleep(idle).await;
    let used =
        processor_time()?.saturating_sub(cpu).as_secs_f64() / idle_since.elapsed().as_secs_f64();
    let target = if kind == Kind::Tls { 28 } else { 20 };
    println!(
        "{count} idle streams, {kind:?}: {each:.1} KiB each (target {target}), all connected in {took:.1?}, {:.2} % of a processor while idle",
        used * 100.0
    );
    Ok(())
}

/// Measures the resident memory of a program that only receives a flood in a callback.
fn flood(runtime: &tokio::runtime::Runtime, driver: &str, frames: u64) -> Result<()> {
    let controller = Controller::start(Kind::Flood, 0)?;
    let options = Options::new(controller.url())
        .local_account("admin", "admin")
        .read_names(ioxproto::ReadNames::Never);
    let seen = Seen::expecting(frames, false);
    let seen = match driver {
        "tokio" => runtime.block_on(callback::<Tokio>(options, seen))?,
        _ => background(options, seen)?,
    };
    println!(
        "{} frames to a callback of the {driver} driver: {:.1} MiB resident at the most (target 6)",
        seen.frames,
        memory("VmHWM:")? as f64 / 1024.0
    );
    Ok(())
}

/// Waits until this many streams are connected and have become idle.
async fn settle(connected: &AtomicUsize, count: usize) {
    while connected.load(Ordering::Relaxed) < count {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
}

fn states(count: usize) -> Result<()> {
    let events = replay(100);
    let before = resident()?;
    let mut states = Vec::with_capacity(count);
    for _ in 0..count {
        let mut state = ControllerState::new();
        events.iter().for_each(|event| state.update(event));
        state.end_replay();
        states.push(state);
    }
    let each = resident()?.saturating_sub(before) as f64 / count as f64;
    println!(
        "{count} states of a house of {} properties: {each:.1} KiB each (target 100)",
        events.len()
    );
    Ok(())
}

/// Returns the resident memory of this process, in KiB.
fn resident() -> Result<u64> {
    memory("VmRSS:")
}

/// Returns a value of the kernel's memory statistics of this process, in KiB.
fn memory(line: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let found = status.lines().find_map(|found| found.strip_prefix(line));
    let kibibytes = found.and_then(|found| found.trim().strip_suffix(" kB"));
    Ok(kibibytes.ok_or("no such line")?.parse()?)
}

/// Returns the processor time of this process.
fn processor_time() -> Result<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Ok(Duration::try_from(time)?)
}
