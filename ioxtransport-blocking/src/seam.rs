//! Implements the driver's [`Seam`] with mio: non-blocking sockets, and tungstenite on top of them.
//!
//! A ready socket ends the wait of the [`Poller`](super::poller::Poller), so no waker is registered
//! here. Every socket is polled after each wait.

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use ioxdriver::Socket;
use ioxdriver::driver::{Filtered, PollIo, Seam, Timer, WebSocket};
use mio::event::Source;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message};

/// The token of all sockets.
pub(crate) const SOCKET: Token = Token(0);

/// Creates sockets and timers for one poller.
pub(crate) struct Mio {
    registry: Registry,
    alarm: Alarm,
}

impl Mio {
    pub(crate) fn new(registry: Registry) -> Self {
        let alarm = Alarm::default();
        Self { registry, alarm }
    }

    /// The deadline that all timers of this seam share.
    pub(crate) fn alarm(&self) -> &Alarm {
        &self.alarm
    }

    /// Registers a socket until it is dropped, so that its readiness ends a wait. Registration is
    /// edge-triggered: the socket must be read until it is empty before the next wait.
    fn register(&self, socket: &mut impl Source) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        self.registry.register(socket, SOCKET, both)
    }
}

impl Seam for Mio {
    type Io = Connected;
    type Connecting = Connecting;
    type Timer = Alarm;
    type WebSocket = tungstenite::WebSocket<BlockingIo>;

    const TURN: u32 = 32;
    const READS_ON: bool = false;

    fn connect(&self, to: SocketAddr) -> Connecting {
        Connecting(TcpStream::connect(to).and_then(|mut socket| {
            self.register(&mut socket)?;
            Ok(Some(socket))
        }))
    }

    fn adopt(&self, socket: Socket) -> io::Result<Connected> {
        match socket {
            Socket::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                let mut socket = TcpStream::from_std(socket);
                self.register(&mut socket)?;
                Ok(Connected::Tcp(socket))
            }
            #[cfg(unix)]
            Socket::Unix(socket) => {
                socket.set_nonblocking(true)?;
                let mut socket = mio::net::UnixStream::from_std(socket);
                self.register(&mut socket)?;
                Ok(Connected::Unix(socket))
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn timer(&self) -> Alarm {
        self.alarm.clone()
    }
}

/// A TCP connection that is being opened; `None` once it is complete.
pub(crate) struct Connecting(io::Result<Option<TcpStream>>);

impl Future for Connecting {
    type Output = io::Result<Connected>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Ok(Some(socket)) if is_connecting(socket)? => Poll::Pending,
            Ok(socket) => match socket.take() {
                Some(socket) => Poll::Ready(Ok(Connected::Tcp(socket))),
                None => Poll::Pending,
            },
            Err(error) => {
                let placeholder = io::ErrorKind::NotConnected.into();
                Poll::Ready(Err(std::mem::replace(error, placeholder)))
            }
        }
    }
}

fn is_connecting(socket: &TcpStream) -> io::Result<bool> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => socket.set_nodelay(true).map(|()| false),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(true),
        Err(error) => Err(error),
    }
}

/// A connected socket.
pub(crate) enum Connected {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(mio::net::UnixStream),
}

impl PollIo for Connected {
    fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        polled(|| match self {
            Self::Tcp(socket) => socket.read(buffer),
            #[cfg(unix)]
            Self::Unix(socket) => socket.read(buffer),
        })
    }

    fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        polled(|| match self {
            Self::Tcp(socket) => socket.write(bytes),
            #[cfg(unix)]
            Self::Unix(socket) => socket.write(bytes),
        })
    }
}

fn polled<T>(mut call: impl FnMut() -> io::Result<T>) -> Poll<io::Result<T>> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            done => return Poll::Ready(done),
        }
    }
}

/// The deadline of the next wait, shared by all timers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alarm(Arc<Mutex<Option<Instant>>>);

impl Alarm {
    /// Takes the earliest deadline of the timers polled since the last call.
    pub(crate) fn take(&self) -> Option<Instant> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Timer for Alarm {
    fn poll(&mut self, at: Instant, _: &mut Context<'_>) -> Poll<()> {
        if at <= Instant::now() {
            return Poll::Ready(());
        }
        let mut alarm = self.lock();
        *alarm = Some(alarm.map_or(at, |earlier| earlier.min(at)));
        Poll::Pending
    }
}

/// Adapts a connection to the blocking traits that tungstenite uses.
pub(crate) struct BlockingIo(Filtered<Connected>);

fn blocked<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(done) => done,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl Read for BlockingIo {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        blocked(
            self.0
                .poll_read(&mut Context::from_waker(Waker::noop()), buffer),
        )
    }
}

impl Write for BlockingIo {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        blocked(
            self.0
                .poll_write(&mut Context::from_waker(Waker::noop()), bytes),
        )
    }

    fn flush(&mut self) -> io::Result<()> {
        blocked(self.0.poll_flush(&mut Context::from_waker(Waker::noop())))
    }
}

impl WebSocket<Connected> for tungstenite::WebSocket<BlockingIo> {
    fn open(io: Filtered<Connected>, early: Vec<u8>, config: WebSocketConfig) -> Option<Self> {
        Some(Self::from_partially_read(
            BlockingIo(io),
            early,
            Role::Client,
            Some(config),
        ))
    }

    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        match self.read() {
            Err(error) if would_block(&error) => Poll::Pending,
            read => Poll::Ready(read),
        }
    }

    fn start_send(&mut self, message: Message) -> Result<(), Error> {
        self.write(message)
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<()> {
        match self.flush() {
            Err(error) if would_block(&error) => Poll::Pending,
            _ => Poll::Ready(()),
        }
    }

    fn io(&self) -> &Filtered<Connected> {
        &self.get_ref().0
    }

    fn io_mut(&mut self) -> &mut Filtered<Connected> {
        &mut self.get_mut().0
    }
}

fn would_block(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
}
