//! The conformance suite for drivers: scenarios on real sockets against a simulated controller,
//! with and without TLS.
//!
//! To run it, a driver crate implements [`Driver`] and adds one line to its tests:
//!
//! ```text
//! ioxconformance::conformance!(crate::OnTokio);
//! ```
//!
//! This generates a test for each scenario of the [table](conformance) and each of its links. A
//! driver that uses only the core runs the suite with [`CoreOnly`]. The suite waits for conditions
//! on the thread of the test; the driver under test may run on any thread or task. The timings are
//! [`quick`].

mod bench;
mod core_only;
mod driver;
mod front;
mod resources;
pub mod scenarios;
mod secrets;
mod state;
mod table;
mod watched;

pub use crate::bench::{Bench, LIMIT, Link, Sim, holds_in_time, options, quick, wait_for};
pub use crate::core_only::{CoreOnly, Deliver};
pub use crate::driver::{Awaited, Driver, Handle, Next, Running, StreamHandle, block_on, next_of};
pub use crate::front::{Asked, Front, Reply};
pub use crate::state::{Reached, State, Witness};
pub use crate::watched::Watched;
