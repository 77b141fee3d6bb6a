//! The arguments of the commands that change something in the house.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::values::{percent, seconds};
use super::{Access, Logging};

/// The controller that receives a command, and whether to wait for a confirmation.
#[derive(Debug, Args)]
pub(crate) struct CommandOptions {
    /// The controller's base URL, such as https://eisy.local:8443, or its name in the configuration
    #[arg(short, long, value_name = "URL|NAME", env = "IOX_URL")]
    pub(crate) controller: String,
    #[command(flatten)]
    pub(crate) access: Access,
    /// Wait for the event that confirms the command; if none arrives, exit with 4
    #[arg(long)]
    pub(crate) confirm: bool,
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) logging: Logging,
}

#[derive(Debug, Args)]
pub(crate) struct NodeCommand {
    /// The node or scene: its name, folder and name (Hall/Lamp), or its address in any spelling
    pub(crate) node: String,
    #[command(flatten)]
    pub(crate) options: CommandOptions,
}

#[derive(Debug, Args)]
pub(crate) struct LevelCommand {
    /// The lamp: its name, folder and name (Hall/Lamp), or its address in any spelling
    pub(crate) node: String,
    /// From 0 to 100
    #[arg(value_name = "PERCENT", value_parser = percent)]
    pub(crate) percent: u8,
    #[command(flatten)]
    pub(crate) options: CommandOptions,
}

#[derive(Debug, Args)]
pub(crate) struct RunCommand {
    /// The program: its name or id
    pub(crate) program: String,
    /// What to do with it
    #[arg(value_enum, default_value_t = ProgramVerb::If)]
    pub(crate) verb: ProgramVerb,
    #[command(flatten)]
    pub(crate) options: CommandOptions,
}

/// What to do with a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgramVerb {
    /// Evaluate its condition, and run its then or else
    If,
    /// Run its then
    Then,
    /// Run its else
    Else,
    /// Stop it
    Stop,
    /// Enable it
    Enable,
    /// Disable it
    Disable,
}

#[derive(Debug, Args)]
pub(crate) struct SetCommand {
    /// What to set
    #[arg(value_enum)]
    pub(crate) what: Settable,
    /// Its name: of a variable (or its type and number, such as 2/12), or of a thermostat
    pub(crate) name: String,
    /// The value: a whole number for a variable, as it is stored; degrees for a setpoint
    #[arg(allow_negative_numbers = true)]
    pub(crate) value: String,
    #[command(flatten)]
    pub(crate) options: CommandOptions,
}

/// What can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Settable {
    /// The value of a variable
    Variable,
    /// The value that a variable takes when the controller starts
    Init,
    /// The heat setpoint of a thermostat
    Heat,
    /// The cool setpoint of a thermostat
    Cool,
}

#[derive(Debug, Args)]
pub(crate) struct SendCommand {
    /// The node: its name, folder and name (Hall/Lamp), or its address in any spelling
    pub(crate) node: String,
    /// The command's name on the wire, such as DON or CLIMD
    pub(crate) command: String,
    /// Its value; a raw value if no unit is given
    #[arg(allow_negative_numbers = true)]
    pub(crate) value: Option<String>,
    /// The id of the value's unit of measure, such as 51 for percent
    pub(crate) uom: Option<u16>,
    #[command(flatten)]
    pub(crate) options: CommandOptions,
}
