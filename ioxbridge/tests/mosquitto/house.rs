//! Simulated controllers and bridges for a test.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ioxbridge::{Controller, Handle, Options, OptionsError};
use ioxsim::{HouseOptions, Server, ServerOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::broker::{Mosquitto, free_port};

/// The address of the dimmer that a simulated house begins with, and its slug.
pub(crate) struct Lamp {
    pub(crate) address: String,
    pub(crate) slug: String,
}

/// A controller with so many nodes, on a port that another can have later.
pub(crate) async fn house(nodes: usize) -> Server {
    house_at(free_port(), nodes).await
}

pub(crate) async fn house_at(port: u16, nodes: usize) -> Server {
    let options = ServerOptions {
        bind: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        ..ServerOptions::of(HouseOptions {
            nodes,
            ..HouseOptions::default()
        })
    };
    Server::start(options).await.unwrap()
}

/// An Insteon dimmer of a house.
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

/// A bridge that runs.
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

    /// A bridge of one controller.
    pub(crate) fn of(broker: &Mosquitto, server: &Server) -> Self {
        let options = Options::new().broker(broker.options());
        Self::start(options, vec![controller("home", server.url())])
    }

    /// Stops it as a signal does.
    pub(crate) async fn stop(self) {
        self.handle.request_stop();
        let stopped = tokio::time::timeout(Duration::from_secs(10), self.task).await;
        stopped.unwrap().unwrap().unwrap();
    }

    /// Ends it without a word, as a crash does.
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

/// Passes connections on, and replaces one text by another of the same length on the way back. It
/// can cut all connections, and refuse new ones.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    is_open: Arc<AtomicBool>,
    cut: Arc<tokio::sync::Notify>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(to: SocketAddr, replace: (&'static str, &'static str)) -> Self {
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
                        () = pass_on(client, to, replace) => {}
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

    /// Cuts all connections; until it is opened again, new ones are closed at once.
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

async fn pass_on(client: TcpStream, to: SocketAddr, replace: (&str, &str)) {
    let Ok(server) = TcpStream::connect(to).await else {
        return;
    };
    let (mut client_read, mut client_write) = client.into_split();
    let (mut server_read, mut server_write) = server.into_split();
    let there = async {
        let _ = tokio::io::copy(&mut client_read, &mut server_write).await;
        let _ = server_write.shutdown().await;
    };
    let back = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = server_read.read(&mut buffer).await {
            let mut bytes = buffer[..length].to_vec();
            let (from, with) = (replace.0.as_bytes(), replace.1.as_bytes());
            while let Some(at) = bytes
                .windows(from.len().max(1))
                .position(|window| window == from)
            {
                bytes[at..at + with.len()].copy_from_slice(with);
            }
            if client_write.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = client_write.shutdown().await;
    };
    tokio::join!(there, back);
}
