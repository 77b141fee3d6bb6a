//! Calls to a controller's REST interface: requests, and what their answers say.
//!
//! Reads are functions, each giving a [`Call`] with the type of its answer: [`nodes()`],
//! [`status()`], [`programs()`], [`variables()`] and their like, and [`get()`] for any other path.
//! Commands are made by the constructors of [`Command`]. A driver's handle carries calls out; who
//! has an answer's bytes already reads them with the `parse` function of its type.
//!
//! All requests use the `/rest` paths, which every controller has. The JSON of `/api/nodes`,
//! `/api/programs` and `/api/variables` is read by the same `parse` functions.
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
//! # What it promises
//!
//! * **Values out of range are errors before anything is sent**: [`RequestError`].
//! * **A broken answer is a typed error** that names what was missing, and in which entry:
//!   [`AnswerError`]. A web page with the status 200, as proxies send it, is named as that.
//! * **No panic, linear time, bounded memory** on whatever a controller sends.

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
