//! From the socket to the consumer, every field touched: each driver beside the bare loop of the same WebSocket
//! library, in turn, in one run.

use std::net::SocketAddr;
use std::time::Duration;

use iox_benches::blast::{Layout, Pace, serve};
use iox_benches::clients::{Result, Seen, bare_blocking, bare_tokio, tokio_stream};
use iox_benches::ratio::{is_test, quantile};

type Client = fn(SocketAddr, Seen) -> Result<Seen>;

/// A driver, the bare loop that it is held against, and the share of its rate that it is to reach.
const DRIVERS: [(&str, Client, &str, Client, f64); 1] = [(
    "tokio, Stream",
    stream_on_tokio,
    "async-tungstenite over tokio",
    loop_on_tokio,
    1.0 / 3.0,
)];

fn on_tokio<F: Future<Output = Result<Seen>>>(client: F) -> Result<Seen> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(client)
}

fn loop_on_tokio(address: SocketAddr, seen: Seen) -> Result<Seen> {
    on_tokio(bare_tokio(address, seen))
}

fn stream_on_tokio(address: SocketAddr, seen: Seen) -> Result<Seen> {
    let builder = ioxtransport_tokio::EventStream::builder(format!("http://{address}"));
    on_tokio(tokio_stream(builder.local_account("admin", "admin"), seen))
}

fn throughput(rounds: usize, frames: u64) -> Result<()> {
    for (name, layout) in [("JSON", Layout::Json), ("raw", Layout::Raw)] {
        let address = serve(layout, Pace::Flood)?;
        println!("throughput, {name} over ws, {rounds} rounds of {frames} frames");
        bare_blocking(address, Seen::none_of(frames, false))?;
        for (driver, client, bare, bare_loop, target) in DRIVERS {
            let (mut rates, mut bare_rates) = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                bare_rates.push(bare_loop(address, Seen::none_of(frames, false))?.rate());
                rates.push(client(address, Seen::none_of(frames, false))?.rate());
            }
            let (rate, bare_rate) = (median(&mut rates), median(&mut bare_rates));
            println!("  {bare:<30} {:>6.0} ns a frame", 1e9 / bare_rate);
            println!(
                "  {driver:<30} {:>6.0} ns a frame, {:.2} of the bare loop's rate (target {target:.2})",
                1e9 / rate,
                rate / bare_rate
            );
        }
    }
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn latency(rounds: usize, frames: u64) -> Result<()> {
    let pause = Duration::from_millis(2);
    let address = serve(Layout::Json, Pace::Every(pause))?;
    println!("latency, one frame every {pause:?}, {rounds} rounds of {frames} frames");
    for (driver, client, bare, bare_loop, _) in DRIVERS {
        let (mut ours, mut floor) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            floor.extend(bare_loop(address, Seen::none_of(frames, true))?.latencies);
            ours.extend(client(address, Seen::none_of(frames, true))?.latencies);
        }
        let mut at = |share| (quantile(&mut ours, share), quantile(&mut floor, share));
        let ((p50, bare_p50), (p99, bare_p99)) = (at(0.5), at(0.99));
        println!("  {bare:<30} median {bare_p50:>8.1?}, 99th percentile {bare_p99:>8.1?}");
        println!(
            "  {driver:<30} median {p50:>8.1?} ({:.2} of it, target 1.15), 99th percentile {p99:>8.1?} ({:.2} of it, target 1.50)",
            p50.as_secs_f64() / bare_p50.as_secs_f64(),
            p99.as_secs_f64() / bare_p99.as_secs_f64()
        );
    }
    Ok(())
}

fn main() -> Result<()> {
    let short = is_test();
    let (rounds, frames) = if short { (1, 1_000) } else { (11, 300_000) };
    throughput(rounds, frames)?;
    let (rounds, frames) = if short { (1, 20) } else { (10, 500) };
    latency(rounds, frames)
}
