//! A Mosquitto for tests, and a client that watches it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ioxbridge::Broker;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, PublishOptions, QoS, SubscribeFilter};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The time limit for every wait in a test.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Waits until a condition is met.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < LIMIT, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A Mosquitto on a free port of the loopback address. Dropping it ends the process.
pub(crate) struct Mosquitto {
    port: u16,
    folder: TempDir,
    process: Option<Child>,
}

impl Mosquitto {
    /// Starts a Mosquitto that accepts everybody. Returns `None`, with a clear message, if
    /// Mosquitto is not installed.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_with("allow_anonymous true\n").await
    }

    /// Starts a Mosquitto with these lines of configuration.
    pub(crate) async fn start_with(lines: &str) -> Option<Self> {
        let mut mosquitto = Self::configured(lines)?;
        mosquitto.run().await;
        Some(mosquitto)
    }

    /// Configures a Mosquitto without starting it.
    pub(crate) fn configured(lines: &str) -> Option<Self> {
        if program().is_none() {
            eprintln!(
                "\n*** SKIPPED: mosquitto is not installed, so nothing of this test was tried ***\n"
            );
            return None;
        }
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let mosquitto = Self {
            port,
            folder,
            process: None,
        };
        mosquitto.configure(lines);
        Some(mosquitto)
    }

    /// Replaces the lines of configuration, from the next start on.
    pub(crate) fn configure(&self, lines: &str) {
        let mut file = std::fs::File::create(self.folder.path().join("mosquitto.conf")).unwrap();
        write!(
            file,
            "listener {} 127.0.0.1\npersistence false\nuser root\n{lines}",
            self.port
        )
        .unwrap();
    }

    /// Starts the process, also after a [`kill`](Self::kill): on the same port, with no retained
    /// messages.
    pub(crate) async fn run(&mut self) {
        let child = Command::new(program().unwrap())
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.process = Some(child);
        let address = ("127.0.0.1", self.port);
        let began = Instant::now();
        while tokio::net::TcpStream::connect(address).await.is_err() {
            assert!(began.elapsed() < LIMIT, "mosquitto does not listen");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Suspends the process, so that it neither reads nor answers, or resumes it.
    pub(crate) fn freeze(&self, is_frozen: bool) {
        let signal = if is_frozen { "-STOP" } else { "-CONT" };
        let process = self.process.as_ref().unwrap().id().to_string();
        let done = Command::new("kill").args([signal, &process]).status();
        assert!(done.unwrap().success());
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Writes a file next to the configuration, and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn options(&self) -> Broker {
        Broker::new("127.0.0.1", self.port)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program() -> Option<&'static str> {
    [
        "/usr/sbin/mosquitto",
        "/usr/bin/mosquitto",
        "/usr/local/sbin/mosquitto",
    ]
    .into_iter()
    .find(|path| std::path::Path::new(path).exists())
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A message that a watcher has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) topic: String,
    pub(crate) payload: String,
    /// The retain flag, as published.
    pub(crate) retain: bool,
}

/// A client that subscribes and records messages with the retain flag as published.
pub(crate) struct Watcher {
    client: AsyncClient,
    seen: mpsc::UnboundedReceiver<Seen>,
    task: JoinHandle<()>,
    log: Vec<Seen>,
    retained: BTreeMap<String, String>,
}

impl Watcher {
    pub(crate) async fn start(broker: &Mosquitto, filters: &[&str]) -> Self {
        let id = format!(
            "watcher-{}",
            std::process::id() as u64 * 1000 + u64::from(free_port())
        );
        let mut options = MqttOptions::new(id, ("127.0.0.1", broker.port()));
        options.set_max_packet_size(Some(4 << 20));
        Self::with(options, filters).await
    }

    async fn with(options: MqttOptions, filters: &[&str]) -> Self {
        let (client, mut events) = AsyncClient::builder(options).unbounded().build();
        let filters: Vec<SubscribeFilter> = filters
            .iter()
            .map(|filter| {
                let mut filter = SubscribeFilter::new((*filter).to_owned(), QoS::AtMostOnce);
                filter.preserve_retain = true;
                filter
            })
            .collect();
        client.subscribe_many(filters).await.unwrap();
        let (sender, seen) = mpsc::unbounded_channel();
        let (ready, subscribed) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            let mut ready = Some(ready);
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let seen = Seen {
                            topic: String::from_utf8(publish.topic.to_vec()).unwrap(),
                            payload: String::from_utf8_lossy(&publish.payload).into_owned(),
                            retain: publish.retain,
                        };
                        if sender.send(seen).is_err() {
                            return;
                        }
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => {
                        if let Some(ready) = ready.take() {
                            let _ = ready.send(());
                        }
                    }
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        });
        tokio::time::timeout(LIMIT, subscribed)
            .await
            .unwrap()
            .unwrap();
        Self {
            client,
            seen,
            task,
            log: Vec::new(),
            retained: BTreeMap::new(),
        }
    }

    /// Processes the messages that have arrived.
    pub(crate) fn take(&mut self) {
        while let Ok(seen) = self.seen.try_recv() {
            if seen.retain {
                if seen.payload.is_empty() {
                    self.retained.remove(&seen.topic);
                } else {
                    self.retained
                        .insert(seen.topic.clone(), seen.payload.clone());
                }
            }
            self.log.push(seen);
        }
    }

    /// Returns the retained message of a topic.
    pub(crate) fn retained(&self, topic: &str) -> Option<String> {
        self.retained.get(topic).cloned()
    }

    /// Returns all retained messages, by topic.
    pub(crate) fn all(&self) -> &BTreeMap<String, String> {
        &self.retained
    }

    /// Returns all messages since the last call.
    pub(crate) fn drain(&mut self) -> Vec<Seen> {
        self.take();
        std::mem::take(&mut self.log)
    }

    pub(crate) async fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>, retain: bool) {
        let options = PublishOptions::at_least_once().retain(retain);
        let notice = self
            .client
            .publish_tracked(topic.to_owned(), payload.into(), options)
            .await
            .unwrap();
        tokio::time::timeout(LIMIT, notice.wait_async())
            .await
            .unwrap()
            .unwrap();
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}
