//! What all drivers of the event stream share and that is not protocol, each thing once.
//!
//! Applications use a driver crate, which shows the parts of this one that they need. Who writes a driver finds
//! here: the [`Builder`] with its [`Launch`] seam, the [`Delivery`] queue, the [`Handle`] and what it
//! [`Shared`]s with the driver, the TLS policy ([`Trust`], [`tls`]), names ([`resolve`]), the filter below the
//! WebSocket library ([`TextAsBinary`]), and the sorting of the system's errors ([`failure`]).

mod authority;
mod certificate;
mod delivery;
pub mod failure;
mod handle;
mod inspect;
mod opcode;
mod options;
pub mod resolve;
mod route;
mod shared;
pub mod tls;
mod trust;

pub use crate::authority::{Authority, AuthorityError};
pub use crate::certificate::ServerCertificate;
pub use crate::delivery::{Delivery, Overflow};
pub use crate::handle::{EndError, Handle, WaitError};
pub use crate::inspect::{InspectError, inspect};
pub use crate::opcode::{TextAsBinary, masked_text};
pub use crate::options::{BuildError, Builder, Launch, Prepared, Tap, Tapped};
pub use crate::route::{Connector, Resolver, Socket, addresses};
pub use crate::shared::{Command, Exchanged, Relaunch, Shared, Sleep};
pub use crate::trust::{Fingerprint, FingerprintError, Trust};
