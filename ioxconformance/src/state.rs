//! The states that a stream can be in, and how it is brought there and kept there.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use ioxdriver::Options;
use ioxproto::{Notification, Status};
use ioxsim::{Endpoint, OnConnect, OnPost, OnUpgrade, Times};
use tokio::net::TcpSocket;

use crate::{Bench, Sim, Watched, options, quick, wait_for};

/// What a stream is in the midst of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each says what it is")]
#[non_exhaustive]
pub enum State {
    LooksUpAName,
    ConnectsToWhereNobodyAnswers,
    /// The connection is there, and nothing is said on it; with TLS, not even a handshake.
    HearsNothing,
    WaitsForTheUpgrade,
    WaitsForTheLogin,
    WaitsForAToken,
    TakesTheReplay,
    IsConnected,
    /// Connected, and the controller neither reads nor writes any more.
    IsConnectedToAFrozenController,
    /// Connected with a portal account, and the logout will not be answered.
    CannotLogOut,
    /// Behind a full queue of which nobody takes anything.
    IsHeldUp,
    /// Connected, with 20,000 events on their way.
    IsFlooded,
    /// Connected to a controller that sends so much that reading it all would take far longer than
    /// a stop may.
    IsSentEndlessly,
    WaitsForTheNextAttempt,
    IsAtRest,
}

/// A stream in a state, and the world that keeps it there.
pub struct Reached {
    /// The stream.
    pub watched: Watched,
    /// What keeps it there.
    pub world: World,
}

/// Where a stream leads to.
#[expect(private_interfaces, reason = "to be held, and asked one thing")]
pub enum World {
    /// A controller.
    Controller(Sim),
    /// Nothing.
    Silence(Silence),
}

/// Of a stream that is sent messages endlessly.
const SHORT_STOP: Duration = Duration::from_millis(300);

#[expect(
    missing_docs,
    clippy::missing_panics_doc,
    reason = "made for tests, which end by a panic"
)]
impl State {
    pub const ALL: [Self; 15] = [
        Self::LooksUpAName,
        Self::ConnectsToWhereNobodyAnswers,
        Self::HearsNothing,
        Self::WaitsForTheUpgrade,
        Self::WaitsForTheLogin,
        Self::WaitsForAToken,
        Self::TakesTheReplay,
        Self::IsConnected,
        Self::IsConnectedToAFrozenController,
        Self::CannotLogOut,
        Self::IsHeldUp,
        Self::IsFlooded,
        Self::IsSentEndlessly,
        Self::WaitsForTheNextAttempt,
        Self::IsAtRest,
    ];

    /// The limit of a close handshake, a logout, or a login that may still open a session: where
    /// one of them is not answered.
    #[must_use]
    pub fn stop_waits(self) -> Duration {
        match self {
            Self::IsConnectedToAFrozenController
            | Self::CannotLogOut
            | Self::WaitsForTheLogin
            // The answer to the close frame comes after all that is on its way.
            | Self::IsFlooded => quick().stop,
            Self::IsSentEndlessly => SHORT_STOP,
            _ => Duration::ZERO,
        }
    }

    /// Brings a stream there, with its options changed beforehand. `None` where this system cannot
    /// show it.
    #[must_use]
    pub fn reach(self, bench: &Bench, change: impl FnOnce(Options) -> Options) -> Option<Reached> {
        if self == Self::ConnectsToWhereNobodyAnswers {
            return Silence::new().map(|silence| silence.connect(bench, change));
        }
        let server = bench.server();
        let mut timing = quick();
        match self {
            Self::HearsNothing => server.on_connect(OnConnect::Mute, Times::Always),
            Self::WaitsForTheUpgrade => server.on_upgrade(OnUpgrade::Mute, Times::Always),
            Self::WaitsForTheLogin => server.on_post(Endpoint::Login, OnPost::Mute, Times::Always),
            Self::CannotLogOut => server.on_post(Endpoint::Logout, OnPost::Mute, Times::Always),
            Self::TakesTheReplay => server.hold_replay(5),
            Self::IsSentEndlessly => timing.stop = SHORT_STOP,
            Self::WaitsForTheNextAttempt => {
                server.on_upgrade(OnUpgrade::refuse(503), Times::Always);
                timing.backoff = vec![Duration::from_secs(3600)];
            }
            _ => {}
        }
        let (asked, is_asked) = mpsc::channel();
        let options = match self {
            Self::WaitsForTheLogin | Self::CannotLogOut => bench.portal(&server),
            Self::WaitsForAToken => bench.options(&server).own_tokens(),
            Self::IsHeldUp => bench.options(&server).queue(1),
            Self::LooksUpAName => bench.options(&server).resolver(move |_, _| {
                let _ = asked.send(());
                std::future::pending()
            }),
            _ => bench.options(&server),
        };
        let mut watched = bench.start(change(options.timing(timing)));
        match self {
            Self::LooksUpAName => {
                let asked = watched.meanwhile(move || is_asked.recv_timeout(crate::LIMIT));
                assert!(asked.is_ok(), "the resolver was never asked");
            }
            Self::HearsNothing => {
                watched.meanwhile(|| server.seen("the connection", |seen| seen.connections == 1));
            }
            Self::WaitsForTheUpgrade | Self::WaitsForTheLogin => {
                watched.meanwhile(|| server.seen("the request", |seen| seen.requests == 1));
            }
            Self::WaitsForAToken => {
                watched.until("the question", |told| {
                    matches!(told, Notification::TokenWanted { .. })
                });
            }
            Self::TakesTheReplay => {
                watched.status(Status::StreamSyncing);
            }
            Self::IsHeldUp => bench.held_up(&watched),
            Self::WaitsForTheNextAttempt => {
                watched.lost();
            }
            _ => watched.connected(),
        }
        match self {
            Self::IsConnectedToAFrozenController => server.freeze(),
            Self::IsFlooded => {
                server.flood(20_000);
                watched.until(
                    "some of it",
                    |told| matches!(told, Notification::Event(event) if event.is_live()),
                );
            }
            Self::IsSentEndlessly => {
                // Empty text frames.
                server.send_raw([0x81, 0].repeat(8_000_000));
                watched.until("one of them", |told| {
                    matches!(told, Notification::Ignored(_))
                });
            }
            Self::IsAtRest => {
                watched.stop();
                watched.end();
            }
            _ => {}
        }
        Some(Reached {
            watched,
            world: World::Controller(server),
        })
    }
}

impl Reached {
    /// Stops the stream, from another thread while this one consumes, and says how long it took.
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

impl World {
    /// Waits until no socket of the stream's is left.
    pub fn parted(&self) {
        match self {
            Self::Controller(server) => {
                server.thaw();
                server.seen("the socket gone", |seen| seen.open == 0);
            }
            Self::Silence(silence) => wait_for("the socket gone", || silence.knocks() == 0),
        }
    }
}

/// A port that neither takes nor refuses a connection: as many as it takes are there, and nobody
/// accepts them.
pub(crate) struct Silence {
    address: SocketAddr,
    _listener: TcpListener,
    _taken: TcpStream,
}

#[expect(
    clippy::unwrap_used,
    reason = "a scenario that cannot go on has failed"
)]
impl Silence {
    /// `None` where the system does not leave those unanswered for which there is no room, or does
    /// not tell of them.
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
        watched.meanwhile(|| wait_for("an attempt to connect", || self.knocks() == 1));
        Reached {
            watched,
            world: World::Silence(self),
        }
    }

    /// How many are about to connect, by the system's own table (proc_pid_net(5)).
    fn knocks(&self) -> usize {
        const SYN_SENT: &str = "02";
        let to = format!(":{:04X}", self.address.port());
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let knocks = |line: &&str| {
            let mut fields = line.split_ascii_whitespace().skip(2);
            let remote = fields.next().is_some_and(|remote| remote.ends_with(&to));
            remote && fields.next() == Some(SYN_SENT)
        };
        table.lines().filter(knocks).count()
    }
}

/// Kept by a stream for as long as anything of it is there: its task, its thread, or what starts it
/// anew.
#[derive(Clone, Debug, Default)]
pub struct Witness(Arc<()>);

impl Witness {
    /// Whether no stream is left that keeps it.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}
