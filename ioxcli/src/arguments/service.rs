//! The arguments of `setup`, `discover` and `bridge`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::Logging;
use crate::service::shard::Shard;

#[derive(Debug, Args)]
pub(crate) struct Bridge {
    /// The configuration [default: config.toml in the folder iox of the platform's place, such as ~/.config]
    #[arg(long, value_name = "FILE", env = "IOX_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Check the configuration, passwords and certificates included, and connect to nothing
    #[arg(long)]
    pub(crate) check: bool,
    /// Watch only the share I of N processes that have the same configuration: 2/3 is the second of three
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
    /// Where to serve metrics and health checks, instead of what the configuration says
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) http: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) logging: Logging,
}
