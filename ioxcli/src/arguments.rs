//! The command line.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use ioxdriver::Fingerprint;
use ioxproto::{Profile, SubscribePath};
use ioxsim::Uuid;

pub(crate) use self::service::{Bridge, Discover, Setup};
use crate::fault::Fault;

mod service;

/// Watch the event stream of IoX (eisy, Polisy) and ISY-994 home controllers.
#[derive(Debug, Parser)]
#[command(name = "iox", version = env!("IOX_VERSION"), max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 stopped as asked (Ctrl-C, SIGTERM, --duration, --max-events), 2 wrong usage,
3 credentials or certificate refused, 1 anything else. Of commands: 0 accepted, or with --confirm
confirmed, 4 accepted but not confirmed, 5 refused by the controller.

Nothing at hand? `iox demo` watches a simulated controller.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch a simulated controller: nothing to configure
    Demo(Demo),
    /// Watch a controller
    Watch(Watch),
    /// See controllers, their houses and events on the whole terminal, and switch what is in them
    Top(Top),
    /// Read frames from files or standard input
    Decode(Decode),
    /// Be a simulated controller
    Simulate(Simulate),
    /// Print the house as it is, once, and leave
    State(State),
    /// Print the nodes, scenes, programs or variables of a controller, by name
    List(List),
    /// Switch a node or a scene on
    On(NodeOrder),
    /// Switch a node or a scene off
    Off(NodeOrder),
    /// Switch a lamp on, at once
    FastOn(NodeOrder),
    /// Switch a lamp off, at once
    FastOff(NodeOrder),
    /// Set a lamp to a level in percent
    Level(LevelOrder),
    /// Make a lamp one step brighter
    Brighten(NodeOrder),
    /// Make a lamp one step darker
    Dim(NodeOrder),
    /// Lock a door
    Lock(NodeOrder),
    /// Unlock a door
    Unlock(NodeOrder),
    /// Have a device report its status
    Query(NodeOrder),
    /// Make a device beep
    Beep(NodeOrder),
    /// Enable a node
    Enable(NodeOrder),
    /// Disable a node: the controller no longer talks to it
    Disable(NodeOrder),
    /// Run or stop a program, or enable it
    Run(RunCommand),
    /// Set a variable or a setpoint
    Set(SetOrder),
    /// Send any command to a node, as it stands on the wire
    Send(SendOrder),
    /// Show a controller's certificate and, after a yes, trust it from now on
    Trust(Trust),
    /// Find a controller, check its certificate and an account, and keep all that under a name
    Setup(Box<Setup>),
    /// Find the controllers on this network
    Discover(Discover),
    /// Keep houses on MQTT and in Home Assistant, as a service
    Bridge(Bridge),
    /// Print a script that completes these commands in a shell
    Completions(Completions),
    /// Print the manual page
    Man,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Which shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Show it on the whole terminal, as iox top does
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
    /// Mark nodes that were not heard for longer than this, such as 25h, 90m or 3d [default: 24h]
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

/// To which controller a command goes, and what is waited for.
#[derive(Debug, Args)]
pub(crate) struct CommandOptions {
    /// The controller's base URL, such as https://eisy.local:8443, or its name in the configuration
    #[arg(short, long, value_name = "URL|NAME", env = "IOX_URL")]
    pub(crate) controller: String,
    #[command(flatten)]
    pub(crate) access: Access,
    /// Wait for the event that shows that it was carried out; without one, exit with 4
    #[arg(long)]
    pub(crate) confirm: bool,
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) logging: Logging,
}

#[derive(Debug, Args)]
pub(crate) struct NodeOrder {
    /// The node or scene: its name, folder and name (Hall/Lamp), or its address in any spelling
    pub(crate) node: String,
    #[command(flatten)]
    pub(crate) options: CommandOptions,
}

#[derive(Debug, Args)]
pub(crate) struct LevelOrder {
    /// The lamp: its name, folder and name (Hall/Lamp), or its address in any spelling
    pub(crate) node: String,
    /// From 0 to 100
    #[arg(value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(..=100))]
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
    /// Evaluate its condition, and run then or else
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
pub(crate) struct SetOrder {
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
pub(crate) struct SendOrder {
    /// The node: its name, folder and name (Hall/Lamp), or its address in any spelling
    pub(crate) node: String,
    /// The command's name on the wire, such as DON or CLIMD
    pub(crate) command: String,
    /// Its value; raw without a unit
    #[arg(allow_negative_numbers = true)]
    pub(crate) value: Option<String>,
    /// The id of the value's unit of measure, such as 51 for percent
    pub(crate) uom: Option<u16>,
    #[command(flatten)]
    pub(crate) options: CommandOptions,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Of what
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
    /// The configuration, for a controller that is named [default: ~/.config/iox/config.toml, or in
    /// XDG_CONFIG_HOME or APPDATA]
    #[arg(long, value_name = "FILE", env = "IOX_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// User name: the controller's own, or the e-mail of a portal account. The password comes from
    /// the environment (IOX_PASSWORD), from --password-file, or is asked for [default: that of the
    /// configuration; for a URL IOX_USERNAME]
    #[arg(short, long, value_name = "NAME", value_parser = username)]
    pub(crate) username: Option<String>,
    /// Read the password from the first line of a file
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Whose account it is [default: portal if the user name has an @, else local]
    #[arg(long, value_enum)]
    pub(crate) auth: Option<Auth>,
    /// Where to subscribe: rest (/rest/subscribe) or api (/api/events/subscribe, portal accounts
    /// only) [default: rest]
    #[arg(long, value_parser = path)]
    pub(crate) path: Option<SubscribePath>,
    /// What kind of controller it is: iox or isy994 [default: iox]
    #[arg(long, value_parser = profile)]
    pub(crate) profile: Option<Profile>,
    /// Trust the certificate with this fingerprint, whoever signed it (repeatable)
    #[arg(long, value_name = "sha256:HEX", conflicts_with = "insecure")]
    pub(crate) pin: Vec<Fingerprint>,
    /// Trust certificates that an authority of your own has signed: a file of PEM
    #[arg(long, value_name = "FILE", conflicts_with_all = ["insecure", "pin"])]
    pub(crate) ca: Option<PathBuf>,
    /// Trust any certificate: whoever sits between here and the controller can read the password
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Silence that ends the replay where the controller does not mark its end [default: 1; for
    /// state on /rest/subscribe 5]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) drain_quiet: Option<Duration>,
    /// The longest that the replay may take; more than the default of 60 for a slow link or a very
    /// large house
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) drain_cap: Option<Duration>,
    /// Silence after which a ping asks whether the connection is still there [default: 35]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) ping_after: Option<Duration>,
    /// Which driver carries the stream; to a watcher they are all the same
    #[arg(long, value_enum, default_value_t = Transport::Tokio)]
    pub(crate) transport: Transport,
}

/// Output format, filters and limits.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// How to show it: text for people, json for programs (one object a line), value for values
    /// alone, none to count alone
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// In text: also show internal events (heartbeats, busy, progress, commands that a status
    /// follows)
    #[arg(long)]
    pub(crate) all: bool,
    /// Show events alone: no status, no gaps
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) only: Option<Only>,
    /// Leave out events that repeat the value that a property or variable has already
    #[arg(long)]
    pub(crate) changes_only: bool,
    /// Keep every message that comes in this file; decode and simulate --replay read it. Fields of
    /// the time are filled in (%F for the date, %H%M%S for the time of day; %% is a %)
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Add to the recording, if it is there already
    #[arg(long, requires = "record")]
    pub(crate) append: bool,
    /// Replace the recording, if it is there already
    #[arg(long, requires = "record", conflicts_with = "append")]
    pub(crate) overwrite: bool,
    /// At the end, and on SIGUSR1, write what is known of the house to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Also write it at this interval, so that a crash does not lose it
    #[arg(long, value_name = "SECONDS", requires = "state", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) state_every: Option<Duration>,
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Do not ask the controller for names: addresses and numbers alone
    #[arg(long)]
    pub(crate) no_names: bool,
    /// Leave the replay out: show only what happens from now on
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

/// Which events.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Only events of this node: its name, folder and name (Hall/Lamp), its address in any spelling
    /// (1A 2B 3C 1, 1a.2b.3c.1), or that of a device with all its nodes (1A 2B 3C) (repeatable)
    #[arg(long, value_name = "NODE")]
    pub(crate) node: Vec<String>,
    /// Only events of this property, command or system control, such as ST, DON or _3 (repeatable)
    #[arg(long, value_name = "ID")]
    pub(crate) control: Vec<String>,
    /// No events of this property, command or system control (repeatable)
    #[arg(long, value_name = "ID")]
    pub(crate) not_control: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct State {
    #[command(flatten)]
    pub(crate) controller: Controller,
    /// How to show it: text for people, json for programs
    #[arg(short, long, value_enum, default_value_t = StateFormat::Text)]
    pub(crate) format: StateFormat,
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Show only the nodes that were not heard for longer than this, such as 25h, 90m or 3d; it
    /// needs --path api, which tells when each property changed
    #[arg(long, value_name = "TIME", value_parser = time_span)]
    pub(crate) silent: Option<Duration>,
    /// Do not ask the controller for names: addresses and numbers alone
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
    /// Files to read; none, or -, is standard input. They hold frames, one a line or over several
    /// lines, as XML, in JSON, in a recording or somewhere in the lines of a log, or JSON lines of
    /// watch
    pub(crate) files: Vec<PathBuf>,
    /// How to show it: text for people, json for programs (one object a line), value for values
    /// alone, none to count alone
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
    /// Serve TLS, with a certificate made at the start
    #[arg(long)]
    pub(crate) tls: bool,
    /// Serve TLS with the certificate and key in this file, so that a restart shows the same; made
    /// if there is none
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// Nodes in the made-up house
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub(crate) nodes: u32,
    /// Programs in it [default: 3, and one more for each 10 nodes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub(crate) programs: Option<u32>,
    /// Live events a second, on average
    #[arg(long, value_name = "PER_SECOND", default_value_t = 1.0, value_parser = rate, allow_negative_numbers = true)]
    pub(crate) rate: f64,
    /// The same seed makes the same house
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Play a recording to each subscriber, instead of a made-up house
    #[arg(long, value_name = "FILE", conflicts_with_all = ["nodes", "programs", "rate", "seed", "profile"])]
    pub(crate) replay: Option<PathBuf>,
    /// Play the recording this many times faster
    #[arg(long, value_name = "X", default_value_t = 1.0, requires = "replay", value_parser = factor, allow_negative_numbers = true)]
    pub(crate) speed: f64,
    /// User name of its local account
    #[arg(long, value_name = "NAME", default_value = "admin")]
    pub(crate) username: String,
    /// Password of its local account; a made-up one, as it shows in the list of processes
    #[arg(long, default_value = "admin")]
    pub(crate) password: String,
    /// E-mail of its portal account
    #[arg(long, value_name = "E-MAIL", default_value = "user@example.test")]
    pub(crate) portal_username: String,
    /// Password of its portal account
    #[arg(long, value_name = "PASSWORD", default_value = "secret")]
    pub(crate) portal_password: String,
    /// How long the access tokens of the portal account are good
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) token_lifetime: u32,
    /// How long its refresh tokens are good
    #[arg(long, value_name = "SECONDS", default_value_t = 2_592_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) refresh_lifetime: u32,
    /// What kind of controller it is: iox or isy994
    #[arg(long, default_value = "iox", value_parser = profile)]
    pub(crate) profile: Profile,
    /// Its UUID: one of its own for each controller that one program watches
    #[arg(long, value_name = "UUID", default_value_t = Uuid::default())]
    pub(crate) uuid: Uuid,
    /// Subscribers at once; the next is answered 503
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_subscribers: u32,
    /// Drop a subscriber for whom more than this many bytes wait, as a controller does with one
    /// that does not read
    #[arg(long, value_name = "BYTES", default_value_t = 4 * 1024 * 1024, value_parser = clap::value_parser!(u32).range(1024..))]
    pub(crate) max_queued: u32,
    /// End a connection that carries no other request within this many seconds (HTTP keep-alive); 0
    /// ends each with its answer
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(..=3600))]
    pub(crate) keep_alive: u32,
    /// Connections at once; one more is closed [default: any number; of an isy994 2 with TLS, 5
    /// without]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_connections: Option<u32>,
    /// Answer searches for controllers (SSDP) on this port of its address
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "1900")]
    pub(crate) ssdp: Option<u16>,
    /// Let something go wrong, always or this many times: connect=mute|close|reset,
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
    /// The configuration, for a controller that is named
    #[arg(long, value_name = "FILE", env = "IOX_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Trust it without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print what is trusted, and change nothing
    #[arg(long, conflicts_with_all = ["yes", "forget"])]
    pub(crate) list: bool,
    /// Trust no certificate of this controller any more
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

/// What alone is shown.
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

pub(crate) fn path(text: &str) -> Result<SubscribePath, String> {
    [("rest", SubscribePath::Rest), ("api", SubscribePath::Api)]
        .into_iter()
        .find(|(name, path)| text == *name || text == path.as_str())
        .map(|(_, path)| path)
        .ok_or_else(|| "there are rest and api".to_owned())
}

pub(crate) fn username(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is empty: give the user name of an account of the controller".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

pub(crate) fn profile(text: &str) -> Result<Profile, String> {
    match text {
        "iox" => Ok(Profile::Iox),
        "isy994" => Ok(Profile::Isy994),
        _ => Err("there are iox and isy994".to_owned()),
    }
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|duration| !duration.is_zero() && *duration < Duration::from_secs(10_000_000_000))
        .ok_or_else(|| "it must be a number of seconds greater than 0".to_owned())
}

/// `90s`, `30m`, `25h`, `3d`.
fn time_span(text: &str) -> Result<Duration, String> {
    let wrong = || "it must be a number with s, m, h or d, such as 25h".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let number = text.strip_suffix(unit).ok_or_else(wrong)?;
    let factor = match unit {
        's' => 1.0,
        'm' => 60.0,
        'h' => 3600.0,
        'd' => 86_400.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    seconds(&(number * factor).to_string()).map_err(|_| wrong())
}

fn rate(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate| (0.0..=100_000.0).contains(rate))
        .ok_or_else(|| "it must be a number from 0 to 100000".to_owned())
}

fn factor(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|factor: &f64| factor.is_finite() && *factor > 0.0)
        .ok_or_else(|| "it must be a number greater than 0".to_owned())
}

fn timing(text: &str) -> Result<(String, Duration), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=SECONDS")?;
    Ok((name.to_owned(), seconds(value)?))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn paths_go_by_name_or_in_full() {
        assert_eq!(path("api"), Ok(SubscribePath::Api));
        assert_eq!(path("/rest/subscribe"), Ok(SubscribePath::Rest));
        assert!(path("/rest").is_err());
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        for text in ["", "0", "-1", "NaN", "inf", "1e300", "x"] {
            assert!(seconds(text).is_err(), "{text}");
            assert!(factor(text).is_err() || text == "1e300", "{text}");
        }
        assert!(rate("-1").is_err() && rate("NaN").is_err() && rate("0").is_ok());
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
    }
}
