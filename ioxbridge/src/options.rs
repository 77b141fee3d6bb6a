//! The options of a bridge.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use ioxdriver::Trust;
use ioxproto::Secret;
use thiserror::Error;

use crate::discovery::class::is_class_of;

/// The options of a bridge, apart from the controllers that it watches.
#[derive(Clone, Debug)]
#[must_use]
pub struct Options {
    pub(crate) instance: String,
    pub(crate) broker: Option<Broker>,
    pub(crate) home_assistant: Option<String>,
    pub(crate) commands: Option<bool>,
    pub(crate) allowed: BTreeSet<Allowance>,
    pub(crate) overrides: BTreeMap<String, NodeOverride>,
    pub(crate) availability_delay: Duration,
    pub(crate) seed: u64,
}

/// A kind of device to which commands are carried out only with explicit permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Allowance {
    /// Locks.
    Locks,
    /// Garage doors, gates and other covers.
    Covers,
    /// Alarms and sirens.
    Alarms,
}

impl Allowance {
    /// All allowances.
    pub const ALL: [Self; 3] = [Self::Locks, Self::Covers, Self::Alarms];

    /// Returns the word used in a configuration: `locks`, `covers` or `alarms`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Locks => "locks",
            Self::Covers => "covers",
            Self::Alarms => "alarms",
        }
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The reason why options are invalid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// Two controllers have the same name.
    #[error(
        "two controllers are named {0:?}: topics contain the names, so give each a different one"
    )]
    DuplicateName(String),
    /// A name is invalid.
    #[error("{what} is {name:?}: it must have 1 to 64 characters")]
    Name {
        /// What has this name.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The discovery prefix is invalid.
    #[error("the discovery prefix {0:?} must not be empty or contain the characters # and +")]
    Prefix(String),
    /// An override has a device class that does not exist for its component.
    #[error(
        "the device class {class:?} of {node}: Home Assistant has no such class for a {component}"
    )]
    DeviceClass {
        /// The node's address.
        node: String,
        /// The component.
        component: &'static str,
        /// The class.
        class: String,
    },
    /// The options of a controller are invalid.
    #[error("the controller {name}: {cause}")]
    Controller {
        /// The name of the controller.
        name: String,
        /// The cause.
        cause: String,
    },
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// Creates the default options: no broker, the discovery prefix `homeassistant`, and 60 s until
    /// a disconnected controller counts as unavailable.
    pub fn new() -> Self {
        Self {
            instance: "bridge".to_owned(),
            broker: None,
            home_assistant: Some("homeassistant".to_owned()),
            commands: None,
            allowed: BTreeSet::new(),
            overrides: BTreeMap::new(),
            availability_delay: Duration::from_secs(60),
            seed: 0,
        }
    }

    /// Sets the name that distinguishes this bridge from others on the same broker. It is part of
    /// the client id and of the topics `iox/bridge/<instance>/…`. Default: `bridge`.
    pub fn instance(mut self, instance: impl Into<String>) -> Self {
        self.instance = instance.into();
        self
    }

    /// Sets the broker. Default: none; the bridge then only collects [`Stats`](crate::Stats) and
    /// updates the page.
    pub fn broker(mut self, broker: Broker) -> Self {
        self.broker = Some(broker);
        self
    }

    /// Sets the discovery prefix of Home Assistant; `None` disables discovery. Default:
    /// `homeassistant`.
    pub fn home_assistant(mut self, prefix: Option<String>) -> Self {
        self.home_assistant = prefix;
        self
    }

    /// Sets whether commands from MQTT are carried out. Default: only if the broker is on a
    /// loopback address, or is connected over TLS with a user name and password.
    pub fn commands(mut self, commands: bool) -> Self {
        self.commands = Some(commands);
        self
    }

    /// Allows commands to these kinds of devices. Default: none.
    pub fn allow(mut self, allowed: impl IntoIterator<Item = Allowance>) -> Self {
        self.allowed.extend(allowed);
        self
    }

    /// Overrides how a node or scene, given by its address, appears in Home Assistant.
    pub fn override_node(mut self, address: impl Into<String>, node: NodeOverride) -> Self {
        self.overrides.insert(address.into(), node);
        self
    }

    /// Sets how long a controller may be disconnected before its availability becomes `offline`.
    /// Default: 60 s.
    pub fn availability_delay(mut self, delay: Duration) -> Self {
        self.availability_delay = delay;
        self
    }

    /// Sets the seed of random delays. Default: 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Returns whether these options allow commands from MQTT.
    #[must_use]
    pub fn are_commands_allowed(&self) -> bool {
        are_commands_allowed(self.commands, self.broker.as_ref())
    }

    /// Checks that the options are valid together with the controllers.
    ///
    /// # Errors
    ///
    /// [`OptionsError`] for the first invalid option.
    pub fn check(&self, controllers: &[Controller]) -> Result<(), OptionsError> {
        check_name("the instance", &self.instance)?;
        if let Some(prefix) = &self.home_assistant
            && (prefix.is_empty() || prefix.contains(['#', '+', '\0']))
        {
            return Err(OptionsError::Prefix(prefix.clone()));
        }
        for (node, change) in &self.overrides {
            if let (Some(component), Some(class)) = (change.component, &change.device_class)
                && !is_class_of(component.as_str(), class)
            {
                return Err(OptionsError::DeviceClass {
                    node: node.clone(),
                    component: component.as_str(),
                    class: class.clone(),
                });
            }
        }
        let mut names = BTreeSet::new();
        for controller in controllers {
            check_name("the name of a controller", &controller.name)?;
            if !names.insert(&controller.name) {
                return Err(OptionsError::DuplicateName(controller.name.clone()));
            }
        }
        Ok(())
    }
}

/// Whether commands from this broker are carried out: as configured, or else only if it is safe.
pub(crate) fn are_commands_allowed(said: Option<bool>, broker: Option<&Broker>) -> bool {
    said.unwrap_or_else(|| broker.is_some_and(Broker::is_safe))
}

fn check_name(what: &'static str, name: &str) -> Result<(), OptionsError> {
    if (1..=64).contains(&name.chars().count()) {
        return Ok(());
    }
    let name = name.to_owned();
    Err(OptionsError::Name { what, name })
}

/// An MQTT broker, and how to connect to it.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Broker {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) trust: Option<Trust>,
    pub(crate) credentials: Option<(String, Secret)>,
    pub(crate) client_id: Option<String>,
}

impl Broker {
    /// Creates a broker at this host and port, without TLS and credentials.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            trust: None,
            credentials: None,
            client_id: None,
        }
    }

    /// Enables TLS. `trust` decides which certificates are accepted.
    pub fn tls(mut self, trust: Trust) -> Self {
        self.trust = Some(trust);
        self
    }

    /// Sets the user name and password.
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.credentials = Some((user.into(), password.into()));
        self
    }

    /// Sets the client id. Default: `iox-<instance>`.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// Returns the host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns whether commands from this broker are accepted by default: it is on a loopback
    /// address, or is connected over TLS with credentials. With any other broker, strangers may be
    /// able to publish.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let address = host.parse::<IpAddr>();
        let is_loopback = host.eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|address| address.is_loopback());
        is_loopback || (self.trust.is_some() && self.credentials.is_some())
    }
}

/// A controller to watch.
#[derive(Clone, Debug)]
#[must_use]
pub struct Controller {
    pub(crate) name: String,
    pub(crate) options: ioxdriver::Options,
}

impl Controller {
    /// Creates a controller with a name, which is part of all its topics.
    pub fn new(name: impl Into<String>, options: ioxdriver::Options) -> Self {
        Self {
            name: name.into(),
            options,
        }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// An override of how one node or scene appears in Home Assistant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct NodeOverride {
    pub(crate) is_hidden: bool,
    pub(crate) name: Option<String>,
    pub(crate) component: Option<Component>,
    pub(crate) device_class: Option<String>,
}

impl NodeOverride {
    /// Creates an override that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Hides the node from Home Assistant and the page. Its topics are still published.
    pub fn hide(mut self) -> Self {
        self.is_hidden = true;
        self
    }

    /// Sets another name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets another component than the one that the node's type implies.
    pub fn component(mut self, component: Component) -> Self {
        self.component = Some(component);
        self
    }

    /// Sets another device class for the main entity, such as `garage`.
    pub fn device_class(mut self, class: impl Into<String>) -> Self {
        self.device_class = Some(class.into());
        self
    }
}

/// A component (platform) of Home Assistant that a node can be shown as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Component {
    /// A light, dimmable or not.
    Light,
    /// A device that is on or off.
    Switch,
    /// A fan with speeds.
    Fan,
    /// A door, blind or shade.
    Cover,
    /// A lock.
    Lock,
    /// A thermostat.
    Climate,
    /// A read-only state that is on or off.
    BinarySensor,
    /// A read-only value.
    Sensor,
    /// A physical button on a device.
    Event,
    /// A number that can be set.
    Number,
    /// An action that can be triggered.
    Button,
}

impl Component {
    /// All components.
    pub const ALL: [Self; 11] = [
        Self::Light,
        Self::Switch,
        Self::Fan,
        Self::Cover,
        Self::Lock,
        Self::Climate,
        Self::BinarySensor,
        Self::Sensor,
        Self::Event,
        Self::Number,
        Self::Button,
    ];

    /// Returns the name in Home Assistant, such as `binary_sensor`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Switch => "switch",
            Self::Fan => "fan",
            Self::Cover => "cover",
            Self::Lock => "lock",
            Self::Climate => "climate",
            Self::BinarySensor => "binary_sensor",
            Self::Sensor => "sensor",
            Self::Event => "event",
            Self::Number => "number",
            Self::Button => "button",
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The error for a word that is not the name of a component.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{0:?} is not a component: use one of light, switch, fan, cover, lock, climate, binary_sensor, sensor, event, number, button"
)]
#[non_exhaustive]
pub struct UnknownComponent(pub String);

impl FromStr for Component {
    type Err = UnknownComponent;

    fn from_str(text: &str) -> Result<Self, UnknownComponent> {
        Self::ALL
            .into_iter()
            .find(|component| component.as_str() == text)
            .ok_or_else(|| UnknownComponent(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_on_by_default_only_where_strangers_cannot_publish() {
        let with = |broker| Options::new().broker(broker).are_commands_allowed();
        assert!(!Options::new().are_commands_allowed());
        assert!(with(Broker::new("127.0.0.1", 1883)));
        assert!(with(Broker::new("[::1]", 1883)));
        assert!(with(Broker::new("localhost", 1883)));
        assert!(!with(Broker::new("broker.local", 1883)));
        assert!(!with(Broker::new("broker.local", 8883).tls(Trust::System)));
        let secured = Broker::new("broker.local", 8883)
            .tls(Trust::System)
            .credentials("iox", "hunter2");
        assert!(with(secured.clone()));
        let plain = Broker::new("broker.local", 1883).credentials("iox", "hunter2");
        assert!(!with(plain.clone()));
        assert!(
            Options::new()
                .broker(plain)
                .commands(true)
                .are_commands_allowed()
        );
        assert!(
            !Options::new()
                .broker(secured)
                .commands(false)
                .are_commands_allowed()
        );
    }

    #[test]
    fn names_are_checked() {
        let controller = |name: &str| Controller::new(name, ioxdriver::Options::new("http://eisy"));
        let options = Options::new();
        assert_eq!(
            options.check(&[controller("home"), controller("barn")]),
            Ok(())
        );
        assert_eq!(
            options.check(&[controller("home"), controller("home")]),
            Err(OptionsError::DuplicateName("home".to_owned()))
        );
        assert!(options.check(&[controller("")]).is_err());
        let class = |component| {
            let change = NodeOverride::new()
                .component(component)
                .device_class("garage");
            Options::new()
                .override_node("1A 2B 3C 1", change)
                .check(&[])
        };
        assert_eq!(class(Component::Cover), Ok(()));
        assert!(class(Component::Lock).is_err());
        let wildcard = Options::new().home_assistant(Some("a/+".to_owned()));
        assert_eq!(
            wildcard.check(&[]),
            Err(OptionsError::Prefix("a/+".to_owned()))
        );
    }

    #[test]
    fn a_password_is_not_shown() {
        let broker = Broker::new("broker.local", 1883).credentials("iox", "hunter2");
        assert!(!format!("{:?}", Options::new().broker(broker)).contains("hunter2"));
    }
}
