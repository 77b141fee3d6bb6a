//! `iox on`, `iox level` and the like: one command, sent and, if asked, confirmed. And `iox list`.

use std::time::Duration;

use ioxproto::names::{NamedKind, NamesPart, NamesRead};
use ioxproto::rest::{
    CallError, CallPhase, CallProblem, Command as Sent, Confirmation, Level, ProgramCommand,
    Setpoint, TemperatureUnit,
};
use ioxproto::state::ControllerState;
use ioxproto::view::{Decimal, VariableField};
use ioxproto::{Address, Notification, Status};
use tokio::time::{Instant, sleep, timeout};

use crate::arguments::{
    Access, Command, CommandOptions, List, Listed, ProgramVerb, SendOrder, SetOrder, Settable,
};
use crate::connection::{self, Endpoint};
use crate::exit_error::ExitError;
use crate::names::Names;
use crate::output::{Screen, listed};
use crate::renderer::say_why;
use crate::signals::Stop;
use crate::source::{Handle, Source};

/// How long to wait for the event that confirms a command.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(10);

/// A stream that lives for a few calls.
struct CommandSession {
    address: Address,
    stream: Source,
    handle: Handle,
    /// What the names, the replay and live events have told.
    state: ControllerState,
    /// The names, once they were read.
    read: Option<NamesRead>,
    /// Whether a command was made, which may have been carried out since.
    is_commanded: bool,
}

impl CommandSession {
    /// Connects; `None` if a signal came first.
    async fn begin(
        controller: &str,
        access: &Access,
        stop: &mut Stop,
    ) -> Result<Option<Self>, ExitError> {
        let endpoint = Endpoint::find(controller, access, &[])?;
        let Some(options) = endpoint.options(stop).await? else {
            return Ok(None);
        };
        let options = options.read_names(crate::names::read(true));
        let stream = Source::start(options, endpoint.transport)?;
        Ok(Some(Self {
            handle: stream.handle(),
            address: endpoint.address,
            stream,
            state: ControllerState::new(),
            read: None,
            is_commanded: false,
        }))
    }

    /// Waits for this while the stream goes on. Fails if the stream ends before.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T, ExitError> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                next = self.stream.next() => match next {
                    Some(notification) => self.take(notification),
                    None => return Err(self.ended()),
                },
            }
        }
    }

    fn take(&mut self, notification: Notification) {
        match notification {
            Notification::Event(event) => self.state.update(&event),
            Notification::Status(change) => {
                say_why(&self.address.to_string(), &change);
                self.state.apply_status(&change);
            }
            Notification::Names(read) => {
                self.state.apply_names(&read.names);
                self.read = Some(read);
            }
            _ => {}
        }
    }

    /// The names, as soon as the controller has sent them. Nothing can be sent by name without.
    async fn names(&mut self) -> Result<Names, ExitError> {
        let mut unreachable = None;
        loop {
            if let Some(read) = self.read.take() {
                match read.error(NamesPart::Nodes) {
                    None => return Ok(Names::of(&read)),
                    // If the stream meets the same trouble, it says why.
                    Some(error) if is_unreachable(error) => unreachable = Some(error.clone()),
                    Some(error) => return Err(no_names(error)),
                }
            }
            if self.handle.is_connected()
                && let Some(error) = &unreachable
            {
                return Err(no_names(error));
            }
            match self.stream.next().await {
                Some(notification) => self.take(notification),
                None => return Err(self.ended()),
            }
        }
    }

    fn ended(&self) -> ExitError {
        let ended = connection::outcome(&self.handle, &self.address.to_string());
        ended.err().unwrap_or_else(interrupted)
    }

    /// Closes the connection politely.
    async fn end(mut self) {
        self.handle.request_stop();
        while self.stream.next().await.is_some() {}
    }
}

/// Whether the stream meets the same trouble: it tries again, or gives up with a better reason.
fn is_unreachable(error: &CallError) -> bool {
    matches!(
        error.problem,
        CallProblem::Failed(_)
            | CallProblem::NotHttp(_)
            | CallProblem::NotSignedIn(_)
            | CallProblem::CredentialsRefused { .. }
            | CallProblem::TimedOut {
                phase: Some(CallPhase::Opening) | None,
                ..
            }
    )
}

fn no_names(error: &CallError) -> ExitError {
    match refused("the names of the house", error) {
        // Its exit code is for a command.
        _ if matches!(error.problem, CallProblem::Refused { .. }) => {
            ExitError::other(format!("the names of the house: {error}"))
        }
        trouble => trouble,
    }
}

fn interrupted() -> ExitError {
    ExitError::other("stopped before it was done")
}

/// Why work was given up.
enum GivenUp {
    Signal,
    TimeLimit(Duration),
}

impl GivenUp {
    fn trouble(self, is_commanded: bool) -> ExitError {
        let effect = match is_commanded {
            true => ", and the command may have been carried out",
            false => "",
        };
        ExitError::other(match self {
            Self::Signal => format!("stopped before it was done{effect}"),
            Self::TimeLimit(limit) => format!(
                "it was not done within {} s{effect}: see above for why, or try a longer --timeout",
                limit.as_secs_f32()
            ),
        })
    }
}

/// Runs `work` until it completes, the time limit is over, or a signal comes.
async fn bounded<T>(
    limit: Duration,
    stop: &mut Stop,
    work: impl Future<Output = T>,
) -> Result<T, GivenUp> {
    tokio::select! {
        done = work => Ok(done),
        () = stop.requested() => Err(GivenUp::Signal),
        () = sleep(limit) => Err(GivenUp::TimeLimit(limit)),
    }
}

/// Sends the command that the command line means.
pub(crate) async fn run(command: Command, mut stop: Stop) -> Result<(), ExitError> {
    let Some(options) = options(&command) else {
        return Ok(());
    };
    let Some(mut session) =
        CommandSession::begin(&options.controller, &options.access, &mut stop).await?
    else {
        return Err(interrupted());
    };
    let done = bounded(
        options.timeout,
        &mut stop,
        send(&mut session, &command, options),
    )
    .await;
    let done = done.unwrap_or_else(|ended| Err(ended.trouble(session.is_commanded)));
    session.end().await;
    done
}

async fn send(
    session: &mut CommandSession,
    command: &Command,
    options: &CommandOptions,
) -> Result<(), ExitError> {
    let deadline = Instant::now() + options.timeout;
    let names = session.names().await?;
    // What it is compared with, and what a thermostat's unit is, comes with the replay.
    let needs_state = options.confirm || matches!(command, Command::Set(_));
    if needs_state {
        let handle = session.handle.clone();
        let connected = handle.wait_for(Status::Connected, options.timeout);
        let connected = session.meanwhile(connected).await?;
        connected.map_err(|error| ExitError::other(error.to_string()))?;
    }
    let (sent, what) = sent(command, &names, &session.state)?;
    let handle = session.handle.clone();
    session.is_commanded = true;
    if !options.confirm {
        let answer = session.meanwhile(handle.call(sent)).await?;
        return match answer {
            Ok(_) => told(&format!("{what}: accepted")).await,
            Err(error) => Err(refused(&what, &error)),
        };
    }
    // What is left of the whole, so that it is known as unconfirmed and not as given up.
    let left = deadline.saturating_duration_since(Instant::now());
    let within = CONFIRMED_WITHIN.min(left.mul_f64(0.9));
    let call = sent.confirmed(within, &session.state);
    match session.meanwhile(handle.call(call)).await? {
        Ok(Confirmation::Confirmed) => told(&format!("{what}: confirmed")).await,
        Ok(Confirmation::Unchanged) => told(&format!("{what}: accepted; it was so already")).await,
        Ok(_) => Err(ExitError::unconfirmed(format!(
            "{what}: accepted, but no event within {:.1} s shows that it was carried out",
            within.as_secs_f32()
        ))),
        Err(error) => Err(refused(&what, &error)),
    }
}

fn refused(what: &str, error: &CallError) -> ExitError {
    let sentence = format!("{what}: {error}");
    match error.problem {
        CallProblem::Refused { .. } => ExitError::command_refused(sentence),
        CallProblem::CredentialsRefused { .. } | CallProblem::NotSignedIn(_) => {
            ExitError::refused(sentence)
        }
        _ => ExitError::other(sentence),
    }
}

/// How much a command is to log.
pub(crate) fn verbosity(command: &Command) -> u8 {
    options(command).map_or(0, |options| options.logging.verbose)
}

/// What all commands have in common; `None` for what is not a command.
fn options(command: &Command) -> Option<&CommandOptions> {
    Some(match command {
        Command::On(node)
        | Command::Off(node)
        | Command::FastOn(node)
        | Command::FastOff(node)
        | Command::Brighten(node)
        | Command::Dim(node)
        | Command::Lock(node)
        | Command::Unlock(node)
        | Command::Query(node)
        | Command::Beep(node)
        | Command::Enable(node)
        | Command::Disable(node) => &node.options,
        Command::Level(level) => &level.options,
        Command::Run(program) => &program.options,
        Command::Set(set) => &set.options,
        Command::Send(send) => &send.options,
        _ => return None,
    })
}

/// The command to send, and what to call it.
fn sent(
    command: &Command,
    names: &Names,
    state: &ControllerState,
) -> Result<(Sent, String), ExitError> {
    type Constructor = fn(&str) -> Result<Sent, ioxproto::rest::RequestError>;
    let (node, verb, constructor): (_, _, Constructor) = match command {
        Command::On(node) => (node, "on", Sent::on),
        Command::Off(node) => (node, "off", Sent::off),
        Command::FastOn(node) => (node, "fast on", Sent::fast_on),
        Command::FastOff(node) => (node, "fast off", Sent::fast_off),
        Command::Brighten(node) => (node, "brighten", Sent::brighten),
        Command::Dim(node) => (node, "dim", Sent::dim),
        Command::Lock(node) => (node, "lock", Sent::lock),
        Command::Unlock(node) => (node, "unlock", Sent::unlock),
        Command::Query(node) => (node, "query", Sent::query),
        Command::Beep(node) => (node, "beep", Sent::beep),
        Command::Enable(node) => (node, "enable", Sent::enable),
        Command::Disable(node) => (node, "disable", Sent::disable),
        Command::Level(level) => {
            let address = enabled(names, &level.node)?;
            let percent = Level::percent(level.percent).map_err(wrong)?;
            let what = format!("{} {} %", names.of_node(address), level.percent);
            return Ok((Sent::level(address, percent).map_err(wrong)?, what));
        }
        Command::Run(program) => {
            let id = names.program(&program.program)?;
            let what = format!("program {}", names.of_program(id));
            return Ok((Sent::program(id, of_program(program.verb)), what));
        }
        Command::Set(set) => return of_set(set, names, state),
        Command::Send(send) => return of_send(send, names),
        _ => return Err(ExitError::usage("this is not a command for a controller")),
    };
    let address = match command {
        Command::Enable(_) => names.node(&node.node)?,
        _ => enabled(names, &node.node)?,
    };
    let what = format!("{} {verb}", names.of_node(address));
    Ok((constructor(address).map_err(wrong)?, what))
}

fn wrong(error: ioxproto::rest::RequestError) -> ExitError {
    ExitError::usage(error.to_string())
}

/// The address of a node or scene that takes commands.
fn enabled<'a>(names: &'a Names, written: &str) -> Result<&'a str, ExitError> {
    let address = names.node(written)?;
    match names.known().node(address) {
        Some(node) if !node.is_enabled => Err(ExitError::other(format!(
            "{} is disabled, and nothing was sent; enable it with: iox enable {written:?}",
            names.of_node(address)
        ))),
        _ => Ok(address),
    }
}

fn of_program(verb: ProgramVerb) -> ProgramCommand {
    match verb {
        ProgramVerb::If => ProgramCommand::Run,
        ProgramVerb::Then => ProgramCommand::RunThen,
        ProgramVerb::Else => ProgramCommand::RunElse,
        ProgramVerb::Stop => ProgramCommand::Stop,
        ProgramVerb::Enable => ProgramCommand::Enable,
        ProgramVerb::Disable => ProgramCommand::Disable,
    }
}

fn of_set(
    set: &SetOrder,
    names: &Names,
    state: &ControllerState,
) -> Result<(Sent, String), ExitError> {
    let value = &set.value;
    if let Settable::Variable | Settable::Init = set.what {
        let raw = value.parse().map_err(|_| {
            ExitError::usage(format!(
                "{value:?} is not a whole number from -2147483648 to 2147483647"
            ))
        })?;
        let id = names.variable(&set.name)?;
        let (field, word) = match set.what {
            Settable::Init => (VariableField::Init, "at start-up "),
            _ => (VariableField::Value, ""),
        };
        let what = format!("variable {} {word}= {raw}", names.of_variable(id));
        return Ok((Sent::variable(id, field, raw), what));
    }
    let address = enabled(names, &set.name)?;
    let (control, constructor): (_, fn(&str, Setpoint) -> _) = match set.what {
        Settable::Heat => ("CLISPH", Sent::heat_setpoint),
        _ => ("CLISPC", Sent::cool_setpoint),
    };
    let degrees: Decimal = value
        .parse()
        .map_err(|_| ExitError::usage(format!("{value:?} is not a number of degrees")))?;
    let unit = match state
        .property(address, control)
        .map(|known| known.uom().to_owned())
    {
        Some(uom) if uom == "4" => TemperatureUnit::Celsius,
        Some(uom) if uom == "17" => TemperatureUnit::Fahrenheit,
        Some(uom) if uom == "101" => TemperatureUnit::HalfDegrees,
        _ => {
            return Err(ExitError::other(format!(
                "the unit of {} is unknown, because it has reported no setpoint; nothing was sent",
                names.of_node(address)
            )));
        }
    };
    let setpoint = Setpoint::new(degrees, unit).map_err(wrong)?;
    let what = format!("{} {control} {value}°", names.of_node(address));
    Ok((constructor(address, setpoint).map_err(wrong)?, what))
}

fn of_send(send: &SendOrder, names: &Names) -> Result<(Sent, String), ExitError> {
    let address = enabled(names, &send.node)?;
    let value = send.value.as_deref().map(|value| {
        let number = value.parse::<Decimal>();
        number.map_err(|_| ExitError::usage(format!("{value:?} is not a number")))
    });
    let value = value.transpose()?;
    let sent = Sent::custom(address, &send.command, value, send.uom).map_err(wrong)?;
    let what = format!("{} {}", names.of_node(address), send.command);
    Ok((sent, what))
}

/// Prints what has a name.
pub(crate) async fn list(list: List, mut stop: Stop) -> Result<(), ExitError> {
    let controller = &list.controller;
    let Some(mut session) =
        CommandSession::begin(&controller.url, &controller.access, &mut stop).await?
    else {
        return Err(interrupted());
    };
    let done = bounded(list.timeout, &mut stop, async {
        let names = session.names().await?;
        if let Listed::Programs | Listed::Variables = list.what {
            names.complete()?;
        }
        told(listed(rows(list.what, &names)).trim_end()).await
    })
    .await;
    let done = done.unwrap_or_else(|ended| Err(ended.trouble(false)));
    session.end().await;
    done
}

/// Name, place and address of each, by place and name.
fn rows(what: Listed, names: &Names) -> Vec<[String; 3]> {
    let known = names.known();
    let entries = |kind| {
        let entries = known.entries().filter(move |entry| entry.kind == kind);
        let row = |entry: &ioxproto::names::Named| {
            let disabled = if entry.is_enabled { "" } else { " (disabled)" };
            [
                format!("{}{disabled}", entry.name),
                known.folder(&entry.address),
                entry.address.clone(),
            ]
        };
        entries.map(row).collect::<Vec<_>>()
    };
    let mut rows = match what {
        Listed::Nodes => entries(NamedKind::Node),
        Listed::Scenes => entries(NamedKind::Scene),
        Listed::Programs => known
            .programs()
            .map(|(id, name)| [name.to_owned(), String::new(), id.to_string()])
            .collect(),
        Listed::Variables => known
            .variables()
            .map(|(id, name)| {
                let number = format!("{}/{}", id.kind.number(), id.number);
                [name.to_owned(), id.kind.to_string(), number]
            })
            .collect(),
    };
    rows.sort_by(|one, other| (&one[1], &one[0]).cmp(&(&other[1], &other[0])));
    rows
}

/// Writes to standard output, for as long as a reader may take.
async fn told(text: &str) -> Result<(), ExitError> {
    let cannot = |error| ExitError::other(format!("cannot write to standard output: {error}"));
    let screen = Screen::stdout().map_err(cannot)?;
    let text = format!("{text}\n").into_bytes();
    // A reader that has gone, or takes too long, wants no more.
    let _ = timeout(Duration::from_secs(5), screen.finish(text)).await;
    Ok(())
}
