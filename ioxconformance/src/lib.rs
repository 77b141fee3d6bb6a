//! What every driver must do, as scenarios on real sockets against a simulated controller, plain
//! and TLS.
//!
//! A driver joins with an implementation of [`Driver`] and one line in its tests:
//!
//! ```text
//! ioxconformance::conformance!(crate::OnTokio);
//! ```
//!
//! That makes a test of each scenario of the [table](conformance) on each link that it is for. A
//! driver that has only the core joins with [`CoreOnly`]. The
//! suite waits for conditions, on the thread of the test; how a driver under test runs is its own
//! matter. Timings are [`quick`].

mod belongings;
mod bench;
mod core_only;
mod driver;
mod front;
pub mod scenarios;
mod secrets;
mod state;
mod table;
mod watched;

pub use crate::bench::{Bench, LIMIT, Link, Sim, came_to_hold, options, quick, wait_for};
pub use crate::core_only::{CoreOnly, Deliver};
pub use crate::driver::{Awaited, Driver, Handle, Next, Running, StreamHandle, block_on, next_of};
pub use crate::front::{Asked, Front, Reply};
pub use crate::state::{Reached, State, Witness};
pub use crate::watched::Watched;
