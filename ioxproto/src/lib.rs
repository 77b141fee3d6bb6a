//! The event stream of IoX and ISY-994 home controllers as a pure state machine.
//!
//! [`StreamMachine`] makes every decision of the protocol: when to connect, what to send, which
//! event is live and which is replayed, when silence means a dead connection, how long to wait
//! before the next attempt. It does not use sockets, clocks, threads or random sources: a driver
//! passes in what has happened and carries out the actions that it returns.
//!
//! ```text
//!              messages, ticks, answers, socket reports     ──►  ┌───────────────┐
//!   driver                                                       │ StreamMachine │  ──► events, marked replay or live
//!              connect, ping, close, abort, next deadline    ◄──  └───────────────┘  ──► status changes with their reason
//! ```
//!
//! To watch a controller, use a driver crate, such as `ioxtransport-tokio`. To write a driver, read
//! [`driver`]. To parse frames that you already have, use a [`FrameReader`]:
//!
//! ```
//! use ioxproto::{Frame, FrameReader};
//!
//! let text = r#"<Event seqnum="16" sid="uuid:1"><control>ST</control><action uom="100" prec="0">255</action>
//!     <node>42 92 8C 1</node><fmtAct>On</fmtAct></Event>"#;
//! let Frame::Event(event) = FrameReader::new().read(text) else { panic!("not an event") };
//! assert_eq!((event.node(), event.control(), event.fmt_act()), ("42 92 8C 1", "ST", "On"));
//! ```
//!
//! # What an event means
//!
//! * [`words`]: events and values in a few words for people.
//! * [`vocabulary`]: the codes of system events, with stable labels; [`Event::describe`] returns
//!   `system_status = busy`.
//! * [`view`]: an event by its kind, decoded on demand: [`Event::view`], [`Event::node_property`],
//!   [`Event::program_status`] and others.
//! * [`state`]: the state of the controller, kept up to date. It reports what changed, and after
//!   an outage what changed while away.
//! * [`dispatch`]: listeners, called in order, each isolated from the others' panics.
//! * [`freshness`]: the age of an event, by the controller's clock.
//!
//! ```
//! use ioxproto::dispatch::{Dispatcher, Filter};
//! use ioxproto::state::{ControllerState, SharedState};
//! # use ioxproto::{Frame, FrameReader};
//! # let text = r#"<Event><control>ST</control><action uom="17" prec="1">725</action><node>n001_porch</node></Event>"#;
//! # let Frame::Event(event) = FrameReader::new().read(text) else { panic!("not an event") };
//! # let event = event.with_live(true);
//!
//! let state = SharedState::new(ControllerState::new());
//! let dispatcher = Dispatcher::new();
//! dispatcher.attach(state.clone());
//! let _porch = dispatcher.on_event(Filter::new().node("n001_porch").live_only(), |event| {
//!     println!("{}", event.describe());
//! });
//!
//! // Pass the notifications of a stream to `dispatcher.dispatch(&notification)`.
//! dispatcher.dispatch_event(&event);
//! let porch = state.read(|state| state.property("n001_porch", "ST").and_then(|now| now.number()));
//! assert_eq!(porch.map(|number| number.to_string()).as_deref(), Some("72.5"));
//! ```
//!
//! # Guarantees
//!
//! * **Deterministic**: the same inputs with the same times and the same seed give the same
//!   outputs.
//! * **No panic, no unbounded work** for any input from a peer; calls in a wrong order are
//!   harmless.
//! * **No leaked secrets**: passwords and header values do not appear in `Debug` output, errors or
//!   logs.
//! * **Logging** through `tracing`: a frame at TRACE, a decision at DEBUG, a change of status at
//!   INFO.

mod action;
mod address;
mod auth;
mod config;
pub mod dispatch;
#[doc = include_str!("driver.md")]
pub mod driver {}
mod error_debug;
mod event;
mod frame;
pub mod freshness;
mod http;
#[cfg(feature = "serde")]
pub mod line;
pub mod names;
mod notification;
mod now;
mod punycode;
mod reason;
pub mod recording;
pub mod rest;
mod secret;
mod spelling;
pub mod state;
mod status;
mod stream;
pub mod unit;
pub mod view;
pub mod vocabulary;
pub mod words;

pub use crate::action::{Action, ConnectionId, RequestId};
pub use crate::address::{Address, AddressError};
pub use crate::config::{Account, Config, ConfigError, Profile, ReadNames, SubscribePath, Timing};
pub use crate::event::Event;
pub use crate::frame::{Frame, FrameReader, Ignored, IgnoredKind, Malformed};
pub use crate::http::{Exchange, ExchangeError, Progress};
pub use crate::notification::{Drift, Gap, Notification};
pub use crate::now::Now;
pub use crate::reason::{Failure, FailureKind, IdentityProblem, Phase, Reason, Silence};
pub use crate::secret::Secret;
pub use crate::spelling::NodePattern;
pub use crate::status::{Status, StatusChange, UnknownStatus};
pub use crate::stream::{Deadline, Message, Stats, StreamMachine};
