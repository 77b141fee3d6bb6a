//! The command-line arguments. Their doc comments are the text of `--help`.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use ioxdriver::Fingerprint;
use ioxproto::{Profile, SubscribePath};
use ioxsim::Uuid;

pub(crate) use self::command::{
    CommandOptions, LevelCommand, NodeCommand, ProgramVerb, RunCommand, SendCommand, SetCommand,
    Settable,
};
pub(crate) use self::service::{Bridge, Discover, Setup};
use self::values::{factor, rate, time_span, timing};
pub(crate) use self::values::{path, profile, seconds, username};
use crate::fault::Fault;

mod command;
mod service;
mod values;

/// Watch the event stream of IoX (eisy, Polisy) and ISY-994 home controllers.
#[derive(Debug, Parser)]
#[command(name = "iox", version = env!("IOX_VERSION"), max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 finished as requested (Ctrl-C, SIGTERM, --duration, --max-events), 2 wrong usage,
3 credentials or certificate refused, 1 any other error. For commands: 0 accepted, or confirmed if
--confirm was given; 4 accepted but not confirmed; 5 refused by the controller.

No controller at hand? `iox demo` watches a simulated one.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch a simulated controller, without any configuration
    Demo(Demo),
    /// Watch a controller
    Watch(Watch),
    /// Show controllers, their houses and events full-screen, and send commands
    Top(Top),
    /// Read frames from files or standard input
    Decode(Decode),
    /// Run a simulated controller
    Simulate(Simulate),
    /// Print the current state of the house once, and exit
    State(State),
    /// Print the nodes, scenes, programs or variables of a controller, by name
    List(List),
    /// Switch a node or a scene on
    On(NodeCommand),
    /// Switch a node or a scene off
    Off(NodeCommand),
    /// Switch a lamp on without its ramp
    FastOn(NodeCommand),
    /// Switch a lamp off without its ramp
    FastOff(NodeCommand),
    /// Set a lamp to a level in percent
    Level(LevelCommand),
    /// Make a lamp one step brighter
    Brighten(NodeCommand),
    /// Make a lamp one step darker
    Dim(NodeCommand),
    /// Lock a door
    Lock(NodeCommand),
    /// Unlock a door
    Unlock(NodeCommand),
    /// Ask a device to report its status
    Query(NodeCommand),
    /// Make a device beep
    Beep(NodeCommand),
    /// Enable a node
    Enable(NodeCommand),
    /// Disable a node: the controller no longer talks to it
    Disable(NodeCommand),
    /// Run or stop a program, or enable it
    Run(RunCommand),
    /// Set a variable or a setpoint
    Set(SetCommand),
    /// Send any command to a node, by its name on the wire
    Send(SendCommand),
    /// Show a controller's certificate and, if you confirm, trust it from now on
    Trust(Trust),
    /// Find a controller, check its certificate and an account, and save them under a name
    Setup(Box<Setup>),
    /// Find the controllers on this network
    Discover(Discover),
    /// Publish houses to MQTT and Home Assistant, as a service
    Bridge(Bridge),
    /// Print a shell completion script
    Completions(Completions),
    /// Print the manual page
    Man,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Show it full-screen, as iox top does
    #[arg(long, conflicts_with_all = ["format", "record", "state", "duration", "max_events"])]
    pub(crate) top: bool,
    /// Show it on a web page, as iox bridge does
    #[arg(long, conflicts_with_all = ["top", "format", "record", "state", "duration", "max_events"])]
    pub(crate) web: bool,
    /// The port of the web page; 0 takes a free one
    #[arg(long, requires = "web", default_value = "0")]
    pub(crate) port: u16,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) controller: Controller,
    #[command(flatten)]
    pub(crate) output: Output,
    /// Shorten a timing of the stream, for tests: NAME=SECONDS
    #[arg(long, hide = true, value_name = "NAME=SECONDS", value_parser = timing)]
    pub(crate) timing: Vec<(String, Duration)>,
}

#[derive(Debug, Args)]
pub(crate) struct Top {
    /// The controllers: base URLs, such as https://eisy.local:8443, or names in the configuration
    #[arg(required = true, value_name = "CONTROLLER", env = "IOX_URL")]
    pub(crate) controllers: Vec<String>,
    #[command(flatten)]
    pub(crate) access: Access,
    /// Mark nodes without an event for longer than this, such as 25h, 90m or 3d [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = time_span, default_value = "24h", hide_default_value = true)]
    pub(crate) silent: Duration,
    /// Panic at the first key, for tests
    #[arg(long, hide = true)]
    pub(crate) panic: bool,
}

/// The controller to connect to, and the account.
#[derive(Debug, Args)]
pub(crate) struct Controller {
    #[arg(
        env = "IOX_URL",
        help = "Its base URL, such as https://eisy.local:8443, or its name in the configuration"
    )]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) access: Access,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// What to list
    #[arg(value_enum)]
    pub(crate) what: Listed,
    #[command(flatten)]
    pub(crate) controller: Controller,
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) logging: Logging,
}

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listed {
    Nodes,
    Scenes,
    Programs,
    Variables,
}

/// The account, the trust settings and the connection settings.
#[derive(Debug, Args)]
pub(crate) struct Access {
    /// The configuration that has the controller's name [default: ~/.config/iox/config.toml, or the
    /// same in XDG_CONFIG_HOME or APPDATA]
    #[arg(long, value_name = "FILE", env = "IOX_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// User name: the controller's own, or the e-mail of a portal account. The password comes from
    /// the environment (IOX_PASSWORD), from --password-file, or from a prompt [default: from the
    /// configuration; for a URL, IOX_USERNAME]
    #[arg(short, long, value_name = "NAME", value_parser = username)]
    pub(crate) username: Option<String>,
    /// Read the password from the first line of a file
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// The kind of account [default: portal if the user name has an @, else local]
    #[arg(long, value_enum)]
    pub(crate) auth: Option<Auth>,
    /// Where to subscribe: rest (/rest/subscribe) or api (/api/events/subscribe, portal accounts
    /// only) [default: rest]
    #[arg(long, value_parser = path)]
    pub(crate) path: Option<SubscribePath>,
    /// The kind of controller: iox or isy994 [default: iox]
    #[arg(long, value_parser = profile)]
    pub(crate) profile: Option<Profile>,
    /// Trust the certificate with this fingerprint, regardless of its issuer (repeatable)
    #[arg(long, value_name = "sha256:HEX", conflicts_with = "insecure")]
    pub(crate) pin: Vec<Fingerprint>,
    /// Trust certificates signed by your own authority, given as a PEM file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["insecure", "pin"])]
    pub(crate) ca: Option<PathBuf>,
    /// Trust any certificate: anyone between here and the controller can read the password
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Silence that ends the replay if the controller does not mark its end [default: 1; for state
    /// on /rest/subscribe: 5]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) drain_quiet: Option<Duration>,
    /// Time limit for the replay; increase it for a slow link or a very large house [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) drain_cap: Option<Duration>,
    /// Silence after which a ping tests the connection [default: 35]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) ping_after: Option<Duration>,
    /// The driver of the stream; all of them give the same results
    #[arg(long, value_enum, default_value_t = Transport::Tokio)]
    pub(crate) transport: Transport,
}

/// Output format, filters and limits.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Output format: text for people, json for programs (one object per line), value for values
    /// only, none to only count
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// With text: also show internal events (heartbeats, busy, progress, commands followed by a
    /// status)
    #[arg(long)]
    pub(crate) all: bool,
    /// Show only events: no status, no gaps
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) only: Option<Only>,
    /// Omit events that repeat the current value of a property or variable
    #[arg(long)]
    pub(crate) changes_only: bool,
    /// Record every received message in this file; decode and simulate --replay read it. Time
    /// fields in its name are replaced (%F: the date, %H%M%S: the time of day, %%: a %)
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Append to the recording if it exists
    #[arg(long, requires = "record")]
    pub(crate) append: bool,
    /// Replace the recording if it exists
    #[arg(long, requires = "record", conflicts_with = "append")]
    pub(crate) overwrite: bool,
    /// At the end, and on SIGUSR1, write the state of the house to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Also write the state at this interval, so that a crash does not lose it
    #[arg(long, value_name = "SECONDS", requires = "state", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) state_every: Option<Duration>,
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Do not read names from the controller: show only addresses and numbers
    #[arg(long)]
    pub(crate) no_names: bool,
    /// Omit the replay: show only what happens from now on
    #[arg(long)]
    pub(crate) live_only: bool,
    /// Stop after this many seconds from the start of the program
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) duration: Option<Duration>,
    /// Stop when exactly this many events have been shown
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_events: Option<u64>,
    #[command(flatten)]
    pub(crate) logging: Logging,
}

/// Filters for events.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Only events of this node: its name, folder and name (Hall/Lamp), its address in any spelling
    /// (1A 2B 3C 1, 1a.2b.3c.1), or the address of a device with all its nodes (1A 2B 3C)
    /// (repeatable)
    #[arg(long, value_name = "NODE")]
    pub(crate) node: Vec<String>,
    /// Only events of this property, command or system control, such as ST, DON or _3 (repeatable)
    #[arg(long, value_name = "ID")]
    pub(crate) control: Vec<String>,
    /// Omit events of this property, command or system control (repeatable)
    #[arg(long, value_name = "ID")]
    pub(crate) not_control: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct State {
    #[command(flatten)]
    pub(crate) controller: Controller,
    /// Output format: text for people, json for programs
    #[arg(short, long, value_enum, default_value_t = StateFormat::Text)]
    pub(crate) format: StateFormat,
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Show only nodes without an event for longer than this, such as 25h, 90m or 3d; needs --path
    /// api, which reports when each property changed
    #[arg(long, value_name = "TIME", value_parser = time_span)]
    pub(crate) silent: Option<Duration>,
    /// Do not read names from the controller: show only addresses and numbers
    #[arg(long)]
    pub(crate) no_names: bool,
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) logging: Logging,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StateFormat {
    Text,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Logging {
    /// Log to standard error: -v changes, -vv decisions, -vvv frames
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Args)]
pub(crate) struct Decode {
    /// Files to read; standard input if none is given, or for -. They contain frames as XML (on one
    /// or several lines), in JSON, in a recording or within the lines of a log, or the JSON output
    /// of watch
    pub(crate) files: Vec<PathBuf>,
    /// Output format: text for people, json for programs (one object per line), value for values
    /// only, none to only count
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// Address to listen on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) bind: IpAddr,
    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// Serve TLS, with a certificate generated at the start
    #[arg(long)]
    pub(crate) tls: bool,
    /// Serve TLS with the certificate and key in this file, which survive a restart; the file is
    /// created if it does not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// Nodes in the generated house
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub(crate) nodes: u32,
    /// Programs in it [default: 3, plus one for each 10 nodes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub(crate) programs: Option<u32>,
    /// Live events per second, on average
    #[arg(long, value_name = "PER_SECOND", default_value_t = 1.0, value_parser = rate, allow_negative_numbers = true)]
    pub(crate) rate: f64,
    /// Seed of the generated house: the same seed gives the same house
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Play a recording to each subscriber, instead of a generated house
    #[arg(long, value_name = "FILE", conflicts_with_all = ["nodes", "programs", "rate", "seed", "profile"])]
    pub(crate) replay: Option<PathBuf>,
    /// Play the recording this many times faster
    #[arg(long, value_name = "X", default_value_t = 1.0, requires = "replay", value_parser = factor, allow_negative_numbers = true)]
    pub(crate) speed: f64,
    /// User name of its local account
    #[arg(long, value_name = "NAME", default_value = "admin")]
    pub(crate) username: String,
    /// Password of its local account; never a real one, because the process list shows it
    #[arg(long, default_value = "admin")]
    pub(crate) password: String,
    /// E-mail of its portal account
    #[arg(long, value_name = "E-MAIL", default_value = "user@example.test")]
    pub(crate) portal_username: String,
    /// Password of its portal account
    #[arg(long, value_name = "PASSWORD", default_value = "secret")]
    pub(crate) portal_password: String,
    /// Lifetime of the portal account's access tokens
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) token_lifetime: u32,
    /// Lifetime of its refresh tokens
    #[arg(long, value_name = "SECONDS", default_value_t = 2_592_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) refresh_lifetime: u32,
    /// The kind of controller: iox or isy994
    #[arg(long, default_value = "iox", value_parser = profile)]
    pub(crate) profile: Profile,
    /// Its UUID; must differ for each controller that one program watches
    #[arg(long, value_name = "UUID", default_value_t = Uuid::default())]
    pub(crate) uuid: Uuid,
    /// Limit for simultaneous subscribers; the next one gets a 503
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_subscribers: u32,
    /// Drop a subscriber when more than this many bytes wait for it, as a controller does with a
    /// subscriber that does not read
    #[arg(long, value_name = "BYTES", default_value_t = 4 * 1024 * 1024, value_parser = clap::value_parser!(u32).range(1024..))]
    pub(crate) max_queued: u32,
    /// Close a connection without another request for this many seconds (HTTP keep-alive); 0 closes
    /// each connection after its answer
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(..=3600))]
    pub(crate) keep_alive: u32,
    /// Limit for simultaneous connections; one more is closed [default: no limit; for an isy994, 2
    /// with TLS and 5 without]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_connections: Option<u32>,
    /// Answer searches for controllers (SSDP) on this port of its address
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "1900")]
    pub(crate) ssdp: Option<u16>,
    /// Inject a fault, always or this many times: connect=mute|close|reset,
    /// upgrade=STATUS|mute|close|drop|…, login, refresh and logout=STATUS|no|broken|…,
    /// call=STATUS|busy|done|framing|no|html|… (repeatable)
    #[arg(long, value_name = "WHERE=WHAT[*TIMES]")]
    pub(crate) fault: Vec<Fault>,
    #[command(flatten)]
    pub(crate) logging: Logging,
}

#[derive(Debug, Args)]
pub(crate) struct Trust {
    #[arg(
        help = "Its base URL, such as https://eisy.local:8443, or its name in the configuration",
        env = "IOX_URL",
        required_unless_present = "list"
    )]
    pub(crate) url: Option<String>,
    /// The configuration that has the controller's name
    #[arg(long, value_name = "FILE", env = "IOX_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Trust the certificate without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print the trusted certificates, and change nothing
    #[arg(long, conflicts_with_all = ["yes", "forget"])]
    pub(crate) list: bool,
    /// No longer trust any certificate of this controller
    #[arg(long, conflicts_with = "yes")]
    pub(crate) forget: bool,
    #[command(flatten)]
    pub(crate) logging: Logging,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    Value,
    None,
}

/// The only kind of notification to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Only {
    Events,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Auth {
    Local,
    Portal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    Tokio,
    AsyncStd,
    Smol,
    Blocking,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
