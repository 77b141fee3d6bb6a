//! Simulated controllers and bridges for tests.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ioxbridge::{Controller, Handle, Options, OptionsError};
use ioxsim::{ControllerOptions, HouseOptions, Server, ServerOptions, Uuid};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::broker::{Mosquitto, Watcher, eventually, free_port};

/// The address and the slug of a dimmer in a simulated house.
pub(crate) struct Lamp {
    pub(crate) address: String,
    pub(crate) slug: String,
}

/// Starts a controller with this many nodes, on a port that a later one can reuse.
pub(crate) async fn house(nodes: usize) -> Server {
    house_at(free_port(), nodes).await
}

pub(crate) async fn house_at(port: u16, nodes: usize) -> Server {
    start(port, nodes, Uuid::default()).await
}

/// Starts a controller with another UUID and the same nodes.
pub(crate) async fn twin(nodes: usize) -> Server {
    start(free_port(), nodes, Uuid::default().plus(1)).await
}

async fn start(port: u16, nodes: usize, uuid: Uuid) -> Server {
    let options = ServerOptions {
        bind: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        controller: ControllerOptions {
            house: HouseOptions {
                nodes,
                ..HouseOptions::default()
            }
            .into(),
            uuid,
            ..ControllerOptions::default()
        },
        ..ServerOptions::default()
    };
    Server::start(options).await.unwrap()
}

/// Returns an Insteon dimmer of a house.
pub(crate) fn lamp(server: &Server) -> Lamp {
    let control = server.control();
    let is_dimmer = |node: &String| node.contains(' ') && control.last(node, "OL").is_some();
    let address = control.nodes().into_iter().find(is_dimmer).unwrap();
    let bytes: Vec<String> = address
        .split(' ')
        .map(|byte| format!("{byte:0>2}"))
        .collect();
    Lamp {
        address,
        slug: bytes.join("_"),
    }
}

pub(crate) fn controller(name: &str, url: impl Into<String>) -> Controller {
    let options = ioxdriver::Options::new(url).local_account("admin", "admin");
    Controller::new(name, options)
}

/// A running bridge.
pub(crate) struct Bridge {
    pub(crate) handle: Handle,
    task: JoinHandle<Result<(), OptionsError>>,
}

impl Bridge {
    pub(crate) fn start(options: Options, controllers: Vec<Controller>) -> Self {
        let handle = Handle::new();
        let task = tokio::spawn(ioxbridge::run(options, controllers, handle.clone()));
        Self { handle, task }
    }

    /// Starts a bridge for one controller.
    pub(crate) fn of(broker: &Mosquitto, server: &Server) -> Self {
        let options = Options::new().broker(broker.options());
        Self::start(options, vec![controller("home", server.url())])
    }

    /// Stops the bridge like a signal.
    pub(crate) async fn stop(self) {
        self.handle.request_stop();
        let stopped = tokio::time::timeout(Duration::from_secs(10), self.task).await;
        stopped.unwrap().unwrap().unwrap();
    }

    /// Ends the bridge abruptly, like a crash.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.handle
            .stats()
            .broker
            .is_some_and(|broker| broker.is_connected)
    }
}

/// A broker, a bridge for one controller, and a watcher of the broker.
pub(crate) struct Setup {
    pub(crate) broker: Mosquitto,
    pub(crate) server: Server,
    pub(crate) lamp: Lamp,
    pub(crate) bridge: Bridge,
    pub(crate) watcher: Watcher,
    /// The topic of the lamp's state.
    pub(crate) state: String,
    /// The topic of commands to the lamp.
    pub(crate) set: String,
}

impl Setup {
    /// Starts a house with this many nodes, and waits until it is on the broker. Returns `None`,
    /// with a clear message, if there is no Mosquitto.
    pub(crate) async fn of(nodes: usize, filter: &str) -> Option<Self> {
        let broker = Mosquitto::start().await?;
        let server = house(nodes).await;
        let bridge = Bridge::of(&broker, &server);
        Some(Self::with(broker, server, bridge, filter).await)
    }

    /// Waits until the house is on the broker.
    pub(crate) async fn with(
        broker: Mosquitto,
        server: Server,
        bridge: Bridge,
        filter: &str,
    ) -> Self {
        let lamp = lamp(&server);
        let mut watcher = Watcher::start(&broker, &[filter]).await;
        let state = format!("iox/home/{}/ST", lamp.slug);
        eventually("the house is there", || {
            watcher.take();
            let retained = |topic: &str| watcher.retained(topic);
            retained("iox/bridge/bridge/state").as_deref() == Some("online")
                && retained("iox/home/availability").as_deref() == Some("online")
                && retained(&state).is_some()
        })
        .await;
        Self {
            set: format!("iox/home/{}/set", lamp.slug),
            state,
            broker,
            server,
            lamp,
            bridge,
            watcher,
        }
    }
}

/// A proxy that forwards connections. It can cut all of them and refuse new ones.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    is_open: Arc<AtomicBool>,
    cut: Arc<tokio::sync::Notify>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_open = Arc::new(AtomicBool::new(true));
        let cut = Arc::new(tokio::sync::Notify::new());
        let (open, cutting) = (Arc::clone(&is_open), Arc::clone(&cut));
        let task = tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else {
                    return;
                };
                if !open.load(Ordering::SeqCst) {
                    continue;
                }
                let cutting = Arc::clone(&cutting);
                tokio::spawn(async move {
                    tokio::select! {
                        () = pass_on(client, to) => {}
                        () = cutting.notified() => {}
                    }
                });
            }
        });
        Self {
            port,
            is_open,
            cut,
            task,
        }
    }

    /// Cuts all connections. Until the proxy is opened again, it closes new ones at once.
    pub(crate) fn close(&self) {
        self.is_open.store(false, Ordering::SeqCst);
        self.cut.notify_waiters();
    }

    pub(crate) fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass_on(mut client: TcpStream, to: SocketAddr) {
    if let Ok(mut server) = TcpStream::connect(to).await {
        // An error only means that the connection has ended.
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}
