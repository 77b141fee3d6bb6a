//! Implements the driver's [`Seam`] with async-tungstenite and a [`Runtime`].

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use async_tungstenite::WebSocketStream;
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::{FutureExt as _, Sink, Stream};
use ioxdriver::Socket;
use ioxdriver::driver::{Filtered, PollIo, Seam, Timer, WebSocket};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message};

use crate::Runtime;

/// A byte stream that reads and writes without blocking.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// A connected socket of any runtime. The dynamic dispatch is cheap compared to the system call of
/// each read.
pub type Io = Box<dyn Duplex>;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The [`Seam`] on a runtime.
pub(crate) struct AsyncSeam<R>(pub(crate) R);

impl<R: Runtime> Seam for AsyncSeam<R> {
    type Io = PollSocket;
    type Connecting = Boxed<io::Result<PollSocket>>;
    type Timer = Alarm<R>;
    type WebSocket = WebSocketStream<Compat>;

    const TURN: u32 = 256;
    const READS_ON: bool = true;

    fn connect(&self, to: SocketAddr) -> Self::Connecting {
        let runtime = self.0.clone();
        Box::pin(async move { runtime.connect(to).await.map(PollSocket) })
    }

    fn adopt(&self, socket: Socket) -> io::Result<PollSocket> {
        self.0.adopt(socket).map(PollSocket)
    }

    fn timer(&self) -> Alarm<R> {
        Alarm {
            runtime: self.0.clone(),
            set: None,
        }
    }
}

/// Adapts a socket to the driver's [`PollIo`].
pub(crate) struct PollSocket(Io);

impl PollIo for PollSocket {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }

    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }
}

/// A timer of the runtime. When its deadline moves to a later instant, which is the common case, it
/// keeps the sleep in progress and then sleeps again for the rest.
pub(crate) struct Alarm<R> {
    runtime: R,
    set: Option<(Instant, Boxed<()>)>,
}

impl<R: Runtime> Timer for Alarm<R> {
    fn poll(&mut self, due: Instant, context: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.set {
                Some((at, sleep)) if *at <= due => {
                    if sleep.as_mut().poll(context).is_pending() {
                        return Poll::Pending;
                    }
                    self.set = None;
                    if Instant::now() >= due {
                        return Poll::Ready(());
                    }
                }
                _ => self.set = Some((due, Box::pin(self.runtime.sleep_until(due)))),
            }
        }
    }
}

/// Adapts a connection to the traits that async-tungstenite uses.
pub(crate) struct Compat(Filtered<PollSocket>);

impl AsyncRead for Compat {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_read(context, buffer)
    }
}

impl AsyncWrite for Compat {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

impl WebSocket<PollSocket> for WebSocketStream<Compat> {
    fn open(io: Filtered<PollSocket>, early: Vec<u8>, config: WebSocketConfig) -> Option<Self> {
        // The handshake is complete, so this future is ready at once.
        Self::from_partially_read(Compat(io), early, Role::Client, Some(config)).now_or_never()
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        let next = Stream::poll_next(Pin::new(self), context);
        next.map(|next| next.unwrap_or(Err(Error::ConnectionClosed)))
    }

    fn start_send(&mut self, message: Message) -> Result<(), Error> {
        Sink::start_send(Pin::new(self), message)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<()> {
        Sink::poll_flush(Pin::new(self), context).map(|_| ())
    }

    fn io(&self) -> &Filtered<PollSocket> {
        &self.get_ref().0
    }

    fn io_mut(&mut self) -> &mut Filtered<PollSocket> {
        &mut self.get_mut().0
    }
}

#[cfg(test)]
mod tests {
    use std::array::IntoIter;
    use std::iter::Cycle;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::task::Waker;

    use ioxdriver::BuildError;
    use ioxdriver::driver::{Connection, Open, Received, WRITE_BUFFER};
    use ioxproto::{Action, Config, ConnectionId, Now, StreamMachine};

    use super::*;

    /// A peer that sends pings without a pause and only reads while `reads` is set.
    struct Pinging {
        ping: Cycle<IntoIter<u8, 3>>,
        reads: Arc<AtomicBool>,
        read: Arc<AtomicUsize>,
    }

    impl AsyncRead for Pinging {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            for byte in buffer.iter_mut() {
                *byte = self.ping.next().unwrap();
            }
            Poll::Ready(Ok(buffer.len()))
        }
    }

    impl AsyncWrite for Pinging {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if !self.reads.load(Ordering::Relaxed) {
                return Poll::Pending;
            }
            self.read.fetch_add(bytes.len(), Ordering::Relaxed);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// A runtime without sockets, because these tests supply their own.
    #[derive(Clone)]
    struct NoRuntime;

    impl Runtime for NoRuntime {
        fn current() -> Result<Self, BuildError> {
            Ok(Self)
        }

        async fn connect(&self, _: SocketAddr) -> io::Result<Io> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn adopt(&self, _: Socket) -> io::Result<Io> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn sleep_until(&self, _: Instant) -> impl Future<Output = ()> + Send + 'static {
            std::future::pending()
        }

        fn spawn(&self, _: impl Future<Output = ()> + Send + 'static) {}
    }

    /// A connection id; only the core can create one.
    fn id() -> ConnectionId {
        let config = Config::new("http://127.0.0.1").local_account("admin", "x");
        let mut core = StreamMachine::new(config).unwrap();
        core.start(Now {
            monotonic: Instant::now(),
            utc: std::time::SystemTime::now(),
        });
        loop {
            if let Action::Connect { id, .. } = core.poll_action().unwrap() {
                return id;
            }
        }
    }

    #[test]
    fn a_peer_that_pings_and_never_reads_does_not_fill_the_memory() {
        let (reads, read) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let connection = Connection::Plain(PollSocket(Box::new(Pinging {
            ping: [0x89, 1, b'p'].into_iter().cycle(),
            reads: Arc::clone(&reads),
            read: Arc::clone(&read),
        })));
        let mut open: Open<AsyncSeam<NoRuntime>> =
            Open::new(id(), connection, Vec::new(), 1024).unwrap();
        let mut context = Context::from_waker(Waker::noop());
        let mut pings = |open: &mut Open<AsyncSeam<NoRuntime>>, many: usize| {
            for _ in 0..many {
                let received = open.poll(&mut context);
                let pinged = matches!(
                    received,
                    Poll::Ready(Ok(Received::Message(Message::Ping(_))))
                );
                assert!(pinged);
            }
        };
        pings(&mut open, 50_000);
        // Sending while the write buffer is full is harmless.
        open.send(Message::Ping(Default::default()));
        open.send(Message::Close(None));
        pings(&mut open, 10);
        reads.store(true, Ordering::Relaxed);
        pings(&mut open, 1);
        let kept = read.load(Ordering::Relaxed);
        assert!(
            (WRITE_BUFFER / 2..=WRITE_BUFFER + 256).contains(&kept),
            "{kept}"
        );
    }

    /// A socket that delivers these bytes; the pattern limits the length of each read.
    struct Delivering {
        bytes: Vec<u8>,
        at: usize,
        pattern: Cycle<IntoIter<usize, 5>>,
    }

    impl AsyncRead for Delivering {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            let max = self.pattern.next().unwrap();
            let unread = &self.bytes[self.at..];
            let length = unread.len().min(buffer.len()).min(max);
            buffer[..length].copy_from_slice(&unread[..length]);
            self.at += length;
            Poll::Ready(Ok(length))
        }
    }

    impl AsyncWrite for Delivering {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// A server's frame whose payload has this length. Each byte of the payload is the length,
    /// truncated to a byte.
    fn frame(first: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match u8::try_from(length) {
            Ok(short @ 0..126) => frame.push(short),
            _ => {
                frame.push(126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
        }
        frame.extend(vec![length as u8; length]);
        frame
    }

    #[test]
    fn messages_are_the_same_whether_the_library_reads_them_or_not() {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for round in 0..400 {
            for length in [300, 0, 125, 126, 1000 + round] {
                bytes.extend(frame(0x81, length));
                expected.push(format!("text {length}"));
            }
            match round % 8 {
                0 => {
                    bytes.extend(frame(0x89, 3));
                    expected.push("ping 3".to_owned());
                }
                1 => {
                    bytes.extend(frame(0x82, 400));
                    expected.push("binary 400".to_owned());
                }
                2 => {
                    // A ping in the middle of a message in three fragments.
                    bytes.extend(frame(0x01, 200));
                    bytes.extend(frame(0x00, 0));
                    bytes.extend(frame(0x89, 1));
                    bytes.extend(frame(0x80, 500));
                    expected.extend(["ping 1", "text 700"].map(str::to_owned));
                }
                3 => {
                    bytes.extend(frame(0x81, 60_000));
                    expected.push("text 60000".to_owned());
                }
                _ => {}
            }
        }
        // Bytes after a close frame are not read as a message.
        bytes.extend([0x88, 2, 0x03, 0xe8]);
        expected.push("close 1000".to_owned());
        bytes.extend(frame(0x81, 5));
        let all = usize::MAX;
        for pattern in [
            [all; 5],
            [1, 2, 3, 5, 7],
            [4096, all, 10, all, 300],
            [all, 4097, 65_536, 1, all],
            [4096, 4096, 5000, 4096, all],
        ] {
            let connection = Connection::Plain(PollSocket(Box::new(Delivering {
                bytes: bytes.clone(),
                at: 0,
                pattern: pattern.into_iter().cycle(),
            })));
            let mut open: Open<AsyncSeam<NoRuntime>> =
                Open::new(id(), connection, Vec::new(), 100_000).unwrap();
            let mut context = Context::from_waker(Waker::noop());
            let mut received = Vec::new();
            while let Poll::Ready(Ok(message)) = open.poll(&mut context) {
                let data = |is_text: bool, bytes: &[u8]| {
                    let length = bytes.len();
                    assert!(length == 700 || bytes.iter().all(|byte| *byte == length as u8));
                    format!("{} {length}", if is_text { "text" } else { "binary" })
                };
                received.push(match message {
                    Received::Text(range) => data(true, open.text(range)),
                    Received::Message(Message::Binary(bytes)) => {
                        let is_text = open.take_was_text(bytes.len());
                        data(is_text, &bytes)
                    }
                    Received::Message(Message::Ping(bytes)) => format!("ping {}", bytes.len()),
                    Received::Message(Message::Close(frame)) => {
                        received.push(format!("close {}", frame.unwrap().code));
                        break;
                    }
                    other => panic!("{other:?}"),
                });
            }
            assert_eq!(received, expected, "{pattern:?}");
        }
    }
}
