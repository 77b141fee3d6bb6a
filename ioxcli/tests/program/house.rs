//! Simulated controllers for the tests.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use ioxsim::{Control, Event, HouseOptions, Server, ServerOptions, Tls};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::iox::LIMIT;

/// A simulated controller and its runtime.
pub(crate) struct House {
    runtime: Runtime,
    server: Option<Server>,
    pub(crate) url: String,
    pub(crate) fingerprint: String,
}

impl House {
    pub(crate) fn start(options: ServerOptions) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let server = runtime.block_on(Server::start(options)).unwrap();
        Self {
            url: server.url(),
            fingerprint: server.fingerprint().unwrap_or_default(),
            server: Some(server),
            runtime,
        }
    }

    /// Starts a controller with plain HTTP that sends no events by itself.
    pub(crate) fn quiet() -> Self {
        Self::start(ServerOptions::default())
    }

    /// Starts the same controller with TLS.
    pub(crate) fn secured() -> Self {
        Self::start(ServerOptions {
            tls: Some(Tls::self_signed().unwrap()),
            ..ServerOptions::default()
        })
    }

    /// Starts a controller that sends events all the time.
    pub(crate) fn lively() -> Self {
        Self::start(ServerOptions::of(HouseOptions {
            rate_per_second: 200.0,
            ..HouseOptions::default()
        }))
    }

    /// The address at which it answers searches.
    pub(crate) fn ssdp_address(&self) -> SocketAddr {
        let address = self.server.as_ref().unwrap().ssdp_address();
        address.unwrap()
    }

    pub(crate) fn control(&self) -> Control {
        self.server.as_ref().unwrap().control()
    }

    /// Waits until the controller's observations satisfy a condition.
    pub(crate) fn wait_for(&self, condition: impl FnMut(&ioxsim::Observation) -> bool) {
        let control = self.control();
        self.runtime
            .block_on(timeout_of(control.wait_for(condition)))
            .expect("timed out: the condition was not met");
    }

    /// Sends the event of a switched lamp.
    pub(crate) fn switch(&self, value: &str) {
        let lamp = Event::new("ST", value).node("42 92 8C 1").uom("100", "0");
        self.control().emit(&lamp);
    }

    /// Stops the controller as if its process were killed.
    pub(crate) fn kill(&mut self) {
        let server = self.server.take().unwrap();
        self.runtime.block_on(server.kill());
    }

    /// Starts another controller on the same port.
    pub(crate) fn revive(&mut self) {
        let port = self.url.rsplit(':').next().unwrap().parse().unwrap();
        let mut options = ServerOptions::default();
        options.bind.set_port(port);
        // Another socket may use the port for a moment.
        let until = Instant::now() + LIMIT;
        let server = loop {
            match self.runtime.block_on(Server::start(options.clone())) {
                Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < until => {
                    thread::sleep(Duration::from_millis(50));
                }
                started => break started.unwrap(),
            }
        };
        self.server = Some(server);
    }
}

async fn timeout_of<T>(future: impl Future<Output = T>) -> Option<T> {
    timeout(LIMIT, future).await.ok()
}

/// Starts a server that sends these bytes on each connection and waits for its end. Returns the
/// port.
pub(crate) fn greeting(bytes: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            thread::spawn(move || {
                let _ = socket.write_all(bytes);
                let _ = socket.read_to_end(&mut Vec::new());
            });
        }
    });
    port
}

/// Returns a port without a listener.
pub(crate) fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
