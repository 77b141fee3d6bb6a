//! Commands to a controller.

use std::fmt;

use super::path::{PathBuilder, checked_address};
use super::{RequestError, document};
use crate::spelling::is_same_address;
use crate::view::{Decimal, ProgramId, VariableField, VariableId};

/// The longest name of a command or parameter, in characters; real ones have up to ten.
const MAX_NAME: usize = 32;

/// A command to a node, scene, program, variable or network resource.
///
/// The constructors check every value, so a `Command` can always be sent. Addresses are those that
/// the controller uses.
///
/// ```
/// use ioxproto::rest::{Command, Level};
///
/// let dim = Command::level("1A 2B 3C 1", Level::percent(50)?)?;
/// assert_eq!(dim.path(), "/rest/nodes/1A%202B%203C%201/cmd/DON/50/51");
/// assert!(dim.is_absolute());
/// assert!(!Command::brighten("1A 2B 3C 1")?.is_absolute());
/// # Ok::<(), ioxproto::rest::RequestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    path: String,
    target: Target,
    repetition: Repetition,
    goal: Goal,
}

/// Whether a command may be sent again if the controller was busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "twice is the same as once, or it is not"
)]
pub enum Repetition {
    /// Sending it twice has the same effect as sending it once: on, off, a level, a setpoint.
    Absolute,
    /// Sending it twice may have another effect: a step, a program, a message.
    Once,
}

/// What a command sets. Commands to the same target are sent one after the other, and a newer one
/// replaces the repeats of an older one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// A property of a node or scene: `ST` for on, off, levels, fades and steps; otherwise the name
    /// of the command.
    Node {
        /// The address.
        address: String,
        /// The property.
        control: String,
    },
    /// A program.
    Program(ProgramId),
    /// One of the two values of a variable.
    Variable(VariableId, VariableField),
    /// A network resource.
    NetworkResource(u32),
    /// All devices: a query of everything.
    AllNodes,
}

impl Target {
    /// Whether two targets are the same, regardless of how their addresses are spelled.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Node { address, control },
                Self::Node {
                    address: other,
                    control: other_control,
                },
            ) => control == other_control && is_same_address(address, other),
            (one, other) => one == other,
        }
    }
}

/// The state after a command was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Goal {
    /// The property has this raw value.
    Property(Decimal),
    /// The node is off, or on at any level.
    IsOn(bool),
    /// The node is fully on.
    Full,
    /// The node is at this percentage of its full level.
    Percent(u8),
    /// The node is enabled or disabled.
    Enabled(bool),
    /// The program has run or was stopped.
    Program,
    /// The program is enabled or disabled.
    ProgramEnabled(bool),
    /// The program runs when the controller starts, or does not.
    ProgramRunsAtStartup(bool),
    /// The variable has this raw value.
    Variable(Decimal),
    /// The target has sent an event, whatever its value.
    Any,
    /// No event shows that the command was carried out.
    Nothing,
}

/// A level of a node: brightness, position or speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Level(LevelUnit);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum LevelUnit {
    Percent(u8),
    Raw(u8),
}

impl Level {
    /// Percent of the full level: 0 to 100. The controller scales it for the device.
    ///
    /// # Errors
    ///
    /// [`RequestError::OutOfRange`] above 100.
    pub fn percent(percent: u8) -> Result<Self, RequestError> {
        if percent > 100 {
            return Err(out_of_range("the level in percent", &percent, "0 to 100"));
        }
        Ok(Self(LevelUnit::Percent(percent)))
    }

    /// A raw level in Insteon's range: 0 to 255.
    #[must_use]
    pub fn raw(level: u8) -> Self {
        Self(LevelUnit::Raw(level))
    }
}

/// A target temperature of a thermostat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setpoint {
    value: Decimal,
    unit: TemperatureUnit,
}

/// The unit of measure of a thermostat's setpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TemperatureUnit {
    /// Degrees Celsius (uom 4).
    Celsius,
    /// Degrees Fahrenheit (uom 17).
    Fahrenheit,
    /// Half degrees of the thermostat's own scale (uom 101): Insteon.
    HalfDegrees,
}

impl Setpoint {
    /// A temperature in a thermostat's unit: -20 to 60 °C, or -4 to 140 °F. With
    /// [`TemperatureUnit::HalfDegrees`], a multiple of 0.5 from -20 to 140, in either scale.
    ///
    /// # Errors
    ///
    /// [`RequestError::OutOfRange`] for any other value.
    pub fn new(value: Decimal, unit: TemperatureUnit) -> Result<Self, RequestError> {
        let (low, high, expected) = match unit {
            TemperatureUnit::Celsius => (-20.0, 60.0, "-20 to 60 degrees Celsius"),
            TemperatureUnit::Fahrenheit => (-4.0, 140.0, "-4 to 140 degrees Fahrenheit"),
            TemperatureUnit::HalfDegrees => (-20.0, 140.0, "-20 to 140 degrees, whole or half"),
        };
        let setpoint = Self { value, unit };
        let halves = unit != TemperatureUnit::HalfDegrees || setpoint.doubled().is_some();
        if !(low..=high).contains(&value.to_f64()) || !halves {
            return Err(out_of_range("the setpoint", &value, expected));
        }
        Ok(setpoint)
    }

    /// Twice the value, if that is a whole number.
    fn doubled(self) -> Option<i64> {
        let doubled = self.value.mantissa().checked_mul(2)?;
        Decimal::new(doubled, self.value.scale()).ok()?.to_i64()
    }
}

/// The mode of a thermostat (`CLIMD`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ThermostatMode {
    /// Off (0).
    Off,
    /// Heats (1).
    Heat,
    /// Cools (2).
    Cool,
    /// Heats or cools (3).
    Auto,
    /// A mode by its number. Numbers from 4 differ between Insteon (uom 98) and others (uom 67).
    Other(u8),
}

/// The mode of a thermostat's fan (`CLIFS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FanMode {
    /// Runs continuously (7).
    On,
    /// Runs as needed (8).
    Auto,
    /// A mode by its number, for thermostats other than Insteon's (uom 68).
    Other(u8),
}

/// A command to a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProgramCommand {
    /// Evaluate the condition and run *then* or *else*.
    Run,
    /// Run *then*.
    RunThen,
    /// Run *else*.
    RunElse,
    /// Stop.
    Stop,
    /// Enable it.
    Enable,
    /// Disable it.
    Disable,
    /// Run it when the controller starts.
    EnableRunAtStartup,
    /// Do not run it when the controller starts.
    DisableRunAtStartup,
}

impl ProgramCommand {
    fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::RunThen => "runThen",
            Self::RunElse => "runElse",
            Self::Stop => "stop",
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::EnableRunAtStartup => "enableRunAtStartup",
            Self::DisableRunAtStartup => "disableRunAtStartup",
        }
    }

    fn goal(self) -> Goal {
        match self {
            Self::Run | Self::RunThen | Self::RunElse | Self::Stop => Goal::Program,
            Self::Enable => Goal::ProgramEnabled(true),
            Self::Disable => Goal::ProgramEnabled(false),
            Self::EnableRunAtStartup => Goal::ProgramRunsAtStartup(true),
            Self::DisableRunAtStartup => Goal::ProgramRunsAtStartup(false),
        }
    }

    fn repetition(self) -> Repetition {
        match self {
            Self::Run | Self::RunThen | Self::RunElse | Self::Stop => Repetition::Once,
            Self::Enable | Self::Disable | Self::EnableRunAtStartup | Self::DisableRunAtStartup => {
                Repetition::Absolute
            }
        }
    }
}

/// The property that on, off, levels, fades and steps change.
const STATUS: &str = "ST";

/// The constructors for nodes and scenes.
impl Command {
    /// Turns on, to the device's on level.
    ///
    /// # Errors
    ///
    /// [`RequestError::Address`], as in all constructors that take an address.
    pub fn on(address: &str) -> Result<Self, RequestError> {
        Self::to_node(address, "DON", Repetition::Absolute, Goal::IsOn(true))
    }

    /// Turns off.
    ///
    /// # Errors
    ///
    /// [`RequestError::Address`].
    pub fn off(address: &str) -> Result<Self, RequestError> {
        Self::to_node(address, "DOF", Repetition::Absolute, Goal::IsOn(false))
    }

    /// Sets a level. A scene accepts no level.
    ///
    /// # Errors
    ///
    /// [`RequestError::Address`].
    pub fn level(address: &str, level: Level) -> Result<Self, RequestError> {
        let (value, unit, goal) = match level.0 {
            LevelUnit::Raw(raw) => (raw, None, Goal::Property(i64::from(raw).into())),
            LevelUnit::Percent(0) => (0, Some("51"), Goal::IsOn(false)),
            // The raw value is unknown: devices use different units.
            LevelUnit::Percent(percent) => (percent, Some("51"), Goal::Percent(percent)),
        };
        let repetition = Repetition::Absolute;
        let command = Self::to_node(address, "DON", repetition, goal)?;
        Ok(command.with_value(&value.to_string(), unit))
    }

    /// Turns on at once, without a ramp.
    ///
    /// # Errors
    ///
    /// [`RequestError::Address`].
    pub fn fast_on(address: &str) -> Result<Self, RequestError> {
        Self::to_node(address, "DFON", Repetition::Absolute, Goal::Full)
    }

    /// Turns off at once, without a ramp.
    ///
    /// # Errors
    ///
    /// [`RequestError::Address`].
    pub fn fast_off(address: &str) -> Result<Self, RequestError> {
        Self::to_node(address, "DFOF", Repetition::Absolute, Goal::IsOn(false))
    }

    /// Starts to brighten.
    ///
    /// # Errors
    ///
    /// [`RequestError::Address`].
    pub fn fade_up(address: &str) -> Result<Self, RequestError> {
        Self::to_node(address, "FDUP", Repetition::Once, Goal::Any)
    }

    /// Starts to dim.
    ///
    /// # Errors
    ///
    /// [`RequestError::Address`].
    pub fn fade_down(address: &str) -> Result<Self, RequestError> {
        Self::to_node(address, "FDDOWN", Repetition::Once, Goal::Any)
    }

    /// Stops brightening or dimming; stops a cover.
    ///
    /// # Errors
    ///
    /// [`RequestError::Address`].
    pub fn fade_stop(address: &str) -> Result<Self, RequestError> {
        Self::to_node(address, "FDSTOP", Repetition::Once, Goal::Any)
    }

    /// Brightens by one step.
    ///
    /// # Errors
    ///
    /// [`RequestError::Address`].
    pub fn brighten(address: &str) -> Result<Self, RequestError> {
        Self::to_node(address, "BRT", Repetition::Once, Goal::Any)
    }

    /// Dims by one step.
    ///
    /// # Errors
    ///
    /// [`RequestError::Address`].
    pub fn dim(address: &str) -> Result<Self, RequestError> {
        Self::to_node(address, "DIM", Repetition::Once, Goal::Any)
    }

    /// Sets the heating setpoint.
    ///
    /// # Errors
    ///
    /// [`RequestError::Address`].
    pub fn heat_setpoint(address: &str, setpoint: Setpoint) -> Result<Self, RequestError> {
        Self::setpoint(address, "CLISPH", setpoint)
    }

    /// Sets the cooling setpoint.
    ///
    /// # Errors
    ///
    /// [`RequestError::Address`].
    pub fn cool_setpoint(address: &str, setpoint: Setpoint) -> Result<Self, RequestError> {
        Self::setpoint(address, "CLISPC", setpoint)
    }

    /// Sets the mode of a thermostat.
    ///
    /// # Errors
    ///
    /// [`RequestError::Address`].
    pub fn thermostat_mode(address: &str, mode: ThermostatMode) -> Result<Self, RequestError> {
        let number = match mode {
            ThermostatMode::Off => 0,
            ThermostatMode::Heat => 1,
            ThermostatMode::Cool => 2,
            ThermostatMode::Auto => 3,
            ThermostatMode::Other(number) => number,
        };
        Self::set(address, "CLIMD", number)
    }

    /// Sets the mode of a thermostat's fan.
    ///
    /// # Errors
    ///
    /// [`RequestError::Address`].
    pub fn fan_mode(address: &str, mode: FanMode) -> Result<Self, RequestError> {
        let number = match mode {
            FanMode::On => 7,
            FanMode::Auto => 8,
            FanMode::Other(number) => number,
        };
        Self::set(address, "CLIFS", number)
    }

    /// Locks a Z-Wave lock. An Insteon lock takes [`on`](Self::on).
    ///
    /// # Errors
    ///
    /// [`RequestError::Address`].
    pub fn lock(address: &str) -> Result<Self, RequestError> {
        Self::secure(address, true)
    }

    /// Unlocks a Z-Wave lock. An Insteon lock takes [`off`](Self::off).
    ///
    /// # Errors
    ///
    /// [`RequestError::Address`].
    pub fn unlock(address: &str) -> Result<Self, RequestError> {
        Self::secure(address, false)
    }

    /// Asks a device for its status, which then arrives as events.
    ///
    /// # Errors
    ///
    /// [`RequestError::Address`].
    pub fn query(address: &str) -> Result<Self, RequestError> {
        let address = checked_address(address)?;
        let path = PathBuilder::new("/rest/query").segment(address);
        Ok(Self {
            path: path.finish(),
            target: node(address, "QUERY"),
            repetition: Repetition::Once,
            goal: Goal::Any,
        })
    }

    /// Asks every device for its status. This keeps the controller busy for minutes.
    #[must_use]
    pub fn query_all() -> Self {
        Self {
            path: "/rest/query".to_owned(),
            target: Target::AllNodes,
            repetition: Repetition::Once,
            goal: Goal::Nothing,
        }
    }

    /// Makes a device beep.
    ///
    /// # Errors
    ///
    /// [`RequestError::Address`].
    pub fn beep(address: &str) -> Result<Self, RequestError> {
        Self::to_node(address, "BEEP", Repetition::Once, Goal::Nothing)
    }

    /// Enables a node.
    ///
    /// # Errors
    ///
    /// [`RequestError::Address`].
    pub fn enable(address: &str) -> Result<Self, RequestError> {
        Self::enabled(address, true)
    }

    /// Disables a node: the controller stops communicating with it.
    ///
    /// # Errors
    ///
    /// [`RequestError::Address`].
    pub fn disable(address: &str) -> Result<Self, RequestError> {
        Self::enabled(address, false)
    }

    /// Any command by its name on the wire, with an optional value and its unit of measure. Without
    /// a unit the value is raw. The command is not repeated unless it is marked as
    /// [`absolute`](Self::absolute).
    ///
    /// # Errors
    ///
    /// [`RequestError::Address`], or [`RequestError::Name`] for an invalid name.
    pub fn custom(
        address: &str,
        name: &str,
        value: Option<Decimal>,
        uom: Option<u16>,
    ) -> Result<Self, RequestError> {
        let name = checked_name(name)?;
        let goal = match (value, uom) {
            (Some(value), None) if !changes_output(name) => Goal::Property(value),
            _ => Goal::Any,
        };
        let command = Self::to_node(address, name, Repetition::Once, goal)?;
        let uom = uom.filter(|uom| *uom != 0).map(|uom| uom.to_string());
        Ok(match value {
            Some(value) => command.with_value(&value.to_string(), uom.as_deref()),
            None => command,
        })
    }

    /// Adds a named parameter. Commands to plug-ins have them.
    ///
    /// # Errors
    ///
    /// [`RequestError::Name`] for an invalid name.
    pub fn with_parameter(
        mut self,
        name: &str,
        value: Decimal,
        uom: Option<u16>,
    ) -> Result<Self, RequestError> {
        let name = checked_name(name)?;
        let name = match uom.filter(|uom| *uom != 0) {
            Some(uom) => format!("{name}.{uom}"),
            None => name.to_owned(),
        };
        let path = PathBuilder::new(&self.path).query(&name, &value.to_string());
        self.path = path.finish();
        Ok(self)
    }

    /// Marks the command as one that may be repeated: sending it twice has the same effect as
    /// sending it once.
    #[must_use]
    pub fn absolute(mut self) -> Self {
        self.repetition = Repetition::Absolute;
        self
    }

    fn to_node(
        address: &str,
        name: &str,
        repetition: Repetition,
        goal: Goal,
    ) -> Result<Self, RequestError> {
        let address = checked_address(address)?;
        let path = PathBuilder::new("/rest/nodes").segment(address);
        let control = if changes_output(name) { STATUS } else { name };
        Ok(Self {
            path: path.segment("cmd").segment(name).finish(),
            target: node(address, control),
            repetition,
            goal,
        })
    }

    fn set(address: &str, name: &str, number: u8) -> Result<Self, RequestError> {
        let goal = Goal::Property(i64::from(number).into());
        let command = Self::to_node(address, name, Repetition::Absolute, goal)?;
        Ok(command.with_value(&number.to_string(), None))
    }

    fn setpoint(address: &str, name: &str, setpoint: Setpoint) -> Result<Self, RequestError> {
        let doubled = match setpoint.unit {
            TemperatureUnit::HalfDegrees => setpoint.doubled(),
            _ => None,
        };
        let (value, uom) = match (doubled, setpoint.unit) {
            (Some(doubled), _) => (doubled.to_string(), None),
            (None, TemperatureUnit::Fahrenheit) => (setpoint.value.to_string(), Some("17")),
            (None, _) => (setpoint.value.to_string(), Some("4")),
        };
        let goal = doubled.map_or(Goal::Any, |doubled| Goal::Property(doubled.into()));
        let command = Self::to_node(address, name, Repetition::Absolute, goal)?;
        Ok(command.with_value(&value, uom))
    }

    fn secure(address: &str, lock: bool) -> Result<Self, RequestError> {
        // A lock reports 100 or 0 as its status; 101 is unknown and 102 is jammed.
        let (value, status) = if lock { ("1", 100) } else { ("0", 0) };
        let goal = Goal::Property(status.into());
        let mut command = Self::to_node(address, "SECMD", Repetition::Absolute, goal)?;
        command.target = node(checked_address(address)?, STATUS);
        Ok(command.with_value(value, None))
    }

    fn enabled(address: &str, enabled: bool) -> Result<Self, RequestError> {
        let address = checked_address(address)?;
        let word = if enabled { "enable" } else { "disable" };
        let path = PathBuilder::new("/rest/nodes")
            .segment(address)
            .segment(word);
        Ok(Self {
            path: path.finish(),
            target: node(address, "enabled"),
            repetition: Repetition::Absolute,
            goal: Goal::Enabled(enabled),
        })
    }

    fn with_value(mut self, value: &str, uom: Option<&str>) -> Self {
        let mut path = PathBuilder::new(&self.path).segment(value);
        if let Some(uom) = uom {
            path = path.segment(uom);
        }
        self.path = path.finish();
        self
    }
}

/// The constructors for everything else.
impl Command {
    /// Runs, stops, enables or disables a program.
    #[must_use]
    pub fn program(id: ProgramId, order: ProgramCommand) -> Self {
        Self {
            path: format!("/rest/programs/{id}/{}", order.word()),
            target: Target::Program(id),
            repetition: order.repetition(),
            goal: order.goal(),
        }
    }

    /// Sets a variable's value or its start-up value. The value is raw: 215 is 21.5 if the variable
    /// has one decimal place.
    #[must_use]
    pub fn variable(id: VariableId, field: VariableField, raw: i32) -> Self {
        let word = match field {
            VariableField::Init => "init",
            _ => "set",
        };
        let (kind, number) = (id.kind.number(), id.number);
        Self {
            path: format!("/rest/vars/{word}/{kind}/{number}/{raw}"),
            target: Target::Variable(id, field),
            repetition: Repetition::Absolute,
            goal: Goal::Variable(i64::from(raw).into()),
        }
    }

    /// Sends a network resource.
    #[must_use]
    pub fn network_resource(id: u32) -> Self {
        Self {
            path: format!("/rest/networking/resources/{id}"),
            target: Target::NetworkResource(id),
            repetition: Repetition::Once,
            goal: Goal::Nothing,
        }
    }
}

impl Command {
    /// The requested path, percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The command's name, such as `DON`; `None` if it is not sent to a node.
    pub(super) fn name(&self) -> Option<&str> {
        let (_, tail) = self.path.split_once("/cmd/")?;
        tail.split(['/', '?']).next()
    }

    /// What the command sets.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Whether the command may be sent again.
    #[must_use]
    pub fn repetition(&self) -> Repetition {
        self.repetition
    }

    /// Whether sending the command twice has the same effect as sending it once.
    #[must_use]
    pub fn is_absolute(&self) -> bool {
        self.repetition == Repetition::Absolute
    }

    /// The state after the command was carried out.
    #[must_use]
    pub fn goal(&self) -> &Goal {
        &self.goal
    }
}

/// Writes the path.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

fn node(address: &str, control: &str) -> Target {
    Target::Node {
        address: address.to_owned(),
        control: control.to_owned(),
    }
}

/// Whether a command of this name changes the property `ST`.
fn changes_output(name: &str) -> bool {
    let names = [
        "DON", "DOF", "DFON", "DFOF", "FDUP", "FDDOWN", "FDSTOP", "BRT", "DIM",
    ];
    names.contains(&name)
}

fn checked_name(name: &str) -> Result<&str, RequestError> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_part) {
        return Err(RequestError::Name {
            name: document::shortened(name),
            limit: MAX_NAME,
        });
    }
    Ok(name)
}

fn out_of_range(
    what: &'static str,
    value: &dyn fmt::Display,
    expected: &'static str,
) -> RequestError {
    RequestError::OutOfRange {
        what,
        value: value.to_string(),
        expected,
    }
}
