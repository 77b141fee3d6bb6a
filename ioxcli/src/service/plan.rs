//! Turns a configuration into a plan for the bridge.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ioxbridge::{Broker, NodeOverride, Options};
use ioxdriver::Trust;
use ioxproto::Secret;

use crate::connection::{self, Endpoint};
use crate::exit_error::ExitError;
use crate::service::config::{self, Config, Name, Settings};
use crate::service::http::HttpPlan;
use crate::service::shard::Shard;

/// The plan of a bridge, with all passwords and certificates loaded.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) options: Options,
    /// The controllers of this process.
    pub(crate) controllers: BTreeMap<Name, WatchedController>,
    /// The number of configured controllers, of all processes.
    pub(crate) configured: usize,
    pub(crate) broker: Option<Broker>,
    pub(crate) http: HttpPlan,
    pub(crate) fixed: FixedSettings,
}

/// A controller, with the settings that a reload compares.
#[derive(Clone, Debug)]
pub(crate) struct WatchedController {
    entry: config::Controller,
    password: Secret,
    trust: Trust,
    pub(crate) controller: ioxbridge::Controller,
}

impl PartialEq for WatchedController {
    fn eq(&self, other: &Self) -> bool {
        (&self.entry, &self.password, &self.trust) == (&other.entry, &other.password, &other.trust)
    }
}

/// The settings that take effect only at a start.
#[derive(Debug, PartialEq)]
pub(crate) struct FixedSettings {
    bridge: config::Bridge,
    homeassistant: config::HomeAssistant,
    overrides: BTreeMap<String, config::NodeOverride>,
}

impl FixedSettings {
    /// The names of the parts that differ.
    pub(crate) fn differences(&self, other: &Self) -> Vec<&'static str> {
        let of_home_assistant = (&self.homeassistant, &self.overrides);
        [
            ("[bridge]", self.bridge != other.bridge),
            (
                "[homeassistant] or its overrides",
                of_home_assistant != (&other.homeassistant, &other.overrides),
            ),
        ]
        .into_iter()
        .filter_map(|(part, differs)| differs.then_some(part))
        .collect()
    }
}

impl Plan {
    /// Fetches all passwords and reads all certificates that this process needs.
    pub(crate) async fn make(
        config: &Config,
        shard: Option<Shard>,
        http: Option<SocketAddr>,
    ) -> Result<Self, ExitError> {
        let Settings {
            controllers: entries,
            bridge,
            mqtt: _,
            homeassistant,
            http: metrics,
        } = &config.settings;
        if entries.is_empty() {
            return Err(ExitError::usage(format!(
                "{} names no controller: add one with iox setup",
                config.path().display()
            )));
        }
        let mut controllers = BTreeMap::new();
        for (name, entry) in entries {
            if shard.is_none_or(|shard| shard.owns(name.as_str())) {
                let watched = watched(config, name, entry).await?;
                controllers.insert(name.clone(), watched);
            }
        }
        let overrides = config.overrides()?;
        let broker = broker(config).await?;
        let mut options = Options::new()
            .instance(instance(bridge, shard))
            .home_assistant(homeassistant.enabled.then(|| homeassistant.prefix.clone()))
            .allow(bridge.allow.iter().copied())
            .seed(fastrand::u64(..));
        if let Some(broker) = broker.clone() {
            options = options.broker(broker);
        }
        if let Some(commands) = bridge.commands {
            options = options.commands(commands);
        }
        if let Some(config::Seconds(delay)) = bridge.availability_delay {
            options = options.availability_delay(delay);
        }
        for (address, node) in &overrides {
            options = options.override_node(address, node_override(node));
        }
        let watched = controllers.values();
        let all: Vec<_> = watched.map(|watched| watched.controller.clone()).collect();
        options
            .check(&all)
            .map_err(|error| ExitError::usage(error.to_string()))?;
        Ok(Self {
            options,
            controllers,
            configured: entries.len(),
            broker,
            http: HttpPlan {
                address: http.or_else(|| metrics.enabled.then(|| listen(metrics.listen, shard))),
                settings: metrics.clone(),
                password: page_password(config).await?,
            },
            fixed: FixedSettings {
                bridge: bridge.clone(),
                homeassistant: homeassistant.clone(),
                overrides,
            },
        })
    }
}

async fn watched(
    config: &Config,
    name: &Name,
    entry: &config::Controller,
) -> Result<WatchedController, ExitError> {
    let endpoint = Endpoint::configured(config, name.clone())?;
    let Some(source) = &entry.password else {
        return Err(ExitError::usage(format!(
            "the controller {name} has no password in {}, and a bridge cannot ask for one: add password_file, for example",
            config.path().display()
        )));
    };
    let whose = format!("the controller {name}");
    let password = source.fetch(config, &whose).await?;
    let options = endpoint.options_with(password.clone());
    let checked = options.check();
    checked.map_err(|error| ExitError::usage(format!("{whose}: {error}")))?;
    Ok(WatchedController {
        entry: entry.clone(),
        password,
        trust: endpoint.trust().clone(),
        controller: ioxbridge::Controller::new(name.as_str(), options),
    })
}

/// Builds the options of the broker. Fetches its password.
async fn broker(config: &Config) -> Result<Option<Broker>, ExitError> {
    let Some(mqtt) = &config.settings.mqtt else {
        return Ok(None);
    };
    let mut broker = Broker::new(&*mqtt.host, mqtt.port);
    if mqtt.tls {
        let trust = match &mqtt.trust {
            Some(setting) => connection::trust_setting(setting, config, "mqtt")?,
            None => Trust::System,
        };
        broker = broker.tls(trust);
    }
    if let Some(client_id) = &mqtt.client_id {
        broker = broker.client_id(client_id);
    }
    if let (Some(username), Some(source)) = (&mqtt.username, &mqtt.password) {
        let fetched = source.fetch(config, "the MQTT broker").await?;
        broker = broker.credentials(username, fetched);
    }
    Ok(Some(broker))
}

async fn page_password(config: &Config) -> Result<Option<Secret>, ExitError> {
    match &config.settings.http.password {
        Some(source) => Ok(Some(source.fetch(config, "the web page").await?)),
        None => Ok(None),
    }
}

/// The name that distinguishes this process from other bridges on the same broker.
fn instance(bridge: &config::Bridge, shard: Option<Shard>) -> String {
    let name = bridge.instance.as_deref().unwrap_or("bridge");
    let suffix = shard.map(Shard::suffix).unwrap_or_default();
    format!("{name}{suffix}")
}

/// The HTTP address of this process. The first shard has the configured port, and each further
/// shard the next one.
fn listen(mut address: SocketAddr, shard: Option<Shard>) -> SocketAddr {
    if let Some(shard) = shard
        && address.port() != 0
    {
        address.set_port(address.port().saturating_add(shard.index()));
    }
    address
}

fn node_override(node: &config::NodeOverride) -> NodeOverride {
    let mut changed = NodeOverride::new();
    if node.hide {
        changed = changed.hide();
    }
    if let Some(name) = &node.name {
        changed = changed.name(name);
    }
    if let Some(component) = node.component {
        changed = changed.component(component);
    }
    if let Some(class) = &node.device_class {
        changed = changed.device_class(class);
    }
    changed
}
