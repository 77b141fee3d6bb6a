//! Clients of the broker: one that watches the events all the time, and one that looks at what is
//! retained.

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

/// A connection that has subscribed; the retain flag is as it was published.
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

/// What the broker retains.
pub(crate) async fn retained(port: u16) -> Result<BTreeMap<String, String>, String> {
    const MARK: &str = "fleet/mark";
    let listing = async {
        let (client, mut events) = subscribe("fleet-snapshot", port, "#").await?;
        let mut found = BTreeMap::new();
        loop {
            match events.poll().await.map_err(|error| error.to_string())? {
                // What is retained has been sent before this; a mark behind it ends the list.
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

/// Watches the events of all controllers, over restarts of the broker.
pub(crate) struct Observer {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

/// What an observer has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The commands that came, by the values that tell them apart, and when.
    pub(crate) tags: BTreeMap<u64, Instant>,
    /// What must not be.
    pub(crate) wrong: Vec<String>,
    /// Whether the broker is there.
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
                        seen.lock().unwrap().saw(&publish);
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
    fn saw(&mut self, publish: &Publish) {
        let (topic, payload) = texts(publish);
        if publish.retain {
            self.wrong
                .push(format!("{topic} came as retained: {payload}"));
        }
        let event: Value = serde_json::from_str(&payload).unwrap_or_default();
        let value = event["value"].as_u64();
        if value == Some(REPLAYED) {
            let wrong = format!("{topic} was published during a replay: {payload}");
            self.wrong.push(wrong);
        }
        // A replay repeats the last command of each kind.
        if let Some(tag) = value.filter(|tag| *tag >= FIRST_TAG)
            && self.tags.insert(tag, Instant::now()).is_some()
        {
            self.wrong.push(format!("{topic} came twice: {payload}"));
        }
    }
}
