//! A bridge from IoX and ISY-994 controllers to MQTT, Home Assistant and a web page.
//!
//! [`run()`] watches any number of controllers and publishes their state to one MQTT broker, or to
//! none.
//!
//! ```no_run
//! use ioxbridge::{Broker, Controller, Handle, Options};
//!
//! # async fn bridge() -> Result<(), Box<dyn std::error::Error>> {
//! let options = Options::new().broker(Broker::new("127.0.0.1", 1883));
//! let home = Controller::new(
//!     "home",
//!     ioxdriver::Options::new("https://eisy.local:8443").local_account("admin", "hunter2"),
//! );
//! let handle = Handle::new();
//! ioxbridge::run(options, vec![home], handle.clone()).await?;
//! # Ok(())
//! # }
//! ```

mod brokers;
mod discovery;
mod handle;
mod http;
mod machine;
mod mqtt;
mod options;
mod page;
mod run;
mod slug;
mod stats;
mod topics;
mod watch;

pub use crate::handle::Handle;
pub use crate::http::{HttpError, HttpOptions, HttpServer, PageOptions};
pub use crate::options::{
    Allowance, Broker, Component, Controller, NodeOverride, Options, OptionsError, UnknownComponent,
};
pub use crate::run::run;
pub use crate::stats::{BrokerStats, CallDurations, ControllerStats, Stats};
