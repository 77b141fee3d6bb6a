//! The states that a stream can be in, and how to bring it into a state and keep it there.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use ioxdriver::Options;
use ioxproto::{Notification, Status};
use ioxsim::{Endpoint, OnConnect, OnPost, OnUpgrade, Times};
use tokio::net::TcpSocket;

use crate::{Bench, Sim, Watched, options, quick, wait_for};

/// A state of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names describe the states")]
#[non_exhaustive]
pub enum State {
    ResolvingName,
    ConnectingUnanswered,
    /// The connection is open, but the controller sends nothing, not even a TLS handshake.
    ServerSilent,
    UpgradeUnanswered,
    LoginUnanswered,
    WaitingForToken,
    InReplay,
    Connected,
    /// Connected to a controller that has stopped reading and writing.
    ControllerFrozen,
    /// Connected with a portal account, to a controller that does not answer the logout.
    LogoutUnanswered,
    /// Waiting for room in a full queue that nobody reads.
    QueueFull,
    /// Connected, with 20,000 events on their way.
    InBurst,
    /// Connected to a controller that sends so much that reading all of it would take much longer
    /// than a stop may.
    EndlessFrames,
    InBackoff,
    AtRest,
}

/// A stream in a state, and the peer that keeps it there.
pub struct Reached {
    /// The stream.
    pub watched: Watched,
    /// The peer that keeps it there.
    pub peer: Peer,
}

/// The peer of a stream.
#[expect(private_interfaces, reason = "only its method is for other crates")]
pub enum Peer {
    /// A controller.
    Controller(Sim),
    /// A port that answers no connect.
    UnresponsivePort(UnresponsivePort),
}

/// The limit for a stop of a stream that is sent messages endlessly.
const SHORT_STOP: Duration = Duration::from_millis(300);

#[expect(
    missing_docs,
    clippy::missing_panics_doc,
    reason = "made for tests, which fail with a panic"
)]
impl State {
    pub const ALL: [Self; 15] = [
        Self::ResolvingName,
        Self::ConnectingUnanswered,
        Self::ServerSilent,
        Self::UpgradeUnanswered,
        Self::LoginUnanswered,
        Self::WaitingForToken,
        Self::InReplay,
        Self::Connected,
        Self::ControllerFrozen,
        Self::LogoutUnanswered,
        Self::QueueFull,
        Self::InBurst,
        Self::EndlessFrames,
        Self::InBackoff,
        Self::AtRest,
    ];

    /// How long a stop waits for an answer that does not arrive: to a close frame, a logout, or a
    /// login that may still open a session.
    #[must_use]
    pub fn stop_waits(self) -> Duration {
        match self {
            Self::ControllerFrozen
            | Self::LogoutUnanswered
            | Self::LoginUnanswered
            // The answer to the close frame arrives after everything that is on its way.
            | Self::InBurst => quick().stop,
            Self::EndlessFrames => SHORT_STOP,
            _ => Duration::ZERO,
        }
    }

    /// Starts a stream with changed options and brings it into this state. `None` if that is
    /// impossible on this system.
    #[must_use]
    pub fn reach(self, bench: &Bench, change: impl FnOnce(Options) -> Options) -> Option<Reached> {
        if self == Self::ConnectingUnanswered {
            return UnresponsivePort::new().map(|port| port.connect(bench, change));
        }
        let server = bench.server();
        let mut timing = quick();
        match self {
            Self::ServerSilent => server.on_connect(OnConnect::Mute, Times::Always),
            Self::UpgradeUnanswered => server.on_upgrade(OnUpgrade::Mute, Times::Always),
            Self::LoginUnanswered => server.on_post(Endpoint::Login, OnPost::Mute, Times::Always),
            Self::LogoutUnanswered => server.on_post(Endpoint::Logout, OnPost::Mute, Times::Always),
            Self::InReplay => server.hold_replay(5),
            Self::EndlessFrames => timing.stop = SHORT_STOP,
            Self::InBackoff => {
                server.on_upgrade(OnUpgrade::refuse(503), Times::Always);
                timing.backoff = vec![Duration::from_secs(3600)];
            }
            _ => {}
        }
        let (asked, is_asked) = mpsc::channel();
        let options = match self {
            Self::LoginUnanswered | Self::LogoutUnanswered => bench.portal(&server),
            Self::WaitingForToken => bench.options(&server).own_tokens(),
            Self::QueueFull => bench.options(&server).queue(1),
            Self::ResolvingName => bench.options(&server).resolver(move |_, _| {
                let _ = asked.send(());
                std::future::pending()
            }),
            _ => bench.options(&server),
        };
        let mut watched = bench.start(change(options.timing(timing)));
        match self {
            Self::ResolvingName => {
                let asked = watched.meanwhile(move || is_asked.recv_timeout(crate::LIMIT));
                assert!(asked.is_ok(), "the resolver was never asked");
            }
            Self::ServerSilent => {
                watched.meanwhile(|| server.seen("the connection", |seen| seen.connections == 1));
            }
            Self::UpgradeUnanswered | Self::LoginUnanswered => {
                watched.meanwhile(|| server.seen("the request", |seen| seen.requests == 1));
            }
            Self::WaitingForToken => {
                watched.until("the question", |notification| {
                    matches!(notification, Notification::TokenWanted { .. })
                });
            }
            Self::InReplay => {
                watched.status(Status::StreamSyncing);
            }
            Self::QueueFull => bench.wait_until_queue_full(&watched),
            Self::InBackoff => {
                watched.lost();
            }
            _ => watched.connected(),
        }
        match self {
            Self::ControllerFrozen => server.freeze(),
            Self::InBurst => {
                server.flood(20_000);
                watched.until(
                    "some of it",
                    |notification| matches!(notification, Notification::Event(event) if event.is_live()),
                );
            }
            Self::EndlessFrames => {
                // Empty text frames.
                server.send_raw([0x81, 0].repeat(8_000_000));
                watched.until("an ignored frame", |notification| {
                    matches!(notification, Notification::Ignored(_))
                });
            }
            Self::AtRest => {
                watched.stop();
                watched.end();
            }
            _ => {}
        }
        Some(Reached {
            watched,
            peer: Peer::Controller(server),
        })
    }
}

impl Reached {
    /// Stops the stream from another thread while this one consumes, and returns how long it took.
    pub fn stop(&mut self) -> Duration {
        let handle = self.watched.handle();
        let stop = move || {
            let began = Instant::now();
            handle.stop();
            began.elapsed()
        };
        match self.watched.handle().is_waiting_for_consumer() {
            true => stop(),
            false => self.watched.meanwhile(stop),
        }
    }
}

impl Peer {
    /// Waits until no socket of the stream is left.
    pub fn wait_until_disconnected(&self) {
        match self {
            Self::Controller(server) => {
                server.thaw();
                server.seen("the socket closed", |seen| seen.open == 0);
            }
            Self::UnresponsivePort(port) => {
                wait_for("the end of the socket", || port.count_connecting() == 0);
            }
        }
    }
}

/// A port that neither accepts nor refuses a connection, because its backlog is full.
pub(crate) struct UnresponsivePort {
    address: SocketAddr,
    _listener: TcpListener,
    _taken: TcpStream,
}

#[expect(clippy::unwrap_used, reason = "a panic fails the scenario")]
impl UnresponsivePort {
    /// `None` except on Linux, which leaves connects unanswered if the backlog is full, and lists
    /// them.
    fn new() -> Option<Self> {
        if cfg!(not(target_os = "linux")) {
            return None;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        let listener = runtime.block_on(async {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
            socket.listen(0).unwrap().into_std().unwrap()
        });
        let address = listener.local_addr().unwrap();
        Some(Self {
            address,
            _listener: listener,
            _taken: TcpStream::connect(address).unwrap(),
        })
    }

    fn connect(self, bench: &Bench, change: impl FnOnce(Options) -> Options) -> Reached {
        let options = change(options(format!("http://{}", self.address)));
        let mut watched = bench.start(options);
        watched.meanwhile(|| wait_for("an attempt to connect", || self.count_connecting() == 1));
        Reached {
            watched,
            peer: Peer::UnresponsivePort(self),
        }
    }

    /// Counts the sockets that are connecting to the port, in the system's table
    /// (proc_pid_net(5)).
    fn count_connecting(&self) -> usize {
        const SYN_SENT: &str = "02";
        let to = format!(":{:04X}", self.address.port());
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let is_connecting = |line: &&str| {
            let mut fields = line.split_ascii_whitespace().skip(2);
            let remote = fields.next().is_some_and(|remote| remote.ends_with(&to));
            remote && fields.next() == Some(SYN_SENT)
        };
        table.lines().filter(is_connecting).count()
    }
}

/// A value that a stream holds as long as any part of it exists: its task, its thread, or its
/// relaunch.
#[derive(Clone, Debug, Default)]
pub struct Witness(Arc<()>);

impl Witness {
    /// Whether no stream holds it any more.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}
