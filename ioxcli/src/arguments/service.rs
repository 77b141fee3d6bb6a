//! The arguments of `setup`, `discover` and `bridge`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ioxdriver::Fingerprint;
use ioxproto::Profile;

use super::values::{profile, seconds, username};
use super::{Auth, Logging, StateFormat};
use crate::service::shard::Shard;

#[derive(Debug, Args)]
pub(crate) struct Bridge {
    /// The configuration [default: ~/.config/iox/config.toml, or the same in XDG_CONFIG_HOME or
    /// APPDATA]
    #[arg(long, value_name = "FILE", env = "IOX_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Check the configuration, including passwords and certificates, without connecting
    #[arg(long)]
    pub(crate) check: bool,
    /// Watch only shard I of the controllers, of N processes with the same configuration: 2/3 is
    /// the second of three
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
    /// Address for metrics and health checks, instead of the configured one
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) http: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) logging: Logging,
}

#[derive(Debug, Args)]
pub(crate) struct Discover {
    /// Search only at this address, which a search of the network may not reach
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = ssdp_address)]
    pub(crate) to: Option<SocketAddr>,
    /// Output format: text for people, json for programs (one object per line)
    #[arg(short, long, value_enum, default_value_t = StateFormat::Text)]
    pub(crate) format: StateFormat,
    /// How long to wait for answers
    #[arg(long, value_name = "SECONDS", default_value = "2.5", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) wait: Duration,
    #[command(flatten)]
    pub(crate) logging: Logging,
}

#[derive(Debug, Args)]
pub(crate) struct Setup {
    #[arg(
        help = "The controller's base URL, such as https://eisy.local:8443 [default: search the network]"
    )]
    pub(crate) url: Option<String>,
    /// Its name in the configuration: letters, digits, - and _
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The configuration to add it to [default: ~/.config/iox/config.toml, or the same in
    /// XDG_CONFIG_HOME or APPDATA]
    #[arg(long, value_name = "FILE", env = "IOX_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// User name: the controller's own, or the e-mail of a portal account. The password comes from
    /// the environment (IOX_PASSWORD), from --password-file, or from a prompt
    #[arg(short, long, value_name = "NAME", env = "IOX_USERNAME", value_parser = username)]
    pub(crate) username: Option<String>,
    /// Read the password from the first line of a file
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// The kind of account [default: portal if the user name has an @, else local]
    #[arg(long, value_enum)]
    pub(crate) auth: Option<Auth>,
    /// The kind of controller: iox or isy994 [default: iox]
    #[arg(long, value_parser = profile)]
    pub(crate) profile: Option<Profile>,
    /// The fingerprint that the certificate must have, instead of asking for confirmation
    #[arg(long, value_name = "sha256:HEX")]
    pub(crate) pin: Option<Fingerprint>,
    /// Accept the controller that answers, without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// Search only at this address
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = ssdp_address, conflicts_with = "url")]
    pub(crate) to: Option<SocketAddr>,
    /// How long to wait for answers to the search
    #[arg(long, value_name = "SECONDS", default_value = "2.5", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) wait: Duration,
    /// The MQTT broker of the bridge
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) mqtt: Option<String>,
    /// User name at the broker. The password comes from the environment (IOX_MQTT_PASSWORD), from
    /// --mqtt-password-file, or from a prompt
    #[arg(long, value_name = "NAME", requires = "mqtt")]
    pub(crate) mqtt_username: Option<String>,
    /// Read the password at the broker from the first line of a file
    #[arg(long, value_name = "FILE", requires = "mqtt_username")]
    pub(crate) mqtt_password_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) logging: Logging,
}

/// Parses an address. Its port defaults to the SSDP port, 1900.
fn ssdp_address(text: &str) -> Result<SocketAddr, String> {
    let address = text.trim_start_matches('[').trim_end_matches(']');
    match (text.parse(), address.parse::<IpAddr>()) {
        (Ok(address), _) => Ok(address),
        (Err(_), Ok(ip)) => Ok((ip, 1900).into()),
        _ => Err("it must be an IP address, such as 192.168.1.20".to_owned()),
    }
}
