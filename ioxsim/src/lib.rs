//! A simulated IoX controller on real sockets, scriptable, with faults.
//!
//! It serves `/rest/subscribe` and `/api/events/subscribe` over `ws` and `wss` as an eisy or an
//! ISY-994 does. It has local accounts with HTTP Basic, and portal accounts with logins, refreshes,
//! logouts and tokens that expire ([`PortalOptions`]). Each subscriber receives the replay of the
//! controller's state, then the events of the house, and heartbeats. The house is generated from a
//! seed ([`HouseOptions`]) or recorded ([`Recording`]). The crate is meant for tests: of the
//! drivers of this workspace, and of your own program.
//!
//! # A test of your own
//!
//! Nothing happens in the default house until the test requests it. The test waits for conditions,
//! not for a time:
//!
//! ```
//! use std::time::Duration;
//! use ioxsim::{Ending, Event, Server, ServerOptions};
//!
//! # /// Stands for the program under test.
//! # async fn your_program(address: std::net::SocketAddr, switched: tokio::sync::mpsc::Sender<()>) {
//! #     use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! #     let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
//! #     socket.write_all(b"GET /rest/subscribe HTTP/1.1\r\nHost: eisy\r\nUpgrade: websocket\r\n\
//! #         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\n\
//! #         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").await.unwrap();
//! #     let mut seen = Vec::new();
//! #     while socket.read_buf(&mut seen).await.unwrap_or(0) > 0 {
//! #         if String::from_utf8_lossy(&seen).contains("<node>42 92 8C 1</node>") {
//! #             switched.send(()).await.unwrap();
//! #             seen.clear();
//! #         }
//! #     }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::start(ServerOptions::default()).await?;
//! let control = server.control();
//!
//! // Start your program with server.url(), user name "admin" and password "admin".
//! # let (sender, mut switched) = tokio::sync::mpsc::channel(1);
//! let program = tokio::spawn(your_program(server.address(), sender));
//!
//! let limit = Duration::from_secs(30);
//! tokio::time::timeout(limit, control.wait_for(|seen| seen.subscribers == 1)).await?;
//! let on = Event::new("ST", "255").node("42 92 8C 1").uom("100", "0").shown("On").name("Status");
//! control.emit(&on);
//! // ... your program receives it:
//! tokio::time::timeout(limit, switched.recv()).await?;
//!
//! // How does it handle a lost connection?
//! control.end(Ending::Reset);
//! tokio::time::timeout(limit, control.wait_for(|seen| seen.subscribers == 0)).await?;
//! # program.await?;
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Parts
//!
//! * [`Server`] is the controller on a socket. [`Control`] scripts it while it runs, and returns
//!   what it has seen ([`Observation`]).
//! * [`Controller`] is the same without sockets and clocks: methods take the time as an argument,
//!   and outputs are polled. Step it against a client machine under a fake clock.
//! * The faults: [`OnConnect`], [`OnUpgrade`], [`OnPost`], [`OnCall`], [`Ending`], and the methods
//!   of [`Control`].

mod answer;
mod call_fault;
mod connection;
mod control;
mod controller;
mod device;
mod event;
mod fault;
mod house;
mod jwt;
mod local_time;
mod observation;
mod options;
mod output;
mod places;
mod portal;
mod recorded;
mod replay;
mod rest;
mod server;
mod shared;
mod socket;
mod ssdp;
mod subscriber;
mod tls;
mod upgrade;
mod uuid;
mod websocket;

pub use crate::answer::{AfterAnswer, Answer};
pub use crate::call_fault::OnCall;
pub use crate::control::Control;
pub use crate::controller::Controller;
pub use crate::event::Event;
pub use crate::fault::{Ending, Endpoint, OnConnect, OnPost, OnUpgrade, Times};
pub use crate::house::HouseOptions;
pub use crate::observation::{Observation, Place, PortalSeen, Sent, Shown};
pub use crate::options::{
    Account, ControllerOptions, Firmware, FirstFrames, HouseSource, PortalOptions,
};
pub use crate::output::{Output, SubscriberId};
pub use crate::recorded::{Recording, RecordingError};
pub use crate::server::{Server, ServerOptions};
pub use crate::tls::Tls;
pub use crate::upgrade::{BadRequest, LONGEST_HEAD, parse_request};
pub use crate::uuid::{Uuid, UuidError};
