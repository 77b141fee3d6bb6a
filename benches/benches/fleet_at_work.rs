//! Measures many streams on one thread: 10,000 without TLS and 5,000 with TLS, each with an event
//! per second and a heartbeat every 30 s. Reports the processor time per event and the latency from
//! sending to the consumer, compared with bare loops of the same WebSocket library on as many
//! sockets. Each contender and the controller have their own processes.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use benches::clients::Result;
use benches::clock;
use benches::fleet::{bare, serve};
use benches::ratio::{is_test, quantile};
use ioxproto::{Notification, Status};
use ioxsim::Tls;
use ioxtransport_tokio::{EventStream, Options, Trust};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Semaphore;

const CONNECTING_AT_ONCE: usize = 500;
/// The time from the last connection to the measurement, in which the drain of each stream ends.
const SETTLING: Duration = Duration::from_secs(3);
/// The identity of the controller, as PEM, in the environment of its process and of the clients'.
const IDENTITY: &str = "IOX_BENCH_IDENTITY";

const CONTENDERS: [&str; 3] = ["bare loop", "tokio, callback", "tokio, Stream"];

/// Latencies of the events since the measurement began.
#[derive(Debug, Default)]
struct Seen {
    connected: usize,
    latencies: Vec<Duration>,
    is_measuring: bool,
}

type SharedSeen = Arc<Mutex<Seen>>;

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn record_latency(seen: &Mutex<Seen>, sent: &str) {
    let now = clock::nanoseconds();
    let mut seen = lock(seen);
    if seen.is_measuring
        && let Ok(sent) = sent.parse::<u64>()
    {
        seen.latencies
            .push(Duration::from_nanos(now.saturating_sub(sent)));
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match arguments[..] {
        ["serve"] => runtime.block_on(serve(identity()?.as_ref(), |address| println!("{address}"))),
        ["receive", contender, address, count, seconds] => runtime.block_on(receive(
            contender,
            address.parse()?,
            count.parse()?,
            Duration::from_secs(seconds.parse()?),
        )),
        _ => {
            let (plain, tls, seconds) = match is_test() {
                true => (20, 10, 2),
                false => (10_000, 5_000, 20),
            };
            side_by_side("plain", None, plain, seconds)?;
            side_by_side("TLS", Some(Tls::self_signed()?), tls, seconds)
        }
    }
}

fn identity() -> Result<Option<Tls>> {
    Ok(match std::env::var(IDENTITY) {
        Ok(pem) => Some(Tls::from_pem(pem.as_bytes())?),
        Err(_) => None,
    })
}

/// The process of the controller. Dropping it kills the process.
struct Controller(Child);

impl Drop for Controller {
    fn drop(&mut self) {
        // Fails if the process has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn side_by_side(what: &str, tls: Option<Tls>, count: usize, seconds: u64) -> Result<()> {
    let pem = tls.as_ref().map(Tls::to_pem);
    let this = |arguments: &[&str]| {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments).stdout(Stdio::piped());
        if let Some(pem) = &pem {
            command.env(IDENTITY, pem);
        }
        command.spawn()
    };
    println!("{count} streams, {what}, an event a second each, {seconds} s");
    let mut floor = None;
    for contender in CONTENDERS {
        let mut controller = Controller(this(&["serve"])?);
        let output = controller.0.stdout.take().ok_or("no output")?;
        let mut address = String::new();
        BufReader::new(output).read_line(&mut address)?;
        let (count, seconds) = (count.to_string(), seconds.to_string());
        let client = this(&["receive", contender, address.trim_end(), &count, &seconds])?;
        let output = client.wait_with_output()?;
        let printed = String::from_utf8(output.stdout)?;
        let figures: Vec<f64> = printed
            .split_whitespace()
            .map(str::parse)
            .collect::<std::result::Result<_, _>>()?;
        let [events, cpu, p50, p99] = figures[..] else {
            return Err(format!("{contender} printed {printed:?}").into());
        };
        let (floor_cpu, floor_p99) = *floor.get_or_insert((cpu, p99));
        println!(
            "  {contender:<16} {events:>7} events, {cpu:>5.1} us of a processor each ({:.2} of the bare loop's, target 1.30), \
             median {p50:>5.0} us, 99th percentile {p99:>6.0} us ({:.2}, target 2.00)",
            cpu / floor_cpu,
            p99 / floor_p99
        );
    }
    Ok(())
}

/// Connects this many times, receives for this long, and prints the number of events, the processor
/// time of each, and the median and 99th percentile of the latency, in microseconds.
async fn receive(contender: &str, address: SocketAddr, count: usize, time: Duration) -> Result<()> {
    let tls = identity()?.map(Arc::new);
    let seen = SharedSeen::default();
    let connecting = Arc::new(Semaphore::new(CONNECTING_AT_ONCE));
    let mut handles = Vec::new();
    let scheme = if tls.is_some() { "https" } else { "http" };
    for _ in 0..count {
        let permit = Arc::clone(&connecting).acquire_owned().await?;
        let (seen, tls) = (Arc::clone(&seen), tls.clone());
        if contender == CONTENDERS[0] {
            tokio::spawn(async move {
                let connected = || {
                    lock(&seen).connected += 1;
                    drop(permit);
                };
                bare(address, tls.as_deref(), connected, |text| {
                    let at = text
                        .find("<fmtName>")
                        .map_or(0, |at| at + "<fmtName>".len());
                    record_latency(&seen, text.get(at..at + 20).unwrap_or_default());
                })
                .await
            });
            continue;
        }
        let options = Options::new(format!("{scheme}://{address}"))
            .local_account("admin", "admin")
            .read_names(ioxproto::ReadNames::Never);
        let options = match &tls {
            Some(tls) => options.trust(Trust::Pins(vec![tls.fingerprint().parse()?])),
            None => options,
        };
        let mut permit = Some(permit);
        let mut see = move |notification: &Notification| match notification {
            Notification::Event(event) => record_latency(&seen, event.fmt_name()),
            Notification::Status(change) if change.status == Status::StreamSyncing => {
                lock(&seen).connected += 1;
                drop(permit.take());
            }
            _ => {}
        };
        if contender == CONTENDERS[1] {
            // A stream stops when its last handle is dropped.
            handles.push(EventStream::start_with(options, see)?);
        } else {
            let mut stream = EventStream::start(options)?;
            tokio::spawn(async move {
                while let Some(notification) = stream.next().await {
                    see(&notification);
                }
            });
        }
    }
    while lock(&seen).connected < count {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(SETTLING).await;
    lock(&seen).is_measuring = true;
    let before = processor_time()?;
    tokio::time::sleep(time).await;
    let used = processor_time()?.saturating_sub(before);
    let mut latencies = std::mem::take(&mut lock(&seen).latencies);
    let events = latencies.len();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    println!(
        "{events} {} {} {}",
        micros(used) / events as f64,
        micros(quantile(&mut latencies, 0.5)),
        micros(quantile(&mut latencies, 0.99))
    );
    std::process::exit(0)
}

/// Returns the processor time of this process.
fn processor_time() -> Result<Duration> {
    Ok(Duration::try_from(clock_gettime(ClockId::ProcessCPUTime))?)
}
