//! Clients of the broker: one observes the events during the whole test, one reads the retained
//! messages.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rumqttc::{
    AsyncClient, Event, MqttOptions, Packet, Publish, PublishOptions, QoS, SubscribeFilter,
};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::LIMIT;
use crate::houses::{FIRST_TAG, REPLAYED};

/// Connects and subscribes. The retain flag of messages is kept as published.
async fn subscribe(
    id: &str,
    port: u16,
    filter: &str,
) -> Result<(AsyncClient, rumqttc::EventLoop), String> {
    let mut options = MqttOptions::new(id, ("127.0.0.1", port));
    options.set_max_packet_size(Some(4 << 20));
    let (client, mut events) = AsyncClient::builder(options).unbounded().build();
    let mut filter = SubscribeFilter::new(filter.to_owned(), QoS::AtMostOnce);
    filter.preserve_retain = true;
    let subscribed = client.subscribe_many([filter]).await;
    subscribed.map_err(|error| error.to_string())?;
    let connected = events.poll().await;
    connected.map_err(|error| error.to_string())?;
    Ok((client, events))
}

/// Returns the retained messages of the broker.
pub(crate) async fn retained(port: u16) -> Result<BTreeMap<String, String>, String> {
    const MARK: &str = "fleet/mark";
    let listing = async {
        let (client, mut events) = subscribe("fleet-snapshot", port, "#").await?;
        let mut found = BTreeMap::new();
        loop {
            match events.poll().await.map_err(|error| error.to_string())? {
                // The broker has sent the retained messages by now: a marker message ends the list.
                Event::Incoming(Packet::SubAck(_)) => {
                    let options = PublishOptions::at_most_once();
                    let marked = client.publish(MARK, "", options).await;
                    marked.map_err(|error| error.to_string())?;
                }
                Event::Incoming(Packet::Publish(publish)) if publish.topic == MARK => {
                    return Ok(found);
                }
                Event::Incoming(Packet::Publish(publish)) => {
                    let (topic, payload) = texts(&publish);
                    if publish.retain && !payload.is_empty() {
                        found.insert(topic, payload);
                    } else {
                        found.remove(&topic);
                    }
                }
                _ => {}
            }
        }
    };
    let listed = timeout(LIMIT, listing).await;
    listed.map_err(|_| "the broker did not list what it retains".to_owned())?
}

fn texts(publish: &Publish) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&publish.topic), text(&publish.payload))
}

/// Observes the events of all controllers, across restarts of the broker.
pub(crate) struct Observer {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

/// The observed messages.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The received commands, by their unique values, and when they arrived.
    pub(crate) tags: BTreeMap<u64, Instant>,
    /// Errors.
    pub(crate) errors: Vec<String>,
    /// Whether the broker is connected.
    pub(crate) is_connected: bool,
}

impl Observer {
    pub(crate) fn start(port: u16) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let task = tokio::spawn(observe(port, Arc::clone(&seen)));
        Self { seen, task }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn observe(port: u16, seen: Arc<Mutex<Seen>>) {
    loop {
        if let Ok((_client, mut events)) = subscribe("fleet-observer", port, "iox/+/+/event").await
        {
            while let Ok(event) = events.poll().await {
                match event {
                    Event::Incoming(Packet::SubAck(_)) => seen.lock().unwrap().is_connected = true,
                    Event::Incoming(Packet::Publish(publish)) => {
                        seen.lock().unwrap().add(&publish);
                    }
                    _ => {}
                }
            }
        }
        seen.lock().unwrap().is_connected = false;
        sleep(Duration::from_millis(100)).await;
    }
}

impl Seen {
    fn add(&mut self, publish: &Publish) {
        let (topic, payload) = texts(publish);
        if publish.retain {
            self.errors
                .push(format!("{topic} came as retained: {payload}"));
        }
        let event: Value = serde_json::from_str(&payload).unwrap_or_default();
        let value = event["value"].as_u64();
        if value == Some(REPLAYED) {
            let error = format!("{topic} was published during a replay: {payload}");
            self.errors.push(error);
        }
        // A replay repeats the last command of each kind.
        if let Some(tag) = value.filter(|tag| *tag >= FIRST_TAG)
            && self.tags.insert(tag, Instant::now()).is_some()
        {
            self.errors
                .push(format!("{topic} arrived twice: {payload}"));
        }
    }
}
