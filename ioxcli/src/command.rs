//! `iox on`, `iox level` and similar: send one command and, with `--confirm`, wait for its
//! confirmation. Also `iox list`.

use std::time::Duration;

use ioxproto::names::{NamedKind, NamesPart, NamesRead};
use ioxproto::rest::{
    CallError, CallPhase, CallProblem, Command as RestCommand, Confirmation, Level, ProgramCommand,
    Setpoint, TemperatureUnit,
};
use ioxproto::state::ControllerState;
use ioxproto::view::{Decimal, VariableField};
use ioxproto::{Address, Notification, Status};
use tokio::time::{Instant, sleep};

use crate::any_stream::{AnyStream, Handle};
use crate::arguments::{
    Access, Command, CommandOptions, List, Listed, ProgramVerb, SendCommand, SetCommand, Settable,
};
use crate::connection::{self, Endpoint};
use crate::exit_error::ExitError;
use crate::names::Names;
use crate::output::{self, listed};
use crate::renderer::say_why;
use crate::signals::Stop;

/// How long to wait for the event that confirms a command.
pub(crate) const CONFIRMED_WITHIN: Duration = Duration::from_secs(10);

/// A stream for a few calls.
struct CommandSession {
    address: Address,
    stream: AnyStream,
    handle: Handle,
    /// The state of the house, from the names, the replay and live events.
    state: ControllerState,
    /// The names, once they are read.
    read: Option<NamesRead>,
    /// Whether a command was sent; the controller may have carried it out.
    has_sent: bool,
}

impl CommandSession {
    /// Starts the stream; `None` if a signal arrived while it fetched the password.
    async fn begin(
        controller: &str,
        access: &Access,
        stop: &mut Stop,
    ) -> Result<Option<Self>, ExitError> {
        let endpoint = Endpoint::find(controller, access, &[])?;
        let Some(options) = endpoint.options(stop).await? else {
            return Ok(None);
        };
        let options = options.read_names(crate::names::read_option(true));
        let stream = AnyStream::start(options, endpoint.transport)?;
        Ok(Some(Self {
            handle: stream.handle(),
            address: endpoint.address,
            stream,
            state: ControllerState::new(),
            read: None,
            has_sent: false,
        }))
    }

    /// Completes `work` while it processes the stream. Fails if the stream ends first.
    async fn run_with_stream<T>(&mut self, work: impl Future<Output = T>) -> Result<T, ExitError> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                next = self.stream.next() => match next {
                    Some(notification) => self.apply(notification),
                    None => return Err(self.end_error()),
                },
            }
        }
    }

    fn apply(&mut self, notification: Notification) {
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

    /// Waits for the names of the house, which resolve the names on the command line.
    async fn read_names(&mut self) -> Result<Names, ExitError> {
        let mut unreachable = None;
        loop {
            if let Some(read) = self.read.take() {
                match read.error(NamesPart::Nodes) {
                    None => return Ok(Names::of(&read)),
                    // The stream has the same problem, and reports it.
                    Some(error) if is_unreachable(error) => unreachable = Some(error.clone()),
                    Some(error) => return Err(names_error(error)),
                }
            }
            if self.handle.is_connected()
                && let Some(error) = &unreachable
            {
                return Err(names_error(error));
            }
            match self.stream.next().await {
                Some(notification) => self.apply(notification),
                None => return Err(self.end_error()),
            }
        }
    }

    /// The error of a stream that has ended too early.
    fn end_error(&self) -> ExitError {
        let ended = connection::outcome(&self.handle, &self.address.to_string());
        ended.err().unwrap_or_else(interrupted)
    }

    /// Stops the stream and waits for its end.
    async fn end(mut self) {
        self.handle.request_stop();
        while self.stream.next().await.is_some() {}
    }
}

/// Whether the stream itself has the same problem: it retries, or fails with a better reason.
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

fn names_error(error: &CallError) -> ExitError {
    match call_error("the names of the house", error) {
        // The exit code for a refusal is reserved for commands.
        _ if matches!(error.problem, CallProblem::Refused { .. }) => {
            ExitError::other(format!("the names of the house: {error}"))
        }
        error => error,
    }
}

fn interrupted() -> ExitError {
    ExitError::other("stopped before it was done")
}

/// Why work was abandoned.
enum Interruption {
    Signal,
    TimeLimit(Duration),
}

impl Interruption {
    fn into_error(self, has_sent: bool) -> ExitError {
        let effect = match has_sent {
            true => ", and the command may have been carried out",
            false => "",
        };
        ExitError::other(match self {
            Self::Signal => format!("stopped before it was done{effect}"),
            Self::TimeLimit(limit) => format!(
                "not completed within {} s{effect}: see the messages above, or try a longer --timeout",
                limit.as_secs_f32()
            ),
        })
    }
}

/// Runs `work` until it completes, the time limit expires, or a signal arrives.
async fn run_bounded<T>(
    limit: Duration,
    stop: &mut Stop,
    work: impl Future<Output = T>,
) -> Result<T, Interruption> {
    tokio::select! {
        done = work => Ok(done),
        () = stop.requested() => Err(Interruption::Signal),
        () = sleep(limit) => Err(Interruption::TimeLimit(limit)),
    }
}

/// Sends the command from the command line.
pub(crate) async fn run(command: Command, mut stop: Stop) -> Result<(), ExitError> {
    let Some(options) = options(&command) else {
        return Ok(());
    };
    let Some(mut session) =
        CommandSession::begin(&options.controller, &options.access, &mut stop).await?
    else {
        return Err(interrupted());
    };
    let done = run_bounded(
        options.timeout,
        &mut stop,
        send(&mut session, &command, options),
    )
    .await;
    let done = done.unwrap_or_else(|interruption| Err(interruption.into_error(session.has_sent)));
    session.end().await;
    done
}

async fn send(
    session: &mut CommandSession,
    command: &Command,
    options: &CommandOptions,
) -> Result<(), ExitError> {
    let deadline = Instant::now() + options.timeout;
    let names = session.read_names().await?;
    // The value before the command, and the unit of a thermostat, are known after the replay.
    let needs_state = options.confirm || matches!(command, Command::Set(_));
    if needs_state {
        let handle = session.handle.clone();
        let connected = handle.wait_for(Status::Connected, options.timeout);
        let connected = session.run_with_stream(connected).await?;
        connected.map_err(|error| ExitError::other(error.to_string()))?;
    }
    let (request, what) = build_command(command, &names, &session.state)?;
    let handle = session.handle.clone();
    session.has_sent = true;
    if !options.confirm {
        let answer = session.run_with_stream(handle.call(request)).await?;
        return match answer {
            Ok(_) => output::print(format!("{what}: accepted\n")).await,
            Err(error) => Err(call_error(&what, &error)),
        };
    }
    // Stay within the time limit, so that a command without a confirmation is reported as
    // unconfirmed and not as abandoned.
    let left = deadline.saturating_duration_since(Instant::now());
    let within = CONFIRMED_WITHIN.min(left.mul_f64(0.9));
    let call = request.confirmed(within, &session.state);
    match session.run_with_stream(handle.call(call)).await? {
        Ok(Confirmation::Confirmed) => output::print(format!("{what}: confirmed\n")).await,
        Ok(Confirmation::Unchanged) => {
            output::print(format!("{what}: accepted; it already had this state\n")).await
        }
        Ok(_) => Err(ExitError::unconfirmed(format!(
            "{what}: accepted, but no event within {:.1} s shows that it was carried out",
            within.as_secs_f32()
        ))),
        Err(error) => Err(call_error(&what, &error)),
    }
}

/// The error of a failed call, with its exit code.
fn call_error(what: &str, error: &CallError) -> ExitError {
    let sentence = format!("{what}: {error}");
    match error.problem {
        CallProblem::Refused { .. } => ExitError::command_refused(sentence),
        CallProblem::CredentialsRefused { .. } | CallProblem::NotSignedIn(_) => {
            ExitError::refused(sentence)
        }
        _ => ExitError::other(sentence),
    }
}

/// The verbosity of a command's logs.
pub(crate) fn verbosity(command: &Command) -> u8 {
    options(command).map_or(0, |options| options.logging.verbose)
}

/// The options that all commands share; `None` for other subcommands.
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

/// Builds the command to send. Also returns its description.
fn build_command(
    command: &Command,
    names: &Names,
    state: &ControllerState,
) -> Result<(RestCommand, String), ExitError> {
    type Constructor = fn(&str) -> Result<RestCommand, ioxproto::rest::RequestError>;
    let (node, verb, constructor): (_, _, Constructor) = match command {
        Command::On(node) => (node, "on", RestCommand::on),
        Command::Off(node) => (node, "off", RestCommand::off),
        Command::FastOn(node) => (node, "fast on", RestCommand::fast_on),
        Command::FastOff(node) => (node, "fast off", RestCommand::fast_off),
        Command::Brighten(node) => (node, "brighten", RestCommand::brighten),
        Command::Dim(node) => (node, "dim", RestCommand::dim),
        Command::Lock(node) => (node, "lock", RestCommand::lock),
        Command::Unlock(node) => (node, "unlock", RestCommand::unlock),
        Command::Query(node) => (node, "query", RestCommand::query),
        Command::Beep(node) => (node, "beep", RestCommand::beep),
        Command::Enable(node) => (node, "enable", RestCommand::enable),
        Command::Disable(node) => (node, "disable", RestCommand::disable),
        Command::Level(level) => {
            let address = find_enabled(names, &level.node)?;
            let percent = Level::percent(level.percent).map_err(usage_error)?;
            let what = format!("{} {} %", names.of_node(address), level.percent);
            return Ok((
                RestCommand::level(address, percent).map_err(usage_error)?,
                what,
            ));
        }
        Command::Run(program) => {
            let id = names.program(&program.program)?;
            let what = format!("program {}", names.of_program(id));
            return Ok((
                RestCommand::program(id, program_command(program.verb)),
                what,
            ));
        }
        Command::Set(set) => return build_set(set, names, state),
        Command::Send(send) => return build_send(send, names),
        _ => return Err(ExitError::usage("this is not a command for a controller")),
    };
    let address = match command {
        Command::Enable(_) => names.node(&node.node)?,
        _ => find_enabled(names, &node.node)?,
    };
    let what = format!("{} {verb}", names.of_node(address));
    Ok((constructor(address).map_err(usage_error)?, what))
}

fn usage_error(error: ioxproto::rest::RequestError) -> ExitError {
    ExitError::usage(error.to_string())
}

/// Finds the address of a node or scene. Fails if it is disabled.
fn find_enabled<'a>(names: &'a Names, written: &str) -> Result<&'a str, ExitError> {
    let address = names.node(written)?;
    match names.known().node(address) {
        Some(node) if !node.is_enabled => Err(ExitError::other(format!(
            "{} is disabled, and nothing was sent; enable it with: iox enable {written:?}",
            names.of_node(address)
        ))),
        _ => Ok(address),
    }
}

fn program_command(verb: ProgramVerb) -> ProgramCommand {
    match verb {
        ProgramVerb::If => ProgramCommand::Run,
        ProgramVerb::Then => ProgramCommand::RunThen,
        ProgramVerb::Else => ProgramCommand::RunElse,
        ProgramVerb::Stop => ProgramCommand::Stop,
        ProgramVerb::Enable => ProgramCommand::Enable,
        ProgramVerb::Disable => ProgramCommand::Disable,
    }
}

fn build_set(
    set: &SetCommand,
    names: &Names,
    state: &ControllerState,
) -> Result<(RestCommand, String), ExitError> {
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
        return Ok((RestCommand::variable(id, field, raw), what));
    }
    let address = find_enabled(names, &set.name)?;
    let (control, constructor): (_, fn(&str, Setpoint) -> _) = match set.what {
        Settable::Heat => ("CLISPH", RestCommand::heat_setpoint),
        _ => ("CLISPC", RestCommand::cool_setpoint),
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
    let setpoint = Setpoint::new(degrees, unit).map_err(usage_error)?;
    let what = format!("{} {control} {value}°", names.of_node(address));
    Ok((constructor(address, setpoint).map_err(usage_error)?, what))
}

fn build_send(send: &SendCommand, names: &Names) -> Result<(RestCommand, String), ExitError> {
    let address = find_enabled(names, &send.node)?;
    let value = send.value.as_deref().map(|value| {
        let number = value.parse::<Decimal>();
        number.map_err(|_| ExitError::usage(format!("{value:?} is not a number")))
    });
    let value = value.transpose()?;
    let command =
        RestCommand::custom(address, &send.command, value, send.uom).map_err(usage_error)?;
    let what = format!("{} {}", names.of_node(address), send.command);
    Ok((command, what))
}

/// Prints the named things of one kind.
pub(crate) async fn list(list: List, mut stop: Stop) -> Result<(), ExitError> {
    let controller = &list.controller;
    let Some(mut session) =
        CommandSession::begin(&controller.url, &controller.access, &mut stop).await?
    else {
        return Err(interrupted());
    };
    let done = run_bounded(list.timeout, &mut stop, async {
        let names = session.read_names().await?;
        if let Listed::Programs | Listed::Variables = list.what {
            names.check_complete()?;
        }
        output::print(listed(rows(list.what, &names))).await
    })
    .await;
    let done = done.unwrap_or_else(|interruption| Err(interruption.into_error(false)));
    session.end().await;
    done
}

/// Returns name, folder and address of each, sorted by folder and name.
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
