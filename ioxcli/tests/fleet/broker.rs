//! A Mosquitto broker. Its log records which client publishes which topic.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::{LIMIT, until};

const PLACES: [&str; 3] = [
    "/usr/sbin/mosquitto",
    "/usr/bin/mosquitto",
    "/usr/local/sbin/mosquitto",
];

/// A Mosquitto on a free loopback port, without persistence. It is killed when dropped.
pub(crate) struct Broker {
    program: &'static str,
    port: u16,
    folder: TempDir,
    process: Option<Child>,
    record: Arc<Mutex<Record>>,
}

/// The publications in the broker's log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// The number of messages that bridges have published.
    pub(crate) published: u64,
    /// The number of events among them.
    pub(crate) events: u64,
    /// The client that publishes the topics of each controller and each bridge.
    pub(crate) publishers: BTreeMap<String, String>,
    /// Errors.
    pub(crate) errors: Vec<String>,
}

/// Whether the broker logs publications, which makes it slower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logging {
    On,
    Off,
}

impl Broker {
    /// Creates a broker without starting it; `None`, with a visible message, if Mosquitto is not
    /// installed.
    pub(crate) fn new(logging: Logging) -> Option<Self> {
        let Some(program) = PLACES.into_iter().find(|path| Path::new(path).exists()) else {
            eprintln!(
                "\n*** SKIPPED: mosquitto is not installed, so nothing of this test was tried ***\n"
            );
            return None;
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        // The queue is unlimited, so that a slow observer loses no message.
        let log = match logging {
            Logging::On => "log_type debug\n",
            Logging::Off => "",
        };
        let config = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n\
             max_queued_messages 0\nlog_dest stderr\nlog_type error\n{log}"
        );
        fs::write(folder.path().join("mosquitto.conf"), config).unwrap();
        Some(Self {
            program,
            port,
            folder,
            process: None,
            record: Arc::default(),
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Starts the broker, without retained messages.
    pub(crate) async fn run(&mut self) {
        let mut child = Command::new(self.program)
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = child.stderr.take().unwrap();
        let record = Arc::clone(&self.record);
        // The thread ends when the process closes its log.
        thread::spawn(move || read_log(log, &record));
        self.process = Some(child);
        let port = self.port;
        until("mosquitto listens", LIMIT, async || {
            TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
    }

    pub(crate) fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Kills the broker. Its retained messages are lost.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
            // Give the thread time to read the end of the log.
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn record(&self) -> Record {
        self.record.lock().unwrap().clone()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

fn read_log(log: ChildStderr, record: &Mutex<Record>) {
    for line in BufReader::new(log).split(b'\n') {
        let Ok(line) = line else { return };
        let line = String::from_utf8_lossy(&line);
        if let Some((client, is_retained, topic)) = publication(&line) {
            record.lock().unwrap().add(client, is_retained, topic);
        }
    }
}

/// Parses client, retain flag and topic of a log line such as `1795776071: Received PUBLISH from
/// iox-bridge-1-of-3 (d0, q1, r1, m1, 'iox/house001/n1/ST', ... (5 bytes))`.
fn publication(line: &str) -> Option<(&str, bool, &str)> {
    let (_, rest) = line.split_once(": Received PUBLISH from ")?;
    let (client, rest) = rest.split_once(" (")?;
    let (flags, rest) = rest.split_once('\'')?;
    let (topic, _) = rest.rsplit_once('\'')?;
    Some((client, flags.contains(" r1,"), topic))
}

impl Record {
    fn add(&mut self, client: &str, is_retained: bool, topic: &str) {
        let Some(rest) = topic.strip_prefix("iox/") else {
            return;
        };
        self.published += 1;
        let is_event = topic.ends_with("/event");
        self.events += u64::from(is_event);
        if is_event && is_retained {
            self.errors
                .push(format!("{topic} was published as retained"));
        }
        // The subject is a controller, or a bridge.
        let levels = if rest.starts_with("bridge/") { 2 } else { 1 };
        let subject: Vec<&str> = rest.split('/').take(levels).collect();
        let subject = subject.join("/");
        let known = self
            .publishers
            .entry(subject)
            .or_insert_with(|| client.to_owned());
        if known != client {
            let error = format!("{topic} was published by {client}, and before by {known}");
            self.errors.push(error);
        }
    }
}
