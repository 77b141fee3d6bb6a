//! The schema of the configuration file. Values are checked while they are parsed, so that an error
//! has its line.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ioxbridge::{Allowance, Component};
use ioxdriver::Fingerprint;
use ioxproto::{Address, Profile, Secret, SubscribePath, Timing};
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use crate::arguments::{self, Auth};
use crate::service::secret::Source;

/// Everything in the file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    pub(crate) controllers: BTreeMap<Name, Controller>,
    pub(crate) bridge: Bridge,
    pub(crate) mqtt: Option<Mqtt>,
    pub(crate) homeassistant: HomeAssistant,
    pub(crate) http: Http,
}

impl Settings {
    /// Whether the file contains a password.
    pub(super) fn has_inline_password(&self) -> bool {
        let broker = self.mqtt.as_ref().and_then(|mqtt| mqtt.password.as_ref());
        let controllers = self.controllers.values();
        controllers
            .filter_map(|controller| controller.password.as_ref())
            .chain(broker)
            .chain(self.http.password.as_ref())
            .any(|source| matches!(source, Source::Inline(_)))
    }
}

/// The name of a controller. It replaces the URL on the command line, and is part of its topics.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
        if (1..=64).contains(&text.len()) && text.chars().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err("the name of a controller has 1 to 64 letters, digits, - and _".to_owned())
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

/// A controller, and how to reach it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "RawController")]
pub(crate) struct Controller {
    pub(crate) url: Address,
    pub(crate) username: String,
    pub(crate) password: Option<Source>,
    pub(crate) auth: Option<Auth>,
    pub(crate) path: Option<SubscribePath>,
    pub(crate) profile: Option<Profile>,
    pub(crate) trust: Option<TrustSetting>,
    pub(crate) keep_trying: bool,
    pub(crate) timing: TimingSettings,
}

/// How a certificate is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TrustSetting {
    Pins(Vec<Fingerprint>),
    Authority(PathBuf),
    Insecure,
}

/// A controller, as written in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawController {
    #[serde(deserialize_with = "parsed")]
    url: Address,
    #[serde(deserialize_with = "username")]
    username: String,
    password: Option<PasswordText>,
    password_file: Option<PathBuf>,
    password_command: Option<Vec<String>>,
    password_env: Option<String>,
    password_credential: Option<String>,
    #[serde(default, deserialize_with = "auth")]
    auth: Option<Auth>,
    #[serde(default, deserialize_with = "path")]
    path: Option<SubscribePath>,
    #[serde(default, deserialize_with = "profile")]
    profile: Option<Profile>,
    #[serde(default)]
    pin: Pins,
    ca: Option<PathBuf>,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    keep_trying: bool,
    #[serde(default)]
    timing: TimingSettings,
}

impl TryFrom<RawController> for Controller {
    type Error = String;

    fn try_from(raw: RawController) -> Result<Self, String> {
        let password = source(
            raw.password,
            raw.password_file,
            raw.password_command,
            raw.password_env,
            raw.password_credential,
        )?;
        let trust = trust(raw.pin, raw.ca, raw.insecure)?;
        if trust.is_some() && !raw.url.has_tls() {
            return Err(
                "pin, ca and insecure apply to the certificate of an https:// controller, and http:// has none: leave them out, or use https://"
                    .to_owned(),
            );
        }
        Ok(Self {
            url: raw.url,
            username: raw.username,
            password,
            auth: raw.auth,
            path: raw.path,
            profile: raw.profile,
            trust,
            keep_trying: raw.keep_trying,
            timing: raw.timing,
        })
    }
}

fn trust(pin: Pins, ca: Option<PathBuf>, insecure: bool) -> Result<Option<TrustSetting>, String> {
    match (pin.0, ca, insecure) {
        (pins, None, false) if pins.is_empty() => Ok(None),
        (pins, None, false) => Ok(Some(TrustSetting::Pins(pins))),
        (pins, Some(path), false) if pins.is_empty() => Ok(Some(TrustSetting::Authority(path))),
        (pins, None, true) if pins.is_empty() => Ok(Some(TrustSetting::Insecure)),
        _ => Err("pin, ca and insecure exclude each other: keep one".to_owned()),
    }
}

/// Returns the source of a password. Fails if there is more than one.
fn source(
    text: Option<PasswordText>,
    file: Option<PathBuf>,
    command: Option<Vec<String>>,
    variable: Option<String>,
    credential: Option<String>,
) -> Result<Option<Source>, String> {
    if command.as_ref().is_some_and(Vec::is_empty) {
        return Err(
            "password_command is empty: write the program and its arguments, such as [\"pass\", \"show\", \"iox\"]"
                .to_owned(),
        );
    }
    if credential
        .as_deref()
        .is_some_and(|name| !is_file_name(name))
    {
        return Err(
            "password_credential is the name of a systemd credential, without /".to_owned(),
        );
    }
    let mut given = [
        text.map(|PasswordText(text)| Source::Inline(text)),
        file.map(Source::File),
        command.map(Source::Command),
        variable.map(Source::Variable),
        credential.map(Source::Credential),
    ]
    .into_iter()
    .flatten();
    let source = given.next();
    if given.next().is_some() {
        return Err(
            "there is more than one of password, password_file, password_command, password_env and password_credential: keep one"
                .to_owned(),
        );
    }
    Ok(source)
}

fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\\', '\0']) && name != "." && name != ".."
}

/// Timings of a stream, in seconds. A missing one keeps its default.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TimingSettings {
    connect: Option<Seconds>,
    drain_quiet: Option<Seconds>,
    drain_quiet_unmarked: Option<Seconds>,
    drain_cap: Option<Seconds>,
    ping_after: Option<Seconds>,
    pong_within: Option<Seconds>,
    stall_default: Option<Seconds>,
    stall_max: Option<Seconds>,
}

impl TimingSettings {
    /// Overrides the given timings.
    pub(crate) fn apply(&self, timing: &mut Timing) {
        for (field, value) in [
            (&mut timing.connect, self.connect),
            (&mut timing.drain_quiet, self.drain_quiet),
            (&mut timing.drain_quiet_unmarked, self.drain_quiet_unmarked),
            (&mut timing.drain_cap, self.drain_cap),
            (&mut timing.ping_after, self.ping_after),
            (&mut timing.pong_within, self.pong_within),
            (&mut timing.stall_default, self.stall_default),
            (&mut timing.stall_max, self.stall_max),
        ] {
            if let Some(Seconds(value)) = value {
                *field = value;
            }
        }
    }
}

/// The settings of the bridge.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Bridge {
    pub(crate) instance: Option<String>,
    pub(crate) availability_delay: Option<Seconds>,
    pub(crate) commands: Option<bool>,
    #[serde(deserialize_with = "allowances")]
    pub(crate) allow: Vec<Allowance>,
}

/// The MQTT broker.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "RawMqtt")]
pub(crate) struct Mqtt {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) trust: Option<TrustSetting>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Source>,
    pub(crate) client_id: Option<String>,
}

/// The table `mqtt`, as written in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMqtt {
    host: String,
    port: Option<u16>,
    tls: Option<bool>,
    #[serde(default)]
    pin: Pins,
    ca: Option<PathBuf>,
    #[serde(default)]
    insecure: bool,
    username: Option<String>,
    password: Option<PasswordText>,
    password_file: Option<PathBuf>,
    password_command: Option<Vec<String>>,
    password_env: Option<String>,
    password_credential: Option<String>,
    client_id: Option<String>,
}

impl TryFrom<RawMqtt> for Mqtt {
    type Error = String;

    fn try_from(raw: RawMqtt) -> Result<Self, String> {
        if raw.host.is_empty() || raw.host.contains(['/', '@', ' ']) {
            return Err(
                "host is only the name or address of the broker; write the port as port = 1883, and the account as username and password_file"
                    .to_owned(),
            );
        }
        let trust = trust(raw.pin, raw.ca, raw.insecure)?;
        let tls = raw.tls.unwrap_or_else(|| trust.is_some());
        if !tls && trust.is_some() {
            return Err("pin, ca and insecure need tls = true".to_owned());
        }
        let password = source(
            raw.password,
            raw.password_file,
            raw.password_command,
            raw.password_env,
            raw.password_credential,
        )?;
        if password.is_some() && raw.username.is_none() {
            return Err("the password has no username".to_owned());
        }
        if raw.username.is_some() && password.is_none() {
            return Err("the username has no password: add password_file, for example".to_owned());
        }
        Ok(Self {
            host: raw.host,
            port: raw.port.unwrap_or(if tls { 8883 } else { 1883 }),
            tls,
            trust,
            username: raw.username,
            password,
            client_id: raw.client_id,
        })
    }
}

/// The settings for Home Assistant.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HomeAssistant {
    pub(crate) enabled: bool,
    pub(crate) prefix: String,
    pub(crate) overrides: Option<PathBuf>,
}

impl Default for HomeAssistant {
    fn default() -> Self {
        Self {
            enabled: true,
            prefix: "homeassistant".to_owned(),
            overrides: None,
        }
    }
}

/// The Home Assistant settings of one node.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NodeOverride {
    pub(crate) hide: bool,
    pub(crate) name: Option<String>,
    #[serde(deserialize_with = "component")]
    pub(crate) component: Option<Component>,
    pub(crate) device_class: Option<String>,
}

/// Metrics, health checks and the web page.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "RawHttp")]
pub(crate) struct Http {
    pub(crate) enabled: bool,
    pub(crate) listen: SocketAddr,
    pub(crate) hosts: Vec<String>,
    pub(crate) page: Option<bool>,
    pub(crate) password: Option<Source>,
    pub(crate) behind_proxy: bool,
    pub(crate) commands: Option<bool>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: ([127, 0, 0, 1], 9994).into(),
            hosts: Vec::new(),
            page: None,
            password: None,
            behind_proxy: false,
            commands: None,
        }
    }
}

/// The table `http`, as written in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHttp {
    enabled: Option<bool>,
    #[serde(default, deserialize_with = "address")]
    listen: Option<SocketAddr>,
    #[serde(default)]
    hosts: Vec<String>,
    page: Option<bool>,
    password: Option<PasswordText>,
    password_file: Option<PathBuf>,
    password_command: Option<Vec<String>>,
    password_env: Option<String>,
    password_credential: Option<String>,
    #[serde(default)]
    behind_proxy: bool,
    commands: Option<bool>,
}

impl TryFrom<RawHttp> for Http {
    type Error = String;

    fn try_from(raw: RawHttp) -> Result<Self, String> {
        let default = Self::default();
        Ok(Self {
            enabled: raw.enabled.unwrap_or(default.enabled),
            listen: raw.listen.unwrap_or(default.listen),
            hosts: raw.hosts,
            page: raw.page,
            password: source(
                raw.password,
                raw.password_file,
                raw.password_command,
                raw.password_env,
                raw.password_credential,
            )?,
            behind_proxy: raw.behind_proxy,
            commands: raw.commands,
        })
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    parsed(deserializer).map(Some)
}

/// A number of seconds greater than 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) Duration);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        arguments::seconds(&number.to_string())
            .map(Self)
            .map_err(D::Error::custom)
    }
}

/// A password in the file. If it is not a string, the error does not repeat the value.
struct PasswordText(Secret);

impl<'de> Deserialize<'de> for PasswordText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = PasswordText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string in quotes")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<PasswordText, E> {
                match text {
                    "" => Err(E::custom("the password is empty")),
                    text => Ok(PasswordText(Secret::from(text))),
                }
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<PasswordText, E> {
                Err(E::custom("the password must be a string in quotes"))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<PasswordText, E> {
                self.visit_bool(true)
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<PasswordText, E> {
                self.visit_bool(true)
            }

            fn visit_i128<E: Error>(self, _: i128) -> Result<PasswordText, E> {
                self.visit_bool(true)
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<PasswordText, E> {
                self.visit_bool(true)
            }
        }

        deserializer.deserialize_any(Text)
    }
}

/// One fingerprint, or a list of them.
#[derive(Default)]
struct Pins(Vec<Fingerprint>);

impl<'de> Deserialize<'de> for Pins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Pins;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a fingerprint, or a list of fingerprints")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Pins, E> {
                let pin = text.parse().map_err(E::custom)?;
                Ok(Pins(vec![pin]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Pins, A::Error> {
                let mut pins = Vec::new();
                while let Some(text) = list.next_element::<String>()? {
                    pins.push(text.parse().map_err(A::Error::custom)?);
                }
                Ok(Pins(pins))
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

/// Parses a string with `FromStr`.
fn parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(D::Error::custom)
}

fn username<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    arguments::username(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SubscribePath>, D::Error> {
    let path = arguments::path(&String::deserialize(deserializer)?);
    path.map(Some).map_err(D::Error::custom)
}

fn profile<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Profile>, D::Error> {
    let profile = arguments::profile(&String::deserialize(deserializer)?);
    profile.map(Some).map_err(D::Error::custom)
}

fn auth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Auth>, D::Error> {
    match &*String::deserialize(deserializer)? {
        "local" => Ok(Some(Auth::Local)),
        "portal" => Ok(Some(Auth::Portal)),
        other => Err(D::Error::unknown_variant(other, &["local", "portal"])),
    }
}

fn component<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Component>, D::Error> {
    parsed(deserializer).map(Some)
}

fn allowances<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Allowance>, D::Error> {
    const WORDS: &[&str] = &["locks", "covers", "alarms"];
    let words = Vec::<String>::deserialize(deserializer)?;
    let allowed = words.iter().map(|word| {
        Allowance::ALL
            .into_iter()
            .find(|allowance| allowance.as_str() == word)
            .ok_or_else(|| D::Error::unknown_variant(word, WORDS))
    });
    allowed.collect()
}
