//! Connects a driver, reads every field of a number of events, and prints the result as one line of
//! JSON.

use std::time::Duration;

use benches::clients::{Result, Seen, background, callback, iterator, polled, stream};
use benches::ratio::quantile;
use clap::{Parser, ValueEnum};
use ioxdriver::{Options, Trust};
use ioxdriver_async::Runtime;

/// Connects, reads every field of COUNT events, and prints one line of JSON: the number of frames,
/// the seconds from the first to the last, and with --latency the median, 99th percentile and
/// maximum latency in microseconds.
#[derive(Parser)]
struct Arguments {
    /// The controller, such as http://127.0.0.1:8080; ws and wss are accepted too.
    url: String,
    /// The number of events to receive.
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// The driver.
    #[arg(long, value_enum, default_value_t = Transport::Tokio)]
    transport: Transport,
    /// Reads the time of sending from the fmtName of each event: 20 digits of nanoseconds on
    /// CLOCK_MONOTONIC.
    #[arg(long)]
    latency: bool,
    /// The local account. The password is in IOX_PASSWORD, or "admin".
    #[arg(long, default_value = "admin")]
    username: String,
    /// Takes events from a Stream or Iterator, which has a queue, instead of a callback.
    #[arg(long)]
    stream: bool,
    /// Takes events from a Stream that its consumer drives, without a task of its own.
    #[arg(long, conflicts_with = "stream")]
    polled: bool,
    /// Accepts any certificate.
    #[arg(long)]
    insecure: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Transport {
    Tokio,
    AsyncStd,
    Smol,
    Blocking,
}

impl Arguments {
    fn options(&self) -> Options {
        let password = std::env::var("IOX_PASSWORD").unwrap_or_else(|_| "admin".to_owned());
        let options = Options::new(&*self.url)
            .local_account(&*self.username, password)
            .read_names(ioxproto::ReadNames::Never);
        match self.insecure {
            true => options.trust(Trust::Insecure),
            false => options,
        }
    }

    async fn asynchronous<R: Runtime>(&self, seen: Seen) -> Result<Seen> {
        let options = self.options();
        match (self.stream, self.polled) {
            (true, _) => stream::<R>(options, seen).await,
            (_, true) => polled::<R>(options, seen).await,
            _ => callback::<R>(options, seen).await,
        }
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let seen = Seen::expecting(arguments.count, arguments.latency);
    let mut seen = match arguments.transport {
        Transport::Tokio => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(arguments.asynchronous::<ioxtransport_tokio::Tokio>(seen))?,
        Transport::AsyncStd => async_std::task::block_on(
            arguments.asynchronous::<ioxtransport_async_std::AsyncStd>(seen),
        )?,
        Transport::Smol => smol::block_on(arguments.asynchronous::<ioxtransport_smol::Smol>(seen))?,
        Transport::Blocking if arguments.stream || arguments.polled => {
            iterator(arguments.options(), seen)?
        }
        Transport::Blocking => background(arguments.options(), seen)?,
    };
    let mut line = serde_json::json!({
        "frames": seen.frames,
        "seconds": seen.elapsed.as_secs_f64(),
    });
    if arguments.latency {
        for (name, share) in [("p50_us", 0.5), ("p99_us", 0.99), ("max_us", 1.0)] {
            line[name] = microseconds(quantile(&mut seen.latencies, share)).into();
        }
    }
    println!("{line}");
    Ok(())
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
