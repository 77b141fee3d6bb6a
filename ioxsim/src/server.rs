//! The server: runs a simulated controller behind a TCP listener.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_rustls::TlsAcceptor;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, sleep_until, timeout};
use tracing::{debug, warn};

use crate::connection;
use crate::control::Control;
use crate::controller::Controller;
use crate::fault::Ending;
use crate::options::{ControllerOptions, HouseSource};
use crate::shared::{Shared, now};
use crate::ssdp;
use crate::tls::Tls;

/// How long to wait for clients to close when the server shuts down.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(1500);

/// What to serve, and at which addresses.
///
/// ```
/// use ioxsim::{HouseOptions, ServerOptions, Tls};
///
/// let options = ServerOptions {
///     tls: Some(Tls::self_signed()?),
///     ..ServerOptions::of(HouseOptions { nodes: 50, ..HouseOptions::default() })
/// };
/// # let _ = options;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The address to listen on; port 0 takes a free one. Default `127.0.0.1:0`.
    pub bind: SocketAddr,
    /// The TLS identity. Default: none, plain TCP.
    pub tls: Option<Tls>,
    /// A subscriber with more queued bytes than this is dropped. Default 64 MiB.
    pub most_queued: usize,
    /// A connection is ended if its request is not complete within this time. Default 10 s.
    pub request_within: Duration,
    /// How long a connection may be idle between two requests (HTTP keep-alive). `None` ends each
    /// connection after its answer. Default 5 s, as on an eisy.
    pub keep_alive: Option<Duration>,
    /// The maximum number of open connections. Further connections are closed as soon as they are
    /// accepted (inferred: an ISY-994 serves 2 over TLS and 5 without). Default: unlimited.
    pub most_connections: Option<usize>,
    /// The address on which to answer SSDP searches. Multicast searches are received on the
    /// unspecified address (`0.0.0.0`) only. Default: none.
    pub ssdp: Option<SocketAddr>,
    /// The options of the controller.
    pub controller: ControllerOptions,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: None,
            most_queued: 64 * 1024 * 1024,
            request_within: Duration::from_secs(10),
            keep_alive: Some(Duration::from_secs(5)),
            most_connections: None,
            ssdp: None,
            controller: ControllerOptions::default(),
        }
    }
}

impl ServerOptions {
    /// Returns the defaults, with this house.
    pub fn of(house: impl Into<HouseSource>) -> Self {
        Self {
            controller: ControllerOptions {
                house: house.into(),
                ..ControllerOptions::default()
            },
            ..Self::default()
        }
    }
}

/// A running simulated controller. It stops when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    url: String,
    fingerprint: Option<String>,
    control: Control,
    ssdp: Option<SocketAddr>,
    stop: oneshot::Sender<Stop>,
    task: JoinHandle<()>,
}

/// How to stop the server.
#[derive(Debug)]
enum Stop {
    Gracefully,
    Abruptly,
}

impl Server {
    /// Starts a server, which serves until it is stopped or dropped. Needs a tokio runtime with I/O
    /// and time.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound, or the TLS key is invalid.
    pub async fn start(options: ServerOptions) -> io::Result<Self> {
        let acceptor = options.tls.as_ref().map(Tls::acceptor).transpose()?;
        let listener = TcpListener::bind(options.bind).await?;
        let address = listener.local_addr()?;
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let prefix = &options.controller.prefix;
        let url = format!("{scheme}://{}{prefix}", reachable(address));
        let ssdp_socket = match options.ssdp {
            Some(bind) => Some(ssdp::listen(bind).await?),
            None => None,
        };
        let ssdp = ssdp_socket
            .as_ref()
            .map(|socket| socket.local_addr())
            .transpose()?;
        let device = ssdp::Device {
            kind: ssdp::kind(options.controller.firmware),
            uuid: options.controller.uuid,
            scheme,
            address,
            prefix: prefix.clone(),
        };
        let most_connections = options.most_connections.unwrap_or(usize::MAX);
        let controller = Controller::new(options.controller, now());
        let shared = Arc::new(Shared::new(
            controller,
            options.most_queued,
            options.request_within,
            options.keep_alive,
        ));
        let (stop, stopped) = oneshot::channel();
        debug!(%address, "listening");
        Ok(Self {
            address,
            url,
            fingerprint: options.tls.as_ref().map(Tls::fingerprint),
            control: Control {
                shared: Arc::clone(&shared),
            },
            stop,
            ssdp,
            task: tokio::spawn(async move {
                let answer_searches = async {
                    match ssdp_socket {
                        Some(socket) => ssdp::answer(socket, &device).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = run(listener, acceptor, shared, most_connections, stopped) => {}
                    () = answer_searches => {}
                }
            }),
        })
    }

    /// Returns the address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the base URL for clients: `http://127.0.0.1:PORT`, or `https` with TLS.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Returns the fingerprint of the certificate, `sha256:` and 64 hex digits; `None` without TLS.
    #[must_use]
    pub fn fingerprint(&self) -> Option<String> {
        self.fingerprint.clone()
    }

    /// Returns the address on which it answers SSDP searches.
    #[must_use]
    pub fn ssdp_address(&self) -> Option<SocketAddr> {
        self.ssdp
    }

    /// Returns the handle to script and observe it. The handle may outlive the server.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Stops the server gracefully: it accepts no more connections, and sends each subscriber a
    /// close frame (1001). Returns when all connections are closed and the port is free, at most
    /// 1.5 s later.
    pub async fn shutdown(self) {
        self.stop(Stop::Gracefully).await;
    }

    /// Stops the server as if its process were killed: without close frames. The port is free on
    /// return.
    pub async fn kill(self) {
        self.stop(Stop::Abruptly).await;
    }

    async fn stop(self, how: Stop) {
        // Both fail only if the task has already ended with its runtime.
        let _ = self.stop.send(how);
        let _ = self.task.await;
    }
}

/// Replaces an unspecified address by loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

async fn run(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    most_connections: usize,
    mut stopped: oneshot::Receiver<Stop>,
) {
    // Dropping the set ends all connections, even if this task is dropped with its runtime.
    let mut connections = JoinSet::new();
    let ticks = tick_when_due(&shared);
    tokio::pin!(ticks);
    let how = loop {
        tokio::select! {
            tcp = accept(&listener, &shared) => {
                let is_full = shared.observation.borrow().open >= most_connections;
                if is_full {
                    // Dropping the socket closes it.
                    debug!(most_connections, "too many connections, closing a new one");
                } else {
                    let open = connection::Open::new(Arc::clone(&shared));
                    connections.spawn(connection::serve(open, tcp, tls.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
            () = &mut ticks => {}
            how = &mut stopped => break how.unwrap_or(Stop::Abruptly),
        }
    };
    drop(listener);
    debug!(?how, "stopping");
    if matches!(how, Stop::Gracefully) {
        let control = Control {
            shared: Arc::clone(&shared),
        };
        control.end(Ending::Close(1001));
        let all = async { while connections.join_next().await.is_some() {} };
        // Connections that do not close in time are ended below.
        let _ = timeout(SHUTDOWN_GRACE, all).await;
    }
    connections.shutdown().await;
}

async fn accept(listener: &TcpListener, shared: &Shared) -> TcpStream {
    loop {
        shared.thawed().await;
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.frozen() => continue,
        };
        match accepted {
            Ok((tcp, client)) => {
                debug!(%client, "accepted");
                return tcp;
            }
            Err(error) => {
                warn!(%error, "cannot accept connections, trying again");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Ticks the controller whenever it is due.
async fn tick_when_due(shared: &Shared) {
    loop {
        shared.thawed().await;
        let due = shared.tick();
        let rescheduled = shared.rescheduled.notified();
        match due {
            Some(due) => tokio::select! {
                () = sleep_until(due.into()) => {}
                () = rescheduled => {}
            },
            None => rescheduled.await,
        }
    }
}
