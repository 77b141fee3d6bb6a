//! The event stream of IoX and ISY-994 home controllers as a pure state machine.

mod action;
mod address;
mod config;
mod event;
mod frame;
mod http;
mod notification;
mod now;
mod reason;
pub mod recording;
mod secret;
mod status;
mod stream;

pub use crate::action::{Action, ConnectionId};
pub use crate::address::{Address, AddressError};
pub use crate::config::{Config, ConfigBuilder, ConfigError, Profile, Timing};
pub use crate::event::Event;
pub use crate::frame::{Frame, FrameReader, Ignored, IgnoredKind, Malformed};
pub use crate::http::{Exchange, ExchangeError, Progress};
pub use crate::notification::{Gap, Notification};
pub use crate::now::Now;
pub use crate::reason::{Failure, FailureKind, IdentityProblem, Phase, Reason, Silence};
pub use crate::secret::Secret;
pub use crate::status::{Status, StatusChange, UnknownStatus};
pub use crate::stream::{Deadline, EventStream, Message, Stats};
