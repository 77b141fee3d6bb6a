//! From the socket to the consumer, every field touched: each driver beside the bare loop of the same WebSocket
//! library, in turn, in one run.

use std::net::SocketAddr;
use std::time::Duration;

use iox_benches::blast::{Layout, Pace, serve};
use iox_benches::clients::{
    Error, Result, Seen, background, bare_async_std, bare_blocking, bare_smol, bare_tokio,
    callback, iterator, stream,
};
use iox_benches::ratio::{is_test, quantile};
use ioxdriver::Options;
use ioxtransport_async_std::AsyncStd;
use ioxtransport_smol::Smol;
use ioxtransport_tokio::Tokio;

type Client = fn(SocketAddr, Seen) -> Result<Seen>;

/// A way to receive.
struct Receiver {
    name: &'static str,
    client: Client,
    /// The share of the bare loop's rate that it is to reach.
    share: f64,
}

/// The bare loop of a WebSocket library, and the drivers on it.
struct Library {
    name: &'static str,
    bare_loop: Client,
    drivers: &'static [Receiver],
}

const CALLBACK: f64 = 1.0 / 2.0;
const PULLED: f64 = 1.0 / 3.0;

const LIBRARIES: [Library; 4] = [
    Library {
        name: "async-tungstenite over tokio",
        bare_loop: |address, seen| on_tokio(bare_tokio(address, seen)),
        drivers: &[
            Receiver {
                name: "tokio, callback",
                client: |address, seen| on_tokio(callback::<Tokio>(options(address), seen)),
                share: CALLBACK,
            },
            Receiver {
                name: "tokio, Stream",
                client: |address, seen| on_tokio(stream::<Tokio>(options(address), seen)),
                share: PULLED,
            },
        ],
    },
    Library {
        name: "async-tungstenite over async-std",
        bare_loop: |address, seen| async_std::task::block_on(bare_async_std(address, seen)),
        drivers: &[
            Receiver {
                name: "async-std, callback",
                client: |address, seen| {
                    async_std::task::block_on(callback::<AsyncStd>(options(address), seen))
                },
                share: CALLBACK,
            },
            Receiver {
                name: "async-std, Stream",
                client: |address, seen| {
                    async_std::task::block_on(stream::<AsyncStd>(options(address), seen))
                },
                share: PULLED,
            },
        ],
    },
    Library {
        name: "async-tungstenite over smol",
        bare_loop: |address, seen| smol::block_on(bare_smol(address, seen)),
        drivers: &[
            Receiver {
                name: "smol, callback",
                client: |address, seen| smol::block_on(callback::<Smol>(options(address), seen)),
                share: CALLBACK,
            },
            Receiver {
                name: "smol, Stream",
                client: |address, seen| smol::block_on(stream::<Smol>(options(address), seen)),
                share: PULLED,
            },
        ],
    },
    Library {
        name: "tungstenite",
        bare_loop: bare_blocking,
        drivers: &[
            Receiver {
                name: "blocking, callback",
                client: |address, seen| background(options(address), seen),
                share: CALLBACK,
            },
            Receiver {
                name: "blocking, Iterator",
                client: |address, seen| iterator(options(address), seen),
                share: PULLED,
            },
        ],
    },
];

fn options(address: SocketAddr) -> Options {
    Options::new(format!("http://{address}")).local_account("admin", "admin")
}

fn on_tokio<F: Future<Output = Result<Seen>>>(client: F) -> Result<Seen> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(client)
}

fn throughput(rounds: usize, frames: u64) -> Result<()> {
    for (name, layout) in [("JSON", Layout::Json), ("raw", Layout::Raw)] {
        let address = serve(layout, Pace::Flood)?;
        println!("throughput, {name} over ws, {rounds} rounds of {frames} frames");
        let rate =
            |client: Client| Ok::<_, Error>(client(address, Seen::none_of(frames, false))?.rate());
        for library in &LIBRARIES {
            // In turn, so that whatever else the machine does meets all alike.
            let mut floor = Vec::new();
            let mut rates = vec![Vec::new(); library.drivers.len()];
            for _ in 0..rounds {
                floor.push(rate(library.bare_loop)?);
                for (driver, rates) in library.drivers.iter().zip(&mut rates) {
                    rates.push(rate(driver.client)?);
                }
            }
            let floor = median(&mut floor);
            println!("  {:<34} {:>6.0} ns a frame", library.name, 1e9 / floor);
            for (driver, rates) in library.drivers.iter().zip(&mut rates) {
                let rate = median(rates);
                println!(
                    "    {:<32} {:>6.0} ns a frame, {:.2} of that rate (target {:.2})",
                    driver.name,
                    1e9 / rate,
                    rate / floor,
                    driver.share
                );
            }
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
    let latencies =
        |client: Client| Ok::<_, Error>(client(address, Seen::none_of(frames, true))?.latencies);
    for library in &LIBRARIES {
        let mut floor = Vec::new();
        let mut pooled = vec![Vec::new(); library.drivers.len()];
        for _ in 0..rounds {
            floor.extend(latencies(library.bare_loop)?);
            for (driver, pooled) in library.drivers.iter().zip(&mut pooled) {
                pooled.extend(latencies(driver.client)?);
            }
        }
        let [floor_50, floor_99] = [0.5, 0.99].map(|share| quantile(&mut floor, share));
        println!(
            "  {:<34} median {floor_50:>8.1?}, 99th percentile {floor_99:>8.1?}",
            library.name
        );
        for (driver, pooled) in library.drivers.iter().zip(&mut pooled) {
            let [p50, p99] = [0.5, 0.99].map(|share| quantile(pooled, share));
            println!(
                "    {:<32} median {p50:>8.1?} ({:.2} of it, target 1.15), 99th percentile {p99:>8.1?} ({:.2} of it, target 1.50)",
                driver.name,
                p50.as_secs_f64() / floor_50.as_secs_f64(),
                p99.as_secs_f64() / floor_99.as_secs_f64()
            );
        }
    }
    Ok(())
}

fn main() -> Result<()> {
    let short = is_test();
    let (rounds, frames) = if short { (1, 1_000) } else { (7, 300_000) };
    throughput(rounds, frames)?;
    let (rounds, frames) = if short { (1, 20) } else { (10, 500) };
    latency(rounds, frames)
}
