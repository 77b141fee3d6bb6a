//! Simulated controllers for the tests.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use ioxsim::{Control, Event, HouseOptions, Server, ServerOptions, Tls};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::iox::LIMIT;

/// A controller and the runtime that it lives on.
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

    /// Plain, and nothing happens in it by itself.
    pub(crate) fn quiet() -> Self {
        Self::start(ServerOptions::default())
    }

    /// The same with TLS.
    pub(crate) fn secured() -> Self {
        Self::start(ServerOptions {
            tls: Some(Tls::self_signed().unwrap()),
            ..ServerOptions::default()
        })
    }

    /// Something happens all the time.
    pub(crate) fn lively() -> Self {
        Self::start(ServerOptions::of(HouseOptions {
            rate_per_second: 200.0,
            ..HouseOptions::default()
        }))
    }

    /// Where it answers searches.
    pub(crate) fn ssdp_address(&self) -> SocketAddr {
        let address = self.server.as_ref().unwrap().ssdp_address();
        address.unwrap()
    }

    pub(crate) fn control(&self) -> Control {
        self.server.as_ref().unwrap().control()
    }

    /// Waits until what it saw is like this.
    pub(crate) fn wait_for(&self, holds: impl FnMut(&ioxsim::Observation) -> bool) {
        let control = self.control();
        self.runtime
            .block_on(timeout_of(control.wait_for(holds)))
            .expect("what the test waits for");
    }

    /// A lamp is switched.
    pub(crate) fn switch(&self, value: &str) {
        let lamp = Event::new("ST", value).node("42 92 8C 1").uom("100", "0");
        self.control().emit(&lamp);
    }

    /// As if its process were killed.
    pub(crate) fn kill(&mut self) {
        let server = self.server.take().unwrap();
        self.runtime.block_on(server.kill());
    }

    /// Another one on the same port.
    pub(crate) fn revive(&mut self) {
        let port = self.url.rsplit(':').next().unwrap().parse().unwrap();
        let mut options = ServerOptions::default();
        options.bind.set_port(port);
        // Another socket of this machine may have the port for a moment.
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

/// What greets each connection with these bytes and then waits for it to end; its port.
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

/// A port on which nobody listens.
pub(crate) fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
