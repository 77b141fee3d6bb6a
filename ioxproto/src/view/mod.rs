//! Typed views of an event, decoded on demand.
//!
//! An [`Event`] is a text with the offsets of its parts. A view decodes that text by the rules of
//! its kind, such as a node's property, a program's status or a variable's value. A payload that
//! does not follow these rules gives a [`ViewError`]; the event itself stays usable.
//!
//! ```
//! use ioxproto::view::View;
//! # use ioxproto::{Frame, FrameReader};
//! # let text = r#"<Event><control>_1</control><action>0</action><eventInfo><id>8D</id><on/><s>22</s></eventInfo></Event>"#;
//! # let Frame::Event(event) = FrameReader::new().read(text) else { panic!("not an event") };
//! match event.view()? {
//!     View::Program(program) => assert_eq!(program.to_string(), "program 008D then running, true"),
//!     View::Property(property) => println!("{} {}", property.node, property.control),
//!     _ => {}
//! }
//! # Ok::<(), ioxproto::view::ViewError>(())
//! ```

mod climate;
mod decimal;
mod display;
mod elk;
mod lifecycle;
mod payload;
mod program;
mod property;
mod system;
mod time;
mod variable;

use std::fmt;

use crate::Event;
use crate::vocabulary::{Code, SystemControl, TriggerAction};

pub use self::climate::{Climate, Energy};
pub use self::decimal::{Decimal, NotDecimal};
pub use self::elk::{Elk, ElkSubject};
pub(crate) use self::lifecycle::parse_bool;
pub use self::lifecycle::{LifecycleChange, LifecycleDetails};
pub use self::program::{Evaluation, ProgramId, ProgramStatus, RunState};
pub use self::property::{NodeCommand, NodeProperty};
pub use self::system::{
    DeviceMemory, DeviceWrite, Heartbeat, InternetAccess, PortalStatus, Progress, SystemConfig,
    SystemStatus,
};
pub use self::time::{ControllerTime, Timestamp};
pub use self::variable::{VariableChange, VariableField, VariableId, VariableTable, VariableType};

/// How much of an invalid text is shown, in characters.
const MAX_SHOWN: usize = 80;

/// Why an event cannot be decoded as the requested view.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The event is of another kind.
    #[error("not {expected}: the event is {found:?}")]
    OtherKind {
        /// The requested kind.
        expected: &'static str,
        /// The event's control and action in words.
        found: String,
    },
    /// A required part is missing.
    #[error("{part} is missing")]
    Missing {
        /// The part's name on the wire.
        part: &'static str,
    },
    /// A part is invalid.
    #[error("{part} is {text:?}; it must be {expected}")]
    Invalid {
        /// The part's name on the wire.
        part: &'static str,
        /// The part's text, truncated if it is long.
        text: String,
        /// The expected format.
        expected: &'static str,
    },
    /// The payload is not well-formed.
    #[error("the payload is not well-formed: {cause}")]
    Payload {
        /// What is wrong with it.
        cause: String,
    },
}

crate::debug_is_display! { ViewError }

impl ViewError {
    fn other(event: &Event, expected: &'static str) -> Self {
        Self::OtherKind {
            expected,
            found: event.describe().chars().take(MAX_SHOWN).collect(),
        }
    }

    fn invalid(part: &'static str, text: &str, expected: &'static str) -> Self {
        Self::Invalid {
            part,
            text: text.chars().take(MAX_SHOWN).collect(),
            expected,
        }
    }
}

/// An event, decoded according to its kind.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum View<'a> {
    /// A node's property.
    Property(NodeProperty<'a>),
    /// A node's command.
    Command(NodeCommand<'a>),
    /// A heartbeat.
    Heartbeat(Heartbeat),
    /// A node, folder or scene was added, removed or changed.
    Lifecycle(LifecycleChange<'a>),
    /// A program's status.
    Program(ProgramStatus),
    /// A variable's value or value at start-up.
    Variable(VariableChange<'a>),
    /// A variable table has changed.
    VariableTable(VariableTable),
    /// Progress of a long operation, or a log line.
    Progress(Progress<'a>),
    /// Progress of writing to a device.
    DeviceWrite(DeviceWrite<'a>),
    /// A write to a device's memory.
    DeviceMemory(DeviceMemory<'a>),
    /// The system's status.
    SystemStatus(SystemStatus<'a>),
    /// The system's configuration.
    SystemConfig(SystemConfig<'a>),
    /// Access from the internet.
    InternetAccess(InternetAccess<'a>),
    /// The portal's status.
    Portal(PortalStatus),
    /// A reading of the climate module.
    Climate(Climate<'a>),
    /// A message of the energy monitor.
    Energy(Energy<'a>),
    /// An area or a zone of an ELK alarm panel.
    Elk(Elk<'a>),
    /// Any other event. [`Event::describe`] describes it in words.
    Other,
}

impl View<'_> {
    /// The stable label of the kind, such as `node_property` or `program_status`.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Property(_) => "node_property",
            Self::Command(_) => "command",
            Self::Heartbeat(_) => "heartbeat",
            Self::Lifecycle(_) => "node_lifecycle",
            Self::Program(_) => "program_status",
            Self::Variable(change) => change.field.label(),
            Self::VariableTable(_) => "variable_table",
            Self::Progress(_) => "progress",
            Self::DeviceWrite(_) => "device_write",
            Self::DeviceMemory(_) => "device_memory",
            Self::SystemStatus(_) => "system_status",
            Self::SystemConfig(_) => "system_config",
            Self::InternetAccess(_) => "internet_access",
            Self::Portal(_) => "portal_status",
            Self::Climate(_) => "climate",
            Self::Energy(_) => "energy_monitoring",
            Self::Elk(_) => "elk",
            Self::Other => "other",
        }
    }
}

/// Describes the view in words: `variable state 12 = 5.1`, `node n009_harmonyctrl added`.
/// [`View::Other`] shows as `other`.
impl fmt::Display for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Property(view) => view.fmt(f),
            Self::Command(view) => view.fmt(f),
            Self::Heartbeat(view) => view.fmt(f),
            Self::Lifecycle(view) => view.fmt(f),
            Self::Program(view) => view.fmt(f),
            Self::Variable(view) => view.fmt(f),
            Self::VariableTable(view) => view.fmt(f),
            Self::Progress(view) => view.fmt(f),
            Self::DeviceWrite(view) => view.fmt(f),
            Self::DeviceMemory(view) => view.fmt(f),
            Self::SystemStatus(view) => view.fmt(f),
            Self::SystemConfig(view) => view.fmt(f),
            Self::InternetAccess(view) => view.fmt(f),
            Self::Portal(view) => view.fmt(f),
            Self::Climate(view) => view.fmt(f),
            Self::Energy(view) => view.fmt(f),
            Self::Elk(view) => view.fmt(f),
            Self::Other => f.write_str("other"),
        }
    }
}

impl Event {
    /// Marks the event as live or replayed. Meant for events that do not come from a stream, such
    /// as those of a test.
    #[must_use]
    pub fn with_live(mut self, live: bool) -> Self {
        self.set_live(live);
        self
    }

    /// Decodes the event according to its kind.
    ///
    /// # Errors
    ///
    /// The kind is known, but the payload does not follow its rules.
    pub fn view(&self) -> Result<View<'_>, ViewError> {
        if self.is_node_property() {
            return self.node_property().map(View::Property);
        }
        if self.is_command() {
            return self.node_command().map(View::Command);
        }
        let Some(Code::Known(control)) = self.system_control() else {
            return Ok(View::Other);
        };
        match control {
            SystemControl::Heartbeat => self.heartbeat().map(View::Heartbeat),
            SystemControl::NodeLifecycle => self.lifecycle().map(View::Lifecycle),
            SystemControl::Trigger => match TriggerAction::of(self.action()) {
                Some(TriggerAction::ProgramStatus) => self.program_status().map(View::Program),
                Some(TriggerAction::VariableValue | TriggerAction::VariableInit) => {
                    self.variable_change().map(View::Variable)
                }
                Some(TriggerAction::VariableTable) => {
                    self.variable_table().map(View::VariableTable)
                }
                _ => Ok(View::Other),
            },
            SystemControl::Progress => self.progress().map(View::Progress),
            SystemControl::DeviceWrite => self.device_write().map(View::DeviceWrite),
            SystemControl::DeviceMemory => self.device_memory().map(View::DeviceMemory),
            SystemControl::SystemStatus => self.system_status().map(View::SystemStatus),
            SystemControl::SystemConfig => self.system_config().map(View::SystemConfig),
            SystemControl::InternetAccess => self.internet_access().map(View::InternetAccess),
            SystemControl::Portal if self.action() == "1" => self.portal_status().map(View::Portal),
            SystemControl::Climate => self.climate().map(View::Climate),
            SystemControl::EnergyMonitoring => self.energy().map(View::Energy),
            SystemControl::Elk if matches!(self.action(), "2" | "3") => self.elk().map(View::Elk),
            _ => Ok(View::Other),
        }
    }
}
