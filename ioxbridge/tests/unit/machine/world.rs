//! A machine with a simulated broker and controllers, without sockets and clocks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use ioxproto::rest::{
    Confirmation, ControllerInfo, Nodes, Programs, VariableDefinitions, Variables,
};
use ioxproto::view::VariableType;
use ioxproto::{Event, Frame, FrameReader, Notification, Now, Status, StatusChange};
use serde_json::Value;

use crate::machine::*;
use crate::watch::WatchId;
use crate::{Broker, Options};

/// The actual state of a node.
#[derive(Clone, Debug)]
pub(crate) struct Real {
    pub(crate) name: String,
    pub(crate) definition: &'static str,
    pub(crate) level: u8,
}

/// The actual state of a controller.
#[derive(Clone, Debug, Default)]
pub(crate) struct Controller {
    pub(crate) uuid: String,
    pub(crate) nodes: BTreeMap<String, Real>,
    pub(crate) is_live: bool,
    /// Whether its calls fail.
    pub(crate) fails: bool,
}

/// A message that the broker has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) topic: String,
    pub(crate) payload: String,
    pub(crate) retain: bool,
}

pub(crate) struct World {
    pub(crate) machine: Machine,
    pub(crate) now: Now,
    pub(crate) controllers: BTreeMap<u64, Controller>,
    /// The retained messages. They survive restarts of the broker unless a test clears them.
    pub(crate) retained: BTreeMap<String, String>,
    pub(crate) is_connected: bool,
    subscriptions: BTreeSet<String>,
    /// Messages to be delivered to the machine.
    deliveries: VecDeque<Message>,
    /// Publications that are not acknowledged yet.
    pub(crate) unacknowledged: VecDeque<PublicationId>,
    pub(crate) acknowledges: bool,
    pub(crate) limits: BrokerLimits,
    /// All messages that the broker has accepted, in order.
    pub(crate) taken: Vec<Taken>,
    /// The paths of the commands that controllers received.
    pub(crate) commands: Vec<String>,
    /// The maximum number of publications in flight so far.
    pub(crate) max_in_flight: usize,
}

pub(crate) fn options() -> Options {
    Options::new()
        .broker(Broker::new("127.0.0.1", 1883))
        .seed(7)
}

impl World {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            machine: Machine::new(options),
            now: Now {
                monotonic: Instant::now(),
                utc: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
            },
            controllers: BTreeMap::new(),
            retained: BTreeMap::new(),
            is_connected: false,
            subscriptions: BTreeSet::new(),
            deliveries: VecDeque::new(),
            unacknowledged: VecDeque::new(),
            acknowledges: true,
            limits: BrokerLimits::default(),
            taken: Vec::new(),
            commands: Vec::new(),
            max_in_flight: 0,
        }
    }

    /// Replaces the machine with a new one. Broker and controllers stay.
    pub(crate) fn restart(&mut self, options: &Options) {
        self.machine = Machine::new(options);
        self.is_connected = false;
        self.subscriptions.clear();
        self.deliveries.clear();
        self.unacknowledged.clear();
        for controller in self.controllers.values_mut() {
            controller.is_live = false;
        }
    }

    pub(crate) fn add(&mut self, watch: u64, name: &str, nodes: &[(&str, &str, &'static str)]) {
        let nodes = nodes.iter().map(|(address, name, definition)| {
            let real = Real {
                name: (*name).to_owned(),
                definition,
                level: 0,
            };
            ((*address).to_owned(), real)
        });
        let controller = Controller {
            uuid: format!("00:21:b9:00:00:{watch:02x}"),
            nodes: nodes.collect(),
            ..Controller::default()
        };
        self.controllers.insert(watch, controller);
        self.machine.add(self.now, WatchId(watch), name);
        self.run();
    }

    /// Returns a controller, to change its actual state.
    pub(crate) fn controller_mut(&mut self, watch: u64) -> &mut Controller {
        self.controllers.get_mut(&watch).unwrap()
    }

    /// Returns a node, to change its actual state.
    pub(crate) fn node_mut(&mut self, watch: u64, address: &str) -> &mut Real {
        let node = self.controller_mut(watch).nodes.get_mut(address);
        node.unwrap()
    }

    /// Creates a world with a connected broker and a connected controller.
    pub(crate) fn settled(options: &Options, nodes: &[(&str, &str, &'static str)]) -> Self {
        let mut world = Self::new(options);
        world.add(1, "home", nodes);
        world.connect_broker();
        world.connect(1);
        world.pass(Duration::from_secs(3));
        world
    }

    pub(crate) fn connect_broker(&mut self) {
        if !self.is_connected {
            self.is_connected = true;
            self.machine.connected(self.now, self.limits);
            self.run();
        }
    }

    pub(crate) fn lose_broker(&mut self) {
        if self.is_connected {
            self.is_connected = false;
            self.subscriptions.clear();
            self.deliveries.clear();
            self.unacknowledged.clear();
            self.machine.lost();
            self.run();
        }
    }

    /// Switches to another broker, which holds the messages in `retained`.
    pub(crate) fn replace_broker(&mut self, commands: bool) {
        self.is_connected = false;
        self.subscriptions.clear();
        self.deliveries.clear();
        self.unacknowledged.clear();
        self.machine.replace_broker(commands);
        self.connect_broker();
    }

    fn notify(&mut self, watch: u64, notification: &Notification) {
        self.machine
            .notified(self.now, WatchId(watch), notification);
        self.run();
    }

    pub(crate) fn status(&mut self, watch: u64, status: Status) {
        self.notify(watch, &Notification::Status(StatusChange::new(status)));
    }

    /// Makes the controller's stream live, with a replay first.
    pub(crate) fn connect(&mut self, watch: u64) {
        if self.controllers[&watch].is_live {
            return;
        }
        self.status(watch, Status::StreamInitializing);
        self.status(watch, Status::StreamSyncing);
        let nodes = self.controllers[&watch].nodes.clone();
        for (address, real) in &nodes {
            self.event(watch, &property(address, real.level), false);
            // A replay also repeats the last command.
            self.event(watch, &command(address, "DON"), false);
        }
        self.controller_mut(watch).is_live = true;
        self.status(watch, Status::Connected);
    }

    pub(crate) fn disconnect(&mut self, watch: u64) {
        let controller = self.controller_mut(watch);
        if std::mem::take(&mut controller.is_live) {
            self.status(watch, Status::LostConnection);
        }
    }

    pub(crate) fn event(&mut self, watch: u64, text: &str, live: bool) {
        let event = read(text).with_live(live);
        self.notify(watch, &Notification::Event(event));
    }

    /// Changes the level of a node. The controller sends an event if the stream is live.
    pub(crate) fn level(&mut self, watch: u64, address: &str, level: u8) {
        let controller = self.controller_mut(watch);
        let Some(real) = controller.nodes.get_mut(address) else {
            return;
        };
        real.level = level;
        if controller.is_live {
            self.event(watch, &property(address, level), true);
        }
    }

    /// Sends the event of a button press.
    pub(crate) fn press(&mut self, watch: u64, address: &str, control: &str) {
        if self.controllers[&watch].is_live {
            self.event(watch, &command(address, control), true);
        }
    }

    /// Publishes a message from another client.
    pub(crate) fn publish(&mut self, topic: &str, payload: impl Into<Vec<u8>>, retain: bool) {
        let message = Message {
            topic: topic.to_owned(),
            payload: payload.into(),
            retain,
        };
        if self.is_subscribed(topic) {
            self.deliveries.push_back(message);
        }
        self.run();
    }

    fn is_subscribed(&self, topic: &str) -> bool {
        self.subscriptions
            .iter()
            .any(|filter| matches(filter, topic))
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now.monotonic + time;
        while let Some(due) = self.machine.deadline().filter(|due| *due <= end) {
            let step = due.saturating_duration_since(self.now.monotonic);
            self.now = self.now.after(step);
            self.machine.tick(self.now);
            self.run();
            let again = self.machine.deadline();
            assert!(
                again.is_none_or(|at| at > self.now.monotonic),
                "a tick leaves nothing due"
            );
        }
        let rest = end.saturating_duration_since(self.now.monotonic);
        self.now = self.now.after(rest);
    }

    /// Exchanges messages between machine, broker and controllers until none are left.
    pub(crate) fn run(&mut self) {
        loop {
            let Some(output) = self.machine.poll() else {
                if let Some(message) = self.deliveries.pop_front() {
                    self.machine.message(self.now, &message);
                    continue;
                }
                if self.acknowledges
                    && let Some(id) = self.unacknowledged.pop_front()
                {
                    self.machine.acknowledged(self.now, id, true);
                    continue;
                }
                return;
            };
            match output {
                Output::Publish(publication) => self.take(publication),
                Output::Mark { topic, payload } => self.deliveries.push_back(Message {
                    topic: topic.to_string(),
                    payload: payload.into_bytes(),
                    retain: false,
                }),
                Output::Subscribe(subscription) => {
                    if subscription.with_retained {
                        for (topic, payload) in &self.retained {
                            if matches(&subscription.filter, topic) {
                                self.deliveries.push_back(Message {
                                    topic: topic.clone(),
                                    payload: payload.clone().into_bytes(),
                                    retain: true,
                                });
                            }
                        }
                    }
                    self.subscriptions.insert(subscription.filter);
                }
                Output::Unsubscribe(filter) => {
                    self.subscriptions.remove(&filter);
                }
                Output::Call {
                    watch,
                    number,
                    request,
                } => {
                    let answer = self.answer(watch.0, &request);
                    self.machine.answered(self.now, watch, number, answer);
                }
            }
        }
    }

    fn take(&mut self, publication: Publication) {
        assert!(
            self.is_connected,
            "published while the broker is away: {publication:?}"
        );
        assert!(!publication.topic.contains(['+', '#']));
        self.unacknowledged.push_back(publication.id);
        self.max_in_flight = self.max_in_flight.max(self.unacknowledged.len());
        let topic = publication.topic.to_string();
        let payload = String::from_utf8(publication.payload.to_vec()).unwrap();
        if publication.retain {
            if payload.is_empty() {
                self.retained.remove(&topic);
            } else {
                self.retained.insert(topic.clone(), payload.clone());
            }
        }
        if self.is_subscribed(&topic) {
            self.deliveries.push_back(Message {
                topic: topic.clone(),
                payload: payload.clone().into_bytes(),
                retain: publication.retain,
            });
        }
        self.taken.push(Taken {
            topic,
            payload,
            retain: publication.retain,
        });
    }

    fn answer(&mut self, watch: u64, request: &Request) -> Answer {
        let Some(controller) = self
            .controllers
            .get(&watch)
            .filter(|controller| controller.is_live && !controller.fails)
        else {
            return Answer::Failed("away".to_owned());
        };
        match request {
            Request::Read(Read::Config) => {
                let mut config = ControllerInfo::default();
                config.root_id.clone_from(&controller.uuid);
                Answer::Config(config)
            }
            Request::Read(Read::Nodes) => Answer::Nodes(controller.nodes()),
            Request::Read(Read::Programs) => Answer::Programs(programs()),
            Request::Read(Read::Definitions(kind)) => Answer::Definitions(*kind, guests(*kind)),
            Request::Read(Read::Variables(_)) => Answer::Variables(Variables::default()),
            Request::Command(call) => {
                self.commands.push(call.request().path().to_owned());
                Answer::Command(Confirmation::Confirmed)
            }
        }
    }

    /// Returns the retained payload of a topic, parsed as JSON.
    pub(crate) fn json(&self, topic: &str) -> Value {
        let held = self.retained.get(topic);
        held.map_or(Value::Null, |held| serde_json::from_str(held).unwrap())
    }

    /// Returns the messages accepted since the last call.
    pub(crate) fn drain(&mut self) -> Vec<Taken> {
        std::mem::take(&mut self.taken)
    }
}

fn programs() -> Programs {
    let list = r#"<programs><program id="0001" folder="true"><name>My programs</name></program><program id="0012" parentId="0001" status="true" folder="false" enabled="true" runAtStartup="false" running="idle"><name>Porch at dusk</name></program></programs>"#;
    Programs::parse(list.as_bytes()).unwrap()
}

fn guests(kind: VariableType) -> VariableDefinitions {
    let list = match kind {
        VariableType::Integer => r#"<CList type="VAR_INT"><e id="3" name="Guests"/></CList>"#,
        _ => r#"<CList type="VAR_STATE"/>"#,
    };
    VariableDefinitions::parse(list.as_bytes(), kind).unwrap()
}

impl Controller {
    pub(crate) fn nodes(&self) -> Nodes {
        let nodes: String = self
            .nodes
            .iter()
            .map(|(address, real)| {
                // The text is either a definition or a device type.
                let is_type = real.definition.starts_with(|first: char| first.is_ascii_digit());
                let (definition, device_type) = match is_type {
                    true => ("", real.definition),
                    false => (real.definition, ""),
                };
                let first = match address.rsplit_once(' ') {
                    Some((device, _)) if device.contains(' ') => format!("{device} 1"),
                    _ => address.clone(),
                };
                format!(
                    r#"<node flag="128" nodeDefId="{definition}"><address>{address}</address><name>{}</name><parent type="3">7</parent><type>{device_type}</type><enabled>true</enabled><pnode>{first}</pnode></node>"#,
                    real.name
                )
            })
            .collect();
        let text = format!(
            r#"<nodes><root>Home</root><folder><address>7</address><name>Ground floor</name></folder>{nodes}</nodes>"#
        );
        Nodes::parse(text.as_bytes()).unwrap()
    }
}

pub(crate) fn property(address: &str, level: u8) -> String {
    format!(
        r#"<Event><control>ST</control><action uom="100" prec="0">{level}</action><node>{address}</node></Event>"#
    )
}

pub(crate) fn command(address: &str, control: &str) -> String {
    format!("<Event><control>{control}</control><action>0</action><node>{address}</node></Event>")
}

pub(crate) fn lifecycle(address: &str, verb: &str, info: &str) -> String {
    format!(
        "<Event><control>_3</control><action>{verb}</action><node>{address}</node><eventInfo>{info}</eventInfo></Event>"
    )
}

fn read(text: &str) -> Event {
    match FrameReader::new().read(text) {
        Frame::Event(event) => event,
        other => panic!("{other:?}"),
    }
}

/// Whether a topic matches a filter by the rules of MQTT.
fn matches(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        match (wanted, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (wanted, Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}
