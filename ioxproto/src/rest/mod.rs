//! Calls to a controller's REST interface: requests, and typed answers.
//!
//! Each read has a function that returns a [`Call`] with the type of its answer: [`nodes()`],
//! [`status()`], [`programs()`], [`variables()`] and others, and [`get()`] for any other path. The
//! constructors of [`Command`] build commands. A driver's handle carries out calls. To read the
//! bytes of an answer that you already have, use the `parse` function of its type.
//!
//! All requests use the `/rest` paths, which every controller has. The same `parse` functions read
//! the JSON of `/api/nodes`, `/api/programs` and `/api/variables`.
//!
//! ```
//! use ioxproto::rest::{self, Command};
//! use ioxproto::view::{VariableField, VariableId, VariableType};
//!
//! assert_eq!(rest::nodes().request().path(), "/rest/nodes");
//! let guests = VariableId { kind: VariableType::Integer, number: 3 };
//! let set = Command::variable(guests, VariableField::Value, 215);
//! assert_eq!(set.path(), "/rest/vars/set/1/3/215");
//! ```
//!
//! # Guarantees
//!
//! * **A value out of range is a [`RequestError`]** before anything is sent.
//! * **An invalid answer is an [`AnswerError`]** that names the missing or invalid part and its
//!   entry. A web page with status 200, as some proxies send, has its own variant.
//! * **No panic, linear time, bounded memory** for anything that a controller sends.

mod body;
mod call;
mod command;
mod confirmation;
mod document;
mod error;
mod json;
mod nodes;
mod outcome;
mod path;
mod programs;
mod property;
mod queue;
mod refusal;
mod system;
mod variables;

pub use self::call::{
    Accepted, Call, RawAnswer, Request, config, get, network_resources, node, node_status, nodes,
    programs, status, time, variable, variable_definitions, variables,
};
pub use self::command::{
    Command, FanMode, Goal, Level, ProgramCommand, Repetition, Setpoint, Target, TemperatureUnit,
    ThermostatMode,
};
pub use self::confirmation::Confirmation;
pub use self::error::{AnswerError, RequestError};
pub use self::nodes::{
    Family, FolderEntry, LinkType, NodeEntry, NodeFlags, Nodes, Parent, ParentKind, SceneEntry,
    SceneMember,
};
pub use self::outcome::{CallError, CallId, CallPhase, CallProblem};
pub use self::programs::{ProgramEntry, Programs};
pub use self::property::{NodeStatus, PropertyReading, Statuses};
pub(crate) use self::queue::{CallQueue, Done, Step};
pub use self::system::{ClockReading, ControllerInfo, Feature, NetworkResource, NetworkResources};
pub use self::variables::{VariableDefinition, VariableDefinitions, VariableEntry, Variables};
