//! Measures the path from the socket to the consumer, which reads every field: each driver compared
//! with the bare loops of the same WebSocket library, in turn. Each run has its own process, since
//! the threads, reactors and grown heap of one runtime would affect the next.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use benches::clients::{
    Bare, Error, Result, Seen, background, bare_async_std, bare_blocking, bare_smol, bare_tokio,
    callback, iterator, polled, stream,
};
use benches::frame_server::{Layout, Pace, serve};
use benches::ratio::{is_test, quantile};
use ioxdriver::Options;
use ioxtransport_async_std::AsyncStd;
use ioxtransport_smol::Smol;
use ioxtransport_tokio::Tokio;

type Client = fn(SocketAddr, Seen) -> Result<Seen>;

/// One way to receive.
struct Receiver {
    name: &'static str,
    client: Client,
    /// The share of the bare loop's rate that it must reach.
    target: f64,
}

/// The bare loops of a WebSocket library, the first of which is the baseline, and the drivers that
/// use it.
struct Library {
    name: &'static str,
    bare: [Receiver; 3],
    drivers: &'static [Receiver],
}

impl Library {
    fn receivers(&self) -> impl Iterator<Item = &Receiver> {
        self.bare.iter().chain(self.drivers)
    }
}

/// Defines the bare loop with its three ways to read.
macro_rules! bare {
    ($receive:expr) => {
        [
            Receiver {
                name: "bare loop",
                client: |address, seen| ($receive)(Bare::Default, address, seen),
                target: 1.0,
            },
            Receiver {
                name: "bare loop with a minimal scan",
                client: |address, seen| ($receive)(Bare::Scan, address, seen),
                target: 1.0,
            },
            Receiver {
                name: "bare loop with a buffer of 4 KiB",
                client: |address, seen| ($receive)(Bare::SmallBuffer, address, seen),
                target: 1.0,
            },
        ]
    };
}

/// Makes a receiver for a driver with a callback.
const fn called(name: &'static str, client: Client) -> Receiver {
    Receiver {
        name,
        client,
        target: 0.4,
    }
}

/// Makes a receiver for a driver from which the consumer takes events.
const fn pulled(name: &'static str, client: Client) -> Receiver {
    Receiver {
        name,
        client,
        target: 0.33,
    }
}

const LIBRARIES: [Library; 4] = [
    Library {
        name: "async-tungstenite over tokio",
        bare: bare!(|bare, address, seen| on_tokio(bare_tokio(bare, address, seen))),
        drivers: &[
            called("tokio, callback", |address, seen| {
                on_tokio(callback::<Tokio>(options(address), seen))
            }),
            pulled("tokio, Stream", |address, seen| {
                on_tokio(stream::<Tokio>(options(address), seen))
            }),
            pulled("tokio, polled Stream", |address, seen| {
                on_tokio(polled::<Tokio>(options(address), seen))
            }),
        ],
    },
    Library {
        name: "async-tungstenite over async-std",
        bare: bare!(
            |bare, address, seen| async_std::task::block_on(bare_async_std(bare, address, seen))
        ),
        drivers: &[
            called("async-std, callback", |address, seen| {
                async_std::task::block_on(callback::<AsyncStd>(options(address), seen))
            }),
            pulled("async-std, Stream", |address, seen| {
                async_std::task::block_on(stream::<AsyncStd>(options(address), seen))
            }),
            pulled("async-std, polled Stream", |address, seen| {
                async_std::task::block_on(polled::<AsyncStd>(options(address), seen))
            }),
        ],
    },
    Library {
        name: "async-tungstenite over smol",
        bare: bare!(|bare, address, seen| smol::block_on(bare_smol(bare, address, seen))),
        drivers: &[
            called("smol, callback", |address, seen| {
                smol::block_on(callback::<Smol>(options(address), seen))
            }),
            pulled("smol, Stream", |address, seen| {
                smol::block_on(stream::<Smol>(options(address), seen))
            }),
            pulled("smol, polled Stream", |address, seen| {
                smol::block_on(polled::<Smol>(options(address), seen))
            }),
        ],
    },
    Library {
        name: "tungstenite",
        bare: bare!(bare_blocking),
        drivers: &[
            called("blocking, callback", |address, seen| {
                background(options(address), seen)
            }),
            pulled("blocking, Iterator", |address, seen| {
                iterator(options(address), seen)
            }),
        ],
    },
];

fn options(address: SocketAddr) -> Options {
    Options::new(format!("http://{address}"))
        .local_account("admin", "admin")
        .read_names(ioxproto::ReadNames::Never)
}

fn on_tokio<F: Future<Output = Result<Seen>>>(client: F) -> Result<Seen> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(client)
}

/// The first argument of a receiving process.
const RECEIVE: &str = "receive";

/// Receives in a separate process. Returns what it prints: the rate, or one latency per line.
fn receive(
    library: usize,
    receiver: usize,
    address: SocketAddr,
    frames: u64,
    kind: &str,
) -> Result<Vec<f64>> {
    let output = Command::new(std::env::current_exe()?)
        .args([RECEIVE, &library.to_string(), &receiver.to_string()])
        .args([&address.to_string(), &frames.to_string(), kind])
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let printed = String::from_utf8(output.stdout)?;
    printed
        .lines()
        .map(|line| line.parse().map_err(Error::from))
        .collect()
}

/// Runs in the receiving process.
fn receiving(arguments: &[String]) -> Result<()> {
    let [library, receiver, address, frames, kind] = arguments else {
        return Err("a receiver takes five arguments".into());
    };
    let library = &LIBRARIES[library.parse::<usize>()?];
    let receiver = library.receivers().nth(receiver.parse()?);
    let client = receiver.ok_or("there is no such receiver")?.client;
    let timed = kind == "latency";
    let seen = client(address.parse()?, Seen::expecting(frames.parse()?, timed))?;
    if timed {
        for latency in &seen.latencies {
            println!("{}", latency.as_secs_f64());
        }
    } else {
        println!("{}", seen.rate());
    }
    Ok(())
}

fn throughput(rounds: usize, frames: u64) -> Result<()> {
    for (name, layout) in [("JSON", Layout::Json), ("raw", Layout::Raw)] {
        let address = serve(layout, Pace::Flood)?;
        println!("throughput, {name} over ws, {rounds} rounds of {frames} frames");
        for (at, library) in LIBRARIES.iter().enumerate() {
            // Run the receivers in turn, so that other load on the machine affects all equally.
            let mut rates = vec![Vec::new(); library.receivers().count()];
            for _ in 0..rounds {
                for (receiver, rates) in rates.iter_mut().enumerate() {
                    rates.extend(receive(at, receiver, address, frames, "rate")?);
                }
            }
            println!("  {}", library.name);
            let medians: Vec<f64> = rates.iter_mut().map(|rates| median(rates)).collect();
            let (floor, scan) = (medians[0], medians[1]);
            for (receiver, rate) in library.receivers().zip(medians) {
                println!(
                    "    {:<36} {:>6.0} ns a frame, {:.2} of the bare loop's rate (target {:.2}), {:.2} of it with a scan",
                    receiver.name,
                    1e9 / rate,
                    rate / floor,
                    receiver.target,
                    rate / scan,
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
    for (at, library) in LIBRARIES.iter().enumerate() {
        let drivers = library.bare.len();
        let contenders = [0].into_iter().chain(drivers..library.receivers().count());
        let contenders: Vec<usize> = contenders.collect();
        let mut pooled = vec![Vec::new(); contenders.len()];
        for _ in 0..rounds {
            for (receiver, pooled) in contenders.iter().zip(&mut pooled) {
                let latencies = receive(at, *receiver, address, frames, "latency")?;
                pooled.extend(latencies.into_iter().map(Duration::from_secs_f64));
            }
        }
        println!("  {}", library.name);
        let quantiles = |latencies: &mut Vec<Duration>| [0.5, 0.99].map(|q| quantile(latencies, q));
        let measured: Vec<_> = pooled.iter_mut().map(quantiles).collect();
        let [floor_50, floor_99] = measured[0];
        for (receiver, [p50, p99]) in contenders.iter().zip(measured) {
            let name = library.receivers().nth(*receiver).map_or("", |it| it.name);
            println!(
                "    {name:<36} median {p50:>8.1?} ({:.2} of the bare loop's, target 1.15), 99th percentile {p99:>8.1?} ({:.2}, target 1.50)",
                p50.as_secs_f64() / floor_50.as_secs_f64(),
                p99.as_secs_f64() / floor_99.as_secs_f64()
            );
        }
    }
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, rest @ ..] = &*arguments
        && first == RECEIVE
    {
        return receiving(rest);
    }
    let short = is_test();
    let (rounds, frames) = if short { (1, 1_000) } else { (7, 300_000) };
    throughput(rounds, frames)?;
    let (rounds, frames) = if short { (1, 20) } else { (10, 500) };
    latency(rounds, frames)
}
